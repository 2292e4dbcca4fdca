"""What an account holds by its rules, over stores that keep no sums: ``store.quota``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mailstore import FolderPath, QuotaRules, Store, Usage, open_store
from mailstore.quota import FolderCount, FolderRule, Share
from mailstore.spi import Driver, QuotaKeeping

BODY = b"Subject: x\n\n" + b"b" * 88
"""100 bytes."""
STORES = ("memory:", "mbox:{root}/tree?layout=sbd", "maildir:{root}/m", "maildir:{root}/f?layout=fs", "sqlite:{root}/s")


class Sumless:
    """A driver that answers everything but what concerns quota."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def __getattr__(self, name: str) -> object:
        if name in vars(QuotaKeeping):
            raise AttributeError(name)
        return getattr(self._driver, name)


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with open_store(request.param.format(root=tmp_path), create=True, folders=True) as opened:
        yield Store(opened.location, Sumless(opened.driver))  # type: ignore[arg-type]


def fill(store: Store) -> None:
    store.inbox.append(BODY)
    store.inbox.append(BODY, flags=[r"\Deleted"])
    store.create("Trash").append(BODY * 2)
    store.create("Lists").append(BODY * 3)


def under(store: Store, rules: QuotaRules) -> Store:
    return Store(store.location, store.driver, rules)


def test_a_store_without_a_quota_has_no_rules_and_counts_all_the_same(store: Store) -> None:
    fill(store)
    assert store.quota.rules() is None
    assert store.quota.recorded() is None
    assert store.quota.usage() == store.quota.recalculate() == Usage(2, 400)


def test_each_folder_is_counted(store: Store) -> None:
    fill(store)
    assert store.quota.count() == [
        FolderCount(FolderPath(("INBOX",)), 2, 200, 1, 100),
        FolderCount(FolderPath(("Lists",)), 1, 300, 0, 0),
        FolderCount(FolderPath(("Trash",)), 1, 200, 0, 0),
    ]
    assert store.quota.mailboxes() == 2


def test_each_style_has_its_sum_and_says_how_it_comes_to_it(store: Store) -> None:
    fill(store)
    rules = QuotaRules(folders=(FolderRule(FolderPath(("Lists",)), ignore=True),))
    courier, exim, dovecot = store.quota.explain(rules)
    assert courier.style == "courier"
    assert courier.shares == (
        Share("INBOX", Usage(1, 100), Usage(1, 100), r"flagged \Deleted"),
        Share("Lists", Usage(0, 0), Usage(1, 300), "ignored by its rule"),
        Share("Trash", Usage(0, 0), Usage(1, 200), "Trash"),
    )
    assert courier.total == under(store, rules).quota.usage() == Usage(1, 100)
    assert exim.shares[2] == Share("Trash", Usage(1, 200), Usage(0, 0), "")
    assert exim.total == dovecot.total == Usage(3, 400)
    assert under(store, QuotaRules(style="exim")).quota.usage() == Usage(4, 700)


def test_what_the_opener_brings_is_what_holds(store: Store) -> None:
    rules = QuotaRules(storage=1000)
    assert under(store, rules).quota.rules() == rules
