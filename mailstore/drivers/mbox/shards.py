"""Where a file may be cut so that several processes read it side by side.

A line that separates does so wherever one begins to read, unless a Content-Length reaches over it. So a file in which
the words ``Content-Length:`` begin no line is cut at any full separator near the wanted place; another one is walked
through from its beginning, and cut where records really begin.
"""

from __future__ import annotations

from mailstore.drivers.mbox.reading import Reading
from mailstore.drivers.mbox.scan import WINDOW
from mailstore.formats.mbox.from_line import Kind
from mailstore.formats.mbox.opening import PATCH_LINE

_LENGTH = b"Content-Length:"


def split(reading: Reading, count: int) -> list[int]:
    """Return the offsets of at most ``count`` parts of about equal size, ascending, the file's end last."""
    if reading.opening is None:
        return []
    start, size = reading.opening.start, reading.size
    wanted = [start + (size - start) * part // count for part in range(1, count)]
    if not wanted or reading.opening.mmdf or size - start < 2 * WINDOW:
        return [start, size]
    cuts = _walked(reading, wanted) if reading.holds((_LENGTH,)) else [_near(reading, offset) for offset in wanted]
    return [start, *sorted({cut for cut in cuts if start < cut < size}), size]


def _walked(reading: Reading, wanted: list[int]) -> list[int]:
    cuts, at = [], 0
    for extent in reading.extents():
        while at < len(wanted) and extent.start >= wanted[at]:
            cuts.append(extent.start)
            at += 1
    return cuts


def _near(reading: Reading, offset: int) -> int:
    """Return the first full separator behind ``offset``."""
    newline = reading.opening.eol[-1:] if reading.opening is not None else b"\n"
    for pattern in (newline * 2 + b"From ", b"\n\r\nFrom "):
        if newline == b"\r" and pattern[:1] == b"\n":
            continue
        base = offset
        while window := reading.source.read(base, WINDOW + 4096):
            at = window.find(pattern)
            while 0 <= at < WINDOW:
                begin = at + len(pattern) - 5
                end = window.find(newline, begin)
                line = reading.zone.parse(window[begin : end if end >= 0 else None].rstrip(b"\r"))
                if line.kind == Kind.DATED and not PATCH_LINE.match(window, begin):
                    return base + begin
                at = window.find(pattern, at + 1)
            base += WINDOW
            if base - offset > 64 * WINDOW:
                break
    return reading.size
