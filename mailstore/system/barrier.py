"""The first barrier: the contents of files are on the disk before anybody can see their names.

The problem. One fsync a file costs ten times as much as one syncfs for ten thousand files; one syncfs for a single
delivery writes out everybody else's data too, and may take seconds. And syncfs reports an error of writing back only on
a descriptor that was open when it happened.

The solution. Few files are synced one by one, many by one syncfs on a descriptor opened before the first write.
"""

from __future__ import annotations

from collections.abc import Collection

from mailstore.system import fs

FEW = 32
"""Up to so many files are synced one by one."""


def sync_files(paths: Collection[str], anchor: int) -> None:
    """Return when the contents of the files at ``paths`` are on the disk, the cheaper way; their names may not be.

    Args:
        paths: files that were written and closed.
        anchor: a descriptor on their file system, opened before the first of them was written.

    Raises:
        OSError: something could not be written; what is on the disk is unknown.
    """
    if len(paths) > FEW:
        fs.sync_filesystem(anchor)
        return
    for path in paths:
        fd = fs.open_source(path, nofollow=True)
        try:
            fs.sync_file(fd)
        finally:
            fs.close(fd)
