"""What went wrong while the rest went on: named on stderr as it happens, counted for the exit code."""

from __future__ import annotations

from mailstore_cli.exitcodes import FAILED, OK
from mailstore_cli.render import say


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
