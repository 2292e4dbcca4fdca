"""The system calls that change a file system, as a table; those that Python lacks are taken from the C library.

Loading this loads nothing that the interpreter has not loaded already: a delivery starts a process for each mail.
"""

from __future__ import annotations

import errno
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any

_AT_FDCWD = -100
_RENAME_NOREPLACE = 1


_found: dict[str, Callable[..., int] | None] = {}


def _libc(name: str) -> Callable[..., int] | None:
    """Return a function of the C library that Python does not offer, or None where there is none."""
    if name not in _found:
        _found[name] = _look_up(name)
    return _found[name]


def _look_up(name: str) -> Callable[..., int] | None:
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


class Calls:
    """The system calls that change a file system, each replaceable.

    ``others`` replace those of the operating system, by name. A table that plays a crash raises a BaseException from
    the n-th call on, for every call; its ``close`` should still close, as the kernel does for a dead process.
    """

    NAMES = (
        *("open", "close", "write", "pwrite", "fsync", "fdatasync", "syncfs", "rename", "rename_noreplace", "link"),
        *("unlink", "mkdir", "rmdir", "utime", "ftruncate", "fchmod", "fchown"),
    )
    __slots__ = NAMES

    def __init__(self, **others: Callable[..., Any]) -> None:
        self.open: Callable[..., int] = os.open
        self.close: Callable[[int], None] = os.close
        self.write: Callable[[int, bytes | memoryview], int] = os.write
        self.pwrite: Callable[[int, bytes | memoryview, int], int] = os.pwrite
        self.fsync: Callable[[int], None] = os.fsync
        self.fdatasync: Callable[[int], None] = os.fdatasync
        self.syncfs: Callable[[int], None] = _syncfs
        self.rename: Callable[..., None] = os.rename
        self.rename_noreplace: Callable[[str, str], None] = _rename_noreplace
        self.link: Callable[..., None] = os.link
        self.unlink: Callable[..., None] = os.unlink
        self.mkdir: Callable[..., None] = os.mkdir
        self.rmdir: Callable[..., None] = os.rmdir
        self.utime: Callable[..., None] = os.utime
        self.ftruncate: Callable[[int, int], None] = os.ftruncate
        self.fchmod: Callable[[int, int], None] = os.fchmod
        self.fchown: Callable[[int, int, int], None] = os.fchown
        for name, call in others.items():
            setattr(self, name, call)

    def become(self, other: Calls) -> None:
        """Take over every call of another table."""
        for name in Calls.NAMES:
            setattr(self, name, getattr(other, name))


at_work = Calls()
"""The table through which every write of mailstore goes."""


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write all of ``data`` at the file position, over any number of short writes."""
    done = at_work.write(fd, data)
    if done < len(data):
        view = memoryview(data)
        while done < len(data):
            done += at_work.write(fd, view[done:])


class suppress:  # noqa: N801 - as in contextlib
    """Leave the block, and go on behind it, where it raises one of ``kinds``.

    As in contextlib, whose loading costs a delivery half an interpreter's start.
    """

    __slots__ = ("_kinds",)

    def __init__(self, *kinds: type[BaseException]) -> None:
        self._kinds = kinds

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        return isinstance(error, self._kinds)
