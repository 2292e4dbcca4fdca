"""``mstore deliver`` and ``mstore convert`` as processes, stopped at each system call that changes a file.

``kill -9`` leaves the old state or the new, to every reader, and what is done again ends as if nothing had happened. A
call that fails, or a signal that asks to end, is an exit code that makes the mail system keep the mail, or the mail is
there. strace does it; the calls are those of a clean run of the same command.
"""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import pytest
from convert.kit import quiet
from convert.kit import seen as everything
from crash.kit import (
    FORMS,
    INSIDE,
    THOROUGH,
    delivery,
    left_over,
    listed,
    location,
    message,
    see,
    source,
    spread,
)
from support.mstore import COMMAND
from support.peers import need
from support.strace import Ended, Point, disturb, points

from mailstore import open_store
from mailstore.convert import convert
from mailstore.delivery import deliver
from mailstore.system import clock

OLD = [0, 1, 2]
NEW = [0, 1, 2, 3]
MAIL = message(3)
ERRORS = ("EIO", "ENOSPC", "EDQUOT", "ESTALE")
PAIRS = [(one, to) for one in FORMS for to in FORMS if one != to]


ALONE = "import os; from mailstore_cli import mda, start; mda._apart = lambda work: os._exit(work()); start.run()"
"""``mstore`` without the process that only waits for one which maps files: strace counts calls process by process."""


def alone(command: list[str]) -> list[str]:
    """Return the command line of the process that does the work."""
    return [command[0], "-c", ALONE, *command[2:]]


class Box:
    """A store with three messages that is made anew for each delivery, always at the same place."""

    def __init__(self, form: str, tmp_path: Path) -> None:
        need("strace")
        self.form = form
        self.at = tmp_path / "box"
        self._made = tmp_path / "made"
        self._log = tmp_path / "log"
        self._made.mkdir()
        with open_store(location(form, self._made), create=True) as store:
            for number in OLD:
                store.inbox.append(message(number))

    def renew(self) -> None:
        """Make it as it was in the beginning."""
        shutil.rmtree(self.at, ignore_errors=True)
        shutil.copytree(self._made, self.at)

    def points(self) -> list[Point]:
        """Return the calls of a delivery that change something."""
        self.renew()
        found = points(alone(delivery(self.form, self.at)), self.at, self._log, MAIL)
        assert see(self.form, self.at) == NEW
        return found

    def deliver(self, point: Point, how: str) -> Ended:
        """Deliver, disturbed; the store was made anew."""
        self.renew()
        return disturb(alone(delivery(self.form, self.at)), point, how, self._log, self.at, MAIL)

    def see(self) -> list[int]:
        return see(self.form, self.at)

    def listed(self) -> list[int]:
        return sorted(listed(self.form, self.at))


@pytest.fixture(params=FORMS)
def box(request: pytest.FixtureRequest, tmp_path: Path) -> Box:
    return Box(request.param, tmp_path)


