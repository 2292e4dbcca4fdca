"""Bodies on their way in and out: whatever a caller has becomes bytes or a Blob, and a Blob becomes a file object."""

from __future__ import annotations

import io
from typing import BinaryIO

from mailstore.model.info import CHUNK, Blob, Body


def as_body(source: bytes | bytearray | memoryview | BinaryIO | Blob) -> Body:
    """Return ``source`` as a Body: small ones as bytes, large ones as a Blob; a stream is spooled to a temporary file.

    Raises:
        StorageFull, StorageFailure: the temporary file could not be written.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source)
    if isinstance(source, Blob):
        return source if source.size > CHUNK else source.read_at(0, source.size)
    from mailstore.system import fs
    from mailstore.system.spool import spool

    with fs.errors("the temporary directory"):
        return spool(source)


class BlobReader(io.RawIOBase):
    """A seekable binary file object over a Blob; closing it closes the Blob."""

    def __init__(self, blob: Blob) -> None:
        self._blob = blob
        self._at = 0

    def readable(self) -> bool:
        """A message can be read."""
        return True

    def seekable(self) -> bool:
        """Any part of it can be read first."""
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        """Fill ``buffer`` from the current position; 0 at the end."""
        data = self._blob.read_at(self._at, len(buffer))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move to ``offset`` bytes from the start, the current position or the end."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._blob.size}[whence]
        if base + offset < 0:
            raise ValueError("a position before the start of the message")
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        """Return the position in bytes from the start."""
        return self._at

    def close(self) -> None:
        """Close the blob; may be called twice."""
        if not self.closed:
            self._blob.close()
        super().close()


def header_block(blob: Blob) -> bytes:
    """Return the header block with the empty line that ends it, reading no more than it must."""
    from mailstore.formats.headers import header_of  # late: few users of a listing need it

    return header_of(blob)
