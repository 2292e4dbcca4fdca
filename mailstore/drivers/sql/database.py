"""The connection: opening it, waiting for others, transactions, and what SQLite's errors mean.

Problems, and what is done about each:

- A transaction that reads first and writes then fails at once with "database is locked" when another came between;
  waiting does not help. So every writing transaction says BEGIN IMMEDIATE.
- SQLite's own waiting backs off up to 100 ms, so that a busy store serves the newcomer first; measured waits of
  seconds with four writers. Ours asks again every millisecond or so, at random, up to ``lock_timeout``.
- A connection used in a forked child damages the database; see mailstore.drivers.sql.forks.
- Closing any descriptor of the database file drops SQLite's POSIX locks on it, in the whole process; then another
  process may take itself for the last, remove the ``-wal`` and leave us writing into a file without a name. So
  mailstore.drivers.sql.opened names what is open, for nothing here to open it another way; and each
  transaction looks whether ``-shm`` is still the file it was (another library may have closed a descriptor).
- The database itself may be deleted, or another one put in its place, while it is open: what is committed to the old
  file is lost with the connection, and in the new one the numbers of accounts and folders mean others. So each
  transaction looks whether the file is still the one that was opened, and fails where it is not.
- Through a WAL every page is written twice. While a new database is filled in bulk it keeps SQLite's rollback journal,
  which spares pages that are new, and half the time of a conversion. The first small commit, closing, or another
  process that opens the database turns it to WAL. EXTRA is FULL, and syncs the directory when that journal goes; with
  a WAL both mean the same.
- SQLite before 3.51.3 can lose committed pages when a WAL is reset under two writers; such a library is refused.
"""

from __future__ import annotations

import errno
import os

import apsw

from mailstore.drivers.sql import forks, schema
from mailstore.drivers.sql import statements as sql
from mailstore.drivers.sql.dialect import SQLITE
from mailstore.drivers.sql.opened import inode, is_open, note
from mailstore.system import clock, fs
from mailstore.system.calls import suppress

TYPE_CHECKING = False  # loading this loads little besides SQLite: a delivery starts a process for each mail
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import TypeVar

    from mailstore.drivers.sql.quiet import Stamp
    from mailstore.errors import StoreError

    _T = TypeVar("_T")

_INTERRUPTED = (apsw.SQLITE_READONLY_ROLLBACK, apsw.SQLITE_READONLY_RECOVERY, apsw.SQLITE_READONLY_CANTINIT)
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_CACHE_KIB = 8 << 10
_SHARED_SIZE = 32 << 10
"""Bytes of a -shm, which SQLite makes when it opens a database."""
_TRIES = 100
"""How often a read of a database that changes under it is repeated."""


def check_library(version: int | None = None) -> None:
    """Refuse a SQLite library with the WAL-reset bug (fixed in 3.51.3, 3.50.7 and 3.44.6).

    Raises:
        Unsupported: this one has it.
    """
    number = apsw.SQLITE_VERSION_NUMBER if version is None else version
    fixed = number >= 3_051_003 or 3_050_007 <= number < 3_051_000 or 3_044_006 <= number < 3_045_000
    if not fixed:
        from mailstore.errors import Unsupported  # late, as all errors here: most databases are in order

        text = f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"
        raise Unsupported(
            f"SQLite {text} can lose committed mail (the WAL-reset bug); install apsw 3.51.3 or later",
            capability="writable",
        )


