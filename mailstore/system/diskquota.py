"""What the operating system lets a user store: free space and inodes, and the quotas of its file systems.

Quotas are read by quotactl_fd(2), Linux 5.14 and later, which asks the file system that a path lies in, whatever its
device is called; each answer that the system does not give (no quota there, no right to ask) is simply not there.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct
import sys
from collections.abc import Iterator
from typing import Literal, NamedTuple

QuotaKind = Literal["user", "group", "project"]

_KINDS: tuple[QuotaKind, ...] = ("user", "group", "project")
_QUOTACTL_FD = 443
"""The number of the system call, the same on every architecture (asm-generic/unistd.h)."""
_Q_GETQUOTA = 0x800007
_DQBLK = struct.Struct("=8QI4x")
"""struct if_dqblk: hard and soft limit of blocks of 1 KiB, bytes in use, hard and soft limit of inodes, inodes in use,
two times of grace, and which of them are valid (linux/quota.h)."""
_FSGETXATTR = 0x801C581F
_FSXATTR = struct.Struct("=5I8x")
"""struct fsxattr: flags, extent size, extents, project, extent size hint (linux/fs.h)."""


class DiskQuota(NamedTuple):
    """One quota of the file system. A limit of None is none; the soft one, where it is lower."""

    kind: QuotaKind
    id: int
    """Of the user, group or project."""
    used: int
    """Bytes."""
    limit: int | None
    inodes_used: int
    inodes_limit: int | None


class Disk(NamedTuple):
    """The file system that a path lies in. Sizes in bytes; inodes are None where they are made as needed (btrfs)."""

    total_bytes: int
    free_bytes: int
    """What a user without special rights may still write."""
    total_inodes: int | None
    free_inodes: int | None
    quotas: tuple[DiskQuota, ...] = ()
    """Of the owner of the path, its group and its project, where the system has such quotas and tells."""

    @property
    def tightest(self) -> DiskQuota | None:
        """The quota with a limit of bytes that leaves the least room."""
        limited = [(one.limit - one.used, one) for one in self.quotas if one.limit is not None]
        return min(limited)[1] if limited else None

    @property
    def quota_limit(self) -> int | None:
        """Bytes that the tightest quota allows, or None."""
        return None if self.tightest is None else self.tightest.limit

    @property
    def quota_used(self) -> int | None:
        """Bytes in use under the tightest quota, or None."""
        return None if self.tightest is None else self.tightest.used


def disk_of(path: str) -> Disk | None:
    """Return what the system says of the file system at ``path``; None where the path cannot be asked about."""
    try:
        found = os.statvfs(path)
    except OSError:
        return None
    return Disk(
        found.f_blocks * found.f_frsize,
        found.f_bavail * found.f_frsize,
        found.f_files or None,
        found.f_favail if found.f_files else None,
        tuple(_quotas(path)) if sys.platform == "linux" else (),
    )


def _quotas(path: str) -> Iterator[DiskQuota]:
    try:
        owner = os.stat(path)
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return
    try:
        for place, (kind, number) in enumerate(zip(_KINDS, (owner.st_uid, owner.st_gid, _project(fd)), strict=True)):
            quota = None if number is None else _ask(fd, place, kind, number)
            if quota is not None:
                yield quota
    finally:
        os.close(fd)


def _project(fd: int) -> int | None:
    """Return the project that the file belongs to; None where it belongs to none."""
    try:
        answer = fcntl.ioctl(fd, _FSGETXATTR, bytes(_FSXATTR.size))
    except OSError:
        return None
    return int(_FSXATTR.unpack(answer)[3]) or None


def _ask(fd: int, place: int, kind: QuotaKind, number: int) -> DiskQuota | None:
    answer = ctypes.create_string_buffer(_DQBLK.size)
    syscall = ctypes.CDLL(None, use_errno=True).syscall
    command = _Q_GETQUOTA << 8 | place
    asked = (ctypes.c_long(_QUOTACTL_FD), ctypes.c_uint(fd), ctypes.c_uint(command), ctypes.c_uint(number), answer)
    if syscall(*asked) != 0:
        return None
    return read_answer(kind, number, answer.raw)


def read_answer(kind: QuotaKind, number: int, answer: bytes) -> DiskQuota:
    """Return what a ``struct if_dqblk`` says."""
    hard, soft, used, inodes_hard, inodes_soft, inodes, *_ = _DQBLK.unpack(answer)
    limit = _lower(hard, soft)
    return DiskQuota(
        kind, number, used, None if limit is None else limit << 10, inodes, _lower(inodes_hard, inodes_soft)
    )


def _lower(hard: int, soft: int) -> int | None:
    """Return the lower of two limits; 0 is none."""
    return min((limit for limit in (hard, soft) if limit), default=None)
