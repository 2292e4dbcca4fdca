from __future__ import annotations

import time

import pytest

from mailstore.system import clock


def test_all_come_from_one_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "source", lambda: 1_700_000_000_123_456_789)
    assert (clock.now(), clock.modseq_now(), clock.now_ns()) == (
        1_700_000_000,
        1_700_000_000_123_456,
        1_700_000_000_123_456_789,
    )


def test_before_1970_it_is_floored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "source", lambda: -1)
    assert (clock.now(), clock.modseq_now()) == (-1, -1)


def test_the_source_is_the_system() -> None:
    before = time.time_ns()
    assert before <= clock.now_ns() <= time.time_ns()
