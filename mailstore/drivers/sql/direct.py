"""The ordinary delivery into a database, without opening a store.

The problem. A delivery starts a process for each mail; SQLite itself is half an interpreter's start, the library five.

The solution. What opens the database and adds a message lies in modules that load little besides SQLite, which the
store uses as well; here they are put together for the ordinary case. Whatever is less plain is left to the store,
before anything is written: a database or an account that is to be made, a quota, a message above 1 MiB.
"""

from __future__ import annotations

import os
import stat

from mailstore.drivers.sql import statements as sql
from mailstore.drivers.sql.adding import measured, message_row, place
from mailstore.drivers.sql.database import Database
from mailstore.drivers.sql.dialect import SQLITE
from mailstore.drivers.sql.rows import FolderRow
from mailstore.drivers.sql.text import encode_text
from mailstore.formats.sha256 import sha256
from mailstore.model.flags import NO_KEYWORDS, RECENT
from mailstore.system import clock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import apsw

_INBOX = ("INBOX",)


class _Meta:
    """A mailstore.model.info.Meta of a message that was delivered just now, without the module."""

    __slots__ = ("flags", "internal_date", "keywords", "saved_date", "sender", "uidl")

    def __init__(self, sender: str | None) -> None:
        self.flags, self.keywords, self.sender = RECENT, NO_KEYWORDS, sender
        self.internal_date = self.saved_date = self.uidl = None


def deliver(
    path: str,
    options: Mapping[str, str],
    whole: Callable[[frozenset[str]], bytes | None],
    sender: str | None,
    lock_timeout: float,
) -> bool:
    """Deliver into the database at ``path``; durable where it returns True. False: nothing was done, open the store.

    Args:
        path: absolute.
        options: of the location.
        whole: gives the message without header fields of these names (lower case), or None where it is too large.
        sender: envelope sender; '' is the null sender, None unknown.
        lock_timeout: seconds to wait for other programs' locks.

    Raises:
        StoreBusy, StorageFull, StorageFailure, ReadOnlyStore, NotAStore, CorruptStore: as the store does.
    """
    real = _writable(path)
    if real is None or options.keys() - {"account"}:
        return False
    body = whole(frozenset())
    if body is None:
        return False
    database = Database(real, readonly=False, timeout=lock_timeout)
    try:
        database.prepare(create=False)
        account = database.read(lambda connection: _account(connection, options.get("account", "")))
        if account is None:
            return False
        staged = measured(body, sha256(body).digest(), _Meta(sender), None)  # type: ignore[arg-type]  # as good as one
        with database.write(bulk=False) as connection:
            folder = FolderRow.load(connection, account, _INBOX)  # type: ignore[arg-type]  # a FolderPath loads patterns
            row = place(connection, account, [staged])[0]
            values = message_row(folder, folder.next_uid(), staged.meta, staged, row, clock.now())
            connection.execute(SQLITE.render(sql.ADD_MESSAGE), values)
            folder.save(connection)
    finally:
        database.close()
    return True


def _writable(path: str) -> str | None:
    """Return the real path of a database that is there and can be written, or None."""
    try:
        path.encode()
        real = os.path.realpath(path)
        found = os.stat(real)
    except (OSError, UnicodeEncodeError):
        return None
    there = stat.S_ISREG(found.st_mode) and found.st_size > 0
    return real if there and os.access(real, os.W_OK) and os.access(os.path.dirname(real), os.W_OK) else None


def _account(connection: apsw.Connection, name: str) -> int | None:
    """Return the number of the account; None where there is none, or it has a quota."""
    found = connection.execute(SQLITE.render(sql.FIND_ACCOUNT), (encode_text(name),)).get
    if found is None or connection.execute(SQLITE.render(sql.PROPERTY), (f"quota {found}",)).get:
        return None
    return int(found)
