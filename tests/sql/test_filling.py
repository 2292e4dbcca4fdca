"""The first filling of a new database goes without a WAL; everything after it has one."""

import os
from pathlib import Path

import apsw
import pytest

from mailstore import INBOX, Append, Arrival, MailstoreError, NoSuchStore, NotAStore, StorageFailure, Store, open_store
from mailstore.model.info import BODY
from mailstore.testing.faults import Plan, in_child

ROUNDS = 3
EACH = 200
"""Messages of a commit that counts as bulk."""


def journal(path: Path) -> str:
    connection = apsw.Connection(str(path))
    mode = connection.pragma("journal_mode")
    connection.close()
    return str(mode)


def fill(store: Store, number: int) -> None:
    staged = store.stage([Arrival(b"%d %d" % (number, place)) for place in range(EACH)])
    store.commit([Append(INBOX, one) for one in staged])


def test_filling_ends_with_a_small_commit(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with open_store(f"sqlite:{path}", create=True) as store:
        store.create("A")
        fill(store, 0)
        assert journal(path) == "delete"
        store.inbox.append(b"a delivery")
        assert journal(path) == "wal"
        fill(store, 1)
        assert len(store.inbox) == 2 * EACH + 1


def test_filling_ends_with_closing(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with open_store(f"sqlite:{path}", create=True) as store:
        fill(store, 0)
    assert journal(path) == "wal"
    assert os.listdir(tmp_path) == ["x.db"]


def test_filling_ends_when_another_comes(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with open_store(f"sqlite:{path}", create=True) as store:
        fill(store, 0)
        with open_store(f"sqlite:{path}") as other:
            assert journal(path) == "wal"
            other.inbox.append(b"theirs")
            fill(store, 1)
            assert len(other.inbox) == len(store.inbox) == 2 * EACH + 1


def test_readers_while_filling(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with open_store(f"sqlite:{path}", create=True) as store:
        fill(store, 0)
        with open_store(f"sqlite:{path}", readonly=True) as reader:
            assert len(reader.inbox) == EACH
            fill(store, 1)
            assert len(reader.inbox) == 2 * EACH
            assert journal(path) == "delete"
        assert sorted(os.listdir(tmp_path)) == ["x.db"]


def _fill_new(path: Path) -> None:
    with open_store(f"sqlite:{path}", create=True) as store:
        for number in range(ROUNDS):
            fill(store, number)


def _points(directory: Path) -> int:
    plan = Plan()

    def work() -> int:
        with plan.at_work():
            _fill_new(directory / "count.db")
        return len(plan.seen)

    found = in_child(work)
    assert isinstance(found, int)
    return found


def _check(path: Path) -> None:
    """Whatever there is, it is a whole number of commits, is read the same read-only, and can be filled further."""
    whole = [b"%d %d" % (number, place) for number in range(ROUNDS) for place in range(EACH)]
    try:
        with open_store(f"sqlite:{path}", readonly=True) as store:
            seen = [message.row.body for message in store.inbox.messages(BODY)]
    except (NoSuchStore, NotAStore, StorageFailure):
        seen = None
    with open_store(f"sqlite:{path}", create=True) as store:
        found = [message.row.body for message in store.inbox.messages(BODY)]
        assert len(found) % EACH == 0
        assert found == whole[: len(found)]
        assert seen is None or seen == found
        store.inbox.append(b"one more")
        assert len(store.inbox) == len(found) + 1
    connection = apsw.Connection(str(path))
    assert connection.execute("PRAGMA integrity_check").get == "ok"
    assert list(connection.execute("PRAGMA foreign_key_check")) == []
    connection.close()


@pytest.mark.parametrize("how", ["kill", "fail", "full"])
def test_interrupted_anywhere(tmp_path: Path, how) -> None:
    points = _points(tmp_path)
    assert points > 30
    for at in sorted({*range(1, 30), *range(30, points + 1, 1 + points // 30), points}):
        path = tmp_path / f"{at}.db"

        def work(at: int = at, path: Path = path) -> str:
            with Plan(at, how).at_work():
                try:
                    _fill_new(path)
                except MailstoreError as error:
                    return f"{type(error).__name__}: {error}"
            return "done"

        answer = in_child(work)
        assert (answer is None) == (how == "kill"), answer
        _check(path)
