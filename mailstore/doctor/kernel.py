"""Who has a kernel lock on a file, without taking or dropping one.

The problem. ``F_GETLK`` tells one holder only, and not who has a lock of an open file; opening and closing a file drops
the fcntl locks that this very process has on it; ``/proc/locks`` names files by a device that ``stat`` may not show
(btrfs, overlay), and shows pid -1 for locks of open files.

The solution. Files are opened with O_PATH, whose closing drops nothing. The descriptors of all processes that this user
may look at are matched by device and inode as ``stat`` shows them, and the locks in their fdinfo are exact. What
``/proc/locks`` has more on the same files (waiters, and processes this user may not look at) is added with what it
tells.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from mailstore.doctor import procfs
from mailstore.doctor.procfs import LockLine
from mailstore.doctor.report import KernelLock, Process

Identity = tuple[int, int]
"""Device and inode, as ``stat`` shows them."""


def read_text(path: str) -> str | None:
    """Return a small file of ``/proc``, or None where it is gone or not for this user."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return None


class Named(NamedTuple):
    """A file by both its names: as ``stat`` shows it, and as the kernel's list of locks does."""

    path: str
    identity: Identity
    kernel: tuple[int, int, int]
    mount: procfs.Mount | None


def look(path: str) -> Named | None:
    """Find out what a file is called in the kernel's list; None where it is not there, or the system is not Linux."""
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (OSError, ValueError, AttributeError):  # no O_PATH: not Linux, and another open would drop our locks
        return None
    try:
        found = os.fstat(fd)
        told = procfs.fdinfo(read_text(f"/proc/self/fdinfo/{fd}") or "")
    finally:
        os.close(fd)
    mount = None
    if told.mount is not None:
        mount = procfs.mount_of(read_text("/proc/self/mountinfo") or "", told.mount)
    major, minor = mount.device if mount else (os.major(found.st_dev), os.minor(found.st_dev))
    return Named(path, (found.st_dev, found.st_ino), (major, minor, told.inode or found.st_ino), mount)


def process(pid: int) -> Process | None:
    """Return what is known of a process; None where it is gone."""
    status = read_text(f"/proc/{pid}/status")
    if status is None:
        return None
    name = (read_text(f"/proc/{pid}/comm") or "").rstrip("\n")
    user = procfs.effective_user(status)
    ticks = procfs.start_ticks(read_text(f"/proc/{pid}/stat") or "")
    booted = procfs.boot_time(read_text("/proc/stat") or "")
    since = None if ticks is None or booted is None else booted + ticks / os.sysconf("SC_CLK_TCK")
    return Process(pid, name, user_name(user) if user is not None else "", since)


def user_name(uid: int) -> str:
    """Return the name of a user, or the number where there is none."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return str(uid)


def _pids() -> list[int]:
    try:
        return sorted(int(name) for name in os.listdir("/proc") if name.isdecimal())
    except OSError:
        return []


def _locks_of(pid: int, wanted: Mapping[Identity, Named], inodes: frozenset[int]) -> list[tuple[Named, LockLine]]:
    """Return the locks that a process has through its descriptors on the wanted files.

    Raises:
        PermissionError: this user may not look at that process.
    """
    found = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        told = procfs.fdinfo(read_text(f"/proc/{pid}/fdinfo/{fd}") or "")
        if not told.locks or (told.inode is not None and told.inode not in inodes):
            continue  # no stat of what cannot be ours: it may hang on a dead server
        with suppress(OSError):
            status = os.stat(f"/proc/{pid}/fd/{fd}")
            named = wanted.get((status.st_dev, status.st_ino))
            if named is not None:
                found += [(named, line) for line in told.locks]
    return found


def locks_on(files: Iterable[Named]) -> tuple[list[KernelLock], list[str]]:
    """Return all kernel locks on ``files``, held ones first, and what could not be seen."""
    wanted = {named.identity: named for named in files}
    listing = read_text("/proc/locks")
    if not wanted and listing is not None:
        return [], []
    held: dict[tuple[str, LockLine], list[int]] = {}
    kernel = {named.kernel: named for named in wanted.values()}
    hidden = 0
    for pid in _pids():
        try:
            lines = _locks_of(pid, wanted, frozenset(inode for _, inode in wanted))
        except PermissionError:
            hidden += 1
            continue
        except OSError:
            continue
        for named, line in lines:
            kernel.setdefault(line.file, named)
            sharing = held.setdefault((named.path, line), [])
            if pid not in sharing:
                sharing.append(pid)
    rest = [(kernel[line.file], line) for line in procfs.lock_lines(listing or "") if line.file in kernel]
    unseen = []
    if listing is None:
        unseen.append("this system has no /proc/locks: kernel locks cannot be seen")
    elif hidden:
        unseen.append(f"{hidden} processes of other users: which of them has a lock of an open file (OFD) is not shown")
    return _merged(held, rest), unseen


def _merged(held: Mapping[tuple[str, LockLine], Sequence[int]], rest: list[tuple[Named, LockLine]]) -> list[KernelLock]:
    """Join what the descriptors told with what the kernel's list has besides."""
    known = Counter((named.path, line) for named, line in rest)
    locks = []
    for (path, line), pids in held.items():
        separate = line.kind == "fcntl-ofd" and known[path, line] > 1  # as many locks, not one that is shared
        locks += [_lock(path, line, [pid]) for pid in pids] if separate else [_lock(path, line, pids)]
    for named, line in dict.fromkeys(rest):
        if line.waiting or (named.path, line) not in held:
            locks.append(_lock(named.path, line, [line.pid] if line.pid else []))
    return sorted(locks, key=lambda lock: (lock.waiting, lock.path, lock.first))


def _lock(path: str, line: LockLine, pids: Iterable[int]) -> KernelLock:
    processes = tuple(found for pid in pids if (found := process(pid)) is not None)
    return KernelLock(
        path, line.kind, line.mode, line.waiting, line.first, line.last, meaning(path, line.first, line.last), processes
    )


_DATABASE = ((0x40000000, "to be written (PENDING)"), (0x40000001, "a writer (RESERVED)"))
_SHARED = 0x40000002
_WAL_INDEX = ("the writer", "a checkpoint", "recovery", *(f"a reader ({n})" for n in range(5)), "open")


def meaning(path: str, first: int, last: int | None) -> str:
    """Say what a range of bytes means to SQLite (sqlite.org/fileformat, walformat): of a database or its ``-shm``."""
    if path.endswith("-shm"):
        names = [name for byte, name in enumerate(_WAL_INDEX, 120) if first <= byte and (last is None or byte <= last)]
        return ", ".join(names)
    if first < _DATABASE[0][0]:
        return ""
    names = [name for byte, name in _DATABASE if first <= byte and (last is None or byte <= last)]
    if first <= _SHARED and (last is None or last >= _SHARED):
        names.append("readers (SHARED)")
    return ", ".join(names)
