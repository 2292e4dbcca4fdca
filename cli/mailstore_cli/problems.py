"""What went wrong while the rest went on: named on stderr as it happens, counted for the exit code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mailstore_cli.exitcodes import FAILED, OK
from mailstore_cli.render import say

if TYPE_CHECKING:
    from mailstore.convert import Problem

MOST = 100
"""So many problems of conversions are named on stderr; the JSON report has them all."""


def problem_text(problem: Problem) -> str:
    """Return a conversion's problem on one line."""
    place = f"{problem.folder}, message {problem.position}: " if problem.position else ""
    place = place or (f"{problem.folder}: " if problem.folder else "")
    return place + problem.reason + (f" (its bytes are in {problem.set_aside})" if problem.set_aside else "")


class Problems:
    """A count of what could not be done."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, text: str) -> None:
        """Name one problem."""
        self.count += 1
        say(text)

    @property
    def exit_code(self) -> int:
        """0 while there was none, else 1."""
        return FAILED if self.count else OK


def name_problems(problems: Sequence[Problem]) -> None:
    """Name on stderr what the report of a conversion lists."""
    for problem in problems[:MOST]:
        say(problem_text(problem))
    if len(problems) > MOST:
        say(f"and {len(problems) - MOST} more problems; --json lists them all")
