"""What the records of a file, or of its beginning, say about its dialect.

The problem. A dialect is judged by all records of a file, and how every one of them is read hangs on it: messages that
we add must not turn the scales for those that were there, and a delivery cannot read 2 GB to learn how to quote a line.

The solution. Records that we add without a UID, deliveries among them, are written so that they read the same in any
dialect (``Dialect.alone``), and are left out of the evidence: the file is taken for what it was taken for before. So a
delivery may judge by the first 64 KiB: a wrong guess costs a ``>`` before a line in the eyes of another program.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mailstore.drivers.mbox.scan import LIMIT, WINDOW, Extent, Read, Rules, counted_to, scanner
from mailstore.formats.mbox.from_line import Zone
from mailstore.formats.mbox.opening import Evidence, Opening, Weighed, depths, weigh
from mailstore.formats.mbox.record import OURS, says_all_itself

_AROUND = 8192
"""Bytes around a window in which a line's neighbours are looked for."""


def weighed(extents: Iterable[Extent], read: Read, newline: bytes) -> Iterator[Weighed]:
    """Yield the records that count as evidence."""
    for extent in extents:
        raw = extent.raw if extent.raw is not None else read(extent.start, LIMIT)
        if says_all_itself(raw, extent.line_stop, newline):
            continue
        ours = raw[extent.line_stop : extent.line_stop + 7] in OURS
        deeper = same = 0
        if extent.quoted and not ours:
            deeper, same = (
                quoting_of(read, extent.start, extent.stop) if extent.raw is None else depths(raw, 0, len(raw))
            )
        yield Weighed(raw, extent.counted > 0, deeper, same, ours)


def quoting_of(read: Read, begin: int, end: int) -> tuple[int, int]:
    """Count the quoted From lines of ``[begin, end)``, any number of bytes, as ``depths`` does."""
    deeper = same = 0
    for at in range(begin, end, WINDOW):
        low = max(at - _AROUND, begin)
        window = read(low, min(at + WINDOW + _AROUND, end) - low)
        found = depths(window, at - low, at - low + WINDOW)
        deeper, same = deeper + found[0], same + found[1]
    return deeper, same


def evidence_of_beginning(head: bytes, size: int, opening: Opening, read: Read) -> Evidence:
    """Return what the records say that begin in ``head``, the first bytes of a file of ``size``.

    ``read`` reads anywhere in the file, and is used for a few KB where a Content-Length points.
    """
    whole = len(head) >= size

    def within(at: int, count: int) -> bytes:
        if at < len(head):
            return head[at : at + count]
        return read(at, count) if count < WINDOW else b""  # a window is read on to find more records: enough of them

    newline = opening.eol[-1:]
    rules = Rules(size, newline, Zone(utc=True), bare=opening.bare, patches=opening.patches)

    def beginning() -> Iterator[Extent]:
        for extent in scanner(within, rules, opening.start, size, mmdf=False):
            if extent.start >= len(head):
                return
            if not whole and extent.stop >= size and not extent.counted:  # its end was not looked for
                raw = head[extent.start :]
                yield extent._replace(raw=raw, counted=counted_to(within, rules, extent, raw))
                return
            yield extent if extent.raw is not None else extent._replace(raw=head[extent.start :])

    return weigh(weighed(beginning(), within, newline))
