"""What happened in a store since the journal was written; nothing is changed.

The token that the journal keeps is that of the moment before the last run changed anything: what that run did is told
once more and found to be known. Where the history is lost the whole folder is listed with its digests, and a message is
the one that is known when UID and digest are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import NamedTuple

from mailstore.convert.leftout import hidden
from mailstore.convert.losses import whole
from mailstore.convert.merge import Marks, marks
from mailstore.convert.record import Way
from mailstore.errors import MailstoreError, NoSuchMessage, StorageFailure
from mailstore.folder import Folder
from mailstore.model.changes import FolderState, Token
from mailstore.model.info import BODY, DIGEST, Body, Row
from mailstore.model.measure import digest_of
from mailstore.store import Store
from mailstore.sync.folders import Bound
from mailstore.sync.journal import Copy, Journal, Known, Side

_FETCH = 1000
_NEWEST = 3
"""So many of the newest messages that are known are looked at, whether they are still those: some may be deleted."""


class Found(NamedTuple):
    """A message that the journal does not know."""

    folder: int
    uid: int
    digest: bytes
    common: bytes
    """SHA-256 of its bytes as both formats keep them."""
    marks: Marks


@dataclass(slots=True)
class Scan:
    """What was found in both stores."""

    fresh: tuple[list[Found], list[Found]] = field(default_factory=lambda: ([], []))
    now: dict[int, dict[Side, Copy | None]] = field(default_factory=dict)
    """Of pairs with a change: the copies as they are, None for one that is gone. A side that is not here is as it
    was."""
    tokens: dict[tuple[int, Side], Token] = field(default_factory=dict)
    looked_at: set[int] = field(default_factory=set)
    """Folders that were taken in, if not wholly."""
    incomplete: set[int] = field(default_factory=set)
    """Folders in which something could not be read."""
    listed: set[tuple[int, Side]] = field(default_factory=set)
    """Places that were looked at as a whole, since there was no history."""
    lost: set[tuple[int, Side]] = field(default_factory=set)
    """Places that vanished, were made anew, or are older than they were: what is missing there was not deleted."""
    messages: list[int] = field(default_factory=lambda: [0, 0])
    """How many there are in each store."""


class Scanner:
    """Looks at the folders of both stores.

    Args:
        journal: what is known.
        stores: of side 0 and 1.
        trouble: is told what cannot be read: the folder, the message's UID or 0, the error.
    """

    def __init__(
        self, journal: Journal, stores: tuple[Store, Store], trouble: Callable[[Bound, int, MailstoreError], None]
    ) -> None:
        self._journal = journal
        self._stores = stores
        self._trouble = trouble
        self._altering = [store.canonical for store in stores if not store.capabilities.exact]
        self._want = BODY if self._altering else DIGEST
        self.scan = Scan()

    def look(self, bound: Bound) -> None:
        """Take a folder in; one that cannot be read on both sides is left out on both."""
        found = Scan()
        try:
            for side in (0, 1):
                if bound.infos[side] is not None:
                    self._look(bound, side, found)
                elif bound.vanished(side):
                    self._check_whole(bound, side)
                    self._gone(self._journal.copies(bound.number, side).values(), side, found)
                    found.lost.add((bound.number, side))
        except MailstoreError as error:
            self._trouble(bound, 0, error)
            self.scan.incomplete.add(bound.number)
            return
        self.scan.looked_at.add(bound.number)
        self._add(found)

    def _check_whole(self, bound: Bound, side: Side) -> None:
        """Take no folder for deleted that may be there, in a store of which something cannot be read.

        Raises:
            StorageFailure: it may.
        """
        assert bound.row is not None
        place = bound.row.places[side]
        assert place is not None
        if hidden(self._stores[side], [Way(place.path, place.path)], ()):
            raise StorageFailure(f"{place.path} is not there, but something in the store cannot be read")

    def _add(self, found: Scan) -> None:
        scan = self.scan
        for side in (0, 1):
            scan.fresh[side].extend(found.fresh[side])
            scan.messages[side] += found.messages[side]
        for pair, copies in found.now.items():
            scan.now.setdefault(pair, {}).update(copies)
        scan.tokens.update(found.tokens)
        scan.incomplete |= found.incomplete
        scan.listed |= found.listed
        scan.lost |= found.lost

    def _look(self, bound: Bound, side: Side, found: Scan) -> None:
        info = bound.infos[side]
        assert info is not None
        folder = self._stores[side].folder(info.path)
        state = folder.state()
        found.messages[side] += state.messages
        place = bound.row.places[side] if bound.row else None
        token = place.token if place else None
        older = token is not None and self._is_older(bound, side, folder, state)
        if token is not None and not older:
            delta = folder.changes(token, 0)
            if not delta.full:
                rows = [row for batch in delta.batches for row in batch]
                self._gone(self._known(bound, side, delta.vanished), side, found)
                self._changed(bound, side, folder, rows, found)
                found.tokens[bound.number, side] = delta.token
                return
        self._look_at_all(bound, side, folder, found)
        if older or (token is not None and token.uidvalidity != found.tokens[bound.number, side].uidvalidity):
            found.lost.add((bound.number, side))

    def _is_older(self, bound: Bound, side: Side, folder: Folder, state: FolderState) -> bool:
        """Tell whether the folder was restored from a backup: UIDs that are known are no message's yet, or another's.

        Its history tells nothing of that: it goes on from where it was then.
        """
        newest = {known.copy.uid: known.copy.digest for known in self._journal.newest(bound.number, side, _NEWEST)}
        if newest and max(newest) >= state.uidnext:
            return True
        return any(one.error is None and one.digest != newest[one.uid] for one in folder.fetch(sorted(newest), DIGEST))

    def _known(self, bound: Bound, side: Side, uids: Iterable[int]) -> Iterator[Known]:
        for uid in uids:
            if (known := self._journal.copy(bound.number, side, uid)) is not None:
                yield known

    def _changed(self, bound: Bound, side: Side, folder: Folder, rows: list[Row], found: Scan) -> None:
        """Take in what is new or has other marks."""
        new = []
        every = self._journal.copies(bound.number, side) if len(rows) > _FETCH else None
        for row in rows:
            known = self._journal.copy(bound.number, side, row.uid) if every is None else every.get(row.uid)
            if known is not None:
                self._compare(known, side, row, found)
            elif row.uid:
                new.append(row.uid)
            elif row.error is not None:
                self._unreadable(bound, 0, row.error, found)
        for at in range(0, len(new), _FETCH):
            for message in folder.fetch(new[at : at + _FETCH], self._want):
                if not isinstance(message.error, NoSuchMessage):  # it went away meanwhile
                    self._fresh(bound, side, message.row, found)

    def _look_at_all(self, bound: Bound, side: Side, folder: Folder, found: Scan) -> None:
        """List the folder with its digests: the history is lost, or there was none."""
        known = self._journal.copies(bound.number, side)
        delta = folder.changes(None, self._want)
        for batch in delta.batches:
            for row in batch:
                was = known.get(row.uid)
                if was is not None and (row.error is not None or self._digest(row) == was.copy.digest):
                    del known[row.uid]
                    self._compare(was, side, row, found)
                    _close(row)
                else:
                    self._fresh(bound, side, row, found)
        self._gone(known.values(), side, found)
        found.listed.add((bound.number, side))
        found.tokens[bound.number, side] = delta.token

    def _compare(self, known: Known, side: Side, row: Row, found: Scan) -> None:
        now = marks(row.flags, row.keywords)
        if row.error is None and not now.same(known.copy.marks):
            found.now.setdefault(known.pair, {})[side] = known.copy._replace(marks=now)

    def _gone(self, known: Iterable[Known], side: Side, found: Scan) -> None:
        for pair, _ in known:
            found.now.setdefault(pair, {})[side] = None

    def _fresh(self, bound: Bound, side: Side, row: Row, found: Scan) -> None:
        error = row.error
        try:
            if error is None:
                digest = self._digest(row)
                common = digest if row.body is None else self._common(row.body)
                mine = marks(row.flags, row.keywords)
                found.fresh[side].append(Found(bound.number, row.uid, digest, common, mine))
                return
        except MailstoreError as unread:
            error = unread
        finally:
            _close(row)
        self._unreadable(bound, row.uid, error, found)

    def _unreadable(self, bound: Bound, uid: int, error: MailstoreError, found: Scan) -> None:
        self._trouble(bound, uid, error)
        found.incomplete.add(bound.number)

    @staticmethod
    def _digest(row: Row) -> bytes:
        if row.digest is not None:
            return row.digest
        assert row.body is not None
        return digest_of(row.body)

    def _common(self, body: Body) -> bytes:
        text = whole(body)
        for canonical in self._altering:
            text = canonical(text)
        return sha256(text).digest()


def _close(row: Row) -> None:
    if row.body is not None and not isinstance(row.body, bytes):
        row.body.close()
