"""A rate for all the processes that share it; time is ours, so that nothing waits."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mailstore import Arrival, UsageError, open_store
from mailstore.convert import Options, Pace, convert
from mailstore.system import clock


class Clock:
    """A time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 6))
        self.now += seconds


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    ours = Clock()
    monkeypatch.setattr(clock, "monotonic", lambda: ours.now)
    return ours


def test_bytes_a_second(time: Clock) -> None:
    pace = Pace(size=1000, sleep=time.sleep)
    pace.spend(1, 500)  # less than a second's worth has been saved up: it may go at once
    pace.spend(1, 500)
    pace.spend(1, 3000)
    pace.spend(9, 1000)
    assert time.slept == [3.0, 1.0]


def test_nobody_saves_up_more_than_a_second(time: Clock) -> None:
    pace = Pace(messages=10, sleep=time.sleep)
    pace.spend(10, 0)
    time.now += 3600
    pace.spend(10, 0)
    pace.spend(10, 0)
    assert time.slept == [1.0]


def test_the_slower_of_two_limits_holds(time: Clock) -> None:
    pace = Pace(size=1 << 20, messages=1, sleep=time.sleep)
    pace.spend(2, 10)
    pace.spend(1, 4 << 20)
    assert time.slept == [1.0, 4.0]


def test_processes_share_it(time: Clock) -> None:
    pace = Pace(size=1000, sleep=time.sleep)
    pid = os.fork()
    if pid == 0:
        pace.spend(1, 5000)  # its own time passes, ours does not
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    pace.spend(1, 1000)
    assert time.slept == [5.0]


@pytest.mark.parametrize("limits", [{"size": 0}, {"messages": 0}, {"size": -1.0}])
def test_a_rate_is_above_nothing(limits: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="a rate must be above 0"):
        Pace(**limits)  # type: ignore[arg-type]


def test_a_conversion_keeps_to_it(time: Clock, tmp_path: Path) -> None:
    """What is copied counts, and what is read again to compare it; at a pace nothing is forked."""
    with (
        open_store(f"maildir:{tmp_path}/a", create=True) as old,
        open_store(f"sqlite:{tmp_path}/b", create=True) as new,
    ):
        old.inbox.append_many([Arrival(b"Subject: x\n\n" + b"x" * 988) for _ in range(10)])
        options = Options(pace=Pace(size=1000, sleep=time.sleep), processes=4)
        assert options.workers == 1
        assert convert(old, new, options).ok
    assert sum(time.slept) == 19.0
