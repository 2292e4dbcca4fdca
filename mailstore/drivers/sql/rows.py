"""The counters of an account and of a folder, as read and written within a transaction."""

from __future__ import annotations

from mailstore.drivers.sql import statements as sql
from mailstore.drivers.sql.dialect import SQLITE
from mailstore.drivers.sql.text import decode_path, encode_path
from mailstore.model.flags import RECENT, SEEN
from mailstore.system import clock

TYPE_CHECKING = False  # loading this loads next to nothing: a delivery starts a process for each mail
if TYPE_CHECKING:
    from typing import Self

    import apsw

    from mailstore.model.names import FolderPath

MAX_UID = (1 << 32) - 1
"""The greatest UID and UIDVALIDITY (RFC 9051 section 9, nz-number)."""
MAX_MODSEQ = 1 << 62
"""The greatest modseq that is adopted: RFC 7162 has 63 bits, and they must go on growing."""


class AccountRow:
    """An account's counters: the last folder id, body id and UIDVALIDITY given, and how often its folders changed."""

    __slots__ = ("account", "last_body", "last_folder", "last_uidvalidity", "revision")

    def __init__(self, account: int, revision: int, last_folder: int, last_body: int, last_uidvalidity: int) -> None:
        self.account = account
        self.revision = revision
        self.last_folder = last_folder
        self.last_body = last_body
        self.last_uidvalidity = last_uidvalidity

    @classmethod
    def load(cls, connection: apsw.Connection, account: int) -> Self:
        """Read the row and, where the dialect needs it, lock it until the transaction ends."""
        return cls(account, *connection.execute(SQLITE.render(sql.LOCK_ACCOUNT), (account,)).get)

    def save(self, connection: apsw.Connection) -> None:
        """Write the row back."""
        values = (self.revision, self.last_folder, self.last_body, self.last_uidvalidity, self.account)
        connection.execute(SQLITE.render(sql.SAVE_ACCOUNT), values)

    def new_uidvalidity(self) -> int:
        """Give a UIDVALIDITY greater than every one before in this account, while 32 bits allow it."""
        now = clock.now()
        self.last_uidvalidity = max(now, self.last_uidvalidity + 1) if self.last_uidvalidity < MAX_UID else now
        return self.last_uidvalidity


class FolderRow:
    """A folder's counters; those of its messages are kept up to date by every commit.

    Attributes:
        given: the modseq that the commit at hand gave, 0 before it gave one.
        changed: the counters are to be saved.
    """

    __slots__ = (
        *("account", "folder", "path", "uidvalidity", "uidnext", "modseq", "messages", "unseen", "recent", "size"),
        *("special_use", "given", "changed"),
    )

    def __init__(
        self,
        account: int,
        folder: int,
        path: FolderPath,
        uidvalidity: int,
        uidnext: int,
        modseq: int,
        messages: int,
        unseen: int,
        recent: int,
        size: int,
        special_use: str | None,
    ) -> None:
        self.account = account
        self.folder = folder
        self.path = path
        self.uidvalidity = uidvalidity
        self.uidnext = uidnext
        self.modseq = modseq
        self.messages = messages
        self.unseen = unseen
        self.recent = recent
        self.size = size
        self.special_use = special_use
        self.given = 0
        self.changed = False

    @classmethod
    def find(cls, connection: apsw.Connection, account: int, path: FolderPath) -> Self | None:
        """Read the row of that path, or None."""
        row = connection.execute(SQLITE.render(sql.FIND_FOLDER), (account, encode_path(path))).get
        return None if row is None else cls(account, row[0], path, *row[2:])

    @classmethod
    def load(cls, connection: apsw.Connection, account: int, path: FolderPath) -> Self:
        """Read the row of that path.

        Raises:
            NoSuchFolder: there is none.
        """
        row = cls.find(connection, account, path)
        if row is None:
            from mailstore.errors import NoSuchFolder

            raise NoSuchFolder(f"no folder {path}", folder=str(path))
        return row

    @classmethod
    def all(cls, connection: apsw.Connection, account: int) -> list[Self]:
        """Read the rows of all folders."""
        rows = connection.execute(SQLITE.render(sql.LIST_FOLDERS), (account,))
        return [cls(account, row[0], decode_path(row[1]), *row[2:]) for row in rows]

    def next_modseq(self) -> int:
        """Give the modseq of this commit's changes: one for all of them, unless it was overtaken."""
        if self.given != self.modseq:
            self.given = self.modseq = max(self.modseq + 1, clock.modseq_now())
        self.changed = True
        return self.modseq

    def next_uid(self, hint: int = 0) -> int:
        """Give a UID: the hint where it is not below UIDNEXT.

        Raises:
            Unsupported: all 32 bits of them are used up.
        """
        uid = hint if self.uidnext < hint < MAX_UID else self.uidnext
        if uid > MAX_UID:
            from mailstore.errors import Unsupported

            raise Unsupported(f"folder {self.path} has given its last UID: move its mail to another", capability="uids")
        self.uidnext = uid + 1
        return uid

    def count(self, sign: int, flags: int, size: int) -> None:
        """Count a message that comes (1) or goes (-1)."""
        self.messages += sign
        self.size += sign * size
        self.count_flags(sign, flags)

    def count_flags(self, sign: int, flags: int) -> None:
        """Count the flags of a message that is there: what they were (-1), then what they are (1)."""
        if not flags & SEEN:
            self.unseen += sign
        if flags & RECENT:
            self.recent += sign

    def save(self, connection: apsw.Connection) -> None:
        """Write the counters back."""
        connection.execute(
            SQLITE.render(sql.SAVE_FOLDER),
            (
                self.uidvalidity,
                self.uidnext,
                self.modseq,
                self.messages,
                self.unseen,
                self.recent,
                self.size,
                self.account,
                self.folder,
            ),
        )
