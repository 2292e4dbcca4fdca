"""Sequence numbers for IMAP servers: a session's view of a folder, which changes only when the session says so.

Stores speak UIDs. IMAP clients also count messages from 1, and the numbers of a session may change only when the
server reports it (RFC 9051 section 2.3.1.2). A view holds the UIDs as the session knows them and turns a Delta into
what the session has to be told.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple

from mailstore.model.changes import Delta
from mailstore.model.info import Row


class Report(NamedTuple):
    """What a session has to be told, in this order."""

    expunged: tuple[int, ...]
    """Sequence numbers for EXPUNGE responses, one after another: each counts after those before it are gone."""
    vanished: tuple[int, ...]
    """The same as UIDs, ascending, for VANISHED (RFC 7162)."""
    exists: int | None
    """The new number of messages for EXISTS, or None where none was added."""
    changed: tuple[tuple[int, Row], ...]
    """(sequence number, row) of messages that were known and have changed: FETCH responses."""
    added: tuple[tuple[int, Row], ...]
    """(sequence number, row) of new messages."""


class SequenceView:
    """The UIDs of a folder in the order of their sequence numbers, as one session knows them."""

    def __init__(self, uids: Iterable[int] = ()) -> None:
        self._uids = sorted(uids)

    def __len__(self) -> int:
        return len(self._uids)

    def uid(self, number: int) -> int:
        """Return the UID of sequence number ``number`` (from 1).

        Raises:
            IndexError: the session knows no such number.
        """
        if not 1 <= number <= len(self._uids):
            raise IndexError(f"sequence number {number} of {len(self._uids)}")
        return self._uids[number - 1]

    def number(self, uid: int) -> int | None:
        """Return the sequence number of ``uid``, or None where the session does not know it."""
        at = bisect_left(self._uids, uid)
        return at + 1 if at < len(self._uids) and self._uids[at] == uid else None

    def apply(self, delta: Delta) -> Report:
        """Take a delta in, reading its batches, and return what to tell the session."""
        rows = [row for batch in delta.batches for row in batch if row.uid]
        here = {row.uid for row in rows}
        gone = [uid for uid in self._uids if uid not in here] if delta.full else list(delta.vanished)
        expunged = []
        vanished = []
        for uid in gone:
            number = self.number(uid)
            if number is not None:
                expunged.append(number)
                vanished.append(uid)
                del self._uids[number - 1]
        known = set(self._uids)
        self._uids = sorted(known | here)
        new = here - known
        numbered = [(bisect_left(self._uids, row.uid) + 1, row) for row in rows]
        return Report(
            tuple(expunged),
            tuple(vanished),
            len(self._uids) if new else None,
            tuple(pair for pair in numbered if pair[1].uid not in new),
            tuple(pair for pair in numbered if pair[1].uid in new),
        )
