"""What must survive a crash in the middle of writing an mbox file in place.

The problem. A write may be cut short by a crash: half a message stands at the end of the file then, and what is
appended next is glued to it. And new contents cannot be given to a file without giving it another inode, unless they
are copied over the old; that is needed where the directory is not ours (``/var/mail``), where the file has a second
name or is a symbolic link, or where its owner could not be kept.

The solution. A hidden file beside the mailbox (in the state directory where that one is closed to us) says what is
under way; it is synced before the mailbox is touched. ``recover`` reads it under the mailbox's lock.

- *append*: where the append begins, what stands before it, how it begins, its length and how many NULs are in it. What
  is there is cut off again only if it begins like that, or with NULs, and is shorter than it was to be, or has more
  NULs: a power cut may leave the length, or some of the pages, without the bytes. An append that was completed, or a
  file that somebody wrote anew since, is left alone. So clearing this needs no sync.
- *copy*: the new contents, complete. They are copied over the old again, as often as needed; what other programs
  appended meanwhile is kept behind them.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress

from mailstore.drivers.mbox import torn
from mailstore.drivers.mbox.note import APPENDS, AROUND, COPIES, LINE, open_note, place, said
from mailstore.drivers.mbox.note import NAMES as NAMES
from mailstore.drivers.mbox.note import Append as Append
from mailstore.drivers.mbox.note import forget as forget
from mailstore.drivers.mbox.note import is_pending as is_pending
from mailstore.model.info import CHUNK
from mailstore.system import fs


def may_rename(path: str, fd: int) -> bool:
    """Tell whether another file may take the name ``path`` from the open file ``fd`` without harm to anybody."""
    directory = os.path.dirname(path)
    status = os.fstat(fd)
    if os.path.islink(path) or status.st_nlink != 1 or not os.access(directory, os.W_OK | os.X_OK):
        return False
    mode = os.stat(directory).st_mode
    if mode & stat.S_ISVTX or mode & stat.S_IWOTH:
        return False
    return os.geteuid() == 0 or (
        status.st_uid == os.geteuid() and (status.st_gid == os.getegid() or status.st_gid in os.getgroups())
    )


def copy_over(mailbox: str, fd: int, pieces: Iterator[bytes], beat: Callable[[], None]) -> None:
    """Give the open file new contents in place; ``pieces`` may read the old ones until they are exhausted.

    ``beat`` is called for every piece that is copied: whoever holds a dotlock shows that way that it lives.
    """
    path = place(mailbox, COPIES)
    status = os.fstat(fd)
    fs.make_directories(os.path.dirname(path))
    out, temporary = fs.temporary_beside(path)
    try:
        try:
            new = fs.copy_body(out, pieces)
            facts = {"inode": status.st_ino, "size": status.st_size, "stale": os.pread(fd, AROUND, new).hex()}
            fs.write_all(out, json.dumps(facts).encode().ljust(LINE))
            fs.sync_file(out)
        finally:
            fs.close(out)
        fs.rename(temporary, path)
    except BaseException:
        with suppress(OSError):
            fs.unlink(temporary, missing_ok=True)
        raise
    fs.unlink(place(mailbox, APPENDS), missing_ok=True)  # what it says of the old contents must not meet the new
    fs.sync_directory(os.path.dirname(path))
    _finish_copy(path, fd, beat)


def _finish_copy(path: str, fd: int, beat: Callable[[], None]) -> bool:
    """Carry out a copy; False where the journal is of another file."""
    source = open_note(path, fd)
    try:
        new = os.fstat(source).st_size - LINE
        facts = json.loads(os.pread(source, LINE, new))
        mine: bool = facts["inode"] == os.fstat(fd).st_ino
        if mine:
            _copy(source, new, fd, facts["size"], bytes.fromhex(facts["stale"]), beat)
            fs.sync_file(fd)
    finally:
        os.close(source)
    fs.unlink(path, missing_ok=True)
    fs.sync_directory(os.path.dirname(path))
    return mine


def _copy(source: int, new: int, fd: int, old: int, stale: bytes, beat: Callable[[], None]) -> None:
    """Copy the ``new`` bytes of the journal over a file that had ``old``, and put behind them what came later.

    A longer file is made longer first, a shorter one cut last. So what another program appended after a crash lies
    behind the old bytes, or behind the new ones, and which of them tells what stands at the end of the shorter.
    """
    size = os.fstat(fd).st_size
    if new > old:
        there, mine = os.pread(fd, AROUND, old), os.pread(source, min(AROUND, new - old), old)
        grown = size >= new and all(byte in (0, own) for byte, own in zip(there, mine, strict=False))
        end = new if grown else old
    else:
        end = old if size >= old and os.pread(fd, len(stale), new) == stale else new
    late = _read(fd, end, size) if size > end else b""
    if size < new:
        fs.truncate(fd, new)
    at = 0
    while at < new:
        beat()
        piece = os.pread(source, min(CHUNK, new - at), at)
        fs.pwrite_all(fd, piece, at)
        at += len(piece)
    if late:
        fs.pwrite_all(fd, late, new)
    fs.truncate(fd, new + len(late))


def _read(fd: int, start: int, stop: int) -> bytes:
    data = b""
    while len(data) < stop - start and (more := os.pread(fd, stop - start - len(data), start + len(data))):
        data += more
    return data


def recover(mailbox: str, fd: int, beat: Callable[[], None]) -> tuple[int, int]:
    """Finish or undo what a crash left, under the mailbox's lock; returns how much was (finished, undone)."""
    finished = undone = 0
    copies, appends = place(mailbox, COPIES), place(mailbox, APPENDS)
    if os.path.lexists(copies):
        with suppress(ValueError, KeyError, OSError):
            finished += _finish_copy(copies, fd, beat)
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
    others = torn.others_begin(fd, offset + known, status.st_size)
    between = others - offset - known
    if others == offset or (known < len(there) and os.pread(fd, min(between, AROUND), offset + known).strip(b"\r\n")):
        return False
    if others < status.st_size:
        copy_over(mailbox, fd, torn.without(fd, offset, others), beat)
    else:
        fs.truncate(fd, offset)
        fs.sync_file(fd)
    return True