class Database:
    """One database file, opened for reading or for writing. Not for two threads at once."""

    def __init__(self, path: str, *, readonly: bool, timeout: float) -> None:
        self.path = path
        self.readonly = readonly
        self._timeout = self._patience = timeout
        self._filling = False
        self._connection: apsw.Connection | None = None
        self._process = 0
        self._stamp: Stamp | None = None
        self._file: tuple[int, int] | None = None
        self._shared: tuple[int, int] | None = None
        self._taking_back: Callable[[], object] | None = None
        self._waiting_since = 0.0
        self._refusal = 0
        self._afterwards: list[Callable[[], None]] = []

    # -- opening and closing

    def prepare(self, *, create: bool) -> None:
        """Open for writing; make the file where there is none and ``create`` is true; bring the schema up to date.

        Raises:
            NotAStore: the database is empty and ``create`` is false; of another application; of a newer schema.
            CannotCreate: the file cannot be made.
        """
        if create:
            self._make_file()
        version = self.check(empty=create)
        if version < schema.VERSION:
            self._migrate()
        self._filling = version == 0
        if not self._filling:
            self._use_wal()

    def successor(self) -> Database:
        """Open the database that has this one's name now; this one is to be closed.

        Raises:
            NotAStore, CorruptStore, StorageFailure: there is none, or none that can be used yet.
        """
        database = Database(self.path, readonly=self.readonly, timeout=self._timeout)
        try:
            if self.readonly:
                database.check()
            else:
                database.prepare(create=False)
        except BaseException:
            database.close()
            raise
        return database

    def _use_wal(self) -> None:
        """Leave the rollback journal for the WAL, unless another process is at work just now."""
        self._filling = False
        with failures(self.path), suppress(apsw.BusyError):
            self._patience = min(self._timeout, 1.0)
            try:
                self._current().pragma("journal_mode", "wal")
            finally:
                self._patience = self._timeout

    def _make_file(self) -> None:
        try:
            os.close(fs.create(self.path, 0o600))
        except FileExistsError:
            pass
        except OSError as error:
            from mailstore.errors import CannotCreate

            raise fs.translate(error, self.path, CannotCreate) from error

    def _migrate(self) -> None:
        """Bring the schema to today's, in one transaction; a new database gets its epoch."""
        with failures(self.path):
            self._current().execute(f"PRAGMA page_size = {schema.PAGE_SIZE}")  # heeded by an empty database only
        with self.write() as connection:
            version = self.check(empty=True)  # another process may have been faster
            for step in schema.MIGRATIONS[version:]:
                for statement in step:
                    connection.execute(SQLITE.render(statement))
            if version == 0:
                connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
                connection.execute(SQLITE.render(sql.SET_EPOCH), (os.urandom(8).hex(),))
            connection.execute(f"PRAGMA user_version = {schema.VERSION}")

    def check(self, *, empty: bool = False) -> int:
        """Return the version of the database's schema; 0 where it is empty and may be.

        Raises:
            NotAStore: it is of another application, or of a schema newer than this code; or it is empty.
            CorruptStore: it is ours and has no schema.
        """

        def facts(connection: apsw.Connection) -> tuple[int, int, int]:
            application, version = connection.pragma("application_id"), connection.pragma("user_version")
            tables = connection.execute("SELECT count(*) FROM sqlite_schema").get
            return application, version, tables

        application, version, tables = self.read(facts)
        if application == schema.APPLICATION_ID and 0 < version <= schema.VERSION:
            return version
        if not (application or version or tables or not empty):
            return 0
        raise self._strange(application, version, tables)

    def _strange(self, application: int, version: int, tables: int) -> StoreError:
        """Return what to raise for a database that is not, or not any more, one that this code can use."""
        from mailstore.errors import CorruptStore, NotAStore

        if application != schema.APPLICATION_ID:
            empty = not (application or version or tables)
            what = "is empty" if empty else "is a SQLite database of another application"
            return NotAStore(f"{self.path} {what}", path=self.path)
        if version:
            what = f"has schema {version}; this mailstore knows up to {schema.VERSION}: upgrade mailstore"
            return NotAStore(f"{self.path} {what}", path=self.path)
        return CorruptStore(f"{self.path} says it is mailstore's and has no schema", path=self.path)

    def close(self) -> None:
        """Close the connection; may be called twice."""
        if self._filling and self._connection is not None and self._process == os.getpid():
            from mailstore.errors import StoreError

            with suppress(StoreError):
                self._use_wal()
        connection, self._connection = self._connection, None
        if connection is not None and self._process == os.getpid():
            with suppress(apsw.Error):
                connection.close()
            self._forget()

    def _open_for_writing(self) -> apsw.Connection:
        check_library()
        connection = apsw.Connection(self.path, flags=apsw.SQLITE_OPEN_READWRITE)
        connection.set_busy_handler(self._wait)
        try:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA synchronous = EXTRA")
            connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        except apsw.Error:
            self._refusal = connection.system_errno
            connection.close()  # or its lock makes readers believe that a writer is at work
            raise
        self._shared = None
        return connection

    def _open_for_reading(self) -> apsw.Connection:
        from mailstore.drivers.sql import quiet  # late: a writer needs none of it

        connection, self._stamp = quiet.connect(self.path, live=is_open(self.path))
        connection.set_busy_handler(self._wait)
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        return connection

    def _forget(self) -> None:
        if self._taking_back is not None:
            self._taking_back()
            self._taking_back = None

    def _current(self) -> apsw.Connection:
        """Return the connection of this process to the files that others use, opening it where need be."""
        if self._connection is not None and self._process != os.getpid():
            self._connection = self._taking_back = None
        self._check_file()
        if self._connection is not None and not self._connection.in_transaction and self._is_cut_off():
            self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            self.close()
        if self._connection is None:
            forks.drop_inherited()
            if self._file is None:
                self._file = inode(self.path)  # before it is opened: one that comes in between is not taken for it
            self._connection = forks.track(self._open_for_reading() if self.readonly else self._open_for_writing())
            self._process = os.getpid()
            self._taking_back = note(self._connection, self.path) if self._stamp is None else None
        return self._connection

    def _check_file(self) -> None:
        """Raise StorageFailure where the file is not the one that was opened first."""
        if self.is_replaced:
            from mailstore.errors import StorageFailure

            there = inode(self.path) is not None
            why = "is another file than the one that was opened: open it again" if there else "is gone"
            raise StorageFailure(f"{self.path} {why}", path=self.path)

    @property
    def is_replaced(self) -> bool:
        """Whether the database that was opened has its name no more."""
        return self._file is not None and self._file != inode(self.path)

    def _is_cut_off(self) -> bool:
        return self._shared is not None and self._shared != inode(self.path + "-shm")

    # -- transactions

    def read(self, ask: Callable[[apsw.Connection], _T]) -> _T:
        """Return what ``ask`` finds in one snapshot. It may be called several times; it must not write."""
        with failures(self.path, system=self._system_errno):
            for _ in range(_TRIES):
                connection = self._current()
                try:
                    answer = self._snapshot(connection, ask)
                except Exception:
                    if self._is_unchanged():
                        raise
                else:
                    if self._is_unchanged():
                        return answer
                self.close()
        from mailstore.errors import StoreBusy

        raise StoreBusy(f"{self.path} changed at every attempt to read it", path=self.path)

    def _snapshot(self, connection: apsw.Connection, ask: Callable[[apsw.Connection], _T]) -> _T:
        if connection.in_transaction:
            return ask(connection)
        connection.execute("BEGIN")
        try:
            return ask(connection)
        finally:
            if connection.in_transaction:
                connection.execute("COMMIT")

    def _is_unchanged(self) -> bool:
        if self._stamp is None:
            return True
        from mailstore.drivers.sql import quiet  # late, as above

        return quiet.stamp(self.path) == self._stamp

    def check_writable(self) -> None:
        """Raise ReadOnlyStore where the database is open for reading only."""
        if self.readonly:
            from mailstore.errors import ReadOnlyStore

            raise ReadOnlyStore(f"{self.path} is open read-only", path=self.path)

    def write(self, *, bulk: bool = True) -> _Transaction:
        """Give the connection inside one writing transaction: durable after the block, or undone by its exception.

        Args:
            bulk: it may belong to the first filling of a new database.

        Raises:
            ReadOnlyStore: the database was opened read-only.
            StoreBusy: others were writing all of ``lock_timeout``.
        """
        self.check_writable()
        if self._filling and not bulk:
            self._use_wal()
        self._afterwards.clear()
        return _Transaction(self._begin, failures(self.path, self._waited, self._system_errno), self._afterwards)

    def after_commit(self, call: Callable[[], None]) -> None:
        """Call something, which must not fail, when the transaction at hand is committed, and never if it is not."""
        self._afterwards.append(call)

    def _begin(self) -> apsw.Connection:
        """Begin a writing transaction on the WAL that everybody else uses."""
        for _ in range(_TRIES):
            connection = self._current()
            connection.execute("BEGIN IMMEDIATE")
            if not (self._is_cut_off() or self.is_replaced):
                self._shared = inode(self.path + "-shm")
                return connection
            connection.execute("ROLLBACK")
        from mailstore.errors import StoreBusy

        raise StoreBusy(f"{self.path}: another program removes its -shm again and again", path=self.path)

    def _wait(self, asked: int) -> bool:
        if asked == 0:
            self._waiting_since = clock.monotonic()
        if self._waited() >= self._patience:
            return False
        import random  # late: most find nobody at work

        clock.sleep(random.uniform(0.0002, 0.002))  # noqa: S311 - spreads the writers, guards nothing
        return True

    def _waited(self) -> float:
        return clock.monotonic() - self._waiting_since

    def _system_errno(self) -> int:
        """Return what the system said when SQLite last failed, as far as it is about room.

        SQLite keeps not the right number for a -wal or -shm that cannot be made, so a file of that size is tried.
        """
        said = self._refusal if self._connection is None else self._connection.system_errno
        return said if said in _NO_ROOM or self.readonly else fs.try_room(self.path, _SHARED_SIZE)


