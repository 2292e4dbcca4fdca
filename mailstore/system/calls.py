"""The system calls that change a file system, as a table; those that Python lacks are taken from the C library."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

_AT_FDCWD = -100
_RENAME_NOREPLACE = 1


@cache
def _libc(name: str) -> Callable[..., int] | None:
    """Return a function of the C library that Python does not offer, or None where there is none."""
    import ctypes  # late: it costs a delivery 10 ms

    function = getattr(ctypes.CDLL(None, use_errno=True), name, None)
    if function is None:  # pragma: no cover - not on Linux
        return None

    def call(*arguments: int | bytes) -> int:
        if function(*arguments) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return 0

    return call


def _syncfs(fd: int) -> None:
    function = _libc("syncfs")
    if function is None:  # pragma: no cover - not on Linux
        os.sync()
    else:
        function(fd)


def _rename_noreplace(source: str, target: str) -> None:
    function = _libc("renameat2")
    if function is None:  # pragma: no cover - not on Linux
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), source, None, target)
    try:
        function(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), _RENAME_NOREPLACE)
    except OSError as error:
        raise OSError(error.errno, error.strerror, source, None, target) from None


@dataclass(slots=True)
class Calls:
    """The system calls that change a file system, each replaceable.

    A table that plays a crash raises a BaseException from the n-th call on, for every call; its ``close`` should
    still close, as the kernel does for a dead process.
    """

    open: Callable[..., int] = os.open
    close: Callable[[int], None] = os.close
    write: Callable[[int, bytes | memoryview], int] = os.write
    pwrite: Callable[[int, bytes | memoryview, int], int] = os.pwrite
    fsync: Callable[[int], None] = os.fsync
    fdatasync: Callable[[int], None] = os.fdatasync
    syncfs: Callable[[int], None] = _syncfs
    rename: Callable[..., None] = os.rename
    rename_noreplace: Callable[[str, str], None] = _rename_noreplace
    link: Callable[..., None] = os.link
    unlink: Callable[..., None] = os.unlink
    mkdir: Callable[..., None] = os.mkdir
    rmdir: Callable[..., None] = os.rmdir
    utime: Callable[..., None] = os.utime
    ftruncate: Callable[[int, int], None] = os.ftruncate
    fchmod: Callable[[int, int], None] = os.fchmod
    fchown: Callable[[int, int, int], None] = os.fchown
