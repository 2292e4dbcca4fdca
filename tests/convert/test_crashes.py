"""Killed at any system call that writes, and run again: all is there once, as if nothing had happened.

A kill is a real one: the conversion runs in a forked child that ends at the chosen call (mailstore.testing.faults).
Of each pair of formats some points are chosen, of each kind of call at least one; ``MAILSTORE_TESTING=thorough`` takes
all, and tears every write.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from convert import histories
from convert.kit import ON_DISK, location, make, quiet, seen, special_uses, subscriptions

from mailstore import open_store
from mailstore.convert import convert, journal
from mailstore.testing.faults import How, Plan, in_child
from mailstore.testing.samples import large
from mailstore.testing.sampling import chosen, turn
from mailstore.testing.settings import THOROUGH

MESSAGES = 7
POINTS = 9
CHANGES = 5
CHANGING = (
    [(old, new) for old in ON_DISK for new in ON_DISK]
    if THOROUGH
    else [("sqlite", "mbox"), ("mbox", "maildir"), ("maildir", "maildir++"), ("maildir++", "sqlite")]
)


def source(kind: str, directory: Path) -> str:
    """Make a source: three folders, messages of the same bytes, one large one, and all kinds of metadata."""
    with make(kind, directory, "from") as old:
        for n in range(MESSAGES - 3):
            old.inbox.append(
                f"Subject: {n % 3}\n\nFrom here\n".encode(),
                flags=["\\Seen", "\\Flagged", "word", f"word{n}"][n % 3 :],
                internal_date=n * 1000,
                saved_date=n * 2000,
                sender=("", "a@b", None)[n % 3],
                uidl=f"u{n}",
                uid=2 * n + 1,
            )
        old.create("Sent", special_use="\\Sent" if old.capabilities.special_use else None)
        old.folder("Sent").append(b"Subject: no final newline", flags=["\\Seen"])
        old.create("Öd/x.y").append(large(1 << 20 | 5), internal_date=9)
        old.folder("Öd/x.y").append(b"Subject: 0\n\nFrom here\n", internal_date=9)
        old.subscribe("Öd/x.y")
        return str(old.location)


def run(source: str, destination: str, at: int = 0, how: How = "count") -> tuple[int, int, int, list[str]]:
    """Convert; returns messages found, copied, problems, and the points passed."""
    plan = Plan(at, how)
    with (
        plan.at_work(),
        open_store(source, readonly=True) as old,
        open_store(destination, create=True, lock_timeout=5) as new,
    ):
        report = convert(old, new, quiet(force_delete=True))
    return report.found, report.copied, len(report.problems), plan.seen


def see(location: str) -> object:
    with open_store(location) as store:
        return seen(store), subscriptions(store), special_uses(store)


def tries(points: list[str], mine: int, count: int = POINTS) -> list[tuple[int, How]]:
    """Return the points to hit and how: killed before the call, or with half of a write done."""
    found: list[tuple[int, How]] = []
    for at in chosen(points, count, mine):
        ways: tuple[How, ...] = ("kill", "tear") if points[at - 1].endswith("write") else ("kill",)
        found += [(at, how) for how in (ways if THOROUGH else (ways[(mine + at) % len(ways)],))]
    return found


@pytest.mark.parametrize("kind", ON_DISK)
@pytest.mark.parametrize("old", ON_DISK)
def test_killed_and_run_again(old: str, kind: str, quick_path: Path) -> None:
    origin = source(old, quick_path)
    points = in_child(lambda: run(origin, location(kind, quick_path, "whole")))
    assert points[:3] == [MESSAGES, MESSAGES, 0]
    expected = see(origin)
    assert see(location(kind, quick_path, "whole")) == expected
    hit = tries(points[3], turn(old, kind))
    survived = []
    for at, how in hit:
        directory = quick_path / f"{how}-{at}"
        directory.mkdir()
        destination = location(kind, directory, "to")
        told = f"{how} at point {at} ({points[3][at - 1]}) of {len(points[3])}"
        first = in_child(lambda at=at, how=how, destination=destination: run(origin, destination, at, how))
        if first is not None:
            survived.append(at)  # SQLite needed a write less
        again = in_child(lambda destination=destination: run(origin, destination))
        assert (again[0], again[2]) == (MESSAGES, 0), told
        assert see(destination) == expected, told
        last = in_child(lambda destination=destination: run(origin, destination))
        assert last[:3] == [MESSAGES, 0, 0], told
        assert see(destination) == expected, told
        shutil.rmtree(directory)
    # how many calls a run makes varies a little, by what SQLite writes: the last points may not be reached
    assert len(survived) <= 2 * len(hit) // 3, survived


def change(source: str) -> None:
    """Do everything to a source that a rerun carries."""
    with open_store(source) as old:
        for name in ("Gone", "Old/below"):
            for n in range(3):
                old.folder(name, create=True).append(f"Subject: {name} {n}\n\n".encode(), flags=["\\Seen"])
        uids = [row.uid for row in old.inbox.rows()]
        old.inbox.add_flags(uids[:2], ["\\Flagged", "new"])
        old.inbox.remove_flags(uids[2:3], ["\\Seen", "word2"])
        old.inbox.append(b"Subject: late\n\n")


def change_more(source: str) -> None:
    """Do what is the undoing of folders and messages."""
    with open_store(source) as old:
        uids = [row.uid for row in old.inbox.rows()]
        old.inbox.move(uids[:2], old.folder("Sent"))
        old.folder("Sent").add_flags([row.uid for row in old.folder("Sent").rows()][-1:], ["\\Answered"])
        old.inbox.expunge(uids[2:3], only_deleted=False)
        old.rename("Old", "New")
        old.folder("New/below").move([next(iter(old.folder("New/below").rows())).uid], old.inbox)
        old.delete("Gone")


@pytest.mark.parametrize(("old", "kind"), CHANGING)
def test_killed_while_changes_are_carried(
    old: str, kind: str, quick_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flags, moves, deletions, a renamed and a deleted folder, and the journal written anew at the end of each run."""
    monkeypatch.setattr(journal, "COMPACT_FROM", -1000)
    origin = source(old, quick_path)
    in_child(lambda: change(origin))
    before = quick_path / "before"
    before.mkdir()
    assert in_child(lambda: run(origin, location(kind, before, "to")))[2] == 0
    in_child(lambda: change_more(origin))
    expected = contents(origin)

    def again(directory: Path, at: int = 0, how: How = "count") -> tuple[int, int, int, list[str]]:
        return run(origin, location(kind, directory, "to"), at, how)

    whole = quick_path / "whole"
    shutil.copytree(before, whole)
    points = in_child(lambda: again(whole))
    assert contents(location(kind, whole, "to")) == expected
    for at, how in tries(points[3], turn(kind, old), CHANGES):
        directory = quick_path / f"{how}-{at}"
        shutil.copytree(before, directory)
        told = f"{how} at point {at} ({points[3][at - 1]}) of {len(points[3])}"
        in_child(lambda at=at, how=how, directory=directory: again(directory, at, how))
        found, _, problems, _ = in_child(lambda directory=directory: again(directory))
        assert (found, problems) == (points[0], 0), told
        assert contents(location(kind, directory, "to")) == expected, told
        _, copied, problems, _ = in_child(lambda directory=directory: again(directory))
        assert (copied, problems) == (0, 0), told
        assert contents(location(kind, directory, "to")) == expected, told
        shutil.rmtree(directory)


def contents(location: str) -> histories.Contents:
    with open_store(location) as store:
        return histories.contents(store)
