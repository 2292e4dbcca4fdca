"""New contents for an mbox file, in place: a complete copy first, which is then copied over the old contents.

The problem. Another file must not take the mailbox's name: mutt opens the mailbox, waits for its lock, and appends to
what it has open without another look, so that its message would go to a file without a name. Nor can it where the
directory is not ours (``/var/mail``), the file has a second name, or its owner could not be kept. But writing over the
old contents is no one step: whatever stops it in the middle, a kill, a failing disk, leaves a mixture of old and new.

The solution. The new contents are written to a hidden file, complete and synced, and from the moment that has its name
they are what the mailbox holds, for all programs of ours: who writes finishes the copying first; who reads reads the
hidden file instead, and what other programs appended meanwhile. That costs one look whether there is such a file.

Copying begins with what makes the file longer. So want of room shows before a byte of the old is overwritten, and then
everything is taken back; a later failure is tried once more from the start, and if it stays, is left to whoever comes
next. A signal is dealt with likewise: other programs, which know of no hidden file, see no mixture.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from mailstore.drivers.mbox.note import APPENDS, AROUND, COPIES, LINE, open_note, place, places
from mailstore.errors import MailstoreError
from mailstore.model.info import CHUNK
from mailstore.system import fs

Seen = tuple[tuple[int, int] | None, ...]
"""Which hidden files are there: device and inode of each, None where there is none."""


def copy_over(mailbox: str, fd: int, pieces: Iterator[bytes], beat: Callable[[], None]) -> None:
    """Give the open, locked file new contents; ``pieces`` may read the old ones until they are exhausted. Durable.

    ``beat`` is called for every piece that is copied: whoever holds a dotlock shows that way that it lives.

    Raises:
        OSError: the old contents are there still, or, where the disk failed again and again, the new ones are, for all
            programs of ours (see ``pending``).
    """
    path = place(mailbox, COPIES)
    old = os.fstat(fd).st_size
    fs.make_directories(os.path.dirname(path))
    _write_down(path, fd, pieces)
    copy: Pending | None = None
    try:
        # what is said of an append to the old contents must not meet the new
        fs.unlink(place(mailbox, APPENDS), missing_ok=True)
        fs.sync_directory(os.path.dirname(path))
        copy = Pending(path, open_note(path), fd)
        try:
            copy.carry_out(beat)
        except MailstoreError:  # the lock is another's by now
            raise
        except BaseException as error:
            if not copy.overwriting:
                raise
            copy.carry_out(beat)
            if not isinstance(error, OSError):  # a signal, which waited until the mailbox was whole
                _remove(path)
                raise
    except BaseException:
        if copy is None or not copy.overwriting:
            with suppress(OSError):
                if os.fstat(fd).st_size != old:
                    fs.truncate(fd, old)
                _remove(path)
        raise
    finally:
        if copy is not None:
            copy.close()
    _remove(path)


def _write_down(path: str, fd: int, pieces: Iterator[bytes]) -> None:
    """Make the hidden file ``path`` of the contents that the open mailbox is to have."""
    status = os.fstat(fd)
    out, temporary = fs.temporary_beside(path)
    try:
        try:
            new = fs.copy_body(out, pieces)
            facts = {"inode": status.st_ino, "size": status.st_size, "stale": os.pread(fd, AROUND, new).hex()}
            fs.write_all(out, json.dumps(facts).encode().ljust(LINE))
            fs.imitate(out, status)  # who may read the mailbox may read what it holds
            fs.sync_file(out)
        finally:
            fs.close(out)
        fs.rename(temporary, path)
    except BaseException:
        with suppress(OSError):
            fs.unlink(temporary, missing_ok=True)
        raise


def _remove(path: str) -> None:
    """Let the hidden file say nothing any more; durable on return."""
    try:
        fs.unlink(path, missing_ok=True)
    except PermissionError:  # in a directory that is closed to us
        out = fs.open_update(path)
        try:
            fs.pwrite_all(out, b" " * LINE, max(os.fstat(out).st_size - LINE, 0))
            fs.sync_file(out)
        finally:
            fs.close(out)
    else:
        fs.sync_directory(os.path.dirname(path))


def seen(paths: Sequence[str]) -> Seen:
    """Return which hidden files are at ``paths``, which ``places`` gave."""
    found: list[tuple[int, int] | None] = []
    for path in paths:
        try:
            status = os.lstat(path)
            found.append((status.st_dev, status.st_ino))
        except OSError:
            found.append(None)
    return tuple(found)


def pending(mailbox: str, fd: int) -> Pending | None:
    """Return the contents that the open mailbox should have, where copying them over it was not finished."""
    for path in places(mailbox, COPIES):
        try:
            source = open_note(path, fd)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EPERM, errno.EACCES, errno.ELOOP):  # none, or somebody else's
                continue
            raise
        try:
            return Pending(path, source, fd)
        except (ValueError, KeyError, TypeError):
            os.close(source)
    return None


def finish(mailbox: str, fd: int, beat: Callable[[], None]) -> bool:
    """Finish what was begun, under the mailbox's lock; tells whether there was anything. Durable on return.

    Raises:
        OSError: it cannot be finished now; the mailbox must not be written to.
    """
    while (copy := pending(mailbox, fd)) is not None:
        try:
            if not copy.late:
                copy.carry_out(beat)
                _remove(copy.path)
                return True
            _put_behind(mailbox, fd, copy)
        finally:
            copy.close()
    for path in places(mailbox, COPIES):  # of another file, which had the name before
        with suppress(OSError):
            os.close(open_note(path, fd))
            _remove(path)
    return False


def _put_behind(mailbox: str, fd: int, copy: Pending) -> None:
    """Take what others appended into the copy: in the mailbox it may stand where the copy is to go."""
    path = place(mailbox, COPIES)
    fs.make_directories(os.path.dirname(path))
    _write_down(path, fd, copy.pieces())
    fs.sync_directory(os.path.dirname(path))
    if path != copy.path:
        _remove(copy.path)


class Pending:
    """Contents that a mailbox is to have, as of one look under its lock: the copy, and what others appended since.

    Args:
        path: of the hidden file.
        source: the hidden file, open, which is closed with this.
        fd: the mailbox, which is not.

    Attributes:
        path: of the hidden file.
        size: bytes in all.
        late: how many of them were appended by others.
        overwriting: whether old contents were overwritten by ``carry_out``.

    Raises:
        ValueError, KeyError, TypeError: the hidden file is not of this mailbox; ``source`` stays open.
    """

    def __init__(self, path: str, source: int, fd: int) -> None:
        self.path, self._source, self._fd = path, source, fd
        self._new = os.fstat(source).st_size - LINE
        facts = json.loads(os.pread(source, LINE, self._new)) if self._new >= 0 else {}
        self._old, self._stale = int(facts["size"]), bytes.fromhex(facts["stale"])
        if facts["inode"] != os.fstat(fd).st_ino:
            raise ValueError("of another file")
        self.overwriting = False
        self.look()

    def look(self) -> None:
        """Look again for what others appended.

        A file that is to be longer is made so first, one that is to be shorter is cut last. So what another program
        appended after a crash lies behind the old bytes, or behind the new ones, and which of them tells what stands at
        the end of the shorter.
        """
        size, old, new = os.fstat(self._fd).st_size, self._old, self._new
        if new > old:
            there, mine = os.pread(self._fd, AROUND, old), os.pread(self._source, min(AROUND, new - old), old)
            grown = size >= new and all(byte in (0, own) for byte, own in zip(there, mine, strict=False))
            self._end = new if grown else old
        else:
            self._end = old if size >= old and os.pread(self._fd, len(self._stale), new) == self._stale else new
        self.late = max(size - self._end, 0)
        self.size = new + self.late

    def read_at(self, offset: int, size: int) -> bytes:
        """Return up to ``size`` bytes from ``offset``; fewer only at the end."""
        size = min(size, self.size - offset)
        data = b""
        while len(data) < size:
            at = offset + len(data)
            if at < self._new:
                more = os.pread(self._source, min(size - len(data), self._new - at), at)
            else:
                more = os.pread(self._fd, size - len(data), self._end + at - self._new)
            if not more:
                break
            data += more
        return data

    def pieces(self) -> Iterator[bytes]:
        """Yield all."""
        at = 0
        while piece := self.read_at(at, CHUNK):
            at += len(piece)
            yield piece

    def carry_out(self, beat: Callable[[], None]) -> None:
        """Copy over the old contents; durable on return. Only where nothing is late."""
        if os.fstat(self._fd).st_size < self._new:
            fs.truncate(self._fd, self._new)
        self._copy(self._old, self._new, beat)
        self.overwriting = True
        self._copy(0, min(self._old, self._new), beat)
        fs.truncate(self._fd, self._new)
        fs.sync_file(self._fd)

    def _copy(self, at: int, stop: int, beat: Callable[[], None]) -> None:
        while at < stop:
            beat()
            piece = self.read_at(at, min(CHUNK, stop - at))
            fs.pwrite_all(self._fd, piece, at)
            at += len(piece)

    def close(self) -> None:
        """Close the hidden file; may be called twice."""
        source, self._source = self._source, -1
        if source >= 0:
            os.close(source)
