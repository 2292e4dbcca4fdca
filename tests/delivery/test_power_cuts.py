"""The power goes at any call of a delivery, and what no sync covered is there or not: old or new, nothing half.

The contract suite asks that of the stores; a delivery to INBOX goes past the store, straight into the format.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mailstore import open_store
from mailstore.delivery import deliver
from mailstore.system import fs
from mailstore.testing.disk import Disk
from mailstore.testing.faults import END, Plan, in_child
from mailstore.testing.observe import bodies
from mailstore.testing.sampling import Outcomes, cuts_to_try, turn

LOCATIONS = {
    "maildir": "maildir:{}/m",
    "fs": "maildir:{}/m?layout=fs",
    "mbox": "mbox:{}/m",
    "mbox tree": "mbox:{}/m?layout=sbd",
    "sqlite": "sqlite:{}/m.db",
}
FIRST, MAIL = b"Subject: first\n\nbody\n", b"Subject: second\n\n" + b"0123456789abcde\n" * 200
TRIES = 24


@pytest.fixture(params=LOCATIONS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def run(location: str, top: Path, at: int = 0, number: int = -1) -> list[object]:
    """Make a store, deliver FIRST, then MAIL, and let the power go; else return the points passed and their cuts."""
    disk, before, plan = Disk(str(top)), Plan(), Plan(at, "kill")
    cuts: list[Outcomes] = []
    before.follow = plan.follow = disk.follow
    with before.at_work():
        open_store(location, create=True).close()
        deliver(FIRST, location)
    if number < 0:
        plan.meeting = lambda: cuts.append(disk.prints())
    plan.dying = lambda: disk.cut(number)
    with plan.at_work():
        deliver(MAIL, location)
        plan.end()
    return [plan.seen, cuts]


@pytest.fixture
def tops(tmp_path: Path) -> Iterator[Path]:
    """Yield empty directories."""

    def fresh() -> Iterator[Path]:
        for number in range(10_000):
            (tmp_path / str(number)).mkdir()
            yield tmp_path / str(number)

    return fresh()


def test_any_call(kind: str, tops: Iterator[Path]) -> None:
    top = next(tops)
    seen, cuts = in_child(lambda: run(LOCATIONS[kind].format(top), top))
    assert any("sync" in name for name in seen)
    tries = cuts_to_try(seen, [[(name, mark) for name, mark in point] for point in cuts], TRIES, turn(kind))
    assert tries[-1].at == END
    found = set()
    for cut in tries:
        top = next(tops)
        location = LOCATIONS[kind].format(top)
        assert in_child(lambda cut=cut, top=top, place=location: run(place, top, cut.at, cut.number)) is None
        with open_store(location) as store:
            there = bodies(store.inbox)
        assert there in ([FIRST], [FIRST, MAIL]), (cut, seen)
        assert len(there) == 2 or cut.at != END, (cut, seen)
        found.add(len(there))
        deliver(MAIL, location)
        with open_store(location) as store:
            assert bodies(store.inbox) == [*there, MAIL], (cut, seen)
        fs.remove_tree(str(top))
    assert found == {1, 2}
