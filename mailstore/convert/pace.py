"""How fast conversions may go: one token bucket for all the processes that share it.

The problem. Several accounts are converted side by side by forked processes, any of which may be killed at any moment;
together they are not to exceed a rate, and the one that is left alone may use all of it.

The solution. The moment from which the next message may go is kept in a file without a name, under a lock that the
kernel takes back from a process that dies. Whoever has moved something pushes it on by the time that this may take,
and waits for what was there before. Nobody saves up more than a second.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable

from mailstore.errors import UsageError
from mailstore.system import clock, fs, locks, scratch, spool

_MOMENT = struct.Struct("=d")
_SAVED = 1.0
"""Seconds' worth of what may go at once after a rest."""


class Pace:
    """A limit for bytes and messages a second, of conversions in this process and in those forked from it.

    What is read again for verifying counts as what is copied does. A process that works at a pace forks no others.
    Not for several threads.

    Args:
        size: bytes a second; None is no limit.
        messages: messages a second; None is no limit.
        sleep: waits for so many seconds, or less.

    Raises:
        UsageError: a limit that is not above 0.
    """

    def __init__(
        self, size: float | None = None, messages: float | None = None, sleep: Callable[[float], None] = clock.sleep
    ) -> None:
        if any(limit is not None and limit <= 0 for limit in (size, messages)):
            raise UsageError("a rate must be above 0")
        self._size = size
        self._messages = messages
        self.sleep = sleep
        self._fd = spool.nameless(scratch.default_directory())

    def spend(self, messages: int, size: int) -> None:
        """Count what was just moved, and wait until more may be."""
        cost = max(size / self._size if self._size else 0.0, messages / self._messages if self._messages else 0.0)
        with locks.file_lock(self._fd, True, 60.0, "the rate"):
            now = clock.monotonic()
            kept = os.pread(self._fd, _MOMENT.size, 0)
            free = max(_MOMENT.unpack(kept)[0] if kept else 0.0, now - _SAVED) + cost
            fs.pwrite_all(self._fd, _MOMENT.pack(free), 0)
        if free > now:
            self.sleep(free - now)
