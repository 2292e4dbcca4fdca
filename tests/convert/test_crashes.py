"""Killed at any system call that writes, and run again: all is there once, as if nothing had happened.

A kill is a real one: the conversion runs in a forked child that ends at the chosen call (mailstore.testing.faults).
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from convert.kit import ON_DISK, location, make, quiet, seen, special_uses, subscriptions

from mailstore import open_store
from mailstore.convert import convert
from mailstore.testing.faults import How, Plan, in_child
from mailstore.testing.samples import large

MESSAGES = 7


@pytest.fixture
def source(quick_path: Path) -> str:
    """A source with two folders, two messages of the same bytes, one large one, and all kinds of metadata."""
    with make("sqlite", quick_path, "from") as old:
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
        old.create("Sent", special_use="\\Sent").append(b"Subject: no final newline", flags=["\\Seen"])
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
        report = convert(old, new, quiet())
    return report.found, report.copied, len(report.problems), plan.seen


def see(location: str) -> object:
    with open_store(location) as store:
        return seen(store), subscriptions(store), special_uses(store)


def places(total: int, some: int) -> list[int]:
    """Return ``some`` of the points 1 to ``total``, with the first and last few; all where the environment says so."""
    step = 1 if os.environ.get("MAILSTORE_EXHAUSTIVE") else max(1, total // some)
    return sorted({*range(1, 7), *range(1, total + 1, step), *range(max(1, total - 3), total + 1)})


@pytest.mark.parametrize(("how", "some"), [("kill", 24), ("tear", 8)])
@pytest.mark.parametrize("kind", ON_DISK)
def test_killed_and_run_again(kind: str, how: How, some: int, source: str, quick_path: Path) -> None:
    points = in_child(lambda: run(source, location(kind, quick_path, "whole")))
    assert points[:3] == [MESSAGES, MESSAGES, 0]
    expected = see(source)
    assert see(location(kind, quick_path, "whole")) == expected
    survived = []
    for at in places(len(points[3]), some):
        directory = quick_path / f"{at}"
        directory.mkdir()
        destination = location(kind, directory, "to")
        told = f"{how} before point {at} ({points[3][at - 1]}) of {len(points[3])}"
        first = in_child(lambda at=at, destination=destination: run(source, destination, at, how))
        if first is not None:
            survived.append(at)  # a tear of what is no write, or a run with fewer points
        again = in_child(lambda destination=destination: run(source, destination))
        assert (again[0], again[2]) == (MESSAGES, 0), told
        assert see(destination) == expected, told
        last = in_child(lambda destination=destination: run(source, destination))
        assert last[:3] == [MESSAGES, 0, 0], told
        assert see(destination) == expected, told
        shutil.rmtree(directory)
    assert how == "tear" or all(at > len(points[3]) - 20 for at in survived), survived
