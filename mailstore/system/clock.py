"""The time of day and waiting, through replaceable functions so that tests can set them.

The internal date of a message, a UIDVALIDITY and a modseq all come from here; nothing else in mailstore asks the
system for the time.
"""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

source: Callable[[], int] = time.time_ns
"""Nanoseconds since 1970 UTC; a test may assign its own."""

monotonic: Callable[[], float] = time.monotonic
"""Seconds that never go back, for timeouts; a test may assign its own."""

processor: Callable[[], float] = time.thread_time
"""Seconds of processor time that this thread has taken."""

sleep: Callable[[float], None] = time.sleep
"""Wait so many seconds; a test may assign its own."""


def now() -> int:
    """Return whole seconds since 1970 UTC."""
    return source() // 1_000_000_000


def now_ns() -> int:
    """Return nanoseconds since 1970 UTC."""
    return source()


def modseq_now() -> int:
    """Return microseconds since 1970 UTC: where modseqs start, so that a lost index never lowers them."""
    return source() // 1000
