"""Carrying out the changes of a commit on one folder whose file is locked."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from mailstore.drivers.mbox import render
from mailstore.drivers.mbox.appending import message_of
from mailstore.drivers.mbox.delivery import deliver
from mailstore.drivers.mbox.staging import StagedMessage, are_plain
from mailstore.drivers.mbox.sync import Folder
from mailstore.drivers.mbox.writing import Locked, Marked, New
from mailstore.drivers.sidecar import Entry
from mailstore.errors import StorageFailure, Unsupported
from mailstore.formats.mbox.dialect import Dialect
from mailstore.model.changes import Append, Change, Expunge, Outcome, SetFlags, SetState
from mailstore.model.flags import DELETED, RECENT, SYSTEM_FLAGS, same_keywords, subtract_keywords, unite_keywords
from mailstore.system import clock, fs


class Changer:
    """Carries out the changes of one commit, folder by folder.

    Args:
        elsewhere: where an idempotency key is stored in another folder: (UIDVALIDITY, UID), or None.
        need_uids: whether Appends are to answer with UIDs.
    """

    def __init__(self, elsewhere: Callable[[Folder, bytes], tuple[int, int] | None], *, need_uids: bool) -> None:
        self._elsewhere = elsewhere
        self._need_uids = need_uids

    def carry_out(self, held: Locked, changes: Sequence[Change], outcomes: list[Outcome]) -> None:
        """Carry out changes of one folder, in order, adding an outcome for each that is durable."""
        if not self._need_uids and are_plain(changes):
            pinned, now = held.folder.pinned(os.fstat(held.fd)), clock.now()

            def records(dialect: Dialect) -> Iterator[bytes]:
                return _records(changes, dialect, now)

            if deliver(held.folder.path, held.fd, pinned, records, held.refresh):
                outcomes += [Outcome("done") for _ in changes]
                return
        held.folder.look()
        for is_append, group in groupby(changes, key=lambda change: isinstance(change, Append)):
            if is_append:
                outcomes += self._append(held, [change for change in group if isinstance(change, Append)])
            else:
                for change in group:
                    outcomes.append(self._one(held, change))

    def _one(self, held: Locked, change: Change) -> Outcome:
        match change:
            case SetFlags():
                return _set_flags(held, change)
            case Expunge():
                return _expunge(held, change)
            case SetState():
                return _set_state(held, change)
            case _:
                raise Unsupported("an mbox store has no native move", capability="native")

    def _append(self, held: Locked, appends: Sequence[Append]) -> list[Outcome]:
        folder = held.folder
        outcomes: list[Outcome | None] = []
        news: list[New] = []
        mine: dict[bytes, int] = {}
        for change in appends:
            staged = change.staged
            assert isinstance(staged, StagedMessage)
            if staged.key is not None:
                known = self._known(folder, staged.key)
                if known is not None or staged.key in mine:
                    outcomes.append(known)
                    continue
                mine[staged.key] = len(outcomes)
            meta = staged.meta if change.meta is None else change.meta
            news.append(New(staged, meta, change.uid))
            outcomes.append(None)
        appended = held.append(news) if news else []
        if len(appended) < len(news):
            raise StorageFailure(
                f"{fs.shown(folder.path)} got another name while mail was appended to it: look there for the mail",
                path=folder.path,
            )
        entries = iter(appended)
        given: dict[bytes, Outcome] = {}
        for at, change in enumerate(appends):
            if outcomes[at] is None:
                key = change.staged.key
                if key is not None and mine.get(key) != at:
                    outcomes[at] = given[key]
                    continue
                outcomes[at] = done = self._appended(folder, next(entries))
                if key is not None:
                    given[key] = done._replace(status="known", modseq=0)
        return [outcome for outcome in outcomes if outcome is not None]

    def _known(self, folder: Folder, key: bytes) -> Outcome | None:
        uid = folder.keys().get(key)
        if uid is not None:
            return Outcome("known", (uid,), uidvalidity=folder.index.uidvalidity)
        found = self._elsewhere(folder, key)
        return None if found is None else Outcome("known", (found[1],), uidvalidity=found[0])

    def _appended(self, folder: Folder, entry: Entry) -> Outcome:
        if not self._need_uids:
            return Outcome("done", modseq=entry.modseq)
        return Outcome("done", (entry.uid,), uidvalidity=folder.index.uidvalidity, modseq=entry.modseq)


def _records(appends: Sequence[Change], dialect: Dialect, now: int) -> Iterator[bytes]:
    """Yield the pieces of the records of changes that ``are_plain``."""
    for change in appends:
        assert isinstance(change, Append)
        staged = change.staged
        assert isinstance(staged, StagedMessage)
        meta = staged.meta if change.meta is None else change.meta
        yield from render.record(staged.body, message_of(staged, meta, 0, now), dialect)


def _present(held: Locked, uids: Sequence[int]) -> Iterator[Entry]:
    for uid in sorted(set(uids)):
        entry = held.folder.index.find(uid)
        if entry is not None:
            yield entry


def _set_flags(held: Locked, change: SetFlags) -> Outcome:
    known = held.folder.index
    marks, uids, refused = {}, [], []
    for entry in _present(held, change.uids):
        if change.unchanged_since is not None and entry.modseq > change.unchanged_since:
            refused.append(entry.uid)
            continue
        marked = _changed(entry, change)
        if marked is not None:
            marks[entry.key] = marked
            uids.append(entry.uid)
    if marks:
        held.mark(marks)
        known = held.folder.index
    return Outcome(
        "done",
        tuple(uids),
        uidvalidity=known.uidvalidity,
        modseq=known.highest_modseq if marks else 0,
        refused=tuple(refused),
    )


def _changed(entry: Entry, change: SetFlags) -> Marked | None:
    """Return what a message's flags become, or None where they stay."""
    have = entry.flags & SYSTEM_FLAGS
    if change.mode == "add":
        flags, keywords = have | change.flags, unite_keywords(entry.keywords, change.keywords)
    elif change.mode == "remove":
        flags, keywords = have & ~change.flags, subtract_keywords(entry.keywords, change.keywords)
    else:
        wanted = {keyword.lower() for keyword in change.keywords}
        kept = frozenset(keyword for keyword in entry.keywords if keyword.lower() in wanted)
        flags, keywords = change.flags, unite_keywords(kept, change.keywords)
    flags &= SYSTEM_FLAGS
    if flags == have and same_keywords(keywords, entry.keywords):
        return None
    return Marked(flags | (entry.flags & RECENT), keywords)


def _expunge(held: Locked, change: Expunge) -> Outcome:
    going: list[Entry] = []
    refused: list[int] = []
    for entry in _present(held, change.uids):
        if change.only_deleted and not entry.flags & DELETED:
            refused.append(entry.uid)
        else:
            going.append(entry)
    if going:
        held.expunge({entry.key for entry in going})
    known = held.folder.index
    return Outcome(
        "done",
        tuple(entry.uid for entry in going),
        uidvalidity=known.uidvalidity,
        modseq=known.highest_modseq if going else 0,
        refused=tuple(refused),
    )


def _set_state(held: Locked, change: SetState) -> Outcome:
    return Outcome(*held.set_state(change.uidvalidity, change.uidnext, change.highest_modseq))
