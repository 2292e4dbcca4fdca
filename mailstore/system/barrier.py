"""The first barrier: the contents of files are on the disk before anybody can see their names.

The problem. One fsync a file costs ten times as much as one syncfs for ten thousand files; one syncfs for a single
delivery writes out everybody else's data too, and may take seconds. And syncfs reports an error of writing back only on
a descriptor that was open when it happened. In between lie the batches of a busy server: a dozen fsyncs, one after the
other, each wait for a commit of the file system's journal, where one commit would do for all.

The solution. Few files are synced one by one, a batch by some threads at once, so that the file system writes them
together; many by one syncfs on a descriptor opened before the first write.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable

from mailstore.system import fs

ONE_BY_ONE = 3
"""Up to so many files are synced one after the other: threads would cost more."""
FEW = 32
"""Up to so many files are synced each for itself."""
_THREADS = 8


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
    elif len(paths) > ONE_BY_ONE and fs.calls.fsync is os.fsync:  # a table of tests is called in order
        _sync_side_by_side(paths)
    else:
        _sync_each(paths)


def _sync_each(paths: Iterable[str]) -> None:
    for path in paths:
        fd = fs.open_source(path, nofollow=True)
        try:
            fs.sync_file(fd)
        finally:
            fs.close(fd)


def _sync_side_by_side(paths: Collection[str]) -> None:
    """Sync in threads that end with the call: a process that forks afterwards has none."""
    from threading import Thread  # late: a delivery by itself needs none

    listed = list(paths)
    failures: list[BaseException] = []

    def work(part: list[str]) -> None:
        try:
            _sync_each(part)
        except BaseException as error:  # noqa: BLE001 - raised below, in the thread that asked
            failures.append(error)

    threads = [Thread(target=work, args=(listed[at::_THREADS],)) for at in range(1, min(_THREADS, len(listed)))]
    for thread in threads:
        thread.start()
    work(listed[::_THREADS])
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
