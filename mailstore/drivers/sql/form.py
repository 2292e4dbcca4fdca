"""The format sqlite: recognising its stores, and opening them."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from mailstore.drivers.sql.opened import is_open
from mailstore.drivers.sql.schema import APPLICATION_ID
from mailstore.errors import CannotCreate, LocationError, NoSuchStore, NotAStore
from mailstore.spi import Location, Settings
from mailstore.system import fs

if TYPE_CHECKING:
    from mailstore.drivers.sql.driver import SqlDriver

_MAGIC = b"SQLite format 3\0"
_EVIDENCE = "SQLite 3 database with mailstore's application id"


class _SqliteFormat:
    """``sqlite:FILE?account=NAME``; the account is ``''`` where none is named."""

    name = "sqlite"
    options = frozenset({"account"})

    def detect(self, path: str) -> str | None:
        """Read the header of the file: SQLite's magic and our application id at byte 68."""
        if is_open(path):
            return _EVIDENCE
        try:
            if not stat.S_ISREG(os.stat(path).st_mode):
                return None
            descriptor = fs.open_source(path)  # an mbox's access time tells shells and mail readers of new mail
        except OSError:
            return None
        try:
            header = os.read(descriptor, 100)
        except OSError:
            return None
        finally:
            os.close(descriptor)
        ours = header[:16] == _MAGIC and int.from_bytes(header[68:72], "big") == APPLICATION_ID
        return _EVIDENCE if ours else None

    def accounts(self, location: Location, settings: Settings) -> list[Location]:
        """See mailstore.spi.Shared."""
        path = _real_path(location)
        _look(path, settings)
        from mailstore.drivers.sql.database import Database
        from mailstore.drivers.sql.driver import account_names

        database = Database(path, readonly=True, timeout=settings.lock_timeout)
        try:
            database.check()
            names = account_names(database)
        finally:
            database.close()
        return [Location(self.name, location.path, {**location.options, "account": name}) for name in names]

    def open(self, location: Location, settings: Settings) -> SqlDriver:
        """See Format.open. A file that cannot be written is opened read-only."""
        path = _real_path(location)
        exists = _look(path, settings)
        from mailstore.drivers.sql.database import Database
        from mailstore.drivers.sql.driver import SqlDriver

        writable = not exists or (os.access(path, os.W_OK) and os.access(os.path.dirname(path), os.W_OK))
        database = Database(path, readonly=settings.readonly or not writable, timeout=settings.lock_timeout)
        try:
            if database.readonly:
                database.check()
            else:
                database.prepare(create=settings.create)
            driver = SqlDriver(database, location.options.get("account", ""), settings)
            if not database.readonly:
                driver.recover()
        except BaseException:
            database.close()
            raise
        return driver


def _real_path(location: Location) -> str:
    path = location.path
    if not os.path.isabs(path):
        raise LocationError(f"{path}: a database is given as sqlite:FILE", location=str(location))
    try:
        path.encode()
    except UnicodeEncodeError:
        raise LocationError(f"{path!r}: SQLite opens only paths in UTF-8", location=str(location)) from None
    return os.path.realpath(path)  # SQLite puts its other files beside what a link leads to


def _look(path: str, settings: Settings) -> bool:
    """Tell whether the database is there.

    Raises:
        NoSuchStore: it is not and shall not be made.
        CannotCreate: it is not and cannot be made.
        NotAStore: something else is there.
    """
    if not fs.is_there(path, follow=True):
        if not settings.create or settings.readonly:
            raise NoSuchStore(f"{path}: no such file", path=path)
        if not os.path.isdir(os.path.dirname(path)):
            raise CannotCreate(f"{path} cannot be created: its directory does not exist", path=path)
        return False
    if not os.path.isfile(path):
        raise NotAStore(f"{path} is no SQLite database: not a regular file", path=path)
    return True


FORMAT = _SqliteFormat()
