"""Thresholds: who is told, when, and how often."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstore import QuotaRules, Usage, open_store
from mailstore.quota import Crossing
from mailstore.quota.crossing import crossings

RULES = QuotaRules(storage=1000, warnings=(50, 80), hysteresis=5, warning_interval=100)


def told(note: str, size: int, now: int, rules: QuotaRules = RULES) -> tuple[list[tuple[int, bool]], str]:
    events, after = crossings(rules, Usage(0, size), note, now)
    return [(event.percent, event.over) for event in events], after


def test_each_threshold_is_told_once_upwards_and_once_downwards() -> None:
    events, note = told("", 499, 1000)
    assert (events, note) == ([], "")
    events, note = told(note, 500, 1000)
    assert (events, note) == ([(50, True)], "STORAGE 50 over 1000\n")
    events, note = told(note, 900, 1001)
    assert events == [(80, True)]
    events, note = told(note, 901, 5000)
    assert events == []
    events, note = told(note, 750, 5001)
    assert events == []
    events, note = told(note, 749, 5002)
    assert events == [(80, False)]
    events, note = told(note, 0, 5003)
    assert events == [(50, False)]


def test_a_threshold_tells_again_only_after_the_interval_and_then_of_what_still_is() -> None:
    _, note = told("", 500, 1000)
    _, note = told(note, 0, 1001)
    events, note = told(note, 600, 1099)
    assert events == []
    assert told(note, 0, 1100)[0] == []
    assert told(note, 600, 1100)[0] == [(50, True)]
    events, note = told(note, 600, 1100)
    assert told(note, 0, 1101)[0] == [(50, False)]


def test_messages_have_thresholds_too() -> None:
    events, note = crossings(QuotaRules(messages=10, warnings=(90,)), Usage(9, 5), "", 7)
    assert events == (Crossing("MESSAGE", 90, True, 9, 10),)
    assert note == "MESSAGE 90 over 7\n"


@pytest.mark.parametrize(
    "note", ["x", "STORAGE 50 over\n", "STORAGE x over 5\n", "STORAGE 50 up 5", "\0", "STORAGE 50 over 9e9"]
)
def test_a_note_that_cannot_be_read_is_none(note: str) -> None:
    assert told(note, 500, 1000)[0] == [(50, True)]


def test_what_is_no_threshold_any_more_is_forgotten() -> None:
    _, note = told("", 900, 1000)
    assert told(note, 900, 1000, QuotaRules(storage=1000, warnings=(80,)))[1] == "STORAGE 80 over 1000\n"
    assert told(note, 900, 1000, QuotaRules(warnings=(80,)))[1] == ""


@given(st.lists(st.tuples(st.integers(0, 1200), st.integers(0, 150)), max_size=30))
def test_over_and_under_take_turns(steps: list[tuple[int, int]]) -> None:
    note, now, over, last = "", 0, False, -(1 << 40)
    for size, later in steps:
        now += later
        events, note = told(note, size, now, QuotaRules(storage=1000, warnings=(80,), warning_interval=100))
        assert len(events) <= 1
        for _, event in events:
            assert event is not over
            assert size >= 800 if event else size < 750
            if event:
                assert now - last >= 100
                last = now
            over = event
        assert not (size < 750 and over)


STORES = ("memory:crossing", "mbox:{root}/m", "maildir:{root}/md", "sqlite:{root}/s")


@pytest.fixture(params=STORES)
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    from mailstore.drivers import memory

    memory._NAMED.clear()
    where: str = request.param.format(root=tmp_path)
    return where


def body(size: int) -> bytes:
    return b"Subject: x\n\n".ljust(size - 1, b"b") + b"\n"


def test_a_store_tells_whoever_listens_when_the_change_is_done(location: str) -> None:
    rules = QuotaRules(messages=4, warnings=(50, 100))
    with open_store(location, create=True, quota=rules) as store, open_store(location, quota=rules) as other:
        heard: list[tuple[int, bool, int]] = []
        store.quota.on_crossing(lambda event: heard.append((event.percent, event.over, len(store.inbox))))
        store.inbox.append(body(50))
        assert heard == []
        other.inbox.append(body(50))
        other.inbox.append(body(50))
        store.inbox.append(body(50))
        assert heard == [(50, True, 4), (100, True, 4)]
        store.inbox.add_flags([1], [r"\Seen"])
        assert len(heard) == 2
        store.inbox.expunge([1, 2, 3], only_deleted=False)
        assert heard[2:] == [(50, False, 1), (100, False, 1)]
        assert store.quota.problems == []


def test_a_callback_may_change_the_store_and_may_fail(location: str) -> None:
    rules = QuotaRules(messages=2, warnings=(100,))
    with open_store(location, create=True, quota=rules) as store:

        def warn(event: Crossing) -> None:
            with store.quota.unenforced():
                store.inbox.append(body(70))
            raise RuntimeError("no answer")

        store.quota.on_crossing(warn)
        store.inbox.append(body(50))
        store.inbox.append(body(50))
        assert len(store.inbox) == 3
        assert store.quota.problems == ["telling of 100 % failed: RuntimeError('no answer')"]


@pytest.mark.parametrize("since", ["--5", "-", "5-", "\u00b2", ""])
def test_a_note_that_makes_no_sense_is_taken_for_nothing(since: str) -> None:
    assert told(f"STORAGE 50 over {since}\n", 500, 1000)[0] == [(50, True)]


def test_a_threshold_below_the_hysteresis_is_under_again_when_nothing_is_left() -> None:
    rules = QuotaRules(storage=1000, warnings=(3,), hysteresis=5, warning_interval=100)
    events, note = told("", 30, 1000, rules)
    assert events == [(3, True)]
    events, note = told(note, 1, 1001, rules)
    assert events == []
    assert told(note, 0, 1002, rules)[0] == [(3, False)]


def test_a_clock_that_was_ahead_does_not_silence_a_threshold() -> None:
    assert told("STORAGE 50 under 9999999999\n", 500, 1000)[0] == [(50, True)]
