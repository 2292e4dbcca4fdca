"""Messages on their way in: files in the root's ``tmp``, where no reader looks.

The problem. A message must be wholly on the disk before its name can be seen; a process may die at any time and leave
its file; and the file name says the size, which a large body tells only when it has been written.

The solution. ``tmp/`` of the root, the Maildir way; the name a message will have is kept beside, not used yet. A few
files are synced as they are written; more are left to the barrier before the first rename, which syncs them together,
by a descriptor that was opened before the first write where they are many. Whatever is left over is removed by
``recover`` after 36 hours.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count

from mailstore.drivers.maildir.account import Account
from mailstore.errors import MailstoreError
from mailstore.model.info import Arrival, Blob, Meta, body_chunks
from mailstore.model.measure import crlf_size_of
from mailstore.system import clock, fs
from mailstore.system.barrier import ONE_BY_ONE

LEFTOVER = 36 * 3600
"""Seconds after which a file in ``tmp`` is nobody's any more (maildir(5))."""

EARLIEST, LATEST = -(1 << 31), (1 << 34) - (1 << 31) - 1
"""What ext4 keeps as mtime, 1901 to 2446; a date outside stands in the record and is cut in the file."""


@dataclass(slots=True)
class StagedFile:
    """See mailstore.model.changes.Staged. Plain values: it can be sent to another process."""

    path: str
    size: int
    crlf_size: int
    meta: Meta
    key: bytes | None
    synced: bool
    mtime: int
    linked: bool = False
    """It shares its file with a message: its date must not be changed."""


_serial = count()


def file_mtime(seconds: int) -> int:
    """Return ``seconds`` as a file can have it."""
    return min(max(seconds, EARLIEST), LATEST)


def staging_path(account: Account) -> str:
    """Return a path in tmp that nobody else uses."""
    return f"{account.tmp}/{account.fresh_base()}Q{next(_serial)}"


def stage(account: Account, arrivals: Sequence[Arrival], *, later: bool = False) -> list[StagedFile]:
    """Write arrivals into tmp; where one fails none stays.

    Args:
        account: whose ``tmp``.
        arrivals: what to write.
        later: sync none, for a commit that syncs more than these.

    Raises:
        OSError, MailstoreError: from the disk, or from a body that cannot be read.
    """
    each = len(arrivals) <= ONE_BY_ONE and not later
    staged: list[StagedFile] = []
    try:
        staged.extend(_stage_one(account, arrival, each) for arrival in arrivals)  # one by one: what was made is known
    except (OSError, MailstoreError):
        discard(staged)
        raise
    return staged


def _stage_one(account: Account, arrival: Arrival, sync: bool) -> StagedFile:
    body, meta = arrival.body, arrival.meta
    seconds = clock.now() if meta.internal_date is None else meta.internal_date
    mtime = file_mtime(seconds)
    path = staging_path(account)
    if isinstance(body, bytes):
        fs.create_file(path, body, mtime, account.mode, sync=sync)
        size = len(body)
    else:
        size = write_large(path, body, mtime, account.mode, sync=sync)
    return StagedFile(path, size, crlf_size_of(body), meta, arrival.key, sync, mtime)


def write_large(path: str, body: Blob, mtime: int, mode: int, *, sync: bool) -> int:
    """Make a file of a Blob; returns its size. Where that fails nothing is left behind."""
    fd = fs.create(path, mode)
    try:
        try:
            size = fs.copy_body(fd, body_chunks(body))
            fs.set_times(fd, mtime)
            if sync:
                fs.sync_file(fd)
        finally:
            fs.close(fd)
    except (OSError, MailstoreError):
        with suppress(OSError):
            fs.unlink(path)
        raise
    return size


def copy_file(source: str, target: str, mtime: int | None = None) -> None:
    """Make ``target`` a synced copy of ``source``, with ``mtime`` or its own; where that fails nothing is left."""
    fd = fs.open_source(source, nofollow=True)
    try:
        like = os.fstat(fd)
        copy = fs.create(target, like.st_mode & 0o666)
        try:
            try:
                fs.copy_body(copy, _pieces(fd))
                fs.set_times(copy, like.st_mtime_ns // 1_000_000_000 if mtime is None else mtime)
                fs.sync_file(copy)
            finally:
                fs.close(copy)
        except OSError:
            with suppress(OSError):
                fs.unlink(target)
            raise
    finally:
        os.close(fd)


def move_file(source: str, target: str, between: str) -> None:
    """Rename a file; to another file system by way of a synced copy at ``between``."""
    try:
        fs.rename(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        copy_file(source, between)
        fs.rename(between, target)
        fs.sync_directory(os.path.dirname(target))
        fs.unlink(source)


def _pieces(fd: int) -> Iterator[bytes]:
    while piece := os.read(fd, 1 << 20):
        yield piece


def discard(staged: Sequence[StagedFile]) -> None:
    """Remove staged files; those that are gone are passed over."""
    for one in staged:
        with suppress(FileNotFoundError):
            fs.unlink(one.path)


def _last_change(path: str) -> float:
    """Return the later of mtime and ctime; of a hidden folder also those of the directories that are being filled."""
    times = []
    for part in (path, f"{path}/new", f"{path}/cur"):
        with suppress(FileNotFoundError, NotADirectoryError):
            found = os.lstat(part)
            times += [found.st_mtime, found.st_ctime]
    return max(times, default=0.0)


def remove_leftovers(tmp: str) -> int:
    """Remove what lies in a ``tmp`` for more than 36 hours, by the later of mtime and ctime; returns how many.

    atime would be useless (relatime), mtime alone wrong: a staged message has the mtime of its internal date.
    """
    removed = 0
    try:
        names = os.listdir(tmp)
    except OSError:
        return 0
    present = clock.now()
    for name in names:
        path = f"{tmp}/{name}"
        with suppress(OSError):
            if present - _last_change(path) < LEFTOVER:
                continue
            if os.path.isdir(path) and not os.path.islink(path):
                if name.startswith(fs.TEMPORARY):
                    fs.remove_tree(path)
                    removed += 1
            else:
                fs.unlink(path)
                removed += 1
    return removed
