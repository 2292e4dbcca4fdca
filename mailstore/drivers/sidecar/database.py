"""The index in a SQLite file; see mailstore.drivers.sidecar.index for what it promises and why."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from mailstore.drivers.sidecar.blocks import SPAN, Block, pack, unpack
from mailstore.drivers.sidecar.folder import Entry, FolderIndex, no_garbage_collection
from mailstore.drivers.sidecar.index import MemoryIndex
from mailstore.errors import StoreBusy, StoreError
from mailstore.system import fs, locks

if TYPE_CHECKING:
    import apsw

APPLICATION_ID = 0x6D73_6964  # 'msid'
SCHEMA_VERSION = 1
"""An index of another version is dropped like a damaged one: it is a cache."""

_SCHEMA = """
create table store(least_uidvalidity integer not null);
insert into store values(1);
create table folder(
  id integer primary key, name blob not null unique, version integer not null, epoch text not null,
  uidvalidity integer not null, uidnext integer not null, highest_modseq integer not null,
  forgotten integer not null, stamp blob not null);
create table block(
  folder integer not null, number integer not null, uids blob not null, keys blob not null, recorded blob not null,
  modseqs blob not null, flags blob not null, keywords blob, internal_dates blob, saved_dates blob, sizes blob,
  crlf_sizes blob, digests blob, extras blob, primary key(folder, number)) without rowid;
create table tombstone(
  folder integer not null, modseq integer not null, uid integer not null,
  primary key(folder, modseq, uid)) without rowid;
"""
_BLOCKS = (
    "select uids, keys, recorded, modseqs, flags, keywords, internal_dates, saved_dates, sizes, crlf_sizes, digests,"
    " extras from block where folder=? order by number"
)
_Result = TypeVar("_Result")

_opening = threading.Lock()
"""Closing any descriptor of a file drops the POSIX locks that SQLite in another thread holds on it: files are made
and opened by one thread at a time."""


class _NotAnIndex(Exception):
    """The file holds something else, or an index of another version."""

    def __init__(self, ours: bool) -> None:
        self.ours = ours


def _text(value: str) -> str | bytes:
    """Return what SQLite can hold: text, or the bytes of a name that is no Unicode."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return os.fsencode(value)
    return value


def _name(value: str | bytes) -> str:
    return value if isinstance(value, str) else os.fsdecode(value)


def open_database(path: str, *, readonly: bool, timeout: float) -> apsw.Connection:
    """Open the index at ``path``, making it where it is missing; never through a symlink.

    Raises:
        _NotAnIndex: something else is there.
        apsw.Error: it cannot be opened, or is damaged.
        OSError: it cannot be made.
    """
    import apsw

    place = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
    flags = apsw.SQLITE_OPEN_NOFOLLOW | (apsw.SQLITE_OPEN_READONLY if readonly else apsw.SQLITE_OPEN_READWRITE)
    with _opening:
        if not readonly:
            with suppress(FileExistsError):
                fs.close(fs.create(place))
        connection = apsw.Connection(place, flags)
    try:
        connection.set_busy_timeout(int(timeout * 1000))
        connection.execute("pragma trusted_schema=off; pragma cell_size_check=on; pragma synchronous=full")
        _prepare(connection, readonly)
    except BaseException:
        connection.close()
        raise
    return connection


def _pragma(connection: apsw.Connection, name: str) -> Any:
    return connection.execute(f"pragma {name}").get


def _prepare(connection: apsw.Connection, readonly: bool) -> None:
    """Make the tables in an empty file; _NotAnIndex where it is none of ours."""

    def ours() -> bool:
        return (_pragma(connection, "application_id"), _pragma(connection, "user_version")) == (
            APPLICATION_ID,
            SCHEMA_VERSION,
        )

    if not ours() and not readonly:
        with _Transaction(connection, "immediate"):
            if connection.execute("select count(*) from sqlite_schema").get == 0:
                connection.execute(_SCHEMA)
                connection.execute(f"pragma application_id={APPLICATION_ID}; pragma user_version={SCHEMA_VERSION}")
    if not ours():
        raise _NotAnIndex(_pragma(connection, "application_id") == APPLICATION_ID)


class _Transaction:
    """BEGIN of the wanted kind, then COMMIT, or ROLLBACK when the block raises."""

    def __init__(self, connection: apsw.Connection, kind: str) -> None:
        self._connection = connection
        self._kind = kind

    def __enter__(self) -> None:
        self._connection.execute(f"begin {self._kind}")

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None:
            try:
                self._connection.execute("commit")
            except BaseException:
                self._roll_back()
                raise
        else:
            self._roll_back()

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("rollback")