def test_a_delivery_killed_at_each_call(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing half visible; what was visible stays; the next attempt of the mail system adds the mail, whole."""
    states = set()
    for point in condensed(box.points()):
        assert box.deliver(point, "signal=KILL").code == -9, point
        there = box.see()
        torn = box.form == "mbox" and there == [*OLD, -1]  # until the next program of ours comes by
        assert there in (OLD, NEW) or torn, (point, there)
        stored = box.listed() if torn else there
        assert stored in (OLD, NEW), (point, stored)
        states.add(len(stored))
        deliver(MAIL, location(box.form, box.at), lock_timeout=5)
        again = NEW if stored == OLD else [*NEW, 3]
        assert box.listed() == box.see() == again, point
        check_leftovers(box, point, monkeypatch)
    assert states == {len(OLD), len(NEW)}


def check_leftovers(box: Box, point: Point, monkeypatch: pytest.MonkeyPatch) -> None:
    """See that what the killed process left is out of sight, and goes when two days have passed."""
    for name in left_over(box.form, box.at):
        assert name.startswith(".mailstore-") or (box.at / INSIDE[box.form] / "tmp" / name).exists(), (point, name)
    with monkeypatch.context() as patch:
        today = clock.now
        patch.setattr(clock, "now", lambda: today() + 48 * 3600)
        open_store(location(box.form, box.at)).close()
    assert left_over(box.form, box.at) == [], point


def condensed(every: list[Point]) -> list[Point]:
    """Return the points without the middle of long runs of one call on one file; all where there is time."""
    runs = [list(run) for _, run in itertools.groupby(every, lambda point: point.what)]
    return [point for run in runs for point in (run if THOROUGH or len(run) < 4 else [run[0], run[1], run[-1]])]


@pytest.mark.parametrize("asked", ["TERM", "INT"])
def test_a_delivery_asked_to_end_at_each_call(box: Box, asked: str) -> None:
    """75, or 0 with the mail; never another code."""
    codes = set()
    for point in spread(condensed(box.points()), 6):
        ended = box.deliver(point, f"signal={asked}")
        codes.add(ended.code)
        there = box.see()
        assert (ended.code, there) in ((0, NEW), (75, OLD), (75, NEW)), (point, ended, there)
        assert box.listed() == there, point
    assert 75 in codes


def test_a_delivery_whose_calls_fail(box: Box) -> None:
    """Each call once, with one error after the other: 0 and the mail is there, or 75 and a line that says why."""
    codes = set()
    for number, point in enumerate(spread(condensed(box.points()), 16)):
        for error in ERRORS if THOROUGH else ERRORS[number % len(ERRORS) :][:1]:
            ended = box.deliver(point, f"error={error}")
            codes.add(ended.code)
            there = box.see()
            assert (ended.code, there) in ((0, NEW), (75, OLD), (75, NEW)), (point, error, ended, there)
            assert ended.code == 0 or ended.err.startswith("mstore: "), (point, error, ended)
            assert box.listed() == there, (point, error)
            deliver(MAIL, location(box.form, box.at), lock_timeout=5)
            assert box.see() == [*there, 3], (point, error)
    assert 75 in codes


SMALL = 12
"""Messages of the source of a conversion that is killed."""


def conversion(origin: str, form: str, directory: Path, jobs: int) -> list[str]:
    """Return the command line."""
    return [*COMMAND, "convert", "-q", "-j", str(jobs), origin, location(form, directory)]


def finish(origin: str, form: str, directory: Path) -> tuple[int, int]:
    """Convert (again), in this process; return how many messages were found and how many problems there were."""
    with open_store(origin, readonly=True) as old, open_store(location(form, directory), create=True) as new:
        report = convert(old, new, quiet())
    return report.found, len(report.problems)


def end_state(form: str, directory: Path) -> object:
    with open_store(location(form, directory)) as store:
        return everything(store)


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize(("origin_form", "form"), PAIRS)
def test_a_conversion_killed_at_each_call(origin_form: str, form: str, jobs: int, tmp_path: Path) -> None:
    """Nothing torn is visible, and the same command run again ends in the state of an uninterrupted run."""
    need("strace")
    origin = source(origin_form, tmp_path, SMALL)
    log, at = tmp_path / "log", tmp_path / "to"
    at.mkdir()
    all_points = points(conversion(origin, form, at, jobs), at, log)
    expected = end_state(form, at)
    assert sorted(see(form, at)) == list(range(SMALL))
    # the files of a Maildir are synced by threads, each with a count of its own; SQLite makes its journal now and then
    sure = jobs == 1 and form == "mbox"
    killed = 0
    for point in spread(condensed(all_points), 7 if jobs == 1 else 2):
        shutil.rmtree(at)
        at.mkdir()
        ended = disturb(conversion(origin, form, at, jobs), point, "signal=KILL", log, at, sure=sure)
        killed += ended.code != 0
        there = see(form, at)
        assert [number for number in there if number >= 0] == sorted({*there} - {-1}), (point, there)
        assert there.count(-1) <= (form == "mbox"), (point, there)
        assert finish(origin, form, at) == (SMALL, 0), point
        assert end_state(form, at) == expected, point
        assert sorted(see(form, at)) == list(range(SMALL)), point
    assert killed
