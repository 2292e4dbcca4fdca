"""Reading a zip archive that was cut, so that its directory, which is at its end, is missing.

Before each file stands a header with its name and mostly its size; where the writer did not know that yet, the deflated
data says itself where it ends, and a descriptor follows. So files can be read one after the other as far as they go.
What only the directory says (which of them are symbolic links, which were removed) is not known.
"""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from mailstore.system import fs
from mailstore.system.calls import suppress
from mailstore.system.unpacked import Damaged, Unpacked

_HEADER = struct.Struct("<4s5H3I2H")
_MAGIC, _ENDS = b"PK\x03\x04", (b"PK\x03\x04", b"PK\x01\x02", b"")
_STORED, _DEFLATED = 0, 8
_ENCRYPTED, _DESCRIBED, _UTF8 = 0x1, 0x8, 0x800
_UNKNOWN = 0xFFFF_FFFF
_ZIP64 = 1
_CHUNK = 64 << 10


class _File(NamedTuple):
    """A file's header."""

    info: zipfile.ZipInfo
    start: int
    """Offset of its data."""
    size: int
    """Bytes of the data in the archive; -1: not known."""


class CutZip:
    """The files of a zip, in the order of their headers.

    Args:
        path: the archive.
    """

    def __init__(self, path: str) -> None:
        self._fd = fs.open_source(path)
        self._end = 0

    def close(self) -> None:
        """Close the archive."""
        os.close(self._fd)

    def unpack_to(self, target: Unpacked) -> None:
        """Unpack what can be read.

        Raises:
            StorageFull, NotAStore: see Unpacked.
            OSError: the system could not read or write.
        """
        from mailstore.system.unzip import mtime_of, name_of

        offset = 0
        while (file := self._header(offset)) is not None:
            info, name = file.info, name_of(file.info)
            self._end = file.start + file.size if file.size >= 0 else -1
            if name.endswith("/"):
                target.add_directory(name, mtime_of(info))
                if self._end < 0:
                    with suppress(Damaged):
                        deque(self._chunks(file), 0)  # some writers have nothing deflated there
            elif info.flag_bits & _ENCRYPTED or info.compress_type not in (_STORED, _DEFLATED):
                target.leave_out(name, "it is encrypted, or packed in a way that cannot be read here", damaged=True)
            else:
                before = len(target.omitted)
                try:
                    target.add_file(name, self._chunks(file), mtime_of(info))
                except Damaged as error:
                    if len(target.omitted) == before:
                        target.leave_out(name, str(error), damaged=True)
            if self._end < 0:
                return
            offset = self._end

    def _header(self, offset: int) -> _File | None:
        raw = os.pread(self._fd, _HEADER.size, offset)
        if len(raw) < _HEADER.size or not raw.startswith(_MAGIC):
            return None
        _, _, flags, method, clock, date, crc, packed, size, name_size, extra_size = _HEADER.unpack(raw)
        more = os.pread(self._fd, name_size + extra_size, offset + _HEADER.size)
        name, extra = more[:name_size], more[name_size:]
        info = zipfile.ZipInfo("x", _date(date, clock))
        info.orig_filename = name.decode("utf-8", "surrogateescape") if flags & _UTF8 else name.decode("cp437")
        info.flag_bits, info.compress_type, info.CRC, info.extra = flags, method, crc, extra
        known = not flags & _DESCRIBED or packed
        return _File(info, offset + _HEADER.size + len(more), _long(extra, packed, size) if known else -1)

    def _chunks(self, file: _File) -> Iterator[bytes]:
        """Yield a file's bytes, and find where the next one begins.

        Raises:
            Damaged: it cannot be read to its end, or has another checksum.
        """
        if file.info.compress_type == _STORED and file.size < 0:
            raise Damaged("nothing tells where it ends")
        unpacker = zlib.decompressobj(-zlib.MAX_WBITS) if file.info.compress_type == _DEFLATED else None
        at, crc = file.start, 0
        while (unpacker is None and at < self._end) or (unpacker is not None and not unpacker.eof):
            raw = os.pread(self._fd, _CHUNK if self._end < 0 else min(_CHUNK, self._end - at), at)
            if not raw:
                raise Damaged("the archive ends in the midst of it")
            at += len(raw)
            try:
                data = raw if unpacker is None else unpacker.decompress(raw)
            except zlib.error as error:
                raise Damaged(str(error)) from error
            crc = zlib.crc32(data, crc)
            yield data
        at -= len(unpacker.unused_data) if unpacker is not None else 0
        wanted = file.info.CRC
        if file.info.flag_bits & _DESCRIBED:
            wanted, self._end = self._descriptor(at)
        if crc != wanted:
            raise Damaged("its checksum is another")

    def _descriptor(self, at: int) -> tuple[int, int]:
        """Return the checksum that the descriptor at an offset says, and where the next header is."""
        raw = os.pread(self._fd, 28, at)
        signed = 4 if raw.startswith(b"PK\x07\x08") else 0
        for size in (signed + 12, signed + 20):
            if len(raw) >= size and raw[size : size + 4] in _ENDS:
                return int.from_bytes(raw[signed : signed + 4], "little"), at + size
        raise Damaged("what follows it cannot be read")


def _date(date: int, clock: int) -> tuple[int, int, int, int, int, int]:
    return (
        (date >> 9) + 1980,
        max(date >> 5 & 15, 1),
        max(date & 31, 1),
        clock >> 11,
        clock >> 5 & 63,
        (clock & 31) * 2,
    )


def _long(extra: bytes, packed: int, size: int) -> int:
    """Return the size in the archive; where it has more than 32 bits the extra field says it (zip64)."""
    if packed != _UNKNOWN:
        return packed
    while len(extra) >= 4:
        kind, length = struct.unpack("<2H", extra[:4])
        at = 4 + (8 if size == _UNKNOWN else 0)
        if kind == _ZIP64 and len(extra) >= at + 8:
            return int.from_bytes(extra[at : at + 8], "little")
        extra = extra[4 + length :]
    return -1
