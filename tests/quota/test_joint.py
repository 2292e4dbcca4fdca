"""Limits in commits of several stores at once: each account's are its own."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mailstore import INBOX, Append, Arrival, QuotaExceeded, QuotaRules, Store, open_store
from mailstore.model.changes import Usage
from mailstore.quota import Group
from mailstore.together import Together

STORES = {"maildir": "maildir:{root}/{name}", "sqlite": "sqlite:{root}/all?account={name}"}
BODY = b"Subject: x\n\nbody\n"
FULL = QuotaRules(storage=2 * len(BODY) - 1)
Opener = Callable[[str, QuotaRules | None], Store]


@pytest.fixture(params=STORES)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    stores: list[Store] = []

    def opener(name: str, rules: QuotaRules | None) -> Store:
        location = STORES[request.param].format(root=tmp_path, name=name)
        stores.append(open_store(location, create=True, quota=rules))
        return stores[-1]

    yield opener
    for store in stores:
        store.close()


def deliver(*stores: Store) -> list[type]:
    """Deliver one message into each, together; returns what came of each."""
    with Together(stores) as together:
        staged = [together.stage(store, [Arrival(BODY)]) for store in stores]
        results = together.commit([(store, [Append(INBOX, one[0])]) for store, one in zip(stores, staged, strict=True)])
    return [type(result) for result in results]


def test_a_full_account_refuses_its_own_and_nobody_elses(opened: Opener) -> None:
    free, full, other = opened("free", None), opened("full", FULL), opened("other", QuotaRules(messages=10))
    assert deliver(free, full, other) == [list, list, list]
    assert deliver(free, full, other) == [list, QuotaExceeded, list]
    assert [store.usage().messages for store in (free, full, other)] == [2, 1, 2]
    assert [store.quota.usage().size for store in (full, other)] == [len(BODY), 2 * len(BODY)]


def test_a_group_limits_what_its_members_get_together(opened: Opener, tmp_path: Path) -> None:
    (tmp_path / "group.toml").write_text(f"storage = {3 * len(BODY) - 1}")
    rules = QuotaRules(groups=(str(tmp_path / "group.toml"),))
    group = Group(str(tmp_path / "group.toml"))
    group.reset(Usage(0, 0))
    one, two = opened("one", rules), opened("two", rules)
    assert deliver(one, two) == [list, list]
    assert deliver(one, two) == [QuotaExceeded, QuotaExceeded]
    assert group.usage() == Usage(2, 2 * len(BODY))


def test_a_transaction_that_is_undone_leaves_nothing_in_a_group(tmp_path: Path) -> None:
    (tmp_path / "group.toml").write_text("storage = 1000")
    rules = QuotaRules(groups=(str(tmp_path / "group.toml"),))
    group = Group(str(tmp_path / "group.toml"))
    group.reset(Usage(0, 0))
    location = STORES["sqlite"]
    with (
        open_store(location.format(root=tmp_path, name="one"), create=True, quota=rules) as one,
        open_store(location.format(root=tmp_path, name="two"), create=True, quota=rules) as two,
    ):
        database = sqlite3.connect(tmp_path / "all")
        database.execute(
            "CREATE TRIGGER no BEFORE INSERT ON message WHEN NEW.account = 2 BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
        database.commit()
        assert list not in deliver(one, two)
        assert group.usage() == Usage(0, 0)
        database.execute("DROP TRIGGER no")
        database.commit()
        assert deliver(one, two) == [list, list]
        assert group.usage() == Usage(2, 2 * len(BODY))
        database.close()
