"""The points that are interrupted where there is no time for all: the same in every run, of each kind at least one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstore.testing import sampling
from mailstore.testing.faults import END
from mailstore.testing.sampling import CutPoint, chosen, cuts_to_try, pick, turn

NAMES = st.lists(st.sampled_from(["open", "write", "rename", "fsync", "sqlite write", "sqlite sync"]), min_size=1)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "THOROUGH", False)


@given(NAMES, st.integers(0, 12), st.integers(0, 1 << 32))
def test_every_kind_and_no_more_than_asked_for(seen: list[str], count: int, mine: int) -> None:
    points = chosen(seen, count, mine)
    assert points == sorted(set(points))
    assert {seen[at - 1] for at in points} == set(seen)
    assert len(points) == min(max(count, len(set(seen))), len(seen))
    assert chosen(seen, count, mine, every_kind=False) == sorted(
        pick(range(1, len(seen) + 1), lambda _: (), count, mine)
    )
    assert len(chosen(seen, count, mine, every_kind=False)) == min(count, len(seen))


def test_all_take_their_turns() -> None:
    seen = ["open", *["write"] * 5, "fsync", *["write"] * 5, "fsync"]
    assert {at for mine in range(len(seen)) for at in chosen(seen, 3, mine)} == set(range(1, len(seen) + 1))


def test_only_what_comes_into_question() -> None:
    assert chosen(["open", "write", "fsync", "pwrite"], 9, 1, lambda name: "write" in name) == [2, 4]
    assert chosen(["open"], 9, 1, lambda name: "write" in name) == []


def test_a_thorough_run_takes_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "THOROUGH", True)
    assert chosen(["open", "write", "write"], 1, 1) == [1, 2, 3]
    assert len(cuts_to_try(["open"], [[("nothing", 1), ("names", 2)], [("nothing", 1)]], 1, 1)) == 3


def test_cuts() -> None:
    """Each call, each kind of outcome, and the end; the same outcome once, but anew when the work has returned."""
    cuts = [[("nothing", 1), ("names", 1)], [("nothing", 1), ("names", 2)], [("nothing", 3), ("names", 2)]]
    tries = cuts_to_try(["open", "write"], cuts, 0, 0)
    assert tries == [CutPoint(1, 0, "nothing"), CutPoint(2, 1, "names"), CutPoint(END, 0, "nothing")]
    everything = [*tries[:2], CutPoint(END, 0, "nothing"), CutPoint(END, 1, "names")]
    assert cuts_to_try(["open", "write"], cuts, 99, 5) == everything


def test_a_turn_depends_on_names_alone() -> None:
    assert (turn("a", "b"), turn("b", "a")) == (4_010_250_491, 1_950_908_184)