def load(connection: apsw.Connection, folder: str) -> FolderIndex:
    """Read the index of ``folder`` as of one moment."""
    with _Transaction(connection, "deferred"):
        least = connection.execute("select least_uidvalidity from store").get
        header = connection.execute(
            "select id, version, epoch, uidvalidity, uidnext, highest_modseq, forgotten, stamp"
            " from folder where name=?",
            (_text(folder),),
        ).fetchone()
        if header is None:
            return FolderIndex(least_uidvalidity=least)
        number, version, epoch, uidvalidity, uidnext, modseq, forgotten, stamp = header
        known = FolderIndex(epoch, least_uidvalidity=least)
        known.uidvalidity, known.uidnext, known.highest_modseq = uidvalidity, uidnext, modseq
        known.forgotten, known.stamp, known.version = forgotten, _name(stamp), version
        tombstones = connection.execute(
            "select modseq, uid from tombstone where folder=? order by modseq, uid", (number,)
        )
        with no_garbage_collection():
            entries: dict[str, Entry] = {}
            for row in connection.execute(_BLOCKS, (number,)):
                entries.update(unpack(Block(*row)))
            known.restore(entries, list(tombstones))
        return known


def save(connection: apsw.Connection, folder: str, known: FolderIndex) -> int | None:
    """Write what is pending in ``known``; returns the record's new version, None where another was quicker."""
    name = _text(folder)
    pending = known.pending
    with _Transaction(connection, "immediate"):
        stored = connection.execute("select id, version, epoch from folder where name=?", (name,)).fetchone()
        if stored is None:
            if known.version:
                return None
            number = _new_folder(connection, name, known)
        else:
            number, version, epoch = stored
            if (version, epoch) != (known.version, known.epoch):
                return None
        if pending.all:
            connection.execute("delete from block where folder=?", (number,))
            connection.execute("delete from tombstone where folder=?", (number,))
        _write_entries(connection, number, known)
        tombstones = known.tombstones if pending.all else pending.buried
        connection.executemany(
            "insert or ignore into tombstone values(?,?,?)", ((number, modseq, uid) for modseq, uid in tombstones)
        )
        connection.execute("delete from tombstone where folder=? and modseq<=?", (number, known.forgotten))
        connection.execute(
            "update folder set version=?, uidvalidity=?, uidnext=?, highest_modseq=?, forgotten=?, stamp=? where id=?",
            (
                known.version + 1,
                known.uidvalidity,
                known.uidnext,
                known.highest_modseq,
                known.forgotten,
                _text(known.stamp),
                number,
            ),
        )
    return known.version + 1


def _new_folder(connection: apsw.Connection, name: str | bytes, known: FolderIndex) -> int:
    connection.execute(
        "insert into folder(name, version, epoch, uidvalidity, uidnext, highest_modseq, forgotten, stamp)"
        " values(?, 0, ?, 0, 1, 0, 0, '')",
        (name, known.epoch),
    )
    return connection.last_insert_rowid()


