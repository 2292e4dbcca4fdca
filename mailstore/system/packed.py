"""Compressed files: gzip, bzip2, xz and zstd, told by their first bytes when read and by their suffix when made.

Whatever is read may be several streams one behind the other, as each of these formats allows. What is made is one
stream, all old or all new under its name.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from hashlib import sha256
from typing import BinaryIO, Protocol, cast

from mailstore.errors import NotAStore, StorageFailure
from mailstore.system import fs

MAGIC = (
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bz2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
)
_SUFFIXES = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".zst": "zstd"}
_CHUNK = 1 << 20


def compression(head: bytes) -> str | None:
    """Return the name of the compression that a file beginning with ``head`` has, or None."""
    return next((name for magic, name in MAGIC if head.startswith(magic)), None)


def compression_named(path: str) -> str | None:
    """Return the name of the compression that a file of this name is to have, or None."""
    return _SUFFIXES.get(os.path.splitext(path)[1].lower())


def unpacked(fd: int, packed: str, path: str, size: int = _CHUNK) -> Iterator[bytes]:
    """Yield the unpacked bytes of the open file from its start, up to ``size`` of them at a time.

    Raises:
        NotAStore: the data are damaged, or the module for them is missing.
        OSError: the file cannot be read.
    """
    with open(os.dup(fd), "rb") as raw, unpacking(path, raw, packed) as stream:
        while chunk := _read(path, packed, stream, size):
            yield chunk


def pack(source: str, target: str, packed: str, guard: AbstractContextManager[None]) -> None:
    """Make ``target`` the packed contents of the file ``source``: all old or all new, durable on return.

    What was written is unpacked and compared before it gets its name. Permissions and owner are those of a file that
    had the name, else 0600.

    Args:
        source: what to pack.
        target: its name; a symbolic link would be replaced.
        packed: the compression.
        guard: entered right before the renaming and left after it; an error on the way in leaves all as it was.

    Raises:
        StorageFailure: what was written reads back otherwise; nothing was changed.
        NotAStore: the module for the compression is missing.
        StorageFull, ReadOnlyStore …: as for every write; nothing was changed.
    """
    with fs.errors(target), ExitStack() as guarded:
        fd, temporary = fs.temporary_beside(target)
        try:
            digest = _write_packed(fd, source, packed, target)
            _compare(fd, packed, target, digest)
            if os.path.exists(target):
                fs.imitate(fd, os.stat(target))
            guarded.enter_context(guard)
        except BaseException:
            fs.close(fd)
            fs.unlink(temporary)
            raise
        fs.publish(fd, temporary, target)


def _compare(fd: int, packed: str, target: str, digest: bytes) -> None:
    again = sha256()
    for chunk in unpacked(fd, packed, target):
        again.update(chunk)
    if again.digest() != digest:
        raise StorageFailure(f"{fs.shown(target)}: the packed data read back otherwise", path=target)


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


class _Frame(Protocol):
    eof: bool
    unused_data: bytes

    def decompress(self, data: bytes, /) -> bytes: ...


class _Decompressor(Protocol):
    def decompressobj(self) -> _Frame: ...


def _write_packed(fd: int, source: str, packed: str, target: str) -> bytes:
    """Write the packed contents of ``source`` to ``fd``; returns the SHA-256 of what was packed."""
    digest = sha256()
    compressor = _compressor(packed, target)
    with _reading(source) as file:
        while chunk := os.read(file, _CHUNK):
            digest.update(chunk)
            if data := compressor.compress(chunk):
                fs.write_all(fd, data)
    fs.write_all(fd, compressor.flush())
    return digest.digest()


@contextmanager
def _reading(path: str) -> Iterator[int]:
    fd = fs.open_source(path)
    try:
        yield fd
    finally:
        os.close(fd)


def _compressor(packed: str, path: str) -> _Compressor:
    if packed == "gzip":
        import zlib

        return zlib.compressobj(6, zlib.DEFLATED, 31)
    if packed == "bz2":
        import bz2

        return bz2.BZ2Compressor()
    if packed == "xz":
        import lzma

        return lzma.LZMACompressor(preset=3)  # 32 MB of memory; the usual 6 takes three times that for 2 % less
    zstandard = _zstandard(path)
    return cast("_Compressor", zstandard.ZstdCompressor(level=9, write_checksum=True).compressobj())


def _read(path: str, packed: str, stream: BinaryIO, size: int) -> bytes:
    """Read on; whatever the unpackers raise (they share no class) means damaged data, unless the system said it."""
    try:
        return stream.read(size)
    except Exception as error:
        if isinstance(error, OSError) and error.errno:
            raise
        raise NotAStore(f"{fs.shown(path)}: damaged {packed} data: {error}", path=path) from error


def unpacking(path: str, raw: BinaryIO, packed: str) -> BinaryIO:
    """Return a stream of the unpacked bytes of ``raw``, from its start; reading damaged data raises anything.

    Raises:
        NotAStore: the module for the compression is missing.
    """
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
    return cast("BinaryIO", io.BufferedReader(_ZstdFrames(raw, _zstandard(path).ZstdDecompressor())))


class _ZstdFrames(io.RawIOBase):
    """The unpacked bytes of zstd frames; unlike the module's own reader it tells when the last one is not whole.

    It is fed little at a time, since a piece may grow 32,000-fold.
    """

    _PIECE = 1024

    def __init__(self, raw: BinaryIO, decompressor: _Decompressor) -> None:
        self._raw, self._decompressor = raw, decompressor
        self._frame = decompressor.decompressobj()
        self._whole = True
        self._left = b""
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        while not self._ready and (piece := self._left or self._raw.read(self._PIECE)):
            self._ready = memoryview(self._unpack(piece))
        if not self._ready and not self._whole:
            raise EOFError("it ends in the middle of a frame")
        count = min(len(buffer), len(self._ready))
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def _unpack(self, piece: bytes) -> bytes:
        if self._frame.eof:
            self._frame = self._decompressor.decompressobj()
        data = self._frame.decompress(piece)
        self._whole = self._frame.eof
        self._left = self._frame.unused_data if self._whole else b""
        return data


def _zstandard(path: str):  # type: ignore[no-untyped-def]
    try:
        import zstandard
    except ImportError:
        raise NotAStore(f"{fs.shown(path)}: packed with zstd; install mailstore[zstd]", path=path) from None
    return zstandard
