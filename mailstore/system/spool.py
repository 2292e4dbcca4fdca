"""Blobs over files: a spooled temporary file that nobody else can see, and a range of an existing file.

Both read with pread, so that readers share a descriptor and hold little memory. Nothing is mapped into memory: a file
that shrinks under a mapping kills the process by SIGBUS; under pread it is a MessageChanged.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from contextlib import suppress
from typing import BinaryIO

from mailstore.errors import MessageChanged
from mailstore.system import fs, scratch

CHUNK = 1 << 20
"""Bytes read at once; what is larger does not stay in memory."""

_TMPFILE: int = getattr(os, "O_TMPFILE", 0)


class FileBlob:
    """A range of an open or named file as a Blob. Owns the descriptor unless told otherwise.

    Args:
        file: a path, opened for reading at once, or an open descriptor.
        offset: where the range begins, bytes.
        size: its length; None is up to the end of the file as it is now.
        own: whether ``close`` closes the descriptor (always true for a path).
    """

    __slots__ = ("_fd", "_offset", "_own", "_size")

    def __init__(self, file: int | str, offset: int = 0, size: int | None = None, *, own: bool = True) -> None:
        self._own = own or isinstance(file, str)
        self._fd = fs.open_source(file) if isinstance(file, str) else file
        self._offset = offset
        self._size = max(os.fstat(self._fd).st_size - offset, 0) if size is None else size

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self._size

    def read_at(self, offset: int, size: int) -> bytes:
        """Return up to ``size`` bytes from ``offset``; fewer only at the end.

        Raises:
            MessageChanged: the file became shorter.
        """
        if offset >= self._size:
            return b""
        want = min(size, self._size - offset)
        data = os.pread(self._fd, want, self._offset + offset)
        while len(data) < want:
            more = os.pread(self._fd, want - len(data), self._offset + offset + len(data))
            if not more:
                raise MessageChanged("the file became shorter while a message was read; list the folder again")
            data += more
        return data

    def close(self) -> None:
        """Close the descriptor where it is owned; may be called twice."""
        fd, self._fd = self._fd, -1
        if self._own and fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        with suppress(OSError, AttributeError):
            self.close()


class Spool(FileBlob):
    """A temporary file without a name: append to it, then read it as a Blob. Gone when closed, or with the process."""

    __slots__ = ()

    def __init__(self, directory: str | None = None) -> None:
        """Make an empty one in ``directory`` (None: where the system keeps temporary files)."""
        super().__init__(nameless(directory or scratch.default_directory()), 0, 0)

    def append(self, chunks: Iterable[bytes]) -> None:
        """Write ``chunks`` behind what is there."""
        for chunk in chunks:
            fs.pwrite_all(self._fd, chunk, self._size)
            self._size += len(chunk)


def nameless(directory: str) -> int:
    """Return a descriptor, for reading and writing, of an empty file in ``directory`` that has no name any more."""
    if _TMPFILE:
        try:
            return fs.calls.open(directory, _TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT):
                raise
    fd, path = fs.temporary_beside(os.path.join(directory, "spool"))
    try:
        fs.unlink(path)
    except BaseException:
        fs.close(fd)
        raise
    return fd


def spool(source: BinaryIO, limit: int = CHUNK) -> bytes | Spool:
    """Read ``source`` to its end: as bytes up to ``limit`` of them, else into a Spool.

    Raises:
        OSError: the temporary file could not be written; it is gone again.
    """
    head = _read(source, limit + 1)
    if len(head) <= limit:
        return head
    target = Spool()
    try:
        target.append((head,))
        while chunk := source.read(CHUNK):
            target.append((chunk,))
    except BaseException:
        target.close()
        raise
    return target


def _read(source: BinaryIO, size: int) -> bytes:
    """Read ``size`` bytes, fewer only at the end, also from a pipe that gives less at a time."""
    pieces = []
    while size > 0 and (piece := source.read(size)):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)
