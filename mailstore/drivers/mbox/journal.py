"""What must survive a crash in the middle of writing an mbox file in place.

The problem. A write may be cut short by a crash: half a message stands at the end of the file then, and what is
appended next is glued to it.

The solution. A hidden file (``note``) says what is under way; it is synced before the mailbox is touched. ``recover``
reads it under the mailbox's lock.

- *append*: where the append begins, what stands before it, how it begins, its length, how many NULs are in it, and
  whether a single line of it begins with ``From``, the first (``torn`` tells whose mail stands behind by that). What
  is there is cut off again only if it begins like that, or with NULs, and is shorter than it was to be, or has more
  NULs: a power cut may leave the length, or some of the pages, without the bytes. An append that was completed, or a
  file that somebody wrote anew since, is left alone. So clearing this needs no sync.
- *copy*: the new contents of a mailbox that is rewritten, complete (``inplace``).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress

from mailstore.drivers.mbox import inplace, torn
from mailstore.drivers.mbox.note import APPENDS, AROUND, COPIES, place, places, said
from mailstore.drivers.mbox.note import NAMES as NAMES
from mailstore.drivers.mbox.note import Append as Append
from mailstore.drivers.mbox.note import forget as forget
from mailstore.drivers.mbox.note import is_pending as is_pending
from mailstore.model.info import CHUNK
from mailstore.system import fs


def recover(mailbox: str, fd: int, beat: Callable[[], None]) -> tuple[int, int]:
    """Finish or undo what a crash left, under the mailbox's lock; returns how much was (finished, undone).

    Raises:
        OSError: a copy cannot be finished now; the mailbox must not be written to.
    """
    finished = undone = 0
    if any(inplace.seen(places(mailbox, COPIES))):
        finished += inplace.finish(mailbox, fd, beat)
    appends = place(mailbox, APPENDS)
    try:
        facts = said(appends, fd)
    except OSError:
        return finished, 0
    if facts:
        with suppress(ValueError, KeyError, TypeError):
            undone += _cut_off(mailbox, fd, json.loads(facts), beat)
        fs.unlink(appends, missing_ok=True)
    return finished, undone


def _nuls(fd: int, start: int, stop: int) -> int:
    """Count the NULs of a file between two offsets."""
    count = 0
    while start < stop and (piece := os.pread(fd, min(CHUNK, stop - start), start)):
        count += piece.count(0)
        start += len(piece)
    return count


def _cut_off(mailbox: str, fd: int, facts: dict[str, int | str], beat: Callable[[], None]) -> bool:
    """Take an append back that was not completed; mail that others put behind it stays."""
    offset, length = int(facts["offset"]), int(facts["length"])
    before, start = bytes.fromhex(str(facts["before"])), bytes.fromhex(str(facts["start"]))
    status = os.fstat(fd)
    size = status.st_size - offset
    if status.st_ino != facts["inode"] or size <= 0 or 0 <= length < size:
        return False
    there = os.pread(fd, min(len(start), size), offset)
    if os.pread(fd, len(before), offset - len(before)) != before:
        return False
    if size == length and _nuls(fd, offset, status.st_size) <= int(facts.get("nuls", length)):
        return False
    known = torn.agreeing(there, start)
    others = torn.others_begin(fd, offset + known, status.st_size, single=bool(facts.get("single")))
    between = others - offset - known
    if others == offset or (known < len(there) and os.pread(fd, min(between, AROUND), offset + known).strip(b"\r\n")):
        return False
    if others < status.st_size:
        inplace.copy_over(mailbox, fd, torn.without(fd, offset, others), beat)
    else:
        fs.truncate(fd, offset)
        fs.sync_file(fd)
    return True
