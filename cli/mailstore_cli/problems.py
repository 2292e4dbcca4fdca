"""What went wrong while the rest went on: named on stderr as it happens, counted for the exit code."""

from __future__ import annotations

from mailstore_cli.exitcodes import FAILED, OK
from mailstore_cli.render import say

_MOST_PROBLEMS = 100
"""So many problems are named on stderr; the JSON report has them all."""


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


def name_problems(problems: list[tuple[str, int, str, str]]) -> None:
    """Name on stderr what a report lists: folder, position of the message or 0, reason, where its bytes are or ''."""
    for folder, position, reason, set_aside in problems[:_MOST_PROBLEMS]:
        place = f"{folder}, message {position}: " if position else f"{folder}: " if folder else ""
        say(place + reason + (f" (its bytes are in {set_aside})" if set_aside else ""))
    if len(problems) > _MOST_PROBLEMS:
        say(f"and {len(problems) - _MOST_PROBLEMS} more problems; --json lists them all")
