"""Whatever happens to the source between two runs, the destination is the same mail after the next one.

The problem. Changes meet: a message is flagged and moved into a folder that is renamed, another of the same bytes is
deleted where it was, and a run is killed in the midst of carrying that.

The solution. Random histories, the same in every run but a thorough one. The source's user does what users do; runs
come in between, some of them killed at a random system call (a real kill, see mailstore.testing.faults) and run again.
With deletions forced, both stores must hold the same messages with the same marks, folder by folder, as often. In a
second kind of history the destination's user goes on as well, and nothing of what he did may be lost.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from convert.histories import DestinationUser, SourceUser, contents
from convert.kit import KINDS, location, quiet

from mailstore import Store, open_store, parse_location
from mailstore.convert import Report, convert, plan
from mailstore.testing.faults import Plan, in_child
from mailstore.testing.sampling import turn
from mailstore.testing.settings import THOROUGH

PAIRS = [
    ("memory", "memory"),
    ("sqlite", "memory"),
    ("memory", "maildir++"),
    ("maildir", "sqlite"),
    ("mbox", "maildir"),
    ("maildir++", "mbox"),
    ("sqlite", "sqlite"),
]
ALL = [(old, new) for old in KINDS for new in KINDS]
SEEDS = range(40) if THOROUGH else range(3)
STEPS = 8

each_pair = pytest.mark.parametrize(("old", "new"), ALL if THOROUGH else PAIRS)
each_seed = pytest.mark.parametrize("seed", SEEDS)


def once(source: str, destination: str, journal: str, at: int = 0) -> Report:
    """Convert, killed at a point if ``at`` says so."""
    with (
        Plan(at, "kill" if at else "count").at_work(),
        open_store(source, readonly=True) as old,
        open_store(destination, create=True, folders=True) as new,
    ):
        return convert(old, new, quiet(force_delete=True, journal=journal))


def run(source: str, destination: str, journal: str, random: Random) -> Report:
    """Convert; where both stores are on the disk, some runs are killed before."""
    killed = "memory" not in source + destination and random.random() < 0.5
    if killed:
        in_child(lambda: str(once(source, destination, journal, at=random.randint(1, 60))))
        return once(source, destination, journal)
    with open_store(source, readonly=True) as old:
        planned = plan(old, parse_location(destination), quiet(journal=journal))
    report = once(source, destination, journal)
    assert planned.problems == ()
    assert (planned.messages, planned.already + planned.moved) == (report.found, report.skipped + report.moved)
    return report


def stay(*locations: str) -> list[Store]:
    """Return open stores for those that would be gone when nobody has them open."""
    return [open_store(where, create=True, folders=True) for where in locations if where.startswith("memory")]


@each_seed
@each_pair
def test_the_destination_follows_the_source(old: str, new: str, seed: int, quick_path: Path) -> None:
    random = Random(turn(old, new, str(seed)))
    source, destination = location(old, quick_path, "from"), location(new, quick_path, "to")
    journal = str(quick_path / "journal")
    kept = stay(source, destination)
    user = SourceUser(random)
    told: list[str] = []
    with open_store(source, create=True, folders=True):
        pass
    for _ in range(STEPS):
        with open_store(source) as store:
            told += [user.act(store) for _ in range(random.randint(1, 6))]
        report = run(source, destination, journal, random)
        assert report.problems == [], told
        assert report.ok
        told.append("run")
        with open_store(source, readonly=True) as one, open_store(destination, readonly=True) as other:
            assert contents(other) == contents(one), told
        again = once(source, destination, journal)
        assert (again.copied, again.moved, again.updated, again.deleted, again.renamed) == (0, 0, 0, 0, 0), told
        assert again.skipped == again.found == report.found
    for store in kept:
        store.close()


@each_seed
@each_pair
def test_what_the_destinations_user_did_stays(old: str, new: str, seed: int, quick_path: Path) -> None:
    random = Random(turn(new, old, str(seed)))
    source, destination = location(old, quick_path, "from"), location(new, quick_path, "to")
    journal = str(quick_path / "journal")
    kept = stay(source, destination)
    user, other_user = SourceUser(random), DestinationUser(random)
    told: list[str] = []
    with open_store(source, create=True, folders=True):
        pass
    for _ in range(STEPS):
        with open_store(source) as store:
            told += [user.act(store) for _ in range(random.randint(1, 5))]
        report = run(source, destination, journal, random)
        assert report.problems == [], told
        told.append("run")
        with open_store(source, readonly=True) as one, open_store(destination) as other:
            other_user.check(one, other)
            told += [other_user.act(other) for _ in range(random.randint(1, 3))]
    for store in kept:
        store.close()
