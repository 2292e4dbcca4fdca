"""What one look at the folders found, and which of it belongs together.

A message that vanished from one folder and came into another under the same key, both in one look, was moved, where a
key stays with its message (a Maildir's base names). Keys are compared by a hash of 64 bits; where two messages that
vanished share one, nothing is said of a move. Of moves made through the watched store object itself the UIDs are known.
"""

from __future__ import annotations

from typing import NamedTuple

from mailstore.model.events import Event, MessageAppended, MessageExpunged, MessageMoved
from mailstore.model.flags import RECENT, same_keywords
from mailstore.model.names import FolderPath
from mailstore.watch.known import Dropped, key_hash
from mailstore.watch.own import Own


class _Gone(NamedTuple):
    folder: FolderPath
    message: Dropped
    modseq: int
    own: bool


class Found:
    """Collects what a look finds."""

    def __init__(self, keys_travel: bool) -> None:
        self._keys_travel = keys_travel
        self._gone: dict[tuple[FolderPath, int], _Gone] = {}
        self._others: list[Event] = []

    def add(self, event: Event) -> None:
        """Note an event that is not an expunge."""
        self._others.append(event)

    def gone(self, folder: FolderPath, message: Dropped, modseq: int, *, own: bool) -> None:
        """Note that a message vanished."""
        self._gone[folder, message.uid] = _Gone(folder, message, modseq, own)

    def events(self, own: Own) -> list[Event]:
        """Return what was found, expunges first; what moved is told once."""
        if not self._gone:
            return self._others
        by_key: dict[int, tuple[FolderPath, int] | None] = {}
        for place, gone in self._gone.items():
            if gone.message.key_hash and self._keys_travel:
                by_key[gone.message.key_hash] = None if gone.message.key_hash in by_key else place
        others = [
            self._moved(event, own, by_key) if isinstance(event, MessageAppended) else event for event in self._others
        ]
        expunged = [MessageExpunged(one.folder, one.message.uid, one.modseq, one.own) for one in self._gone.values()]
        return [*expunged, *others]

    def _moved(self, event: MessageAppended, own: Own, by_key: dict[int, tuple[FolderPath, int] | None]) -> Event:
        place = own.moved_from(event.folder, event.uid)
        ours = place is not None
        if place is None or place not in self._gone:
            place = by_key.get(key_hash(event.key))
        if place is None or place not in self._gone or place[0] == event.folder:
            return event
        before = self._gone.pop(place).message
        same = before.flags | RECENT == event.flags | RECENT and same_keywords(before.keywords, event.keywords)
        return MessageMoved(*event[:6], *place, ours and same)