def _write_entries(connection: apsw.Connection, folder: int, known: FolderIndex) -> None:
    """Write the blocks in which something changed."""
    pending = known.pending
    wanted = None if pending.all else {uid // SPAN for uid in pending.changed} | {uid // SPAN for uid in pending.gone}
    blocks: dict[int, list[Entry]] = {}
    for entry in known.entries.values():
        number = entry[0] // SPAN
        if wanted is None or number in wanted:
            blocks.setdefault(number, []).append(entry)
    connection.executemany(
        "delete from block where folder=? and number=?",
        ((folder, number) for number in (wanted or set()) - set(blocks)),
    )
    connection.executemany(
        "insert or replace into block values(?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        ((folder, number, *pack(entries)) for number, entries in blocks.items()),
    )


def rename(connection: apsw.Connection, old: str, new: str) -> None:
    """Let the record of ``old`` be that of ``new``."""
    with _Transaction(connection, "immediate"):
        if connection.execute("select 1 from folder where name=?", (_text(old),)).fetchone() is None or old == new:
            return
        _delete(connection, new)
        connection.execute("update folder set name=?, version=version+1 where name=?", (_text(new), _text(old)))


def remove(connection: apsw.Connection, folder: str) -> None:
    """Delete the record of ``folder``, remembering its UIDVALIDITY."""
    with _Transaction(connection, "immediate"):
        _delete(connection, folder)


def _delete(connection: apsw.Connection, folder: str) -> None:
    found = connection.execute("select id, uidvalidity from folder where name=?", (_text(folder),)).fetchone()
    if found is None:
        return
    number, uidvalidity = found
    connection.execute("update store set least_uidvalidity=max(least_uidvalidity, ?)", (uidvalidity + 1,))
    connection.execute("delete from block where folder=?", (number,))
    connection.execute("delete from tombstone where folder=?", (number,))
    connection.execute("delete from folder where id=?", (number,))


class DatabaseIndex:
    """An Index in the file ``path``. Its connection is opened when first needed, anew in a forked child.

    Args:
        path: the file; its directory exists.
        timeout: seconds to wait for another process.
        expendable: the place is ours alone, so whatever is there and is no index may be removed. Elsewhere only a
            damaged index of ours is.
    """

    def __init__(self, path: str, *, timeout: float, expendable: bool) -> None:
        self._path = path
        self._timeout = timeout
        self._expendable = expendable
        self._connection: apsw.Connection | None = None
        self._process = 0
        self._identity: tuple[int, int] | None = None
        self._ours = expendable
        self._memory: MemoryIndex | None = None
        self._trouble = ""

    @property
    def persistent(self) -> bool:
        """Whether the file is in use (not after trouble with it)."""
        return self._memory is None

    @property
    def trouble(self) -> str:
        """What went wrong with the file, or ''."""
        return self._trouble

    def load(self, folder: str) -> FolderIndex:
        """See Index."""
        return self._run(lambda connection: load(connection, folder), lambda memory: memory.load(folder))

    def current(self, folder: str, known: FolderIndex) -> bool:
        """See Index."""

        def ask(connection: apsw.Connection) -> bool:
            found = connection.execute("select version, epoch from folder where name=?", (_text(folder),)).fetchone()
            return found == ((known.version, known.epoch) if known.version else None)

        return self._run(ask, lambda memory: memory.current(folder, known))

    def store(self, folder: str, known: FolderIndex) -> bool:
        """See Index."""
        if not known.pending:
            return True
        version = self._run(
            lambda connection: save(connection, folder, known),
            lambda memory: known.version if memory.store(folder, known) else None,
        )
        if version is None:
            return False
        known.version = version
        known.pending.clear()
        return True

    def rename(self, old: str, new: str) -> None:
        """See Index."""
        self._run(lambda connection: rename(connection, old, new), lambda memory: memory.rename(old, new))

    def remove(self, folder: str) -> None:
        """See Index."""
        self._run(lambda connection: remove(connection, folder), lambda memory: memory.remove(folder))

    def close(self) -> None:
        """See Index."""
        connection, self._connection = self._connection, None
        if connection is not None and self._process == os.getpid():
            connection.close()

    def _run(
        self, action: Callable[[apsw.Connection], _Result], otherwise: Callable[[MemoryIndex], _Result]
    ) -> _Result:
        """Do ``action`` on the file; where that is damaged, on a new one; where nothing helps, in memory."""
        if self._memory is not None:
            return otherwise(self._memory)
        import apsw

        for _ in range(3):
            try:
                return action(self._open())
            except (apsw.BusyError, apsw.LockedError) as error:
                raise StoreBusy(
                    f"{fs.shown(self._path)}: the index is locked by another process",
                    path=self._path,
                    waited=self._timeout,
                ) from error
            except (apsw.CorruptError, apsw.NotADBError, apsw.SchemaChangeError, _NotAnIndex) as error:
                if not self._drop(error):
                    break
            except (
                TypeError,
                ValueError,
                apsw.SQLError,
                apsw.MismatchError,
            ) as error:  # a table or value is not as made
                if not self._drop(error):
                    break
            except (apsw.Error, OSError, StoreError) as error:
                self._trouble = f"the index {fs.shown(self._path)} cannot be used ({error}); it is kept in memory"
                break
        self.close()
        self._memory = MemoryIndex()
        return otherwise(self._memory)

    def _open(self) -> apsw.Connection:
        """Return this process' connection to the file that has the path now."""
        if self._connection is not None and self._process == os.getpid():
            if self._identity == _identity(self._path):
                return self._connection
            self._connection.close()
        self._connection = None  # one that was inherited over a fork is never touched again
        connection = open_database(self._path, readonly=False, timeout=self._timeout)
        self._connection, self._process, self._identity = connection, os.getpid(), _identity(self._path)
        self._ours = True
        return connection

    def _drop(self, error: Exception) -> bool:
        """Remove a damaged index, if it is ours to remove; True if a new one can be made now."""
        damaged = self._identity if self._connection is not None else _identity(self._path)
        self.close()
        if isinstance(error, _NotAnIndex) and error.ours:
            self._ours = True
        if not self._ours:
            self._trouble = (
                f"{fs.shown(self._path)} is no index of mailstore; it was left alone, the index is in memory"
            )
            return False
        self._trouble = f"the index {fs.shown(self._path)} was damaged ({error}); it is made anew"
        try:
            with locks.dotlock(self._path, self._timeout):
                if _identity(self._path) == damaged:
                    fs.unlink(f"{self._path}-journal", missing_ok=True)
                    fs.unlink(self._path, missing_ok=True)
        except (OSError, StoreError) as reason:
            self._trouble += f", but cannot be removed: {reason}"
            return False
        return True


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


class ReadOnlyIndex(MemoryIndex):
    """An index that begins with what a file holds, and writes nothing."""

    def __init__(self, path: str, *, timeout: float) -> None:
        super().__init__()
        self._path = path
        self._timeout = timeout

    def load(self, folder: str) -> FolderIndex:
        """Return the folder's index, read from the file once."""
        import apsw

        if folder not in self._folders and os.path.exists(self._path):
            try:
                with closing(open_database(self._path, readonly=True, timeout=self._timeout)) as connection:
                    self._folders[folder] = load(connection, folder)
            except (apsw.Error, OSError, TypeError, ValueError, _NotAnIndex) as error:
                self.trouble = f"the index {fs.shown(self._path)} cannot be read ({error}); going on without it"
        return super().load(folder)
