"""An mbox file opened for reading: plain, or compressed and spooled once.

A compressed file (``.gz``, ``.bz2``, ``.xz``, ``.zst``, told by its first bytes, not by its name) is unpacked into an
unlinked temporary file and is read-only. Everything is read with pread: nothing is mapped (a truncation would kill
the process), and descriptors may be shared.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from typing import BinaryIO, cast

from mailstore.errors import MessageChanged, NoSuchStore, NotAStore, StorageFailure
from mailstore.system import fs
from mailstore.system.spool import CHUNK, Spool

_MAGIC = (
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bz2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
)


def compression(head: bytes) -> str | None:
    """Return the name of the compression that a file beginning with ``head`` has, or None."""
    return next((name for magic, name in _MAGIC if head.startswith(magic)), None)


class Source:
    """An open file of mail.

    Attributes:
        path: where it is.
        status: what fstat says, as of the opening or the last ``refresh``.
        size: bytes to read (unpacked).
        packed: the compression it came in, or None.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._spool: Spool | None = None
        with fs.errors(path):
            try:
                self.fd = fs.open_source(path)
            except FileNotFoundError:
                raise NoSuchStore(f"{fs.shown(path)}: no such file", path=path) from None
        try:
            self.status = _regular(self.fd, path)
            self.size = self.status.st_size
            self.packed = compression(os.pread(self.fd, 8, 0))
            if self.packed is not None:
                self._unpack(self.packed)
        except BaseException:
            self.close()
            raise

    def _unpack(self, packed: str) -> None:
        spool = Spool()
        try:
            with open(os.dup(self.fd), "rb") as raw, _reader(self.path, raw, packed) as stream:
                while chunk := _unpacked(self.path, packed, stream):
                    spool.append((chunk,))
        except OSError as error:
            spool.close()
            raise fs.translate(error, self.path) from error
        except BaseException:
            spool.close()
            raise
        self._spool, self.size = spool, spool.size

    def refresh(self) -> os.stat_result:
        """Take in that the file grew or changed; returns its status now."""
        self.status = os.fstat(self.fd)
        if self._spool is None:
            self.size = self.status.st_size
        return self.status

    def is_current(self) -> bool:
        """Tell whether the path still names this file."""
        try:
            found = os.stat(self.path)
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == (self.status.st_dev, self.status.st_ino)

    def read(self, offset: int, size: int) -> bytes:
        """Return up to ``size`` bytes from ``offset``; fewer only at the end."""
        if self._spool is not None:
            return self._spool.read_at(offset, size)
        try:
            data = os.pread(self.fd, size, offset)
            while len(data) < size and (more := os.pread(self.fd, size - len(data), offset + len(data))):
                data += more
        except OSError as error:
            raise StorageFailure(f"{fs.shown(self.path)}: {error.strerror}", path=self.path) from error
        return data

    def next_data(self, offset: int) -> int:
        """Return the offset of the first byte from ``offset`` on that is no hole of a sparse file."""
        if self._spool is not None or offset >= self.size:
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
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)
        if self._spool is not None:
            self._spool.close()

    def __del__(self) -> None:
        with suppress(OSError, AttributeError):
            self.close()


def _regular(fd: int, path: str) -> os.stat_result:
    """Return the status of an open file, which must be a regular one."""
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        raise NotAStore(f"{fs.shown(path)}: not a regular file", path=path)
    return status


def _unpacked(path: str, packed: str, stream: BinaryIO) -> bytes:
    """Read on; whatever the unpackers raise (they share no class) means damaged data, unless the system said it."""
    try:
        return stream.read(CHUNK)
    except Exception as error:
        if isinstance(error, OSError) and error.errno:
            raise
        raise NotAStore(f"{fs.shown(path)}: damaged {packed} data: {error}", path=path) from error


def _reader(path: str, raw: BinaryIO, packed: str) -> BinaryIO:
    """Return a stream of the unpacked bytes of ``raw``, from its start."""
    raw.seek(0)
    if packed == "gzip":
        import gzip

        return cast("BinaryIO", gzip.GzipFile(fileobj=raw))
    if packed == "bz2":
        import bz2

        return cast("BinaryIO", bz2.BZ2File(raw))
    if packed == "xz":
        import lzma

        return cast("BinaryIO", lzma.LZMAFile(raw))
    try:
        import zstandard
    except ImportError:
        raise NotAStore(
            f"{fs.shown(path)}: packed with zstd; install mailstore[zstd] or unpack it first", path=path
        ) from None
    return cast("BinaryIO", zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True))
