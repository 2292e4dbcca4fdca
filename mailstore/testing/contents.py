"""The contents of one file: what a sync made sure of, and what a power cut may leave of what was written since."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

SECTOR = 512

WAYS = ("lost", "length", "first", "torn", "last")
"""What may become of the pending contents of a file, besides all of it being there."""


@dataclass(slots=True)
class Contents:
    """A file: what a sync made sure of, and what was written since.

    Attributes:
        sure: contents on the disk.
        mtime: the time of modification on the disk, ns; None where it was never synced.
        writes: (offset, bytes) of each write since, or (new size, None) of a truncation.
        doomed: a sync failed, and nothing written before it will get to the disk.
    """

    sure: bytes = b""
    mtime: int | None = None
    writes: list[tuple[int, bytes | None]] = field(default_factory=list)
    doomed: bool = False

    def after(self, way: str, now: bytes) -> bytes:
        """Return the contents after a cut; ``now`` is what the file shows while the system runs."""
        match way:
            case "lost":
                return self.sure
            case "length":
                return self.sure[: len(now)].ljust(len(now), b"\0")
            case "first":
                return written(self.sure, self.writes[: len(self.writes) // 2])
            case "torn":
                return written(self.sure, [*self.writes[:-1], *_torn(self.writes[-1:])])
            case "last":
                return written(self.sure, self.writes[-1:])
        return now

    def synced(self, now: bytes, mtime: int) -> None:
        """A sync succeeded."""
        self.sure = written(self.sure, self.writes) if self.doomed else now
        self.mtime = mtime
        self.writes.clear()


def _torn(writes: list[tuple[int, bytes | None]]) -> Iterator[tuple[int, bytes | None]]:
    for offset, data in writes:
        if data is not None:
            stop = (offset + len(data) - 1) // SECTOR * SECTOR
            yield offset, data[: max(stop - offset, 0)]


def written(contents: bytes, writes: Iterable[tuple[int, bytes | None]]) -> bytes:
    """Return ``contents`` after ``writes``, as in ``Contents.writes``."""
    result = bytearray(contents)
    for offset, data in writes:
        if data is None:
            del result[offset:]
            result.extend(bytes(offset - len(result)))
        elif data:
            result.extend(bytes(max(offset - len(result), 0)))
            result[offset : offset + len(data)] = data
    return bytes(result)
