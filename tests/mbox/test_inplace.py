"""A rewrite in place that does not get to its end: everybody of ours sees the old contents or the new, no mixture."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.users import NOBODY, as_user, shared_directory

from mailstore import Store, open_store
from mailstore.drivers.mbox import inplace
from mailstore.drivers.mbox.note import COPIES, places
from mailstore.errors import MailstoreError, MessageChanged, StorageFailure, StorageFull
from mailstore.model.info import BODY, body_chunks
from mailstore.system import fs
from mailstore.testing.faults import How, Plan, in_child

COUNT = 30
MAIL = 8
LINE = b"From joe@example.org Thu Nov  9 22:33:52 2023\n"
LATE = LINE + b"Subject: late\n\nlate\n\n"
KEYWORDS = [f"a-keyword-that-finds-no-room-{number}" for number in range(20)]


def letter(number: int) -> bytes:
    return b"Subject: %02d\n\n%s\n" % (number, b"%02d" % number * 40)


ALL = [letter(number) for number in range(COUNT)]


def texts(store: Store) -> list[bytes]:
    return [b"".join(body_chunks(row.body)) for row in store.inbox.rows(BODY) if row.body is not None]


def shrink(store: Store) -> None:
    store.inbox.expunge(list(range(4, 21)), only_deleted=False)


def grow(store: Store) -> None:
    store.inbox.add_flags([5], KEYWORDS)


WAYS: dict[str, tuple[Callable[[Store], None], list[bytes]]] = {
    "shrinking": (shrink, [*ALL[:3], *ALL[20:]]),
    "growing": (grow, ALL),
}


@pytest.fixture
def box(tmp_path: Path) -> Path:
    path = tmp_path / "box"
    path.write_bytes(b"".join(LINE + letter(number) + b"\n" for number in range(COUNT)))
    return path


def changed(box: Path, change: Callable[[Store], None], plan: Plan) -> str | None:
    """Make the change in a child under ``plan``; returns its error, or None where it was killed."""

    def work() -> str:
        store = open_store(f"mbox:{box}?locks=fcntl", index="memory")
        texts(store)
        with plan.at_work():
            try:
                change(store)
            except MailstoreError as error:
                return f"{type(error).__name__} {new_or_old(texts(store), store)}"
        return "done" if len(plan.seen) >= plan.at else "not reached"

    answer: str | None = in_child(work)
    return answer


def new_or_old(found: list[bytes], store: Store) -> str:
    keywords = [message.keywords for message in store.inbox]
    if found == ALL and not any(keywords):
        return "old"
    assert found in [new for _, new in WAYS.values()]
    assert found != ALL or set(keywords[4]) == set(KEYWORDS)
    return "new"


def seen_by(box: Path, *, readonly: bool) -> str:
    with open_store(f"mbox:{box}?locks=fcntl", readonly=readonly, index="memory") as store:
        found = new_or_old(texts(store), store)
        blob = store.inbox.open(1)
        assert blob.read_at(0, blob.size) == ALL[0]
        return found


def points(box: Path, way: str, how: How) -> Iterator[tuple[int, str | None]]:
    """Interfere at each call of a change in turn, of the same file always; yield what came of it."""
    begin = box.read_bytes()
    for at in itertools.count(1):
        for left in box.parent.iterdir():
            left.unlink()
        box.write_bytes(begin)
        answer = changed(box, WAYS[way][0], Plan(at, how))
        if answer == "not reached":
            assert at > 10
            return
        yield at, answer


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("how", ["kill", "tear"])
def test_readers_see_no_mixture_after_a_kill(box: Path, way: str, how: How) -> None:
    mixtures = 0
    for _, answer in points(box, way, how):
        before = box.read_bytes()
        found = seen_by(box, readonly=True)
        assert box.read_bytes() == before, "a reader wrote"
        assert seen_by(box, readonly=False) == found
        assert not any(os.path.exists(path) for path in places(str(box), COPIES))
        if answer is None and found == "new":
            mixtures += box.read_bytes() != before
        with open_store(f"mbox:{box}", readonly=True, index="memory") as store:
            assert new_or_old(texts(store), store) == found
    assert mixtures >= 1


@pytest.mark.parametrize("way", WAYS)
def test_a_call_that_fails_once_leaves_old_or_new(box: Path, way: str) -> None:
    answers = []
    for _, answer in points(box, way, "fail"):
        found = seen_by(box, readonly=True)
        assert answer in ("done", f"StorageFailure {found}")
        assert found == "new" or answer != "done"
        answers.append(answer)
    assert "StorageFailure old" in answers
    assert "done" in answers


@pytest.mark.parametrize("way", WAYS)
def test_a_full_disk_leaves_the_old_contents(box: Path, way: str) -> None:
    """It is full from one call on. Writing over what is there needs no room, and is refused here all the same."""
    for _, answer in points(box, way, "full"):
        found = seen_by(box, readonly=True)
        assert answer in ("done", f"StorageFull {found}")


def test_want_of_room_to_grow_is_taken_back(box: Path) -> None:
    """The file cannot become longer; all that is in it can be overwritten."""
    size, inode = box.stat().st_size, box.stat().st_ino

    def no_room(fd: int, data: bytes, offset: int) -> int:
        if os.fstat(fd).st_ino == inode and offset + len(data) > size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return os.pwrite(fd, data, offset)

    before = box.read_bytes()
    with open_store(f"mbox:{box}?locks=fcntl", index="memory") as store:
        assert texts(store) == ALL
        with fs.replaced(fs.Calls(pwrite=no_room)), pytest.raises(StorageFull):
            grow(store)
        assert box.read_bytes() == before
        assert new_or_old(texts(store), store) == "old"
        assert not any(os.path.exists(path) for path in places(str(box), COPIES))
        grow(store)
        assert new_or_old(texts(store), store) == "new"


@pytest.mark.parametrize("way", WAYS)
def test_a_disk_that_goes_on_failing(box: Path, way: str) -> None:
    """Nothing can be written over the mailbox any more: it is read, and writers say so."""
    inode = box.stat().st_ino
    written = 0

    def broken(fd: int, data: bytes, offset: int) -> int:
        nonlocal written
        if os.fstat(fd).st_ino != inode:
            return os.pwrite(fd, data, offset)
        if written:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        written += 1000 if offset < 1000 else 0
        return os.pwrite(fd, data[:1000], offset)

    with open_store(f"mbox:{box}?locks=fcntl", index="memory") as store:
        assert texts(store) == ALL
        with fs.replaced(fs.Calls(pwrite=broken)):
            with pytest.raises(StorageFailure):
                WAYS[way][0](store)
            assert new_or_old(texts(store), store) == "new"
            with pytest.raises(StorageFailure):
                store.inbox.append(b"Subject: more\n\nmore\n")
            assert seen_by(box, readonly=False) == "new"
        store.inbox.append(b"Subject: more\n\nmore\n")
        assert texts(store) == [*WAYS[way][1], b"Subject: more\n\nmore\n"]
    with open_store(f"mbox:{box}?locks=fcntl", readonly=True, index="memory") as store:
        assert texts(store) == [*WAYS[way][1], b"Subject: more\n\nmore\n"]


@pytest.mark.parametrize("way", WAYS)
def test_a_rewrite_is_what_it_is_called(box: Path, way: str) -> None:
    size, inode = box.stat().st_size, box.stat().st_ino
    assert changed(box, WAYS[way][0], Plan()) == "done"
    assert (box.stat().st_size > size) == (way == "growing")
    assert box.stat().st_ino == inode


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("before_the_end", [5, 4], ids=["before overwriting", "before the length is set"])
def test_mail_that_came_after_the_kill_outlives_a_second_one(box: Path, way: str, before_the_end: int) -> None:
    """Another program delivers behind the mixture; whoever finishes the rewrite is killed at each of its calls."""
    begin = box.read_bytes()
    killed = [number for number, answer in points(box, way, "kill") if answer is None]
    first = killed[-before_the_end]
    expected = [*WAYS[way][1], b"Subject: late\n\nlate\n"]
    for second in itertools.count(1):
        for left in box.parent.iterdir():
            left.unlink()
        box.write_bytes(begin)
        assert changed(box, WAYS[way][0], Plan(first, "kill")) is None
        with box.open("ab") as file:
            file.write(LATE)
        with open_store(f"mbox:{box}?locks=fcntl", readonly=True, index="memory") as store:
            assert texts(store) == expected

        def again(at: int = second) -> bool:
            with Plan(at, "kill").at_work():
                open_store(f"mbox:{box}?locks=fcntl", index="memory").close()
            return True

        finished = in_child(again)
        for readonly in (True, False):
            with open_store(f"mbox:{box}?locks=fcntl", readonly=readonly, index="memory") as store:
                assert texts(store) == expected
        if finished:
            assert second > 2
            return


def test_a_listing_notices_that_others_moved_the_messages(box: Path) -> None:
    """All records have one size and one date: only what they say tells that another message is there now."""
    with open_store(f"mbox:{box}", index="memory") as store, open_store(f"mbox:{box}", index="memory") as other:
        grow(store)
        assert texts(other) == ALL
        folder = other.driver.folder(store.inbox.path)
        rows = (row for batch in folder.changes(None, BODY).batches for row in batch)
        store.inbox.expunge([4], only_deleted=False)
        store.inbox.append(letter(COUNT - 1))
        seen = list(rows)
        assert [row.uid for row in seen] == list(range(1, COUNT + 1))
        for row in seen:
            assert row.body == letter(row.uid - 1) or isinstance(row.error, MessageChanged)
        assert any(row.error is not None for row in seen)
        assert texts(other) == [*ALL[:3], *ALL[4:], letter(COUNT - 1)]


@pytest.mark.root
def test_a_copy_that_root_left_is_finished_by_the_owner() -> None:
    """In ``/var/mail`` root puts it beside the mailbox; the owner can finish the copy, and cannot remove it."""
    with shared_directory(0o2775, 0, MAIL) as directory:
        box = directory / "joe"
        box.write_bytes(b"".join(LINE + letter(number) + b"\n" for number in range(COUNT)))
        os.chown(box, NOBODY, MAIL)
        begin = box.read_bytes()
        for at in itertools.count(1):
            box.write_bytes(begin)
            answer = changed(box, shrink, Plan(at, "kill"))
            if answer == "not reached":
                assert at > 10
                break
            if not os.path.exists(places(str(box), COPIES)[0]):
                continue

            def as_joe() -> None:
                assert seen_by(box, readonly=True) == "new"
                assert seen_by(box, readonly=False) == "new"
                with box.open("ab") as file:
                    file.write(LATE)
                for readonly in (True, False):
                    with open_store(f"mbox:{box}?locks=fcntl", readonly=readonly, index="memory") as store:
                        assert texts(store) == [*WAYS["shrinking"][1], b"Subject: late\n\nlate\n"]
                with box.open("rb") as opened:
                    assert inplace.pending(str(box), opened.fileno()) is None

            as_user(NOBODY, directory.parent / "home", as_joe)
