"""The journal of a pair of stores: which messages are the same, and what each side had of them when they were last so.

It is a SQLite database, since its notes change for good: a text that is only appended to would grow with every flag,
and would have to be read as a whole for one new message. Its tables (docs/sync.md says what each column is):

    store   side, identity                                  the two stores
    folder  id, special_use                                 a folder of both
    place   folder, side, path, name, epoch, uidvalidity, modseq
                                                            where it is in a store, and how far that was taken in
    copy    folder, side, uid, pair, digest, flags, keywords
                                                            a message in a store, as it was; two copies are a pair
    intent  id, side, folder, uidvalidity, uidnext          messages about to be put into a folder whose state is this
    item    intent, pair, digest, flags, keywords           ... and which
    subscription  path                                      what both stores are subscribed to

The sides are 0 and 1: there in the order of the stores' identities, here in that in which they are named.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import NamedTuple, Self

import apsw

from mailstore.convert.merge import Marks
from mailstore.errors import CannotCreate, CorruptStore, StorageFailure, StorageFull, StoreBusy, StoreError
from mailstore.model.changes import Token
from mailstore.model.names import FolderPath
from mailstore.system import fs

Side = int
"""0 or 1: which of the two stores."""

_APPLICATION_ID = 0x6D73796E  # "msyn"
_VERSION = 1
_SCHEMA = """
CREATE TABLE store (side INTEGER PRIMARY KEY, identity BLOB NOT NULL);
CREATE TABLE folder (id INTEGER PRIMARY KEY, special_use BLOB);
CREATE TABLE place (
    folder INTEGER NOT NULL, side INTEGER NOT NULL, path BLOB NOT NULL, name BLOB NOT NULL,
    epoch BLOB, uidvalidity INTEGER, modseq INTEGER, PRIMARY KEY (folder, side)
) WITHOUT ROWID;
CREATE TABLE copy (
    folder INTEGER NOT NULL, side INTEGER NOT NULL, uid INTEGER NOT NULL, pair INTEGER NOT NULL,
    digest BLOB NOT NULL, flags INTEGER NOT NULL, keywords BLOB NOT NULL, PRIMARY KEY (folder, side, uid)
) WITHOUT ROWID;
CREATE UNIQUE INDEX copy_pair ON copy (pair, side);
CREATE TABLE intent (
    id INTEGER PRIMARY KEY, side INTEGER NOT NULL, folder INTEGER NOT NULL, uidvalidity INTEGER, uidnext INTEGER
);
CREATE TABLE item (
    intent INTEGER NOT NULL, pair INTEGER NOT NULL, digest BLOB NOT NULL, flags INTEGER NOT NULL,
    keywords BLOB NOT NULL, PRIMARY KEY (intent, pair)
) WITHOUT ROWID;
CREATE TABLE subscription (path BLOB PRIMARY KEY) WITHOUT ROWID;
"""


class Copy(NamedTuple):
    """A message in a store, as it was when both sides were last the same."""

    folder: int
    """The journal's number of it."""
    uid: int
    digest: bytes
    """SHA-256 of what this store gives back."""
    marks: Marks


class Known(NamedTuple):
    """A copy that the journal knows, and the pair that it belongs to."""

    pair: int
    copy: Copy


class Item(NamedTuple):
    """A message about to be put into a folder: the copy that ``pair`` is to have there."""

    pair: int
    digest: bytes
    marks: Marks


class Intent(NamedTuple):
    """A commit of which it is not known whether it happened."""

    number: int
    side: Side
    folder: int
    uidvalidity: int
    uidnext: int
    items: list[Item]


class Place(NamedTuple):
    """Where a folder was in a store."""

    path: FolderPath
    name: str
    """``FolderInfo.id``."""
    token: Token | None
    """How far its changes were taken in; None: not at all."""


class FolderRow(NamedTuple):
    """A folder of both stores."""

    number: int
    special_use: str | None
    places: tuple[Place | None, Place | None]


