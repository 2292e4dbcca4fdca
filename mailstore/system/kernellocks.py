"""Locks on an open file, by fcntl and by flock; none of these calls ever waits.

The problem. Python's and POSIX' fcntl locks belong to the process: they vanish when any descriptor of the file is
closed, and two threads never exclude each other. flock belongs to the open file, but on Linux the two do not know of
each other, and few mail programs take it.

The solution. fcntl locks of the open file (F_OFD_SETLK) where the system has them: they exclude, and are excluded by,
everybody's fcntl locks. Elsewhere the process' own.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sys

from mailstore.system import fs
from mailstore.system.calls import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_OFD_SETLK: int | None = getattr(fcntl, "F_OFD_SETLK", None) if sys.platform == "linux" else None
_BUSY = frozenset({errno.EAGAIN, errno.EACCES})
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})
_OPERATIONS = {fcntl.F_RDLCK: fcntl.LOCK_SH, fcntl.F_WRLCK: fcntl.LOCK_EX, fcntl.F_UNLCK: fcntl.LOCK_UN}


def _set(fd: int, method: str, kind: int) -> None:
    """Take or release (F_UNLCK) a lock; an OSError where it is held by others."""
    operation = _OPERATIONS[kind] | (0 if kind == fcntl.F_UNLCK else fcntl.LOCK_NB)
    if method == "flock":
        fcntl.flock(fd, operation)
        return
    if _OFD_SETLK is not None:
        try:
            # struct flock for the whole file: l_type, then l_whence (SEEK_SET), l_start, l_len and l_pid, all 0
            fcntl.fcntl(fd, _OFD_SETLK, kind.to_bytes(2, sys.byteorder) + bytes(30))
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
        else:
            return
    fcntl.lockf(fd, operation)


def try_lock(fd: int, method: str, *, exclusive: bool, path: str) -> bool:
    """Take the lock ``method`` (``fcntl``, ``flock``) on the open file if it is free.

    An exclusive fcntl lock needs a descriptor open for writing, a shared one a descriptor open for reading. Where the
    file system knows no locks, nobody has one: a reader goes on. ``path`` is for messages.

    Raises:
        StorageFailure: the file system knows no locks, and an exclusive one was wanted; or another error.
    """
    try:
        _set(fd, method, fcntl.F_WRLCK if exclusive else fcntl.F_RDLCK)
    except OSError as error:
        if error.errno in _BUSY:
            return False
        if error.errno in _NO_LOCKS:
            if not exclusive:
                return True
            from mailstore.errors import StorageFailure  # late: most file systems have locks

            raise StorageFailure(
                f"{fs.shown(path)}: the file system has no {method} locks; not safe to write", path=path
            ) from error
        raise fs.translate(error, path) from error
    return True


def unlock(fd: int, method: str, process: int) -> None:
    """Release the lock that ``process`` took: a forked child shares it and must let it be."""
    if os.getpid() == process:
        with suppress(OSError):
            _set(fd, method, fcntl.F_UNLCK)


class obtained:  # noqa: N801 - it is called where a ``with`` begins
    """Hold exclusive locks by ``methods`` for the block if nobody else has one; the block learns whether they are held.

    Where the file system knows no locks, nobody has one.
    """

    def __init__(self, fd: int, methods: Sequence[str], path: str) -> None:
        self._fd, self._methods, self._path = fd, methods, path
        self._held: list[str] = []

    def __enter__(self) -> bool:
        from mailstore.errors import StorageFailure  # late, as above

        try:
            for method in self._methods:
                with suppress(StorageFailure):
                    if not try_lock(self._fd, method, exclusive=True, path=self._path):
                        return False
                    self._held.append(method)
        except BaseException:
            self.__exit__()
            raise
        return True

    def __exit__(self, *_: object) -> None:
        for method in self._held:
            unlock(self._fd, method, os.getpid())
