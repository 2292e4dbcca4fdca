r"""Apple Mail's ``.emlx``: a byte count on a line of its own, that many bytes of message, a property list.

The property list tells, among much else, ``flags`` (an integer of bits) and ``date-received`` (seconds since 1970).
The bits are those of https://www.jwz.org/blog/2005/07/emlx-flags/; Apple never published them, and the colour of a flag
stands in bits of which nobody has published a reliable account: it is not read.

A count that is wrong, a file that was cut off, a list that is missing or damaged: whatever there is of the message is
the message, and ``notes`` say what was wrong. Nothing is raised.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from mailstore.model.flags import ANSWERED, DELETED, DRAFT, FLAGGED, NO_KEYWORDS, RECENT, SEEN

SUFFIX = ".emlx"
PARTIAL = ".partial.emlx"
LARGEST_LIST = 1 << 20
"""Bytes of a property list that are read; Apple's are below 10,000."""

_COUNT = re.compile(rb"[ \t]*(\d{1,18})[ \t\r]*\n")
_LIST = re.compile(rb"(?:<\?xml|<!DOCTYPE plist|<plist|bplist0)")
_BEGINNINGS = (b'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE plist', b"<!DOCTYPE plist", b"bplist00")
_FLAGS = ((0, SEEN), (1, DELETED), (2, ANSWERED), (4, FLAGGED), (5, RECENT), (6, DRAFT))
_KEYWORDS = ((8, "$Forwarded"), (9, "Redirected"), (24, "$Junk"), (25, "$NotJunk"))
_LATEST = 1 << 38  # seconds: the year 10680; what lies beyond is damage

ReadAt = Callable[[int, int], bytes]


class Frame(NamedTuple):
    """Where in the file the message is."""

    start: int
    size: int
    list_at: int
    """Where the property list begins; the size of the file where there is none."""
    note: str = ""
    """What was wrong."""


class Told(NamedTuple):
    """What the property list says."""

    flags: int = 0
    keywords: frozenset[str] = NO_KEYWORDS
    received: int | None = None
    note: str = ""


def find_message(read_at: ReadAt, size: int) -> Frame:
    """Find the message in a file of ``size`` bytes."""
    match = _COUNT.match(read_at(0, min(size, 64)))
    if match is None:
        return _to_the_list(read_at, 0, size, "the file does not begin with a byte count")
    start, count = match.end(), int(match[1])
    end = start + count
    if end == size:
        return Frame(start, count, size)
    if end < size and _LIST.match(read_at(end, min(64, size - end))) is not None:
        return Frame(start, count, end)
    what = "is cut off" if end > size else "has a wrong byte count"
    return _to_the_list(read_at, start, size, f"the file {what}: it says {count} bytes, {size - start} follow")


def _to_the_list(read_at: ReadAt, start: int, size: int, note: str) -> Frame:
    """Let the message end where the property list begins, else where the file ends."""
    tail_at = max(start, size - LARGEST_LIST)
    tail = read_at(tail_at, size - tail_at)
    at = next((found for mark in _BEGINNINGS if (found := tail.rfind(mark)) >= 0), len(tail))
    return Frame(start, tail_at + at - start, tail_at + at, note)


def read_list(data: bytes) -> Told:
    """Return what a property list says, XML or binary."""
    data = data.strip(b"\0 \t\r\n") if data.lstrip()[:1] == b"<" else data
    if not data:
        return Told(note="the property list is missing: no flags, no date")
    if len(data) > LARGEST_LIST:
        return Told(note="the property list is too large to be one: no flags, no date")
    found = _parse(data)
    if not isinstance(found, dict):
        return Told(note="the property list is damaged: no flags, no date")
    bits = _number(found.get("flags")) or 0
    date = _number(found.get("date-received"))
    return Told(
        sum(flag for bit, flag in _FLAGS if bits >> bit & 1),
        frozenset(keyword for bit, keyword in _KEYWORDS if bits >> bit & 1),
        date if date is not None and date < _LATEST else None,
    )


def _parse(data: bytes) -> Any:
    import plistlib  # late: few stores need it
    from xml.parsers.expat import ExpatError

    try:
        return plistlib.loads(data)
    except (
        *(plistlib.InvalidFileException, ExpatError, ValueError, TypeError, LookupError, OverflowError),
        *(AttributeError, RecursionError, MemoryError, AssertionError),
    ):
        return None


def _number(value: object) -> int | None:
    """Return a number of a property list, which may be written as text."""
    try:
        number = int(value) if isinstance(value, int | float) else int(float(value)) if isinstance(value, str) else None
    except (ValueError, OverflowError):
        return None
    return number if number is not None and 0 <= number < 1 << 63 else None
