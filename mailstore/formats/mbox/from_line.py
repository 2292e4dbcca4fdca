r"""From_ lines: the line before every message of an mbox, ``From sender date``.

There is one right form (RFC 4155: one space, ctime in UTC) and some thirty that programs wrote. What they have in
common is the end of the line, so it is read backwards: the sender may hold spaces. Sources: c-client's ``VALID`` macro
(unix.h), Dovecot's mbox-from.c, mutt's mbox(5), Google Takeout, Thunderbird.

A date without a zone is local time for nearly every program (Postfix, Exim, Dovecot, c-client, mutt) and UTC for RFC
4155: the caller says which. Dovecot reads ``+0530`` as 530 seconds; here it is 5 hours 30 minutes.
"""

from __future__ import annotations

import calendar
import re
import time
from enum import IntEnum
from typing import NamedTuple

from mailstore.formats.headers import first
from mailstore.formats.mbox.separator import GREATEST as GREATEST
from mailstore.formats.mbox.separator import MONTHS, is_ctime, read_sender
from mailstore.formats.mbox.separator import is_plain_date as is_plain_date
from mailstore.formats.mbox.separator import is_plain_sender as is_plain_sender
from mailstore.formats.mbox.separator import write as write


class Kind(IntEnum):
    """How much a line that begins with ``From `` looks like a From_ line."""

    TEXT = 0
    """``From the beginning``: running text, or a header field with a space before its colon."""
    BARE = 1
    """``From``, ``From -``, ``From joe@example.com``: a sender at most, no date (Thunderbird, hand-made files)."""
    CLOCK = 2
    """Something like a time of day, but no date that can be read: ``From joe Fri Jan 1 00:0:00 2015``."""
    DATED = 3
    """A sender and a date."""


class FromLine(NamedTuple):
    """What a From_ line says."""

    kind: Kind
    sender: str | None
    """'' for the null sender, None for an unknown one; undecodable bytes are surrogate-escaped."""
    date: int | None
    """Seconds since 1970 UTC, or None where the date cannot be read."""


_DATED = Kind.DATED
_make = tuple.__new__

_HOUR = 3600
_ZONES = {
    b"UT": 0, b"UTC": 0, b"GMT": 0, b"Z": 0, b"WET": 0, b"WEST": 1, b"CET": 1, b"MET": 1, b"CEST": 2, b"MEST": 2,
    b"EET": 2, b"EEST": 3, b"MSK": 3, b"JST": 9, b"EST": -5, b"EDT": -4, b"CST": -6, b"CDT": -5, b"MST": -7,
    b"MDT": -6, b"PST": -8, b"PDT": -7,
}  # fmt: skip
"""Hours east of Greenwich. Other names mean different places to different people and are read as local time."""

_ZONE = rb"(?:[+-]\d{4}(?: +\(?[A-Za-z]{1,5}\)?)?|[A-Za-z]{1,5}(?: DST)?)"
_DATE = re.compile(
    rb"\A(?P<sender>.*?)[ \t]*(?<![^ \t])"
    rb"(?P<wday>[A-Za-z]{3}),?[ \t]+"
    rb"(?:(?P<mon>[A-Za-z]{3}|\?\?\?)[ \t]+(?P<day>\d{1,2})"
    rb"|(?P<day2>\d{1,2})[ \t]+(?P<mon2>[A-Za-z]{3}|\?\?\?)[ \t]+(?P<year2>\d{4}|\d\d))"
    rb"[ \t]+(?P<h>\d{1,2}):(?P<m>\d\d)(?::(?P<s>\d\d))?"
    rb"(?(year2)(?:[ \t]+(?P<zone2>" + _ZONE + rb"))?"
    rb"|(?:[ \t]+(?P<zone>" + _ZONE + rb"))?[ \t]+(?P<year>\d{4}|\d\d)(?:[ \t]+(?P<zone3>" + _ZONE + rb"))?)"
    rb"(?:[ \t]+remote from \S+)?[ \t]*\Z",
    re.IGNORECASE,
)
_COLON = ord(":")
_CLOCK = re.compile(rb"\A\S+[ \t].*\d\d?:\d")