class _Transaction:
    """The context manager behind ``Database.write``."""

    __slots__ = ("_afterwards", "_begin", "_connection", "_failures")

    def __init__(
        self, begin: Callable[[], apsw.Connection], meaning: failures, afterwards: list[Callable[[], None]]
    ) -> None:
        self._begin, self._failures, self._afterwards = begin, meaning, afterwards
        self._connection: apsw.Connection | None = None

    def __enter__(self) -> apsw.Connection:
        with self._failures:
            self._connection = connection = self._begin()
            return connection

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        connection = self._connection
        assert connection is not None
        with self._failures:
            try:
                if error is None:
                    connection.execute("COMMIT")
                    for call in self._afterwards:
                        call()
                    return
            except BaseException:
                _roll_back(connection)
                raise
            _roll_back(connection)
        self._failures.__exit__(kind, error, trace)


def _roll_back(connection: apsw.Connection) -> None:
    with suppress(apsw.Error):
        if connection.in_transaction:
            connection.execute("ROLLBACK")


class failures:  # noqa: N801 - it is called where a ``with`` begins
    """Turn SQLite's and the system's errors of the block into mailstore's, naming the database.

    ``waited`` tells for how many seconds it waited for a lock, ``system`` the error number behind SQLite's error.
    """

    __slots__ = ("_path", "_system", "_waited")

    def __init__(
        self, path: str, waited: Callable[[], float] = lambda: 0.0, system: Callable[[], int] = lambda: 0
    ) -> None:
        self._path, self._waited, self._system = path, waited, system

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, apsw.Error):
            raise _meaning(error, self._path, self._waited(), self._system) from error
        if isinstance(error, OSError):
            from mailstore.errors import StorageFailure

            why = " is gone" if isinstance(error, FileNotFoundError) else f": {error.strerror}"
            raise StorageFailure(self._path + why, path=self._path) from error


