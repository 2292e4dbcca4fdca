"""Archives of files: telling them by what they begin with, and unpacking them into a directory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing

from mailstore.system import fs
from mailstore.system.packed import compression, unpacking
from mailstore.system.unpacked import Limits, Unpacked

_HEAD = 1024
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


def unpack(paths: Sequence[str], directory: str, *, limited: bool) -> Unpacked:
    """Unpack archives, which belong together, into one empty directory that nobody else may look into.

    What cannot be read is told in ``omitted`` of the answer; the rest is there.

    Raises:
        StorageFull: there is no room.
        NotAStore: all of it is encrypted; it is more than mail can be (``limited``); nothing is installed to unpack it.
        OSError: the system could not read or write.
    """
    from mailstore.system.untar import Damaged, untar
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
