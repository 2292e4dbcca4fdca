"""Merged folders, with messages of the same bytes in each: killed anywhere and run again, all are there once."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest
from convert.kit import location, make, quiet

from mailstore import FolderPath, open_store
from mailstore.convert import FolderMapping, convert, verify_stores
from mailstore.testing.faults import How, Plan, in_child
from mailstore.testing.observe import bodies
from mailstore.testing.sampling import chosen, turn

TARGET = FolderPath(("All",))
MERGED = quiet(
    mapping=FolderMapping(moves=((FolderPath(("A",)), TARGET), (FolderPath(("B",)), TARGET)), collisions="merge")
)
SAME = b"Subject: same\n\n"


def run(source: str, destination: str, at: int = 0, how: How = "count") -> tuple[int, int, int, list[str]]:
    plan = Plan(at, how)
    with plan.at_work(), open_store(source, readonly=True) as old, open_store(destination, create=True) as new:
        report = convert(old, new, MERGED)
    return report.found, report.copied, len(report.problems), plan.seen


@pytest.mark.parametrize("kind", ["mbox", "maildir", "sqlite"])
def test_killed_and_run_again(kind: str, quick_path: Path) -> None:
    with make("sqlite", quick_path, "from") as old:
        for name in ("A", "B"):
            for body in (SAME, f"Subject: {name}\n\n".encode(), SAME):
                old.folder(name, create=True).append(body)
        origin = str(old.location)
    expected = Counter({SAME: 4, b"Subject: A\n\n": 1, b"Subject: B\n\n": 1})
    points = in_child(lambda: run(origin, location(kind, quick_path, "whole")))
    assert points[:3] == [6, 6, 0]
    for at in chosen(points[3], 4, turn(kind, "merge")):
        directory = quick_path / str(at)
        directory.mkdir()
        destination = location(kind, directory, "to")
        told = f"killed at point {at} ({points[3][at - 1]})"
        in_child(lambda at=at, destination=destination: run(origin, destination, at, "kill"))
        again = in_child(lambda destination=destination: run(origin, destination))
        assert (again[0], again[2]) == (6, 0), told
        with open_store(destination) as new, open_store(origin, readonly=True) as old:
            assert Counter(bodies(new.folder(TARGET))) == expected, told
            assert verify_stores(old, new, MERGED).differences == [], told
        assert in_child(lambda destination=destination: run(origin, destination))[1] == 0, told
        shutil.rmtree(directory)
