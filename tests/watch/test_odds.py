"""What a watch survives: databases that vanish, file systems that come and go, copies, commits while it looks."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from support.peers import refuse

from mailstore import FolderPath, Store, StoreBusy, open_store
from mailstore.watch import FlagsChanged, FolderCreated, MessageAppended, Replica, Watch
from mailstore.watch.replica import State

INBOX = FolderPath(("INBOX",))
A = FolderPath(("A",))
MAIL = b"Subject: x\n\nbody\n"


@pytest.fixture
def maildir(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"maildir:{tmp_path}/M", create=True) as opened:
        yield opened


def heard(watch: Watch, count: int) -> list:
    """Return the next ``count`` events; fewer only where none comes for ten seconds."""
    events: list = []
    while len(events) < count and (more := watch.batch(10)):
        events += more
    return events


def replica_of(watch: Watch, store: Store) -> Replica:
    """Return a replica of what the watch begins with."""
    replica = Replica()
    for info in store.changes(None).folders:
        if info.selectable:
            rows = store.folder(info.path).rows(0)
            replica.folders[info.path] = {row.uid: State(row.flags, row.keywords) for row in rows}
    return replica


def test_a_database_that_is_deleted_ends_no_watch(tmp_path: Path) -> None:
    with open_store(f"sqlite:{tmp_path}/x.db", create=True) as store:
        store.inbox.append(MAIL)
        with store.watch() as watch:
            for name in os.listdir(tmp_path):
                os.unlink(tmp_path / name)
            assert watch.batch(0.5) == []
            assert not watch.closed


@pytest.mark.parametrize("away", [False, True])
def test_a_database_that_is_deleted_and_made_anew_is_followed(tmp_path: Path, away: bool) -> None:
    """With the directory it is in, too. The old one stays open and can be read; this store object wrote nothing."""
    place = tmp_path / "d"
    place.mkdir()
    location = f"sqlite:{place}/x.db"
    with open_store(location, create=True) as store:
        store.inbox.append(MAIL)
        store.create("A").append(MAIL)
    with open_store(location) as store, store.watch() as watch:
        replica = replica_of(watch, store)
        for name in os.listdir(place):
            os.unlink(place / name)
        if away:
            place.rmdir()
            place.mkdir()
        with open_store(location, create=True) as other:
            for _ in range(3):
                other.inbox.append(MAIL)
            other.create("B").append(MAIL)
            wanted = {"INBOX": [1, 2, 3], "B": [1]}
            while (told := {str(path): sorted(uids) for path, uids in replica.folders.items()}) != wanted:
                events = watch.batch(10)
                assert events, told
                for event in events:
                    replica.apply(event)


def test_a_folder_that_was_copied_is_a_folder_of_its_own(maildir: Store) -> None:
    """The copy has its original's id: both lie in dovecot-uidlist."""
    maildir.create("A").append(MAIL)
    with maildir.watch() as watch:
        replica = replica_of(watch, maildir)
        root = maildir.location.path
        shutil.copytree(f"{root}/.A", f"{root}/.B")
        events = heard(watch, 2)
        assert [type(event) for event in events] == [FolderCreated, MessageAppended]
        shutil.rmtree(f"{root}/.A")
        for event in events + heard(watch, 1):
            replica.apply(event)
        assert {str(path): len(messages) for path, messages in replica.folders.items()} == {"INBOX": 0, "B": 1}


@pytest.mark.root
def test_a_file_system_that_goes_away_and_comes_back(tmp_path: Path) -> None:
    """Taken away while the store has files of it open: the watches stay with what nobody can see."""
    place = tmp_path / "mount"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "tmpfs", str(place)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        refuse("no file systems can be mounted here")
    location = f"maildir:{place}/M"
    try:
        open_store(location, create=True).close()
        with open_store(location) as store, store.watch() as watch:
            replica = replica_of(watch, store)
            subprocess.run(["umount", "-l", place], check=True)
            subprocess.run(mount, check=True)
            with open_store(location, create=True) as other:
                other.inbox.append(MAIL)
                watch.look_everywhere()  # as the safety poll does
                for event in heard(watch, 2):
                    replica.apply(event)
                assert list(replica.folders[INBOX]) == [1]
                other.inbox.append(MAIL)
                (event,) = heard(watch, 1)  # long before the next safety poll
                assert (event.folder, event.uid) == (INBOX, 2)
    finally:
        subprocess.run(["umount", "-l", place], check=False)


