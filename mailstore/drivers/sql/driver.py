"""An account in a database: its tree of folders, and the verbs of mailstore.spi.Driver."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any, TypeVar

import apsw

from mailstore.drivers.sql import schema, stage
from mailstore.drivers.sql import statements as sql
from mailstore.drivers.sql.adding import StagedMessage
from mailstore.drivers.sql.commit import Commit
from mailstore.drivers.sql.database import Database
from mailstore.drivers.sql.dialect import SQLITE
from mailstore.drivers.sql.folder import SqlFolder
from mailstore.drivers.sql.hold import hold
from mailstore.drivers.sql.joint import JointTransaction
from mailstore.drivers.sql.quota import SqlQuota
from mailstore.drivers.sql.rows import AccountRow, FolderRow
from mailstore.drivers.sql.text import decode_keywords, decode_path, decode_text, encode_path, encode_text
from mailstore.errors import FolderExists, InvalidFolderName, NoSuchFolder, NoSuchMessage, NoSuchStore
from mailstore.model.caps import Capabilities, Joint
from mailstore.model.changes import (
    Append,
    Change,
    FolderInfo,
    Footprint,
    Outcome,
    Recovery,
    Staged,
    StoreDelta,
    Token,
    Usage,
)
from mailstore.model.info import CHUNK, Arrival, Meta
from mailstore.model.names import INBOX, FolderPath
from mailstore.spi import Guard, Hold, Settings, WatchPoint
from mailstore.system import clock

_T = TypeVar("_T")

_BULK_MESSAGES = 200
_STALE = 36 * 3600
"""Seconds after which what was staged and neither committed nor discarded is removed."""


class SqlDriver(SqlQuota):
    """See mailstore.spi.Driver, Cloning, Joining, SpecialUse and QuotaKeeping."""

    keys_travel = False

    def __init__(self, database: Database, name: str, settings: Settings) -> None:
        self._database = database
        self._name, self._settings = name, settings
        super().__init__(database, self._find_account(name, settings), settings)
        self._epoch = self._find_epoch()
        self.capabilities = Capabilities(
            format="sqlite",
            writable=not database.readonly,
            foreign_writers=True,
            quota="exact",
            native=frozenset({"clone", "hold", "join", "move"}) - settings.mask,
        )
        self.evidence = (
            "SQLite 3 database with mailstore's application id",
            f"schema {schema.VERSION}",
            f"account {name!r}",
        )

    def _find_account(self, name: str, settings: Settings) -> int:
        query = SQLITE.render(sql.FIND_ACCOUNT)
        stored = encode_text(name)
        account = self._ask(lambda connection: connection.execute(query, (stored,)).get)
        if account is not None:
            return int(account)
        if self._database.readonly or not (settings.create or name == ""):
            there = ", ".join(repr(other) for other in account_names(self._database)[:10])
            path = self._database.path
            raise NoSuchStore(f"{path} has no account {name!r} (there are: {there or 'none'})", path=path)
        with self._database.write() as connection:
            account = connection.execute(query, (stored,)).get
            if account is None:
                connection.execute(SQLITE.render(sql.ADD_ACCOUNT), (stored,))
                account = connection.execute(query, (stored,)).get
                self._add_folder(connection, int(account), INBOX)
        return int(account)

    def _find_epoch(self) -> str:
        return self._ask(lambda connection: str(connection.execute(SQLITE.render(sql.EPOCH)).get))

    def _ask(self, ask: Callable[[apsw.Connection], _T]) -> _T:
        return self._database.read(ask)

    def _follow(self) -> None:
        """Go over to the database that was put in the old one's place; folders that were opened before stay behind."""
        old, self._database = self._database, self._database.successor()
        try:
            self._account = self._find_account(self._name, self._settings)
            self._epoch = self._find_epoch()
        except BaseException:
            self._database.close()
            self._database = old
            raise
        old.close()

    def hold(self, paths: Sequence[FolderPath]) -> AbstractContextManager[Hold]:  # noqa: ARG002 -- all or nothing
        """See Holding."""
        return hold(self._database, self._settings.lock_timeout)

    # -- folders

    def changes(self, since: str | None) -> StoreDelta:
        """See Driver.changes. Where another database took the place of the one that was opened, it is the other's."""
        if self._database.is_replaced:
            self._follow()

        def ask(connection: apsw.Connection) -> tuple[int, list[FolderRow], list[FolderPath]]:
            account = self._account
            revision = connection.execute(SQLITE.render(sql.ACCOUNT), (account,)).get[0]
            if since == f"{self._epoch}.{revision}":
                return revision, [], []
            stored = connection.execute(SQLITE.render(sql.SUBSCRIPTIONS), (account,))
            return revision, FolderRow.all(connection, account), [decode_path(path) for (path,) in stored]

        revision, rows, subscribed = self._ask(ask)
        token = f"{self._epoch}.{revision}"
        if since == token:
            return StoreDelta(token, False, (), ())
        return StoreDelta(token, True, self._infos(rows, frozenset(subscribed)), ())

    def _infos(self, rows: Sequence[FolderRow], subscribed: frozenset[FolderPath]) -> tuple[FolderInfo, ...]:
        folders = {row.path: row for row in rows}
        parents = {FolderPath(path[:depth]) for path in folders for depth in range(1, len(path))}
        infos = []
        for path in sorted({*folders, *parents, *subscribed}, key=lambda path: (not path.is_inbox, path)):
            row = folders.get(path)
            if row is None:
                infos.append(FolderInfo("", path, selectable=False, subscribed=path in subscribed))
            else:
                infos.append(
                    FolderInfo(self._id(row.folder), path, subscribed=path in subscribed, special_use=row.special_use)
                )
        return tuple(infos)

    def _id(self, folder: int) -> str:
        return f"{self._epoch}-{self._account}-{folder}"

    def watch_points(self) -> list[WatchPoint]:
        """See Watchable.watch_points. Who commits writes to the ``-wal`` file, who checkpoints to the database."""
        directory, name = os.path.split(self._database.path)
        files = ("", name, f"{name}-wal")
        return [WatchPoint(directory, lambda name: "everything" if name in files else None, contents=True)]

    def look_together(self) -> AbstractContextManager[set[FolderPath]]:
        """See Watchable.look_together: a look changes nothing."""
        return nullcontext(set())

    def folder_tokens(self) -> dict[FolderPath, Token]:
        """See Watchable.folder_tokens."""
        rows = self._ask(lambda connection: FolderRow.all(connection, self._account))
        return {row.path: Token(self._epoch, row.uidvalidity, row.modseq) for row in rows}

    def create(self, path: FolderPath) -> FolderInfo:
        """See Driver.create; missing parents are virtual."""
        with self._database.write() as connection:
            folder = self._add_folder(connection, self._account, path)
            subscriptions = connection.execute(SQLITE.render(sql.SUBSCRIPTIONS), (self._account,))
            subscribed = (encode_path(path),) in list(subscriptions)
        return FolderInfo(self._id(folder), path, subscribed=subscribed)

    def _add_folder(self, connection: apsw.Connection, account: int, path: FolderPath) -> int:
        row = AccountRow.load(connection, account)
        if FolderRow.find(connection, account, path) is not None:
            raise FolderExists(f"folder {path} exists already", folder=str(path))
        row.revision += 1
        row.last_folder += 1
        uidvalidity = row.new_uidvalidity()
        row.save(connection)
        values = (account, row.last_folder, encode_path(path), uidvalidity, clock.modseq_now())
        connection.execute(SQLITE.render(sql.ADD_FOLDER), values)
        return row.last_folder

    def rename(self, old: FolderPath, new: FolderPath) -> None:
        """See Driver.rename; ``old`` may be a virtual parent."""
        if old.is_inbox or new.is_inbox or new.is_below(old):
            raise InvalidFolderName(f"folder {old} cannot become {new}", folder=str(new))
        with self._database.write() as connection:
            rows = FolderRow.all(connection, self._account)
            moving = [row for row in rows if row.path == old or row.path.is_below(old)]
            if not moving:
                raise NoSuchFolder(f"no folder {old}", folder=str(old))
            if any(row.path == new or row.path.is_below(new) for row in rows):
                raise FolderExists(f"folder {new} exists already", folder=str(new))
            with self._tallied(connection):
                for row in moving:
                    values = (encode_path(row.path.moved(old, new)), self._account, row.folder)
                    connection.execute(SQLITE.render(sql.MOVE_FOLDER), values)
            self._revise(connection)

    def _revise(self, connection: apsw.Connection) -> None:
        row = AccountRow.load(connection, self._account)
        row.revision += 1
        row.save(connection)

    def delete(self, path: FolderPath) -> None:
        """See Driver.delete."""
        if path.is_inbox:
            raise InvalidFolderName("INBOX cannot be deleted", folder="INBOX")
        with self._database.write() as connection, self._tallied(connection):
            key = (self._account, FolderRow.load(connection, self._account, path).folder)
            bodies = [body for (body,) in connection.execute(SQLITE.render(sql.BODIES_OF_FOLDER), key)]
            connection.execute(SQLITE.render(sql.DROP_MESSAGES), key)
            stage.drop_unused(connection, self._account, bodies)
            connection.execute(SQLITE.render(sql.DROP_FOLDER), key)
            self._revise(connection)

    def subscribe(self, path: FolderPath, subscribed: bool) -> None:
        """See Driver.subscribe."""
        key = (self._account, encode_path(path))
        with self._database.write() as connection:
            connection.execute(SQLITE.render(sql.UNSUBSCRIBE), key)
            if subscribed:
                connection.execute(SQLITE.render(sql.SUBSCRIBE), key)
            self._revise(connection)

    def set_special_use(self, path: FolderPath, special_use: str | None) -> None:
        """See SpecialUse.set_special_use."""
        with self._database.write() as connection:
            row = FolderRow.load(connection, self._account, path)
            connection.execute(SQLITE.render(sql.SET_SPECIAL_USE), (special_use, self._account, row.folder))
            self._revise(connection)

    def folder(self, path: FolderPath) -> SqlFolder:
        """See Driver.folder."""
        row = self._ask(lambda connection: FolderRow.load(connection, self._account, path))
        return SqlFolder(self._database, self._account, self._epoch, row)

    def usage(self) -> Usage:
        """See Driver.usage; kept with the folders, so it costs no look at the messages."""
        return Usage(*self._ask(lambda connection: connection.execute(SQLITE.render(sql.USAGE), (self._account,)).get))

    def footprint(self) -> Footprint:
        """See Measuring.footprint: the blocks of the file and its WAL, shared out by what the accounts' bodies have."""

        def ask(connection: apsw.Connection) -> tuple[int, int, int]:
            logical = connection.execute(SQLITE.render(sql.USAGE), (self._account,)).get[1]
            mine = connection.execute(SQLITE.render(sql.STORED), (self._account,)).get
            return logical, mine, connection.execute(SQLITE.render(sql.STORED_BY_ALL)).get

        logical, mine, all_of_them = self._ask(ask)
        blocks = 0
        for suffix in ("", "-wal"):
            with suppress(OSError):
                blocks += os.stat(self._database.path + suffix).st_blocks * 512
        return Footprint(blocks * mine // all_of_them if all_of_them else 0, logical - mine)

    def canonical(self, body: bytes) -> bytes:
        """The database keeps every byte."""
        return body

    # -- messages

    def stage(self, arrivals: Sequence[Arrival]) -> list[Staged]:
        """See Driver.stage: up to 1 MiB in memory, larger ones in the database."""
        self._database.check_writable()
        return list(stage.stage_all(self._database, self._account, arrivals))

    def clone(self, folder: FolderPath, uids: Sequence[int]) -> list[Staged]:
        """See Cloning.clone: the copies share the body."""
        staged: list[Staged] = []
        with self._database.write() as connection:
            row = FolderRow.load(connection, self._account, folder)
            for uid in uids:
                found = connection.execute(SQLITE.render(sql.FOR_COPY), (self._account, row.folder, uid)).get
                if found is None:
                    raise NoSuchMessage(f"folder {folder} has no message {uid}", folder=str(folder), uid=uid)
                staged.append(self._copy(connection, found))
        return staged

    def _copy(self, connection: apsw.Connection, found: tuple[Any, ...]) -> StagedMessage:
        flags, keywords, internal, sender, uidl, body, digest, size, crlf_size, sent_by, subject = found
        meta = Meta(
            flags,
            decode_keywords(keywords),
            internal,
            None,
            None if sender is None else decode_text(sender),
            None if uidl is None else decode_text(uidl),
        )
        name = stage.wait(connection, self._account, body)
        return StagedMessage(meta, None, digest, size, crlf_size, sent_by, subject, stage=name)

    def discard(self, staged: Sequence[Staged]) -> None:
        """See Driver.discard."""
        stage.discard(self._database, self._account, [one for one in staged if isinstance(one, StagedMessage)])

    def commit(self, changes: Sequence[Change], *, guard: Guard | None = None, need_uids: bool = True) -> list[Outcome]:
        """See Driver.commit: one transaction, so that all changes are carried out or none."""
        with self._database.write(bulk=_is_bulk(changes)) as connection:
            return self._commit(connection, changes, guard, need_uids)

    def _commit(
        self, connection: apsw.Connection, changes: Sequence[Change], guard: Guard | None, need_uids: bool
    ) -> list[Outcome]:
        commit = Commit(connection, self._account, changes, need_uids)
        if guard is not None:
            guard(changes)
        with self._tallied(connection):
            return commit.run()

    @property
    def joint(self) -> Joint | None:
        """See Joining.joint: the accounts of one database."""
        return None if self._database.readonly else Joint(("sqlite", self._database.path), writers=1)

    def together(self) -> JointTransaction:
        """See Joining.together."""
        return JointTransaction(self._database)

    def commit_within(
        self, database: Database, connection: apsw.Connection, changes: Sequence[Append], guard: Guard | None
    ) -> list[Outcome]:
        """Commit without UIDs within a transaction of another account's ``database``, which the guard reads too."""
        own, self._database = self._database, database
        try:
            return self._commit(connection, changes, guard, False)
        finally:
            self._database = own

    def resolve(self, keys: Sequence[bytes]) -> dict[bytes, tuple[FolderPath, int]]:
        """See Driver.resolve."""

        def ask(connection: apsw.Connection) -> dict[bytes, tuple[FolderPath, int]]:
            found = {}
            for part, width in sql.in_lists(keys):
                rows = connection.execute(SQLITE.render(sql.DELIVERED, width), (self._account, *part))
                found.update({key: (decode_path(path), uid) for key, path, _, uid in rows})
            return found

        return self._ask(ask)

    def recover(self) -> Recovery:
        """See Driver.recover: SQLite itself undoes what a crash interrupted; only stale staging is left."""
        query, values = SQLITE.render(sql.STALE_STAGES), (self._account, clock.now() - _STALE)
        if not self._ask(lambda connection: list(connection.execute(query, values))):
            return Recovery()
        with self._database.write() as connection:
            stale = list(connection.execute(query, values))
            stage.drop_stages(connection, self._account, stale)
        return Recovery(removed=len(stale))

    def close(self) -> None:
        """See Driver.close."""
        self._database.close()


def account_names(database: Database) -> list[str]:
    """Return the names of all accounts, in order."""
    names = database.read(lambda connection: list(connection.execute(SQLITE.render(sql.LIST_ACCOUNTS))))
    return [decode_text(name) for (name,) in names]


def _is_bulk(changes: Sequence[Change]) -> bool:
    """Tell a commit of a conversion from a delivery; one that appends nothing belongs to either."""
    appends = [change for change in changes if isinstance(change, Append)]
    return not appends or len(appends) >= _BULK_MESSAGES or sum(one.staged.size for one in appends) >= CHUNK