class Zone:
    """Reads dates of one kind of zone-less date: ``utc`` or local. Keeps the days it saw: much mail shares them."""

    def __init__(self, *, utc: bool) -> None:
        self.utc = utc
        self.days: dict[bytes, int] = {}
        """``Mon Feb  3  2025`` -> the instant of its midnight, of days with 24 hours."""

    def instant(self, year: int, month: int, day: int, hour: int, minute: int, second: int) -> int:
        """Return the instant of a wall-clock time; out-of-range seconds (60) run on."""
        fields = (year, month, max(day, 1), hour, minute, second, 0, 0, -1)
        if self.utc:
            return calendar.timegm(fields)
        try:
            return int(time.mktime(fields))
        except (OverflowError, ValueError):
            return calendar.timegm(fields)

    def parse(self, line: bytes) -> FromLine:
        """Read a line without its line end; anything that does not begin with ``From `` is TEXT."""
        tail = line[-24:]
        midnight = self.days.get(tail[:11] + tail[19:])
        if midnight is None and is_ctime(tail):
            midnight = self._midnight(tail)
        if midnight is not None and line[-25:-24] == b" " and line[:5] == b"From ":
            clock = tail[11:13] + tail[14:16] + tail[17:19]
            if tail[13] == _COLON == tail[16] and clock.isdigit():
                number = int(clock)
                hour, minute, second = number // 10000, number // 100 % 100, number % 100
                if hour < 24 and minute < 60 and second < 60:
                    date = midnight + hour * _HOUR + minute * 60 + second
                    return _make(FromLine, (_DATED, read_sender(line[5:-25]), date))
        return self._parse_slowly(line)

    def _midnight(self, ctime: bytes) -> int | None:
        """Return and keep the midnight before ``ctime``; None for no day, or one that is longer or shorter."""
        month, day, year = MONTHS.get(ctime[4:7].lower()), int(ctime[8:10]), int(ctime[20:])
        if month is None or not year or not 0 < day <= 31:
            return None
        midnight = self.instant(year, month, day, 0, 0, 0)
        if self.instant(year, month, day, 23, 59, 59) - midnight != 24 * _HOUR - 1:
            return None
        if len(self.days) > 50_000:
            self.days.clear()
        self.days[ctime[:11] + ctime[19:]] = midnight
        return midnight

    def _parse_slowly(self, line: bytes) -> FromLine:
        if line[:5] != b"From ":
            return FromLine(Kind.TEXT, None, None)
        rest = line[5:].rstrip(b" \t\r\n")
        found = _DATE.match(rest) if len(rest) < 4096 else None
        if found is not None:
            date = self._date(found)
            if date is not None:
                return FromLine(Kind.DATED, read_sender(found["sender"]), date)
        if _CLOCK.match(rest):
            return FromLine(Kind.CLOCK, read_sender(rest.split(None, 1)[0]), None)
        if not rest or (rest[:1] != b":" and len(rest.split(None, 1)) == 1):
            return FromLine(Kind.BARE, read_sender(rest), None)
        return FromLine(Kind.TEXT, None, None)

    def _date(self, found: re.Match[bytes]) -> int | None:
        month = MONTHS.get((found["mon"] or found["mon2"]).lower())
        hour, minute, second = int(found["h"]), int(found["m"]), int(found["s"] or 0)
        day, year = int(found["day"] or found["day2"]), full_year(found["year"] or found["year2"])
        if month is None or not year or day > 31 or hour > 24 or minute > 59 or second > 61:
            return None
        offset = zone_offset(found["zone"] or found["zone2"] or found["zone3"] or b"")
        if offset is None:
            return self.instant(year, month, day, hour, minute, second)
        return calendar.timegm((year, month, max(day, 1), hour, minute, second)) - offset


def full_year(digits: bytes) -> int:
    """Return the year of two digits (70 to 99 are 19xx, as in mutt) or of four."""
    year = int(digits)
    return year if len(digits) > 2 else year + (1900 if year >= 70 else 2000)


def zone_offset(zone: bytes) -> int | None:
    """Return seconds east of Greenwich of ``+0530``, ``EST`` or ``CET DST``; None where it is unknown."""
    if zone[:1] in (b"+", b"-"):
        offset = int(zone[1:3]) * _HOUR + int(zone[3:5]) * 60
        return -offset if zone[:1] == b"-" else offset
    name, _, summer = zone.upper().partition(b" ")
    hours = _ZONES.get(name)
    return None if hours is None else (hours + bool(summer)) * _HOUR


_ANY = Zone(utc=True)


def may_separate(data: bytes, newline: bytes) -> bool:
    """Tell whether some line of ``data``, which begins a line, may be a From_ line to a reader of some file or other.

    One without a date may be in a file whose first one has none either, between an empty line and a header field.
    """
    at = 0
    while (at := data.find(b"From ", at)) >= 0:
        if at == 0 or data[at - 1 : at] == newline:
            end = data.find(newline, at) % (len(data) + 1)  # len(data) where it has no line end
            kind = _ANY.parse(data[at:end].rstrip(b"\r")).kind
            blank = at == 0 or not data[data.rfind(newline, 0, at - 1) + 1 : at].strip(b"\r\n")
            last = not data[end : data.find(newline, end + 1) % (len(data) + 1)].strip(b"\r\n")
            if kind >= Kind.CLOCK or (kind == Kind.BARE and blank and not last):
                return True
        at += 5
    return False


_RFC822_DATE = re.compile(
    rb"(?:\A|[\s,;])(\d{1,2})[\s-]+([A-Za-z]{3})[a-z]*[\s-]+(\d{4}|\d\d)[\s,]+(\d{1,2}):(\d\d)(?::(\d\d))?(?:\s*("
    rb"[+-]\d{4}|[A-Za-z]{1,5}))?"
)


def header_date(value: bytes, zone: Zone) -> int | None:
    """Read the date of a ``Date:`` field, or of a ``Received:`` field, where it stands behind the last semicolon."""
    found = _RFC822_DATE.search(value[value.rfind(b";") + 1 :])
    if found is None:
        return None
    month = MONTHS.get(found[2].lower())
    day, year = int(found[1]), full_year(found[3])
    hour, minute, second = int(found[4]), int(found[5]), int(found[6] or 0)
    if month is None or not year or not 1 <= day <= 31 or hour > 24 or minute > 59 or second > 61:
        return None
    offset = zone_offset(found[7] or b"")
    if offset is None:
        return zone.instant(year, month, day, hour, minute, second)
    return calendar.timegm((year, month, day, hour, minute, second)) - offset


def reception_date(header: bytes, zone: Zone) -> tuple[int, str] | None:
    """Return when a message was received, as its header tells, and the name of the field; None where none can be read.

    The first ``Received:`` is the last host's; then ``Date:``. ``zone`` is for a date without one.
    """
    for name in ("Received", "Date"):
        value = first(header, name.encode())
        date = header_date(value, zone) if value is not None else None
        if date is not None:
            return date, name
    return None
