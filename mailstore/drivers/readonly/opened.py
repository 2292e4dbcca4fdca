"""A message's file, open for reading: the very file that was listed, or MessageChanged."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Self

from mailstore.errors import MessageChanged
from mailstore.formats.headers import header_end
from mailstore.formats.mbox.from_line import Zone, reception_date
from mailstore.system import fs
from mailstore.system.spool import FileBlob

_HEAD = 16 << 10
MOST_HEADER = 256 << 10
"""Bytes of a header block that are looked at for dates and marks."""
_LOCAL = Zone(utc=False)


def sign(status: os.stat_result) -> str:
    """Return what tells a file, and its contents, from any other under the same name."""
    return f"{status.st_dev:x}.{status.st_ino:x}.{status.st_size:x}.{status.st_mtime_ns:x}"


def lasting_key(name: str, signed: str) -> str:
    """Return the key of a message: another one where another file has got the name, or it was written to.

    The device is left out, as its number changes when the system starts; the size stands beside a key everywhere.
    """
    _, inode, _, mtime = signed.split(".")
    return f"{name}@{inode}.{mtime}"


class Opened:
    """An open file. Closes at the end of a ``with`` unless a blob of it was given away.

    Args:
        path: where it is.
        signed: the ``sign`` of the file that was listed.
        ahead: bytes that are going to be read, from its beginning.

    Raises:
        MessageChanged: another file has the name by now, or it was written to.
        OSError: it cannot be opened.
    """

    def __init__(self, path: str, signed: str, ahead: int) -> None:
        self.path = path
        self._signed = signed
        self._fd = fs.open_source(path, nofollow=True)
        try:
            self.status = os.fstat(self._fd)
            self._compare(self.status)
            self.size = self.status.st_size
            self._head = os.pread(self._fd, min(self.size, max(ahead, _HEAD)), 0)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def read_at(self, offset: int, size: int) -> bytes:
        """Return up to ``size`` bytes from ``offset``; fewer only at the end."""
        if offset + size <= len(self._head):
            return self._head[offset : offset + size]
        return FileBlob(self._fd, 0, self.size, own=False).read_at(offset, size)

    def header(self, start: int = 0, stop: int | None = None) -> bytes:
        """Return the header block of the message at ``start``, or the first MOST_HEADER bytes of it."""
        stop = self.size if stop is None else stop
        block = self._head[start:stop]
        end = header_end(block)
        if end == len(block) < stop - start:
            block = self.read_at(start, min(stop - start, MOST_HEADER))
            end = header_end(block)
        return block[:end]

    def date(self, header: bytes) -> tuple[int, str]:
        """Return when a message was received as far as can be told, and a note of where that is from."""
        found = reception_date(header, _LOCAL)
        if found is None:
            return self.status.st_mtime_ns // 1_000_000_000, "the format keeps no date: it is the file's mtime"
        return found[0], f"the format keeps no date: it is taken from {found[1]}:"

    def check(self) -> None:
        """See that the file is as it was opened.

        Raises:
            MessageChanged: it was written to.
        """
        self._compare(os.fstat(self._fd))

    def _compare(self, status: os.stat_result) -> None:
        if sign(status) != self._signed:
            raise MessageChanged(f"{fs.shown(self.path)}: the file changed since it was listed; list the folder again")

    def blob(self, start: int, size: int | None) -> SteadyBlob:
        """Return a part of the file as a Blob, which owns the descriptor from now on."""
        return SteadyBlob(self, self._fd, start, self.size - start if size is None else size)

    def close(self) -> None:
        """Close the file; may be called twice, and by the blob."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


class SteadyBlob(FileBlob):
    """A part of a file that must not change: mailstore.model.info.Blob."""

    __slots__ = ("_file",)

    def __init__(self, file: Opened, fd: int, start: int, size: int) -> None:
        super().__init__(fd, start, size, own=False)
        self._file = file

    def read_at(self, offset: int, size: int) -> bytes:
        """Return up to ``size`` bytes from ``offset``; fewer only at the end.

        Raises:
            MessageChanged: the file was written to.
        """
        data = super().read_at(offset, size)
        self._file.check()
        return data

    def close(self) -> None:
        """Close the file; may be called twice."""
        super().close()
        self._file.close()
