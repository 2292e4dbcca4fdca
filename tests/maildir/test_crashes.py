"""What a power cut or a failing call leaves of a Maildir: folders half deleted, numbers half adopted."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from support.maildirs import opened

from mailstore import FolderPath, MailstoreError, SetState
from mailstore.drivers.maildir import journal
from mailstore.system import fs
from mailstore.testing.faults import Plan, in_child
from mailstore.testing.observe import bodies, paths

EMPTY = FolderPath(["Empty"])


def test_a_deletion_whose_new_directory_was_lost(tmp_path: Path) -> None:
    """The power went after the intent was on the disk, and took the directory that the folder's parts were to go to."""
    with opened(tmp_path / "m", "?layout=fs", create=True) as store:
        store.create("A").append(b"to be deleted")
        store.create("A/B").append(b"to stay")
    plan = Plan()

    def delete() -> None:
        with opened(tmp_path / "m", "?layout=fs") as store, plan.at_work():
            store.delete("A")

    def stop() -> None:
        if (tmp_path / "m" / journal.NAME).exists() and plan.seen[-1] == "fsync":
            plan.die()

    plan.meeting = stop
    assert in_child(delete) is None
    assert len(os.listdir(tmp_path / "m/A/cur") + os.listdir(tmp_path / "m/A/new")) == 1
    (lost,) = (name for name in os.listdir(tmp_path / "m/tmp") if name.startswith(fs.TEMPORARY))
    (tmp_path / "m/tmp" / lost).rmdir()
    with opened(tmp_path / "m", "?layout=fs") as store:
        assert paths(store) == ["INBOX", "A/B"]
        assert bodies(store.folder("A/B")) == [b"to stay"]
        assert store.recover()[:2] == (0, 0)
    assert not (tmp_path / "m" / journal.NAME).exists()


def synced(root: Path, *pairs: journal.Pair) -> list[str]:
    """Return the directories that are synced as ``pairs`` are renamed, in order."""
    plan, found = Plan(), list[str]()

    def follow(when: str, name: str, arguments: tuple[Any, ...], _: dict[str, Any]) -> None:
        if (when, name) == ("after", "fsync"):
            found.append(os.path.relpath(os.readlink(f"/proc/self/fd/{arguments[0]}"), root))

    plan.follow = follow
    with plan.at_work():
        journal.carry_out(str(root), pairs)
    return found


def test_new_names_are_synced_before_old_ones(tmp_path: Path) -> None:
    """Were the old ones synced first, a power cut between the two would leave the mail without a name."""
    for name in ("old/1", "old/2", "new", "newer"):
        (tmp_path / name).mkdir(parents=True)
    found = synced(tmp_path, ("old/1", "new/1"), ("old/2", "newer/2"))
    assert [name for name in found if name in ("old", "new", "newer")] == ["new", "newer", "old"]


def test_all_that_is_there_is_synced(tmp_path: Path) -> None:
    """Also behind a directory that was itself renamed and is gone from its old place."""
    for name in ("a/b", "c"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "a/b/x").touch()
    found = synced(tmp_path, ("a/b/x", "c/x"), ("a/b", "c/b"))
    assert [name for name in found if name in ("a", "c")] == ["c", "a"]


def test_a_numbering_that_could_not_be_written_is_not_shown(tmp_path: Path) -> None:
    """At each call that fails the open store shows what another one finds: the old numbers, or the new."""
    points = _set_state(tmp_path / "clean", 0)
    assert len(points) > 5
    shown = {tuple(_set_state(tmp_path / str(at), at)) for at in range(1, len(points) + 1)}
    assert shown == {("old",), ("new",)}


def _set_state(path: Path, at: int) -> list[str]:
    """Adopt a numbering; return the points passed, or, where one failed, which numbers are shown."""
    plan = Plan(at, "fail")
    with opened(path, create=True) as store:
        store.create(EMPTY)
        old = store.folder(EMPTY).state().uidvalidity
        with plan.at_work(), suppress(MailstoreError):
            store.commit([SetState(EMPTY, 4_000_000_000, 50)])
        mine = store.folder(EMPTY).state()
        with opened(path) as other:
            theirs = other.folder(EMPTY).state()
    assert (mine.uidvalidity, mine.uidnext) == (theirs.uidvalidity, theirs.uidnext)
    assert mine.uidvalidity in (old, 4_000_000_000)
    if not at:
        assert (mine.uidvalidity, mine.uidnext) == (4_000_000_000, 50)
        return plan.seen
    return ["old" if mine.uidvalidity == old else "new"]


def test_a_close_that_fails(tmp_path: Path) -> None:
    """Nothing was written by way of the descriptor that ``close`` closes: it is no error of the store's."""
    store = opened(tmp_path / "m", create=True)
    store.inbox.append(b"mail")
    plan = Plan(1, "close")
    with plan.at_work():
        store.close()
        store.close()
    assert plan.closes == 1
    with opened(tmp_path / "m") as store:
        assert bodies(store.inbox) == [b"mail"]
