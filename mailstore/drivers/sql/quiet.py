"""Opening a database without leaving a trace.

The problem: a reader of a WAL database writes. It makes ``-shm`` and ``-wal`` beside the file, or notes in ``-shm``
how far it reads, and cannot open the database at all where the directory is read-only. But a read-only source must stay
as it is, byte and mtime, and a backup on a read-only medium must open.

The solution depends on what lies there:

- No ``-wal``, or an empty one: nobody has uncommitted pages elsewhere, the file alone is the database. It is opened
  with ``immutable=1``: no lock, no other file.
- A ``-wal`` with pages and nobody at work (its writer was killed, or the three files are a copy): the pages count. A
  VFS of ours opens both files for reading and takes no locks, and the exclusive locking mode keeps SQLite's index of
  the ``-wal`` on the heap instead of in ``-shm``.
- A database that is not in WAL mode (a new one that is being filled): SQLite's reader makes no file and leaves none.
- A live writer: it holds a lock on byte 128 of ``-shm`` (SQLite's DMS lock). Then we are a reader like any other, and
  only ``-shm``, the shared memory of those at work, changes.

The first two take no lock, so a writer may begin under our eyes. Before the file changes its ``-wal`` grows, so each
read compares device, inode, size, mtime and ctime of both files before and after; if they differ, the answer is thrown
away, the database opened anew, and the read repeated.

A trap on the way: closing any descriptor of a file drops all POSIX locks that this process has on it, SQLite's too. So
no file of a database that this process has open is opened here; see mailstore.drivers.sql.opened.
"""

from __future__ import annotations

import fcntl
import os
import struct
from urllib.parse import quote

import apsw

_DMS_BYTE = 128
_FLOCK = "hhqqi4x"

Stamp = tuple[tuple[int, ...], ...]


class _QuietFile(apsw.VFSFile):
    """A file that is read and not locked."""

    def __init__(self, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        super().__init__("", name, flags)

    def xLock(self, level: int) -> None:  # noqa: N802 - SQLite's name
        """Take no lock."""

    def xUnlock(self, level: int) -> None:  # noqa: N802 - SQLite's name
        """Nothing was locked."""

    def xCheckReservedLock(self) -> bool:  # noqa: N802 - SQLite's name
        """Nobody writes: the stamp says so."""
        return False


class _QuietVFS(apsw.VFS):
    """Opens the database and its -wal read-only, whatever SQLite asks for."""

    NAME = "mailstore-quiet"

    def __init__(self) -> None:
        super().__init__(self.NAME, "")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        """Open ``name`` for reading only, except for SQLite's own temporary files, which have no name."""
        if name is not None:
            # as MAIN_DB, since SQLite run by root gives a WAL to the database's owner, which changes its ctime
            flags[0] = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_MAIN_DB
        return _QuietFile(name, flags)


_vfs: _QuietVFS | None = None


def stamp(path: str) -> Stamp:
    """Return what tells whether the database or its -wal changed."""
    return tuple(map(_stamp, (path, path + "-wal")))


def _stamp(path: str) -> tuple[int, ...]:
    try:
        at = os.stat(path)
    except FileNotFoundError:
        return ()
    return (at.st_dev, at.st_ino, at.st_size, at.st_mtime_ns, at.st_ctime_ns)


def connect(path: str, *, live: bool) -> tuple[apsw.Connection, Stamp | None]:
    """Open the database for reading; the stamp is None where SQLite's own locks protect the reader.

    Args:
        path: the database, which exists.
        live: this process itself has it open, with locks on it.
    """
    if live or not _in_wal_mode(path) or _is_live(path + "-shm"):
        return apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY), None
    before = stamp(path)
    if len(before[1]) and before[1][2] > 0:
        return _connect_quietly(path), before
    uri = f"file://{quote(path)}?mode=ro&immutable=1"
    return apsw.Connection(uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI), before


def _connect_quietly(path: str) -> apsw.Connection:
    global _vfs
    if _vfs is None:
        _vfs = _QuietVFS()
    connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY, vfs=_vfs.NAME)
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    return connection


def _in_wal_mode(path: str) -> bool:
    """Tell what byte 18 of the header says: 2 is WAL, 1 a rollback journal."""
    with open(path, "rb", buffering=0) as file:
        return file.read(19)[18:] == b"\2"


def _is_live(shm: str) -> bool:
    """Tell whether a process has the database open: whether a write lock on SQLite's DMS byte would conflict."""
    try:
        descriptor = os.open(shm, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        wish = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, _DMS_BYTE, 1, 0)
        query = getattr(fcntl, "F_OFD_GETLK", fcntl.F_GETLK)
        answer: tuple[int, ...] = struct.unpack(_FLOCK, fcntl.fcntl(descriptor, query, wish))
    finally:
        os.close(descriptor)
    return answer[0] != fcntl.F_UNLCK