def _meaning(error: apsw.Error, path: str, waited: float, system: Callable[[], int]) -> StoreError:
    from mailstore.errors import CorruptStore, NotAStore, ReadOnlyStore, StorageFailure, StorageFull, StoreBusy

    text = str(error)
    match error:
        case apsw.IOError() | apsw.CantOpenError() if (number := system()) in _NO_ROOM:
            # SQLite calls only ENOSPC of a write "full": not EDQUOT, nor a -wal or -shm that cannot be made
            reason = os.strerror(number)
            return StorageFull(f"{path}: {reason}; nothing was stored", path=path, quota=number == errno.EDQUOT)
        case apsw.BusyError() | apsw.LockedError():
            return StoreBusy(f"{path} is locked by another program: {text}", path=path, waited=waited)
        case apsw.FullError():
            return StorageFull(f"{path}: no space left; nothing was stored", path=path)
        case apsw.NotADBError():
            return NotAStore(f"{path} is no SQLite database", path=path)
        case (
            apsw.CorruptError() | apsw.FormatError() | apsw.SchemaChangeError() | apsw.MismatchError() | apsw.SQLError()
        ):
            return CorruptStore(f"{path} is damaged: {text}; `sqlite3 {path} .recover` may help", path=path)
        case apsw.ReadOnlyError() if getattr(error, "extendedresult", 0) in _INTERRUPTED:
            return StorageFailure(f"{path} was left in the middle of a write: open it once for writing", path=path)
        case apsw.ReadOnlyError() | apsw.PermissionsError() | apsw.AuthError():
            return ReadOnlyStore(f"{path} cannot be written: {text}", path=path)
        case _:
            return StorageFailure(f"{path}: {text}", path=path)
