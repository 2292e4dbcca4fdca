"""An mbox file opened for reading: plain, or compressed and spooled once.

A compressed file (``.gz``, ``.bz2``, ``.xz``, ``.zst``, told by its first bytes, not by its name) is unpacked into an
unlinked temporary file and is read-only. Everything is read with pread: nothing is mapped (a truncation would kill
the process), and descriptors may be shared. Where new contents were not wholly copied over the file, the complete copy
of them is read instead (``inplace``).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress

from mailstore.drivers.mbox import inplace
from mailstore.drivers.mbox.note import COPIES, places
from mailstore.errors import MailstoreError, MessageChanged, NoSuchStore, StorageFailure
from mailstore.system import fs
from mailstore.system.lockrules import LockRules
from mailstore.system.mailboxes import open_mailbox
from mailstore.system.mailboxlocks import ReadingLock
from mailstore.system.packed import compression, unpacked
from mailstore.system.spool import Spool

_TAIL = 64
"""Bytes at a file's end that tell whether anything before them moved."""


def packed_beginning(path: str, size: int) -> tuple[str | None, bytes]:
    """Return the compression of a packed file, and up to ``size`` bytes that it unpacks to; None and b'' of another.

    Raises:
        NotAStore: damaged data, or packed with zstd and there is nothing to unpack it with.
        OSError: it cannot be read.
    """
    with open(open_mailbox(path, writing=False), "rb") as raw:
        packed = compression(raw.read(8))
        return packed, b"" if packed is None else next(unpacked(raw.fileno(), packed, path, size), b"")


class Source:
    """An open file of mail.

    Args:
        path: where it is.
        rules: how it is locked while it is read; None: not at all.

    Attributes:
        path: where it is.
        status: what fstat says, as of the opening or the last ``refresh``.
        size: bytes to read (unpacked, or of the copy).
        packed: the compression it came in, or None.
        beat: called at every reading, if there is one: whoever holds a dotlock shows that way that it lives.
    """

    def __init__(self, path: str, rules: LockRules | None = None) -> None:
        self.path = path
        self._spool: Spool | None = None
        self._copy: inplace.Pending | None = None
        self._rules = rules
        self._process = os.getpid()
        self._lock: ReadingLock | None = None
        self._lock_fd = -1
        self.beat: Callable[[], None] | None = None
        with fs.errors(path):
            try:
                self.fd = open_mailbox(path, writing=False)
            except FileNotFoundError:
                raise NoSuchStore(f"{fs.shown(path)}: no such file", path=path) from None
        try:
            self.status = os.fstat(self.fd)
            with fs.errors(path):
                self._copies = places(path, COPIES)
                self._seen = inplace.seen(self._copies)
                self._copy = inplace.pending(path, self.fd) if any(self._seen) else None
            self.size = self.status.st_size if self._copy is None else self._copy.size
            self.packed = compression(self.read(0, 8))
            if self.packed is not None:
                self._unpack(self.packed)
            elif rules is not None:
                self._lock = ReadingLock(path, self.fd, rules)
        except BaseException:
            self.close()
            raise

    def _unpack(self, packed: str) -> None:
        spool = Spool()
        try:
            for chunk in unpacked(self.fd, packed, self.path):
                spool.append((chunk,))
        except OSError as error:
            spool.close()
            raise fs.translate(error, self.path) from error
        except BaseException:
            spool.close()
            raise
        self._spool, self.size = spool, spool.size

    def shared(self) -> AbstractContextManager[None]:
        """Keep other programs from writing to the file for a block; a packed file needs no such thing.

        Raises:
            StoreBusy: one is writing, for longer than the rules wait.
        """
        if self._lock is not None and self._process != os.getpid():
            self._lock, self._process = self._lock_of_child(), os.getpid()
        return nullcontext() if self._lock is None else self._lock.held()

    def _lock_of_child(self) -> ReadingLock | None:
        """Return locks on an open file of this process' own: the one it inherited is its parent's too."""
        assert self._rules is not None
        with suppress(OSError, MailstoreError):
            self._lock_fd = open_mailbox(self.path, writing=False)
            found = os.fstat(self._lock_fd)
            if (found.st_dev, found.st_ino) == (self.status.st_dev, self.status.st_ino):
                return ReadingLock(self.path, self._lock_fd, self._rules)
        return None

    def refresh(self) -> os.stat_result:
        """Take in that the file grew or changed; returns its status now."""
        self.status = os.fstat(self.fd)
        if self._copy is not None:
            self._copy.look()
            self.size = self._copy.size
        elif self._spool is None:
            self.size = self.status.st_size
        return self.status

    def is_current(self) -> bool:
        """Tell whether the path still names this file, and its contents are to be had from where they were."""
        try:
            found = os.stat(self.path)
        except OSError:
            return False
        same = (found.st_dev, found.st_ino) == (self.status.st_dev, self.status.st_ino)
        return same and inplace.seen(self._copies) == self._seen

    def read(self, offset: int, size: int) -> bytes:
        """Return up to ``size`` bytes from ``offset``; fewer only at the end."""
        if self.beat is not None:
            self.beat()
        if self._spool is not None:
            return self._spool.read_at(offset, size)
        try:
            if self._copy is not None:
                return self._copy.read_at(offset, size)
            data = os.pread(self.fd, size, offset)
            while len(data) < size and (more := os.pread(self.fd, size - len(data), offset + len(data))):
                data += more
        except OSError as error:
            raise StorageFailure(f"{fs.shown(self.path)}: {error.strerror}", path=self.path) from error
        return data

    def next_data(self, offset: int) -> int:
        """Return the offset of the first byte from ``offset`` on that is no hole of a sparse file."""
        if self._spool is not None or self._copy is not None or offset >= self.size:
            return offset
        try:
            return min(os.lseek(self.fd, offset, os.SEEK_DATA), self.size)
        except OSError as error:
            return self.size if error.errno == errno.ENXIO else offset

    def read_exactly(self, offset: int, size: int) -> bytes:
        """The same where fewer bytes mean that the file was changed under the reader.

        Raises:
            MessageChanged: it became shorter.
        """
        data = self.read(offset, size)
        if len(data) < size:
            raise MessageChanged(f"{fs.shown(self.path)}: the file became shorter while it was read; list it again")
        return data

    def close(self) -> None:
        """Close the descriptors; may be called twice."""
        fds, self.fd, self._lock_fd = (self.fd, self._lock_fd), -1, -1
        for fd in fds:
            if fd >= 0:
                os.close(fd)
        if self._spool is not None:
            self._spool.close()
        if self._copy is not None:
            self._copy.close()

    def __del__(self) -> None:
        with suppress(OSError, AttributeError):
            self.close()


class Mark:
    """Tells whether the bytes of an open file that were there at one time are where they were.

    The file is as it was, or what it ended with is still there: then nothing was taken out, or put in, before it.
    """

    def __init__(self, source: Source) -> None:
        self._times = source.status.st_mtime_ns, source.status.st_ctime_ns
        self._start = max(source.size - _TAIL, 0)
        self._tail = source.read(self._start, _TAIL) if source.size else b""

    def check(self, source: Source) -> None:
        """Look at ``source``, the same file.

        Raises:
            MessageChanged: something moved.
        """
        if source.packed is not None:
            return
        status = os.fstat(source.fd)
        times = status.st_mtime_ns, status.st_ctime_ns
        if times == self._times:
            return
        if source.read(self._start, len(self._tail)) != self._tail:
            raise MessageChanged(f"{fs.shown(source.path)}: the file changed while it was read; list the folder again")
        self._times = times
