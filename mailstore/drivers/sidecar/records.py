"""What an index file holds, and the statements that read and write it. The policy is in ``database``."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from mailstore.drivers.sidecar.blocks import SPAN, Block, pack, unpack
from mailstore.drivers.sidecar.entry import Entry
from mailstore.drivers.sidecar.folder import FolderIndex, no_garbage_collection
from mailstore.system import fs

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

_opening = threading.Lock()
"""Closing any descriptor of a file drops the POSIX locks that SQLite in another thread holds on it: files are made
and opened by one thread at a time."""


class Damaged(Exception):
    """A stored value is not as it was made."""


class NotAnIndex(Exception):
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


def _name(value: object) -> str:
    if not isinstance(value, str | bytes):
        raise Damaged("a name is no text")
    return os.fsdecode(value)


def open_database(path: str, *, readonly: bool, timeout: float) -> apsw.Connection:
    """Open the index at ``path``, making it where it is missing; never through a symlink.

    Raises:
        NotAnIndex: something else is there.
        apsw.Error: it cannot be opened, or is damaged.
        OSError: it cannot be made.
    """
    import apsw

    place = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
    flags = apsw.SQLITE_OPEN_NOFOLLOW | (apsw.SQLITE_OPEN_READONLY if readonly else apsw.SQLITE_OPEN_READWRITE)
    with _opening:
        if not readonly:
            with suppress(FileExistsError):
                _make(place)
        connection = apsw.Connection(place, flags)
    try:
        connection.set_busy_timeout(int(timeout * 1000))
        connection.execute("pragma trusted_schema=off; pragma cell_size_check=on; pragma synchronous=full")
        _prepare(connection, readonly)
    except BaseException:
        connection.close()
        raise
    return connection


def _make(path: str) -> None:
    """Make an empty file; one that root makes belongs to the owner of the directory, who must be able to use it."""
    fd = fs.create(path)
    try:
        if os.geteuid() == 0:
            owner = os.stat(os.path.dirname(path))
            fs.give(fd, owner.st_uid, owner.st_gid)
    finally:
        fs.close(fd)


def _pragma(connection: apsw.Connection, name: str) -> Any:
    return connection.execute(f"pragma {name}").get


def _prepare(connection: apsw.Connection, readonly: bool) -> None:
    """Make the tables in an empty file; NotAnIndex where it is none of ours."""

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
        raise NotAnIndex(_pragma(connection, "application_id") == APPLICATION_ID)


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
        known = FolderIndex(least_uidvalidity=_number(least))
        if header is None:
            return known
        folder_id, version, epoch, uidvalidity, uidnext, modseq, forgotten, stamp = header
        known.epoch, known.stamp = str(epoch), _name(stamp)
        known.version, known.forgotten = _number(version), _number(forgotten)
        known.uidvalidity, known.uidnext, known.highest_modseq = map(_number, (uidvalidity, uidnext, modseq))
        with no_garbage_collection():
            known.restore(_entries(connection, folder_id), _tombstones(connection, folder_id))
        return known


def _number(value: object) -> int:
    if not isinstance(value, int):
        raise Damaged("a counter is no number")
    return value


def _entries(connection: apsw.Connection, folder: int) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    try:
        for row in connection.execute(_BLOCKS, (folder,)):
            entries.update(unpack(Block(*row)))
    except (TypeError, ValueError) as error:
        raise Damaged(str(error)) from error
    return entries


def _tombstones(connection: apsw.Connection, folder: int) -> list[tuple[int, int]]:
    rows = connection.execute("select modseq, uid from tombstone where folder=? order by modseq, uid", (folder,))
    return [(_number(modseq), _number(uid)) for modseq, uid in rows]


def is_current(connection: apsw.Connection, folder: str, known: FolderIndex) -> bool:
    """Tell whether ``known`` is what is stored."""
    found = connection.execute("select version, epoch from folder where name=?", (_text(folder),)).fetchone()
    return found == ((known.version, known.epoch) if known.version else None)


def save(connection: apsw.Connection, folders: Mapping[str, FolderIndex]) -> set[str]:
    """Write what is pending in ``folders`` in one transaction; returns those for which another was quicker."""
    with _Transaction(connection, "immediate"):
        return {folder for folder, known in folders.items() if not _save(connection, _text(folder), known)}


def _save(connection: apsw.Connection, name: str | bytes, known: FolderIndex) -> bool:
    pending = known.pending
    stored = connection.execute("select id, version, epoch from folder where name=?", (name,)).fetchone()
    if stored is None:
        if known.version:
            return False
        number = _new_folder(connection, name, known)
    else:
        number, version, epoch = stored
        if (version, epoch) != (known.version, known.epoch):
            return False
    if pending.all:
        connection.execute("delete from block where folder=?", (number,))
        connection.execute("delete from tombstone where folder=?", (number,))
    _write_entries(connection, number, known)
    if tombstones := known.tombstones if pending.all else pending.buried:
        connection.executemany(
            "insert or ignore into tombstone values(?,?,?)", ((number, modseq, uid) for modseq, uid in tombstones)
        )
    if known.forgotten:
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
    return True


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
    if empty := (wanted or set()) - blocks.keys():
        connection.executemany("delete from block where folder=? and number=?", ((folder, number) for number in empty))
    connection.executemany(
        "insert or replace into block values(?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        ((folder, number, *pack(entries)) for number, entries in blocks.items()),
    )


def rename(connection: apsw.Connection, old: str, new: str) -> None:
    """Let the record of ``old`` be that of ``new``. Its UIDVALIDITY goes along: the next ``old`` gets a greater one."""
    with _Transaction(connection, "immediate"):
        found = connection.execute("select uidvalidity from folder where name=?", (_text(old),)).fetchone()
        if found is None or old == new:
            return
        _delete(connection, new)
        _outgrow(connection, found[0])
        connection.execute("update folder set name=?, version=version+1 where name=?", (_text(new), _text(old)))


def remove(connection: apsw.Connection, folder: str) -> None:
    """Delete the record of ``folder``, remembering its UIDVALIDITY."""
    with _Transaction(connection, "immediate"):
        _delete(connection, folder)


def remove_all(connection: apsw.Connection) -> None:
    """Delete the records of all folders, remembering their greatest UIDVALIDITY."""
    with _Transaction(connection, "immediate"):
        connection.execute(
            "update store set least_uidvalidity=max(least_uidvalidity, (select coalesce(max(uidvalidity), 0) + 1"
            " from folder))"
        )
        for table in ("block", "tombstone", "folder"):
            connection.execute(f"delete from {table}")  # noqa: S608 - the names above


def _outgrow(connection: apsw.Connection, uidvalidity: int) -> None:
    """See that no folder to come gets ``uidvalidity`` or a lesser one."""
    connection.execute("update store set least_uidvalidity=max(least_uidvalidity, ?)", (uidvalidity + 1,))


def _delete(connection: apsw.Connection, folder: str) -> None:
    found = connection.execute("select id, uidvalidity from folder where name=?", (_text(folder),)).fetchone()
    if found is None:
        return
    number, uidvalidity = found
    _outgrow(connection, uidvalidity)
    connection.execute("delete from block where folder=?", (number,))
    connection.execute("delete from tombstone where folder=?", (number,))
    connection.execute("delete from folder where id=?", (number,))
