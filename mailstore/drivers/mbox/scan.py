r"""Where records begin and end in an mbox file, in one pass over any number of bytes and constant memory.

The problem. A line that begins with ``From `` begins a message, unless it is running text. Merging two messages loses
one; splitting one changes it and invents another. No single rule is right for every file that exists.

The reading (docs/violations.md has the real files behind it):

- A line with a sender and a readable date is a separator if the line before it is empty, or the line after it is a
  header field. (Python, imaptest and Roundcube write no empty line; others write messages without a header.)
- A line with something like a time of day (``Fri Jan 1 00:0:00 2015``) is one if both hold.
- A line without any date is one if both hold and it is Thunderbird's bare ``From`` or ``From -``, or if the file's
  own first line has no date either.
- The line that git begins a patch with (``From SHA Mon Sep 17 00:00:00 2001``) separates only in a file that begins
  with one: elsewhere it is a patch inside a message.
- Everything else is text.
- ``Content-Length`` is believed record by record, only where a line with a date, or the end of the file, stands
  exactly behind so many bytes and an empty line. Where the counted bytes hold a full separator themselves, it is
  believed only if at least half of the file's records are so counted: one forged header swallows nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from mailstore.formats.mbox.dialect import MARK
from mailstore.formats.mbox.from_line import FromLine, Kind, Zone
from mailstore.formats.mbox.metadata import FIRST_OF_NOTE
from mailstore.formats.mbox.opening import PATCH_LINE
from mailstore.formats.mbox.record import HEAD, empty_line

WINDOW = 1 << 18
"""Bytes read at once."""
LIMIT = (1 << 20) + (1 << 16)
"""Bytes of the largest record that is handed on in memory."""
LINE = 8192
"""Bytes of the longest From_ line; a longer one is text."""

_MARK = re.compile(MARK + rb"\r?(?:\n|\Z)")
_FIELD = re.compile(rb"[!-9;-~]+[ \t]*:|>?From ")
_FROM = re.compile(rb"From ")
_CLOCK = re.compile(rb" (?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9] ")
"""The clock of a ctime, from the space before it: day and year are seen to apart."""
_LENGTH = re.compile(rb"[\r\n]Content-Length:[ \t]*(\d{1,18})[ \t]*[\r\n]")

Read = Callable[[int, int], bytes]
"""(offset, size) -> bytes, fewer only at the end."""


class Extent(NamedTuple):
    """One record."""

    start: int
    """Offset of its From_ line (in MMDF: of what follows the mark)."""
    stop: int
    """Offset where the next record, or its closing mark, begins."""
    raw: bytes | None
    """Its bytes; None where it is larger than LIMIT."""
    line: FromLine | None
    """None: a date of the usual form, not read yet (``line_of``)."""
    line_stop: int
    """Length of its From_ line with its line end."""
    head_stop: int
    """Length up to the end of its header block; 0 where it has no empty line within HEAD."""
    quoted: bool
    """A ``>From `` occurs in it, at the beginning of a line or not."""
    plain: bool
    """No field of its header block can be metadata."""
    counted: int
    """Length of what Content-Length accounts for, header included; 0 where there is none or it is not believed."""


class Rules(NamedTuple):
    """What the scan must know of a file."""

    size: int
    newline: bytes
    zone: Zone
    bare: bool = False
    """The file's first line has no date."""
    counts: Callable[[], bool] = lambda: True
    """Whether a Content-Length may reach over full separators; asked only where one does."""
    patches: bool = False
    """The file's first line is git's."""
    data: Callable[[int], int] = lambda at: at
    """Where the next byte is that is no hole of a sparse file, from an offset on."""
    strict: bool = False
    """Only a line with a date separates: the file is said to be RFC 4155, which quotes nothing."""


_LINE_ENDS = b"\r\n"
_MIDNIGHT = b"00:00:00"
"""The time of day in git's lines, which are looked at closely."""
_GREATER, _SPACE = ord(">"), ord(" ")
_make = tuple.__new__
_TEXT = FromLine(Kind.TEXT, None, None)
NO_LINE = FromLine(Kind.BARE, None, None)
"""In the place of a From_ line that is not there (MMDF)."""


def separates(line: FromLine, *, blank: bool, field: bool, bare: bool) -> bool:
    """Tell whether a line is a separator, from itself, the line before (``blank``) and the line after (``field``)."""
    if line.kind == Kind.DATED:
        return blank or field
    if line.kind == Kind.TEXT or not (blank and field):
        return False
    return line.kind == Kind.CLOCK or line.sender is None or bare


class _Separator(NamedTuple):
    at: int
    """File offset."""
    line: FromLine | None
    length: int
    """Of the line with its line end."""
    full: bool
    """The line before is empty."""


def _is_usual(window: bytes, start: int, end: int, days: dict[bytes, int]) -> bool:
    """Tell whether a From_ line ends in a ctime of a day that was seen before: then nothing more need be looked at."""
    return (
        end - start > 28
        and window[end - 24 : end - 13] + window[end - 5 : end] in days
        and window[end - 25] == _SPACE
        and window[end - 13 : end - 5] != _MIDNIGHT
        and _CLOCK.match(window, end - 14) is not None
    )


