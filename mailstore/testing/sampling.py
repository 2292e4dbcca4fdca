"""Which points of an operation are interrupted, where there is no time for all of them.

The problem. An operation passes 20 to 100 points; there are 18 operations, several stores, and half a dozen ways to
interrupt: an hour of trials. A random choice finds something today and not tomorrow.

The solution. A choice that is the same in every run, and another one for each operation, store and test (``turn``).
Each kind of system call that the operation makes is hit at least once, each kind of outcome of a power cut is tried at
least once, and which of its occurrences that is takes turns. A thorough run (``MAILSTORE_TESTING=thorough``) takes all.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeVar

from mailstore.testing.faults import END
from mailstore.testing.settings import THOROUGH

_Choice = TypeVar("_Choice")

Outcomes = Sequence[tuple[str, int]]
"""Of a power cut at a point: the kind of each outcome, and a number that is the same for the same outcome."""


class CutPoint(NamedTuple):
    """A power cut to try: at which point (``END``: after the last), with which of its outcomes."""

    at: int
    number: int
    kind: str


def turn(*names: str) -> int:
    """Return whose turn it is: a number that depends on the names alone."""
    return zlib.crc32("\n".join(names).encode())


def chosen(
    seen: Sequence[str], count: int, turn: int, of: Callable[[str], bool] = bool, *, every_kind: bool = True
) -> list[int]:
    """Return points to hit, from 1, in order.

    Args:
        seen: the names of all points.
        count: how many; more where there are more kinds of calls, fewer where there are fewer points.
        turn: from ``turn``.
        of: asked for a name whether its points come into question.
        every_kind: each kind of call is hit.
    """
    points = [at for at, name in enumerate(seen, 1) if of(name)]
    return points if THOROUGH else pick(points, lambda at: {seen[at - 1]} if every_kind else (), count, turn)


def cuts_to_try(seen: Sequence[str], cuts: Sequence[Outcomes], count: int, turn: int) -> list[CutPoint]:
    """Return the power cuts to try, at least ``count`` where there are so many. Equal outcomes are tried once.

    After the end they are other trials: what was acknowledged must be there.
    """
    names = [*seen, "end"]
    tried: set[tuple[int, bool]] = set()
    candidates: list[CutPoint] = []
    for at, outcomes in enumerate(cuts, 1):
        ended = at == len(names)
        for number, (kind, mark) in enumerate(outcomes):
            if (mark, ended) not in tried:
                tried.add((mark, ended))
                candidates.append(CutPoint(END if ended else at, number, kind))

    def labels(cut: CutPoint) -> set[str]:
        return {names[cut.at - 1 if cut.at > 0 else cut.at], f"leaving {cut.kind}"}

    return candidates if THOROUGH else pick(candidates, labels, count, turn)


def pick(
    candidates: Sequence[_Choice], labels: Callable[[_Choice], Iterable[str]], count: int, turn: int
) -> list[_Choice]:
    """Return some of ``candidates``, in their order: every label at least once, and up to ``count`` spread evenly."""
    start = turn % len(candidates) if candidates else 0
    order = [*range(start, len(candidates)), *range(start)]
    carried = [frozenset(labels(candidate)) for candidate in candidates]
    left = frozenset[str]().union(*carried)
    picked: set[int] = set()
    while left:
        best = max(order, key=lambda place: len(carried[place] & left))
        picked.add(best)
        left -= carried[best]
    rest = [place for place in order if place not in picked]
    more = count - len(picked)
    if more > 0:
        more = min(more, len(rest))
        picked.update(rest[place * len(rest) // more] for place in range(more))
    return [candidates[place] for place in sorted(picked)]
