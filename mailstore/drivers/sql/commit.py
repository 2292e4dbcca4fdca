"""Carrying out changes inside one transaction: all of them, or, when anything raises, none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import apsw

from mailstore.drivers.sql import stage
from mailstore.drivers.sql import statements as sql
from mailstore.drivers.sql.adding import StagedMessage, find_stages, message_row, place
from mailstore.drivers.sql.dialect import SQLITE
from mailstore.drivers.sql.rows import MAX_MODSEQ, MAX_UID, AccountRow, FolderRow
from mailstore.drivers.sql.text import decode_keywords, encode_keywords
from mailstore.errors import UsageError
from mailstore.model.changes import Append, Change, Expunge, Move, Outcome, SetFlags, SetState
from mailstore.model.flags import DELETED, RECENT, SYSTEM_FLAGS, subtract_keywords, unite_keywords
from mailstore.model.names import FolderPath
from mailstore.system import clock


class _Message(NamedTuple):
    """What a change needs to know of a stored message."""

    uid: int
    modseq: int
    flags: int
    keywords: frozenset[str]
    size: int
    body: int


class Commit:
    """The changes of one commit, within the transaction of ``connection``."""

    def __init__(self, connection: apsw.Connection, account: int, changes: Sequence[Change], need_uids: bool) -> None:
        self._connection = connection
        self._account = account
        self._need_uids = need_uids
        self._now = clock.now()
        self._folders: dict[FolderPath, FolderRow] = {}
        self._unused: set[int] = set()
        self._used_up: set[str] = set()
        self._changes = changes
        for change in changes:
            self._load(change.folder)
            if isinstance(change, Move):
                self._load(change.destination)

    def _load(self, path: FolderPath) -> None:
        if path not in self._folders:
            self._folders[path] = FolderRow.load(self._connection, self._account, path)

    def run(self) -> list[Outcome]:
        """Carry out the changes in order, runs of appends at once; then write the counters and clear up."""
        outcomes: list[Outcome] = []
        for appends, run in groupby(self._changes, key=lambda change: isinstance(change, Append)):
            if appends:
                outcomes += self._append([change for change in run if isinstance(change, Append)])
            else:
                outcomes += [self._apply(change) for change in run]
        for folder in self._folders.values():
            if folder.changed:
                folder.save(self._connection)
        if self._used_up:
            stages = find_stages(self._connection, self._account, sorted(self._used_up))
            stage.drop_stages(self._connection, self._account, stages.items())
        if self._unused:
            stage.drop_unused(self._connection, self._account, self._unused)
        return outcomes

    def _apply(self, change: Change) -> Outcome:
        folder = self._folders[change.folder]
        match change:
            case SetFlags():
                return self._set_flags(folder, change)
            case Expunge():
                return self._expunge(folder, change)
            case Move():
                return self._move(folder, self._folders[change.destination], change)
            case SetState():
                return self._set_state(folder, change)
            case Append():
                return self._append([change])[0]

    # -- appending

    def _append(self, appends: Sequence[Append]) -> list[Outcome]:
        staged = [_own(change.staged) for change in appends]
        self._used_up.update(one.stage for one in staged if one.stage)
        known = self._delivered([one.key for one in staged if one.key is not None])
        outcomes: list[Outcome] = []
        fresh: list[int] = []
        pending: set[bytes] = set()
        for at, one in enumerate(staged):
            if one.key is None or not (one.key in known or one.key in pending):
                fresh.append(at)
                if one.key is not None:
                    pending.add(one.key)
        bodies = place(self._connection, self._account, [staged[at] for at in fresh])
        placed = dict(zip(fresh, bodies, strict=True))
        rows: list[tuple[int | str | bytes | None, ...]] = []
        for at, (change, one) in enumerate(zip(appends, staged, strict=True)):
            if at not in placed:
                assert one.key is not None
                outcomes.append(known[one.key])
                continue
            folder = self._folders[change.folder]
            uid = folder.next_uid(change.uid)
            meta = one.meta if change.meta is None else change.meta
            rows.append(message_row(folder, uid, meta, one, placed[at], self._now))
            if self._need_uids:
                outcomes.append(Outcome("done", (uid,), (), folder.uidvalidity, folder.modseq))
            else:
                outcomes.append(Outcome("done", modseq=folder.modseq))
            if one.key is not None:
                known[one.key] = Outcome("known", (uid,), uidvalidity=folder.uidvalidity)
        self._connection.executemany(SQLITE.render(sql.ADD_MESSAGE), rows)
        return outcomes

    def _delivered(self, keys: Sequence[bytes]) -> dict[bytes, Outcome]:
        known: dict[bytes, Outcome] = {}
        for part, width in sql.in_lists(keys):
            found = self._connection.execute(SQLITE.render(sql.DELIVERED, width), (self._account, *part))
            known.update({key: Outcome("known", (uid,), uidvalidity=validity) for key, _, validity, uid in found})
        return known

    # -- changing what is there

    def _present(self, folder: FolderRow, uids: Sequence[int]) -> Iterator[_Message]:
        """Yield those of ``uids`` that are there, ascending."""
        wanted = sorted({uid for uid in uids if 0 < uid < folder.uidnext})
        for part, width in sql.in_lists(wanted):
            query = SQLITE.render(sql.listing(0, sql.CHOSEN), width)
            for row in self._connection.execute(query, (self._account, folder.folder, *part, width)):
                yield _Message(row[0], row[1], row[2], decode_keywords(row[3]), row[8], row[9])

    def _set_flags(self, folder: FolderRow, change: SetFlags) -> Outcome:
        refused: list[int] = []
        changed: list[tuple[int, int, frozenset[str]]] = []
        for message in list(self._present(folder, change.uids)):
            if change.unchanged_since is not None and message.modseq > change.unchanged_since:
                refused.append(message.uid)
                continue
            flags, keywords = _with_flags(message, change)
            if (flags, keywords) != (message.flags, message.keywords):
                folder.count_flags(-1, message.flags)
                folder.count_flags(1, flags)
                changed.append((message.uid, flags, keywords))
        modseq = folder.next_modseq() if changed else 0
        self._connection.executemany(
            SQLITE.render(sql.SET_FLAGS),
            [
                (flags, encode_keywords(keywords), modseq, self._account, folder.folder, uid)
                for uid, flags, keywords in changed
            ],
        )
        uids = tuple(uid for uid, _, _ in changed)
        return Outcome("done", uids, (), folder.uidvalidity, modseq, tuple(refused))

    def _expunge(self, folder: FolderRow, change: Expunge) -> Outcome:
        present = list(self._present(folder, change.uids))
        going = [message for message in present if not change.only_deleted or message.flags & DELETED]
        refused = tuple(message.uid for message in present if change.only_deleted and not message.flags & DELETED)
        if not going:
            return Outcome("done", uidvalidity=folder.uidvalidity, refused=refused)
        self._connection.executemany(
            SQLITE.render(sql.DROP_MESSAGE), [(self._account, folder.folder, message.uid) for message in going]
        )
        self._unused.update(message.body for message in going)
        modseq = self._bury(folder, going)
        uids = tuple(message.uid for message in going)
        return Outcome("done", uids, (), folder.uidvalidity, modseq, refused)

    def _bury(self, folder: FolderRow, going: Sequence[_Message]) -> int:
        modseq = folder.next_modseq()
        for message in going:
            folder.count(-1, message.flags, message.size)
        self._connection.executemany(
            SQLITE.render(sql.ADD_TOMBSTONE),
            [(self._account, folder.folder, message.uid, modseq) for message in going],
        )
        return modseq

    def _move(self, folder: FolderRow, destination: FolderRow, change: Move) -> Outcome:
        going = list(self._present(folder, change.uids))
        if not going:
            return Outcome("done", uidvalidity=destination.uidvalidity)
        self._bury(folder, going)
        modseq = destination.next_modseq()
        new_uids = tuple(destination.next_uid() for _ in going)
        rows: list[tuple[int, ...]] = []
        for message, uid in zip(going, new_uids, strict=True):
            flags = message.flags | RECENT
            destination.count(1, flags, message.size)
            rows.append((destination.folder, uid, modseq, flags, self._now, self._account, folder.folder, message.uid))
        self._connection.executemany(SQLITE.render(sql.MOVE_MESSAGE), rows)
        uids = tuple(message.uid for message in going)
        return Outcome("done", uids, new_uids, destination.uidvalidity, modseq)

    def _set_state(self, folder: FolderRow, change: SetState) -> Outcome:
        if folder.uidnext == 1 and 0 < change.uidvalidity <= MAX_UID:
            folder.uidvalidity = change.uidvalidity
            account = AccountRow.load(self._connection, self._account)
            account.last_uidvalidity = max(account.last_uidvalidity, change.uidvalidity)
            account.save(self._connection)
        elif folder.uidvalidity != change.uidvalidity:
            return Outcome("unchanged", uidvalidity=folder.uidvalidity)
        folder.uidnext = max(folder.uidnext, min(change.uidnext, MAX_UID))
        folder.modseq = max(folder.modseq, min(change.highest_modseq, MAX_MODSEQ))
        folder.changed = True
        return Outcome("done", uidvalidity=folder.uidvalidity, modseq=folder.modseq)


def _own(staged: object) -> StagedMessage:
    if not isinstance(staged, StagedMessage):
        raise UsageError("a message that another store staged cannot be committed here")
    return staged


def _with_flags(message: _Message, change: SetFlags) -> tuple[int, frozenset[str]]:
    r"""Return flags and keywords after the change; ``\Recent`` goes, since a client has seen the message."""
    have, asked = message.flags & SYSTEM_FLAGS, change.flags & SYSTEM_FLAGS
    if change.mode == "add":
        return have | asked, unite_keywords(message.keywords, change.keywords)
    if change.mode == "remove":
        return have & ~asked, subtract_keywords(message.keywords, change.keywords)
    wanted = {keyword.lower() for keyword in change.keywords}
    kept = frozenset(keyword for keyword in message.keywords if keyword.lower() in wanted)
    return asked, unite_keywords(kept, change.keywords)
