"""Dates as users give them to ``mstore add``."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from typing import BinaryIO, Literal

from mailstore import UsageError

When = int | Literal["mtime", "header"]
"""Seconds since 1970 UTC, or where a message's moment is to be read."""

_HEADER = 1 << 20
_DATE = re.compile(rb"^date[ \t]*:[ \t]*([^\n]{0,998})", re.IGNORECASE | re.MULTILINE)
_HEADER_END = re.compile(rb"\r?\n\r?\n")


def parse_when(text: str) -> When:
    """Read ``mtime``, ``header``, ISO 8601 (local time where it has no offset), ``@SECONDS``, or an RFC 5322 date.

    Raises:
        UsageError: it is none of these.
    """
    if text == "mtime":
        return "mtime"
    if text == "header":
        return "header"
    if re.fullmatch(r"@-?[0-9]{1,15}", text):
        return int(text[1:])
    try:
        return int(datetime.fromisoformat(text).timestamp() // 1)
    except (ValueError, OverflowError):
        seconds = _rfc5322(text)
    if seconds is None:
        raise UsageError(f"{text!r} is no date: give 2026-11-22T13:00:00+01:00, @1795348800, mtime or header")
    return seconds


def date_of(file: BinaryIO, when: When) -> int:
    """Return the moment that ``when`` means for the message in ``file``, whose position stays.

    Raises:
        UsageError: the file has no Date field that can be read, or, being a pipe, no time.
    """
    if when == "mtime":
        try:
            return int(os.fstat(file.fileno()).st_mtime // 1)
        except OSError:
            raise UsageError("it is no file, so it has no mtime; give another --date") from None
    return _header_date(file) if when == "header" else when


def _header_date(file: BinaryIO) -> int:
    start = file.tell()
    head = _HEADER_END.split(file.read(_HEADER), maxsplit=1)[0]
    file.seek(start)
    match = _DATE.search(head.replace(b"\r\n", b"\n"))
    seconds = _rfc5322(match[1].decode("latin-1")) if match else None
    if seconds is None:
        raise UsageError("it has no Date field that can be read; give another --date")
    return seconds


def _rfc5322(text: str) -> int | None:
    from email.utils import parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(text)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() // 1)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
