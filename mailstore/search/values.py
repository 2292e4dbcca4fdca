"""Dates, spans, sizes and ranges as they are written in a search."""

from __future__ import annotations

import calendar
import re

from mailstore.errors import UsageError
from mailstore.formats.quotarules import parse_duration, parse_size

read_size = parse_size
read_span = parse_duration

_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?", re.ASCII)
_RANGE = re.compile(r"(\d{1,10})(?:(-)(\d{1,10})?)?", re.ASCII)
_HELP = "write 2020, 2020-01, 2020-01-31 (days of UTC) or @SECONDS since 1970"


def read_date(text: str) -> tuple[int, int]:
    """Return the first instant of a year, month or day of UTC and the one after its last; an instant, and the next.

    Raises:
        UsageError: it is none.
    """
    if re.fullmatch(r"@-?\d{1,15}", text, re.ASCII):
        return int(text[1:]), int(text[1:]) + 1
    match = _DATE.fullmatch(text)
    if match is None:
        raise UsageError(f"{text!r} is no date: {_HELP}")
    year, month, day = int(match[1]), int(match[2] or 1), int(match[3] or 1)
    if not year >= 1 or not 1 <= month <= 12 or not 1 <= day <= calendar.monthrange(year, month)[1]:
        raise UsageError(f"{text!r} is in no calendar: {_HELP}")
    first = calendar.timegm((year, month, day, 0, 0, 0))
    days = 1 if match[3] else calendar.monthrange(year, month)[1] if match[2] else 365 + calendar.isleap(year)
    return first, first + days * 86400


def read_range(text: str) -> tuple[int, int | None]:
    """Return the ends of ``12``, ``3-7`` or ``3-``, the latter without one.

    Raises:
        UsageError: it is none.
    """
    match = _RANGE.fullmatch(text)
    if match is None:
        raise UsageError(f"{text!r} is no UID: write 12, 3-7 or 3-")
    first = int(match[1])
    if match[2] is None:
        return first, first
    return first, None if match[3] is None else int(match[3])