class Journal:
    """The journal of two stores, held for this process alone; a context manager.

    Args:
        path: the database; None keeps it in memory for the run.
        identities: what the stores of side 0 and 1 are called; the journal keeps them in the order of their names,
            whichever comes first here.
        readonly: nothing is written, not even where it is changed.

    Raises:
        StoreBusy: another synchronisation of these stores is at work.
        CannotCreate: there is no place for it; say another one.
        CorruptStore: it is something else, or of other stores, or damaged.
    """

    def __init__(self, path: str | None, identities: Sequence[str], *, readonly: bool = False) -> None:
        self.path = path
        self._flip = int(identities[0] > identities[1])
        there = path is not None and os.path.exists(path)
        self._name = path if path is not None and (there or not readonly) else ":memory:"
        flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
        with self._failures():
            if self._name != ":memory:" and not there:
                _create(self._name)
            self._db = apsw.Connection(self._name, flags=apsw.SQLITE_OPEN_READONLY if readonly and there else flags)
            try:
                self._open(sorted(identities))
            except BaseException:
                self._db.close()
                raise
            top = self._db.execute("SELECT max(m) FROM (SELECT max(pair) m FROM copy UNION SELECT max(pair) FROM item)")
            self._pairs = top.get or 0

    def _open(self, identities: Sequence[str]) -> None:
        db = self._db
        if not db.readonly("main"):
            db.execute("PRAGMA locking_mode = EXCLUSIVE")
            db.execute("PRAGMA synchronous = EXTRA")
            db.execute("BEGIN EXCLUSIVE")
            if not db.execute("SELECT count(*) FROM sqlite_schema").get:
                db.execute(_SCHEMA)
                db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                db.execute(f"PRAGMA user_version = {_VERSION}")
                rows = [(side, _pack(identity)) for side, identity in enumerate(identities)]
                db.executemany("INSERT INTO store VALUES (?, ?)", rows)
            db.execute("COMMIT")
        path = self.path or ""
        if db.pragma("application_id") != _APPLICATION_ID or db.pragma("user_version") != _VERSION:
            raise CorruptStore(f"{fs.shown(path)} is no journal of mstore sync; name another with --journal", path=path)
        theirs = [_text(identity) for (identity,) in db.execute("SELECT identity FROM store ORDER BY side")]
        if theirs != list(identities):
            raise CorruptStore(
                f"{fs.shown(path)} is the journal of {' and '.join(theirs)}; name another with --journal", path=path
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the journal back; may be called twice."""
        self._db.close()

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Make what is noted in the block durable at its end, all of it or nothing."""
        with self._failures(), self._db:
            yield

    # -- folders

    def folders(self) -> list[FolderRow]:
        """Return all folders."""
        with self._failures():
            places: dict[tuple[int, int], Place] = {}
            for number, side, path, name, epoch, uidvalidity, modseq in self._db.execute("SELECT * FROM place"):
                token = None if epoch is None else Token(_text(epoch), uidvalidity, modseq)
                places[number, side ^ self._flip] = Place(FolderPath.parse(_text(path)), _text(name), token)
            return [
                FolderRow(
                    number, None if use is None else _text(use), (places.get((number, 0)), places.get((number, 1)))
                )
                for number, use in self._db.execute("SELECT id, special_use FROM folder ORDER BY id")
            ]

    def add_folder(self, number: int) -> None:
        """Note a folder that may be new."""
        self._db.execute("INSERT OR IGNORE INTO folder VALUES (?, NULL)", (number,))

    def drop_folder(self, number: int) -> None:
        """Forget a folder, with all its copies and their partners."""
        self._db.execute("DELETE FROM copy WHERE pair IN (SELECT pair FROM copy WHERE folder = ?)", (number,))
        self._db.execute("DELETE FROM place WHERE folder = ?", (number,))
        self._db.execute("DELETE FROM folder WHERE id = ?", (number,))

    def set_place(self, number: int, side: Side, path: FolderPath, name: str) -> None:
        """Note where a folder is in a store; how far it was taken in stays."""
        self._db.execute(
            "INSERT INTO place (folder, side, path, name) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (folder, side) DO UPDATE SET path = excluded.path, name = excluded.name",
            (number, side ^ self._flip, _pack(str(path)), _pack(name)),
        )

    def set_token(self, number: int, side: Side, token: Token) -> None:
        """Note how far a folder's changes in a store were taken in."""
        self._db.execute(
            "UPDATE place SET epoch = ?, uidvalidity = ?, modseq = ? WHERE folder = ? AND side = ?",
            (_pack(token.epoch), token.uidvalidity, token.modseq, number, side ^ self._flip),
        )

    def set_special_use(self, number: int, special_use: str | None) -> None:
        """Note the special use that both sides have."""
        packed = None if special_use is None else _pack(special_use)
        self._db.execute("UPDATE folder SET special_use = ? WHERE id = ?", (packed, number))

    def subscriptions(self) -> set[FolderPath]:
        """Return what both stores were subscribed to."""
        with self._failures():
            return {FolderPath.parse(_text(path)) for (path,) in self._db.execute("SELECT path FROM subscription")}

    def set_subscriptions(self, paths: Iterable[FolderPath]) -> None:
        """Note what both stores are subscribed to."""
        self._db.execute("DELETE FROM subscription")
        self._db.executemany("INSERT INTO subscription VALUES (?)", [(_pack(str(path)),) for path in set(paths)])

    # -- messages

    @property
    def empty(self) -> bool:
        """Whether no message is known."""
        return not self._pairs

    def copies(self, folder: int, side: Side) -> dict[int, Known]:
        """Return all copies of a folder in a store, by UID."""
        with self._failures():
            rows = self._db.execute("SELECT * FROM copy WHERE folder = ? AND side = ?", (folder, side ^ self._flip))
            return {row[2]: _known(row) for row in rows}

    def copy(self, folder: int, side: Side, uid: int) -> Known | None:
        """Return one of them."""
        with self._failures():
            found = self._db.execute(
                "SELECT * FROM copy WHERE folder = ? AND side = ? AND uid = ?", (folder, side ^ self._flip, uid)
            )
            return next(map(_known, found), None)

    def newest(self, folder: int, side: Side, count: int) -> list[Known]:
        """Return the copies of a folder in a store that came last, ``count`` at most."""
        with self._failures():
            rows = self._db.execute(
                "SELECT * FROM copy WHERE folder = ? AND side = ? AND uid > 0 ORDER BY uid DESC LIMIT ?",
                (folder, side ^ self._flip, count),
            )
            return [_known(row) for row in rows]

    def partner(self, pair: int, side: Side) -> Copy | None:
        """Return the copy that a pair has in a store."""
        with self._failures():
            found = self._db.execute("SELECT * FROM copy WHERE pair = ? AND side = ?", (pair, side ^ self._flip))
            return next((_known(row).copy for row in found), None)

    def new_pair(self) -> int:
        """Return the number of a pair to come."""
        self._pairs += 1
        return self._pairs

    def put(self, side: Side, known: Sequence[Known]) -> None:
        """Note the copies that pairs have in a store, in place of those they had (UIDs may go round among them)."""
        side ^= self._flip
        self._db.executemany("DELETE FROM copy WHERE pair = ? AND side = ?", [(pair, side) for pair, _ in known])
        rows = [
            (copy.folder, side, copy.uid, pair, copy.digest, copy.marks.flags, _words(copy.marks))
            for pair, copy in known
        ]
        self._db.executemany("INSERT INTO copy VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def drop(self, pair: int) -> None:
        """Forget a pair."""
        self._db.execute("DELETE FROM copy WHERE pair = ?", (pair,))

    # -- what is under way

    def intend(self, side: Side, folder: int, uidvalidity: int, uidnext: int, items: list[Item]) -> Intent:
        """Note that the pairs of ``items`` are about to get their copies in a folder whose state is this."""
        self._db.execute(
            "INSERT INTO intent (side, folder, uidvalidity, uidnext) VALUES (?, ?, ?, ?)",
            (side ^ self._flip, folder, uidvalidity, uidnext),
        )
        number = self._db.last_insert_rowid()
        rows = [(number, item.pair, item.digest, item.marks.flags, _words(item.marks)) for item in items]
        self._db.executemany("INSERT INTO item VALUES (?, ?, ?, ?, ?)", rows)
        return Intent(number, side, folder, uidvalidity, uidnext, items)

    def settle(self, intent: Intent, uids: Sequence[int]) -> None:
        """Note what came of an intent: the UIDs, in the order of its items; 0 for one that is not there.

        A pair that has no copy now is none.
        """
        there = [
            Known(item.pair, Copy(intent.folder, uid, item.digest, item.marks))
            for item, uid in zip(intent.items, uids, strict=True)
            if uid
        ]
        self.put(intent.side, there)
        for item, uid in zip(intent.items, uids, strict=True):
            if not uid and self.partner(item.pair, intent.side) is None:
                self.drop(item.pair)
        self._db.execute("DELETE FROM item WHERE intent = ?", (intent.number,))
        self._db.execute("DELETE FROM intent WHERE id = ?", (intent.number,))

    def unresolved(self) -> list[Intent]:
        """Return the intents that a crash left, in order."""
        with self._failures():
            return [
                Intent(number, side ^ self._flip, folder, uidvalidity, uidnext, self._items(number))
                for number, side, folder, uidvalidity, uidnext in self._db.execute("SELECT * FROM intent ORDER BY id")
            ]

    def _items(self, intent: int) -> list[Item]:
        rows = self._db.execute(
            "SELECT pair, digest, flags, keywords FROM item WHERE intent = ? ORDER BY pair", (intent,)
        )
        return [Item(pair, digest, _marks(flags, words)) for pair, digest, flags, words in rows]

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Turn SQLite's errors into ours."""
        try:
            yield
        except apsw.Error as error:
            raise _translated(error, self.path or "") from error


def _create(path: str) -> None:
    try:
        with suppress(FileExistsError):  # another process was faster
            os.close(fs.create(path))
            fs.sync_directory(os.path.dirname(path))
    except OSError as error:
        raise CannotCreate(
            f"{fs.shown(path)}: no place for the journal ({error.strerror}); name another with --journal", path=path
        ) from error


def _translated(error: apsw.Error, path: str) -> StoreError:
    shown = fs.shown(path)
    if isinstance(error, apsw.BusyError | apsw.LockedError):
        return StoreBusy(f"{shown}: another synchronisation of these stores is at work", path=path)
    if isinstance(error, apsw.FullError):
        return StorageFull(f"{shown}: no space left for the journal", path=path)
    if isinstance(error, apsw.NotADBError | apsw.CorruptError):
        text = "the journal is damaged, or is none; moving it away makes the next run compare all messages anew"
        return CorruptStore(f"{shown}: {text}", path=path)
    if isinstance(error, apsw.CantOpenError | apsw.ReadOnlyError | apsw.PermissionsError):
        return CannotCreate(f"{shown}: the journal cannot be opened ({error})", path=path)
    return StorageFailure(f"{shown}: {error}", path=path)


def _pack(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(packed: bytes) -> str:
    return packed.decode("utf-8", "surrogatepass")


def _words(marks: Marks) -> bytes:
    return _pack("\n".join(sorted(marks.keywords)))


def _marks(flags: int, words: bytes) -> Marks:
    return Marks(flags, frozenset(_text(words).split("\n")) if words else frozenset())


def _known(row: tuple[int, int, int, int, bytes, int, bytes]) -> Known:
    folder, _, uid, pair, digest, flags, words = row
    return Known(pair, Copy(folder, uid, digest, _marks(flags, words)))