def _line_at(window: bytes, at: int, rules: Rules) -> tuple[FromLine, int]:
    """Read the From_ line at offset ``at`` of a window that holds LINE bytes more, or the rest of the file."""
    end = window.find(rules.newline, at, at + LINE)
    if end < 0:
        if len(window) - at > LINE:
            return _TEXT, at
        end = len(window)
    line = window[at : end - 1] if window[end - 1 : end] == b"\r" else window[at:end]
    return rules.zone.parse(line), min(end + 1, len(window))


def _boundary(read: Read, rules: Rules, target: int) -> _Separator | None:
    """Return the separator that stands at ``target`` or up to two line ends later; the end of the file is one."""
    if target > rules.size:
        return None
    data = read(target, LINE + 256)
    at = 0
    for _ in range(3):
        if target + at >= rules.size:
            return _Separator(rules.size, _TEXT, 0, full=True)
        if data[at : at + 5] == b"From ":
            line, end = _line_at(data, at, rules)
            return _Separator(target + at, line, end - at, full=True) if line.kind == Kind.DATED else None
        step = 2 if data[at : at + 2] == b"\r\n" else 1
        if step == 1 and data[at : at + 1] != rules.newline:
            return None
        at += step
    return None


def counted_to(read: Read, rules: Rules, extent: Extent, raw: bytes) -> int:
    """Return what a record's Content-Length accounts for, header included, if a boundary is there; else 0.

    ``raw`` is the record's beginning.
    """
    end = extent.head_stop
    found = _LENGTH.search(raw, max(extent.line_stop - 1, 0), end) if 0 < end <= len(raw) else None
    target = extent.start + end + int(found[1]) if found is not None else 0
    return target - extent.start if found and _boundary(read, rules, target) is not None else 0


class Scanner:
    """Walks over the records of ``[start, stop)``; ``start`` is the beginning of a record.

    ``stop`` below the file's size must be the beginning of a record too. What the records say decides: a wrong
    ``stop`` shows as a last Extent that ends elsewhere.
    """

    def __init__(self, read: Read, rules: Rules, start: int, stop: int) -> None:
        self._read = read
        self._rules = rules
        self._start = start
        self._stop = stop
        self._jump(start)

    def _jump(self, offset: int) -> None:
        """Begin a new window at ``offset``."""
        self._base = offset
        self._window = self._read(offset, WINDOW)
        self._done = offset + len(self._window)

    def _more(self, keep: int) -> None:
        """Read on, keeping the window from file offset ``keep``."""
        data = self._read(self._done, WINDOW)
        self._window = self._window[keep - self._base :] + data
        self._base = keep
        self._done = self._done + len(data) if data else self._rules.size

    def _first(self) -> _Separator:
        """Return what stands at the window's beginning, which is a record's."""
        line, length = _line_at(self._window, 0, self._rules)
        return _Separator(self._base, line, length if line[0] != Kind.TEXT else 0, full=True)

    def _separator_at(self, window: bytes, at: int) -> _Separator | None:
        """Return what stands at offset ``at`` of the window if it separates, else None."""
        newline = self._rules.newline
        end = window.find(newline, at, at + LINE)
        if window[at - 2 : at] == newline * 2 and _is_usual(window, at, end, self._rules.zone.days):
            return _make(_Separator, (self._base + at, None, end + 1 - at, True))
        line, end = _line_at(window, at, self._rules)
        if line[0] == Kind.TEXT or (self._rules.strict and line[0] != Kind.DATED):
            return None
        if not self._rules.patches and PATCH_LINE.match(window, at):
            return None
        before = window[max(at - 3, 0) : at]
        blank = before[-2:] == self._rules.newline * 2 or before == b"\n\r\n"
        if not (blank and line[0] == Kind.DATED):
            field = _FIELD.match(window, end) is not None
            if not separates(line, blank=blank, field=field, bare=self._rules.bare):
                return None
        return _Separator(self._base + at, line, end - at, blank)

    def __iter__(self) -> Iterator[Extent]:
        """Yield the records in order."""
        if self._start >= self._stop:
            return
        here = self._first()
        newline, size, stop = self._rules.newline, self._rules.size, self._stop
        code = newline[0]
        at, quoted = here.at + max(here.length, 1), False
        while True:
            window, base = self._window, self._base
            whole = self._done >= size
            # A line near the window's end is looked at when it is wholly there, with the line after it.
            horizon = len(window) if whole else len(window) - LINE - 256
            jumped = False
            for found in _FROM.finditer(window, at - base):
                place = found.start()
                if place >= horizon:
                    break
                before = window[place - 1]
                if before != code:
                    quoted = quoted or before == _GREATER
                    continue
                following = self._separator_at(window, place)
                if following is None:
                    continue
                extent = self._extent(here, following, quoted)
                yield extent
                quoted = False
                if extent.stop != following.at:  # a Content-Length reached farther
                    jumped = True
                    if extent.stop < min(stop, size):
                        self._jump(extent.stop)
                        here = self._first()
                        at = here.at + here.length
                        break
                    return
                here = following
                if here.at >= stop:
                    return
            if jumped:
                continue
            if whole:
                yield self._extent(here, None, quoted)
                return
            at = self._refill(here, max(base + horizon, at, here.at + max(here.length, 1)))

    def _refill(self, here: _Separator, at: int) -> int:
        """Read on; returns the file offset to search from, which is ``at`` unless a hole was skipped.

        The window goes on holding the whole record that begins ``here`` as long as that is within LIMIT.
        """
        if at - here.at <= LIMIT and here.at >= self._base:
            self._more(here.at)
        elif (data := self._rules.data(self._done)) - self._done > WINDOW:
            self._jump(data - LINE)
            return data - LINE + 1
        else:
            self._more(at - 4)
        return at

    def _extent(self, here: _Separator, following: _Separator | None, quoted: bool) -> Extent:
        """Return the record that begins ``here``, up to ``following`` (None: the end) or where its length says."""
        start, line, length, _ = here
        window, base, newline = self._window, self._base, self._rules.newline
        stop = self._rules.size if following is None else following.at
        at = start - base
        if at < 0:
            window, at = self._read(start, HEAD), 0
        limit = at + min(stop - start, HEAD)
        body = at + length - (1 if length else 0)
        noted = FIRST_OF_NOTE[newline].search(window, body, limit)
        end = noted.end() if noted is not None else 0
        plain = noted is None or window[end - 2] in _LINE_ENDS
        if not plain:
            end = empty_line(window, body, limit, newline)
        counted = 0
        if not plain and end and window.find(b"Content-Length:", at + length, end) >= 0:
            found = _LENGTH.search(window, body, end)
            target = start + end - at + int(found[1]) if found else 0
            if found and (boundary := self._believed(target, stop, following)) is not None:
                counted = target - start
                quoted = quoted or boundary.at != stop
                stop = boundary.at
        raw = None
        if stop - start <= LIMIT:
            within = start >= base and stop <= base + len(self._window)
            raw = self._window[start - base : stop - base] if within else self._read(start, stop - start)
        return _make(Extent, (start, stop, raw, line, length, end - at if end else 0, quoted, plain, counted))

    def _believed(self, target: int, stop: int, following: _Separator | None) -> _Separator | None:
        """Return the boundary that a Content-Length ending at ``target`` gives, or None where it is not believed."""
        boundary = _boundary(self._read, self._rules, target)
        if boundary is None or boundary.at < stop:
            return None
        reaches_over = boundary.at > stop and following is not None and following.full
        return None if reaches_over and not self._rules.counts() else boundary


