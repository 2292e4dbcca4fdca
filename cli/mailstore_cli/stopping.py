"""Signals that end a command in good order."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class Stop:
    """Says when to end. It takes no lock: a handler of signals may come in the middle of anything.

    Attributes:
        urgent: a second signal came: what still runs is to be ended.
    """

    def __init__(self) -> None:
        self._set = self.urgent = False

    def is_set(self) -> bool:
        """Tell whether to end."""
        return self._set

    def set(self) -> None:
        """Let it end."""
        self._set = True

    def signalled(self) -> None:
        """Take in a signal."""
        self.urgent |= self._set
        self._set = True


@contextmanager
def stopped_by_signals() -> Iterator[Stop]:
    """Give what SIGINT and SIGTERM set: what runs for events is ended in good order, not broken off."""
    stop = Stop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: stop.signalled()) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
