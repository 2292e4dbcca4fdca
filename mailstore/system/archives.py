"""Archives of files: telling them by what they begin with, and unpacking them into a directory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice
from typing import BinaryIO, cast

from mailstore.system import fs
from mailstore.system.packed import compression, unpacking
from mailstore.system.unpacked import Damaged, Limits, Unpacked

_HEAD = 1024
_FIRST = 64
_MOST_SAMPLES, _MOST_SAMPLED = 5000, 32 << 20
"""Files, and bytes of a tar, that are looked at for what is in it."""
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")


def archive_kind(path: str) -> str | None:
    """Return what kind of archive a file is ('zip', 'tar', 'tar packed with gzip'), or None; never raises."""
    from mailstore.errors import MailstoreError  # late: with what reads archives, for the few paths that are files

    try:
        if not os.path.isfile(path):
            return None
        with open(fs.open_source(path), "rb") as raw:
            head = raw.read(_HEAD)
            if head.startswith(_ZIP):
                return "zip"
            packed = compression(head)
            if packed is not None:
                with closing(unpacking(path, raw, packed)) as stream:
                    head = stream.read(_HEAD)
    except (OSError, MailstoreError):
        return None
    except Exception:  # noqa: BLE001 - damaged data: the unpackers share no class
        return None
    if len(head) < 512:
        return None
    from mailstore.system.untar import is_tar

    if not is_tar(head):
        return None
    return "tar" if packed is None else f"tar packed with {packed}"


def sample(path: str) -> Iterator[tuple[str, bytes]]:
    """Yield name and first bytes of the first thousands of files in an archive; writes nothing, never raises."""
    from mailstore.errors import MailstoreError  # late, as above
    from mailstore.system.untar import sample_tar
    from mailstore.system.unzip import sample_zip

    try:
        with open(fs.open_source(path), "rb") as raw:
            head = raw.read(_HEAD)
            packed = compression(head)
            if head.startswith(_ZIP):
                yield from islice(sample_zip(path, _FIRST), _MOST_SAMPLES)
                return
            raw.seek(0)
            with closing(raw if packed is None else unpacking(path, raw, packed)) as stream:
                yield from islice(sample_tar(cast("BinaryIO", _Bounded(stream)), _FIRST), _MOST_SAMPLES)
    except (OSError, MailstoreError):
        return


class _Bounded:
    """The beginning of a stream."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._left = _MOST_SAMPLED

    def read(self, size: int) -> bytes:
        """Read on."""
        data = self._stream.read(min(size, self._left))
        self._left -= len(data)
        return data


def unpack(paths: Sequence[str], directory: str, *, limited: bool) -> Unpacked:
    """Unpack archives, which belong together, into one empty directory that nobody else may look into.

    What cannot be read is told in ``omitted`` of the answer; the rest is there.

    Raises:
        StorageFull: there is no room.
        NotAStore: all of it is encrypted; it is more than mail can be (``limited``); nothing is installed to unpack it.
        OSError: the system could not read or write.
    """
    from mailstore.system.untar import untar
    from mailstore.system.unzip import unzip

    limits = Limits.of(sum(os.stat(path).st_size for path in paths)) if limited else Limits(None, None)
    target = Unpacked(directory, limits, paths[0])
    for path in paths:
        try:
            with open(fs.open_source(path), "rb") as raw:
                head = raw.read(_HEAD)
                packed = compression(head)
                if head.startswith(_ZIP):
                    unzip(path, target)
                elif packed is None:
                    raw.seek(0)
                    untar(raw, target)
                else:
                    with closing(unpacking(path, raw, packed)) as stream:
                        untar(stream, target)
        except Damaged as error:
            target.leave_out(path, f"the archive is damaged, and cannot be read any further: {error}", damaged=True)
    target.finish()
    return target
