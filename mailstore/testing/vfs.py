"""A SQLite VFS over the system's own, which asks before every write, sync, truncation and deletion."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import apsw


class Watch(Protocol):
    """Who is asked and told. Names of calls: ``write``, ``sync``, ``truncate``, ``delete``."""

    def before(self, name: str) -> None:
        """Let a call happen, or raise OSError: ENOSPC becomes SQLITE_FULL, any other SQLITE_IOERR."""
        ...

    def after(self, name: str, path: str) -> None:
        """A call happened to the file ``path`` ('' for one without a name)."""
        ...


class _File(apsw.VFSFile):
    def __init__(self, watch: Watch, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        self.watch = watch
        self.path = name.filename() if isinstance(name, apsw.URIFilename) else name or ""

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - SQLite's name
        with _asked(self.watch, "write", self.path):
            super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
        with _asked(self.watch, "sync", self.path):
            super().xSync(flags)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 - SQLite's name
        with _asked(self.watch, "truncate", self.path):
            super().xTruncate(newsize)


class _Files(apsw.VFS):
    def __init__(self, watch: Watch) -> None:
        super().__init__("mailstore-watched", "unix", makedefault=True)
        self.watch = watch

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> _File:  # noqa: N802 - SQLite's name
        return _File(self.watch, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802 - SQLite's name
        with _asked(self.watch, "delete", filename):
            super().xDelete(filename, syncdir)


@contextmanager
def _asked(watch: Watch, name: str, path: str) -> Iterator[None]:
    try:
        watch.before(name)
    except OSError as error:
        kind = apsw.FullError if error.errno == errno.ENOSPC else apsw.IOError
        raise kind(os.strerror(error.errno or 0)) from error
    yield
    watch.after(name, path)


_installed: list[_Files] = []
"""SQLite keeps no reference of its own."""


def install(watch: Watch) -> None:
    """Make it the VFS of every connection that this process opens from now on."""
    _installed.append(_Files(watch))