class MmdfScanner:
    """The same for MMDF: whatever stands between two lines of four 0x01 is a record, if it is not empty."""

    def __init__(self, read: Read, rules: Rules, start: int, stop: int) -> None:
        self._read = read
        self._rules = rules
        self._start = start
        self._stop = stop

    def _marks(self) -> Iterator[tuple[int, int]]:
        """Yield (start, stop) of every mark line with its line end, then one of no length at the end."""
        base, window = self._start, self._read(self._start, WINDOW)
        while True:
            whole = base + len(window) >= self._rules.size
            at = 0
            for found in _MARK.finditer(window):
                start, stop = found.span()
                if stop == len(window) and not whole:
                    break
                if window[start - 1 : start] == b"\n" or base + start == self._start:
                    yield base + start, base + stop
                    at = stop - 1
            if whole:
                yield self._rules.size, self._rules.size
                return
            # What is kept begins with the byte before a mark that may follow.
            at = max(at, len(window) - 16)
            more = self._read(base + len(window), WINDOW)
            window = window[at:] + more
            base += at

    def __iter__(self) -> Iterator[Extent]:
        """Yield the records in order."""
        at = self._start
        for mark, after in self._marks():
            if mark > at and at < self._stop:
                yield self._extent(at, mark)
            at = max(after, at)

    def _extent(self, start: int, stop: int) -> Extent:
        head = self._read(start, min(stop - start, HEAD))
        line, length = NO_LINE, 0
        if head[:5] == b"From ":
            end = head.find(b"\n", 0, LINE)
            parsed = self._rules.zone.parse(head[: end if end >= 0 else LINE].rstrip(b"\r"))
            if end >= 0 and parsed.kind != Kind.TEXT:
                line, length = parsed, end + 1
        end = empty_line(head, max(length - 1, 0), len(head), b"\n")
        raw = (
            head if stop - start == len(head) else (self._read(start, stop - start) if stop - start <= LIMIT else None)
        )
        return Extent(start, stop, raw, line, length, end, quoted=False, plain=False, counted=0)


def line_of(extent: Extent, raw: bytes, zone: Zone) -> FromLine:
    """Return what an extent's From_ line says; ``raw`` is the record, or its beginning."""
    return extent.line or zone.parse(raw[: extent.line_stop].rstrip(b"\r\n"))


def scanner(read: Read, rules: Rules, start: int, stop: int, *, mmdf: bool) -> Scanner | MmdfScanner:
    """Return the scanner for a file of ``rules``."""
    return (MmdfScanner if mmdf else Scanner)(read, rules, start, stop)
