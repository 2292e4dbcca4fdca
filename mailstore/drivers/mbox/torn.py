"""Where the mail of others begins behind an append of ours that a crash cut short.

The problem. Between the crash and our recovery another program may deliver: its mail, acknowledged, stands behind half
a record of ours. Cutting the file off where our append began would take it along. And half a record seldom ends with a
line end, which some programs (maildrop, Postfix) do not look for: their From_ line is then glued to our last line.

The solution. Every record of ours has our own block of fields behind its From_ line. So the first From_ line with a
date, at the beginning of a line or not, that is followed by anything else begins mail of others, and from there on
everything stays. From_ lines in our own text are quoted, and a quoted one does not count. Where that is wrong (mboxcl2
quotes none), a part of the torn message stays as a message: nothing is lost by it.

Whoever of ours comes by recovers first, if it finds the note: another user, or one with another XDG_STATE_HOME, keeps
his elsewhere (``note.places``), and what he appends looks as ours does; so does mail that begins with ``Status:``. So
where the append was to be a single record, each dated From_ line at the beginning of a line begins mail of others.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from mailstore.formats.mbox.record import OURS
from mailstore.model.info import CHUNK

_LONGEST = 1024
_FROM = re.compile(
    rb"(?<!>)From [^\r\n]{0,600}?(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? [^\r\n]{0,16}?\d\d:\d\d(?::\d\d)?[^\r\n]{0,40}\r?\n"
)


def agreeing(there: bytes, start: bytes) -> int:
    """Count the bytes from the first on that stand there as they were to be, or as NULs.

    NULs: a file that grew before its data came, or that could not be cut back (a btrfs out of quota clears the block).
    """
    pairs = zip(there, start, strict=False)
    return next((at for at, (byte, own) in enumerate(pairs) if byte not in (0, own)), min(len(there), len(start)))


def others_begin(fd: int, start: int, stop: int, *, single: bool = False) -> int:
    """Return where mail that is not ours begins between two offsets of a file; ``stop`` where there is none.

    ``single``: no line of ours there begins like a From_ line.
    """
    at = start
    while at < stop:
        low = max(at - 1, start)  # to see what stands before
        window = os.pread(fd, min(CHUNK + _LONGEST, stop - low), low)
        if not window:
            break
        for found in _FROM.finditer(window, at - low):
            another = single and window[: found.start()].endswith((b"\n", b"\r"))
            if found.start() < CHUNK and (another or window[found.end() : found.end() + 7] not in OURS):
                return low + found.start()
        at = low + CHUNK
    return stop


def without(fd: int, start: int, stop: int) -> Iterator[bytes]:
    """Yield a file without what stands between two offsets; what follows begins behind an empty line."""
    size = os.fstat(fd).st_size
    for low, high in ((0, start), (stop, size)):
        at = low
        while at < high and (piece := os.pread(fd, min(CHUNK, high - at), at)):
            at += len(piece)
            yield piece
        if low == 0 and start:
            tail = os.pread(fd, min(start, 2), max(start - 2, 0))
            yield b"" if tail == b"\n\n" else b"\n" if tail[-1:] == b"\n" else b"\n\n"