@pytest.mark.root
def test_a_file_system_that_is_unmounted_is_told(tmp_path: Path) -> None:
    """Nothing of it is open, so that the kernel says IN_UNMOUNT: no safety poll is needed to hear of it."""
    place = tmp_path / "mount"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "tmpfs", str(place)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        refuse("no file systems can be mounted here")
    try:
        with open_store(f"maildir:{place}/M", create=True) as other:
            other.create("A").append(MAIL)
        with open_store(f"maildir:{place}/M", index="memory") as store, store.watch(since="") as watch:
            replica = Replica()
            for event in watch.batch(10):
                replica.apply(event)
            assert {str(path): len(messages) for path, messages in replica.folders.items()} == {"INBOX": 0, "A": 1}
            subprocess.run(["umount", place], check=True)
            for event in heard(watch, 1):
                replica.apply(event)
            assert {str(path): len(messages) for path, messages in replica.folders.items()} == {"INBOX": 0}
    finally:
        subprocess.run(["umount", "-l", place], check=False, capture_output=True)


def test_a_commit_in_the_midst_of_a_look_is_our_own_in_the_next(maildir: Store) -> None:
    with maildir.watch(own=False) as watch:
        changes_of = watch._source.changes_of

        def and_then_ours(*args: object) -> object:
            found = changes_of(*args)  # type: ignore[arg-type]
            if not maildir.inbox.state().messages:
                return found
            watch._source.changes_of = changes_of  # type: ignore[method-assign]
            maildir.inbox.add_flags([1], ["\\Seen"])
            return found

        watch._source.changes_of = and_then_ours  # type: ignore[method-assign, assignment]
        with open_store(str(maildir.location)) as other:
            other.inbox.append(MAIL)
            assert [type(event) for event in heard(watch, 1)] == [MessageAppended]
            assert watch.batch(0.5) == []
            other.inbox.add_flags([1], ["\\Flagged"])
            assert [type(event) for event in heard(watch, 1)] == [FlagsChanged]


def test_a_commit_while_the_watch_begins_is_our_own(maildir: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """In another thread, after the folder was listed."""
    fill = Watch._fill

    def and_then_ours(watch: Watch, paths: Sequence[FolderPath]) -> None:
        fill(watch, paths)
        maildir.inbox.append(MAIL)

    monkeypatch.setattr(Watch, "_fill", and_then_ours)
    with maildir.watch(own=False) as watch:
        assert watch.batch(0.5) == []
        assert len(watch._known[INBOX]) == 1
    maildir.inbox.append(MAIL)
    with maildir.watch() as watch:
        (event,) = heard(watch, 1)
        assert (event.uid, event.own) == (3, True)


def test_a_folder_that_cannot_be_read_keeps_no_other_from_being_watched(maildir: Store) -> None:
    """What is in it is told when it can be read."""
    maildir.create("A").append(MAIL)
    root = maildir.location.path
    os.rename(f"{root}/.A/cur", f"{root}/.A/away")
    Path(f"{root}/.A/cur").touch()
    with open_store(str(maildir.location)) as other, maildir.watch() as watch:
        assert all(f"{root}/.A" in problem for problem in watch.problems)
        other.inbox.append(MAIL)
        assert [event.folder for event in heard(watch, 1)] == [INBOX]
        os.unlink(f"{root}/.A/cur")
        os.rename(f"{root}/.A/away", f"{root}/.A/cur")
        assert [(event.folder, event.uid) for event in heard(watch, 1)] == [(A, 1)]


def test_our_own_change_stays_our_own_while_the_folder_cannot_be_looked_at(maildir: Store) -> None:
    with maildir.watch(own=False) as watch:
        ask = watch._source._changes_or_why
        busy = StoreBusy("another program is at it", path="", waited=0.0)
        watch._source._changes_or_why = lambda *_: busy  # type: ignore[method-assign, assignment]
        maildir.inbox.append(MAIL)
        assert watch.batch(0.3) == []
        watch._source._changes_or_why = ask  # type: ignore[method-assign]
        assert watch.batch(0.5) == []
        assert len(watch._known[INBOX]) == 1


def test_where_another_process_was_quicker_its_answer_is_told(maildir: Store) -> None:
    """Both found the same message; what we concluded from it is void, and its modseq is the one that was stored."""
    with open_store(str(maildir.location)) as other, maildir.watch() as watch:
        name = f"{maildir.location.path}/new/1700000000.M1P1.host"
        changes = watch._source.changes
        stored: list[int] = []

        def and_then_the_other(*args: object) -> object:
            found = changes(*args)  # type: ignore[arg-type]
            if not stored:
                stored.append(other.inbox.state().highest_modseq)
            return found

        watch._source.changes = and_then_the_other  # type: ignore[method-assign, assignment]
        Path(name).write_bytes(MAIL)
        (event,) = heard(watch, 1)
        assert (event.uid, event.modseq) == (1, stored[0])
        assert event.modseq == maildir.inbox.state().highest_modseq
