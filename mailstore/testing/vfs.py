"""A SQLite VFS over the system's own, which asks before every write, sync, truncation and deletion."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import apsw

_JOURNALS = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_SUPER_JOURNAL


class Watch(Protocol):
    """Who is asked and told of SQLite's calls.

    Their names, and what is said of them:

    ``write`` (path, data, offset), ``sync`` (path), ``truncate`` (path, size), ``delete`` (path, whether the directory
    is synced); only told is ``open`` (path, whether it is a journal or WAL, whether it is new). A file without a name
    has the path ''.
    """

    def before(self, name: str, *arguments: Any) -> bytes | None:
        """Let a call happen, or raise OSError: ENOSPC becomes SQLITE_FULL, any other SQLITE_IOERR.

        Returns:
            for a write what to write in its place, before the process ends; else None.
        """
        ...

    def after(self, name: str, *arguments: Any) -> None:
        """A call happened."""
        ...

    def torn(self) -> None:
        """What ``before`` returned was written; does not return."""
        ...


class _File(apsw.VFSFile):
    def __init__(self, files: _Files, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self.path = name.filename() if isinstance(name, apsw.URIFilename) else name or ""
        new = not os.path.lexists(self.path)
        asked = flags[0]
        super().__init__("unix", name, flags)
        self.files = files
        if self.path:
            files.watch.after("open", self.path, bool(asked & _JOURNALS), new)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - SQLite's name
        with self.files.asked("write", self.path, data, offset) as torn:
            super().xWrite(data if torn is None else torn, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
        with self.files.asked("sync", self.path):
            super().xSync(flags)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 - SQLite's name
        with self.files.asked("truncate", self.path, newsize):
            super().xTruncate(newsize)


class _Files(apsw.VFS):
    def __init__(self, watch: Watch) -> None:
        super().__init__("mailstore-watched", "unix", makedefault=True)
        self.watch = watch
        self.error = 0

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> _File:  # noqa: N802 - SQLite's name
        return _File(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802 - SQLite's name
        with self.asked("delete", filename, syncdir):
            super().xDelete(filename, syncdir)

    def xGetLastError(self) -> tuple[int, str]:  # noqa: N802 - SQLite's name
        """Return what the last call failed with, as the system's own would."""
        if self.error:
            return self.error, os.strerror(self.error)
        number, text = super().xGetLastError()
        return number, text or ""

    @contextmanager
    def asked(self, name: str, *arguments: Any) -> Iterator[bytes | None]:
        """Let a call of SQLite's happen in the block, or fail as the system's own files would."""
        self.error = 0
        try:
            torn = self.watch.before(name, *arguments)
        except OSError as error:
            self.error = error.errno or 0
            kind = apsw.FullError if error.errno == errno.ENOSPC else apsw.IOError
            raise kind(os.strerror(self.error)) from error
        yield torn
        if torn is not None:
            self.watch.torn()
        self.watch.after(name, *arguments)


_installed: list[_Files] = []
"""SQLite keeps no reference of its own."""


def install(watch: Watch) -> None:
    """Make it the VFS of every connection that this process opens from now on."""
    _installed.append(_Files(watch))
