"""The two barriers: contents are on the disk before anybody can see their names, and names before anybody is told.

The problem. One fsync a file costs ten times as much as one syncfs for ten thousand files; one syncfs for a single
delivery writes out everybody else's data too, and may take seconds. And syncfs reports an error of writing back only on
a descriptor that was open when it happened. In between lie the batches of a busy server: a dozen fsyncs, one after the
other, each wait for a commit of the file system's journal, where one commit would do for all.

The solution. Few files, or directories, are synced one by one, a batch by some threads at once, so that the file system
writes them together; many by one syncfs on a descriptor opened before the first write. Where that took long, somebody
else is filling the file system: then batches of moderate size go without it for a while.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable

from mailstore.system import clock, fs

ONE_BY_ONE = 3
"""Up to so many files are synced one after the other: threads would cost more."""
FEW = 8
"""Up to so many files are synced each for itself; from there on a syncfs takes a third of the processor time."""
MANY = 256
"""From here on it is a syncfs in any case."""
_SLOW = 0.25
"""Seconds that a syncfs for fewer may take without being avoided afterwards."""
_AVOIDED_FOR = 10.0
_THREADS = 8

_avoided_until = 0.0


def sync_files(paths: Collection[str], anchor: int) -> bool:
    """Return when the contents of the files at ``paths`` are on the disk, the cheaper way.

    Args:
        paths: files that were written and closed.
        anchor: a descriptor on their file system, opened before the first of them was written.

    Returns:
        whether that was a sync of the file system: the names in it are on the disk then as well.

    Raises:
        OSError: something could not be written; what is on the disk is unknown.
    """
    if _takes_syncfs(len(paths)):
        _sync_filesystem(anchor)
        return True
    _sync_each(paths, _sync_file)
    return False


def sync_directories(paths: Collection[str], anchor: int) -> None:
    """Return when the names in the directories at ``paths`` are on the disk, the cheaper way.

    Args:
        paths: directories in which names came or went, on any file system.
        anchor: a descriptor on the file system of most of them, opened before the first name came.

    Raises:
        OSError: something could not be written; which names are on the disk is unknown.
    """
    if _takes_syncfs(len(paths)):
        device = os.fstat(anchor).st_dev
        elsewhere = [path for path in paths if os.stat(path).st_dev != device]
        if len(elsewhere) < len(paths):
            _sync_filesystem(anchor)
            paths = elsewhere
    _sync_each(paths, fs.sync_directory)


def _takes_syncfs(count: int) -> bool:
    return count > FEW and (count >= MANY or clock.monotonic() >= _avoided_until)


def _sync_filesystem(anchor: int) -> None:
    global _avoided_until
    begun = clock.monotonic()
    fs.sync_filesystem(anchor)
    if (now := clock.monotonic()) - begun > _SLOW:
        _avoided_until = now + _AVOIDED_FOR


def _sync_file(path: str) -> None:
    fd = fs.open_source(path, nofollow=True)
    try:
        fs.sync_file(fd)
    finally:
        fs.close(fd)


def _sync_each(paths: Collection[str], sync: Callable[[str], None]) -> None:
    if len(paths) > ONE_BY_ONE and fs.calls.fsync is os.fsync:  # a table of tests is called in order
        _sync_side_by_side(paths, sync)
    else:
        _sync_in_turn(paths, sync)


def _sync_in_turn(paths: Iterable[str], sync: Callable[[str], None]) -> None:
    for path in paths:
        sync(path)


def _sync_side_by_side(paths: Collection[str], sync: Callable[[str], None]) -> None:
    """Sync in threads that end with the call: a process that forks afterwards has none."""
    from threading import Thread  # late: a delivery by itself needs none

    listed = list(paths)
    failures: list[BaseException] = []

    def work(part: list[str]) -> None:
        try:
            _sync_in_turn(part, sync)
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
