"""Which changes were made through the very store that is watched, so that a session need not hear its own echo.

The problem. Between two looks of the watch another program may have changed the same message: an event that mixes both
must not pass for our own, or the other's change would be left out. So an event is our own only where the message's
modseq is still the one of our commit, and the old flags with our change applied give the new ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mailstore.model.changes import Append, Change, Expunge, Move, Outcome, SetFlags
from mailstore.model.events import FolderCreated, FolderDeleted, FolderEvent, FolderRenamed, SubscriptionChanged
from mailstore.model.flags import RECENT, SYSTEM_FLAGS, same_keywords, subtract_keywords, unite_keywords
from mailstore.model.info import Row
from mailstore.model.names import FolderPath

MOST = 100_000
"""Changes that are remembered a folder; what is beyond comes as if another had made it."""

_Flags = tuple[int, frozenset[str]]


class _Mark(NamedTuple):
    modseq: int
    """After the last of ``changes``."""
    changes: tuple[SetFlags, ...]
    """None of them: the message was added."""


class Own:
    """What this store object did since the watch looked last. Not for two threads at once."""

    def __init__(self) -> None:
        self._marks: dict[FolderPath, dict[int, _Mark]] = {}
        self._expunged: dict[FolderPath, set[int]] = {}
        self._structure: list[tuple[str, tuple[FolderPath, ...]]] = []
        self.moves: dict[tuple[FolderPath, int], tuple[FolderPath, int]] = {}
        """(Destination, UID) -> (source, UID)."""

    def note(self, changes: Sequence[Change], outcomes: Sequence[Outcome]) -> set[FolderPath]:
        """Take in a commit; returns the folders it touched."""
        touched = set()
        for change, outcome in zip(changes, outcomes, strict=True):
            touched.add(change.folder)
            if outcome.status != "done":
                continue
            match change:
                case Append(folder=folder):
                    self._mark(folder, outcome, ())
                case SetFlags(folder=folder):
                    self._mark(folder, outcome, (change,))
                case Expunge(folder=folder):
                    self._gone(folder, outcome.uids)
                case Move(folder=folder, destination=destination):
                    touched.add(destination)
                    self._gone(folder, outcome.uids)
                    if len(self.moves) + len(outcome.uids) <= MOST:
                        for uid, new in zip(outcome.uids, outcome.new_uids, strict=True):
                            self.moves[destination, new] = folder, uid
                case _:
                    pass
        return touched

    def _mark(self, folder: FolderPath, outcome: Outcome, changes: tuple[SetFlags, ...]) -> None:
        marks = self._marks.setdefault(folder, {})
        if len(marks) + len(outcome.uids) > MOST:
            return
        for uid in outcome.uids:
            before = marks.get(uid)
            if before is not None and not before.changes:
                del marks[uid]  # what others did between our append and our change of flags cannot be told
            else:
                marks[uid] = _Mark(outcome.modseq, (*(before.changes if before else ()), *changes))

    def _gone(self, folder: FolderPath, uids: Sequence[int]) -> None:
        gone = self._expunged.setdefault(folder, set())
        if len(gone) + len(uids) <= MOST:
            gone.update(uids)

    def appended(self, folder: FolderPath, row: Row) -> bool:
        """Tell whether we added this message, and it is as we added it."""
        mark = self._marks.get(folder, {}).get(row.uid)
        return mark is not None and not mark.changes and mark.modseq == row.modseq

    def changed(self, folder: FolderPath, row: Row, old: _Flags | None) -> bool:
        """Tell whether our change alone made the old flags the new ones."""
        mark = self._marks.get(folder, {}).get(row.uid)
        if mark is None or not mark.changes or mark.modseq != row.modseq or old is None:
            return False
        for change in mark.changes:
            old = _applied(change, *old)
        return old[0] == row.flags & ~RECENT and same_keywords(old[1], row.keywords)

    def expunged(self, folder: FolderPath, uid: int) -> bool:
        """Tell whether we expunged it."""
        return uid in self._expunged.get(folder, ())

    def note_structure(self, what: str, *paths: FolderPath) -> None:
        """Take in a change of the list of folders; ``what`` as in Watch.restructured."""
        if len(self._structure) < MOST:
            self._structure.append((what, paths))

    def marked(self, event: FolderEvent) -> FolderEvent:
        """Return an event of the list of folders, marked where we made the change."""
        match event:
            case FolderCreated(folder=folder):
                ours = ("created", (folder,)) in self._structure
            case FolderDeleted(folder=folder):
                ours = ("deleted", (folder,)) in self._structure
            case SubscriptionChanged(folder=folder, subscribed=subscribed):
                ours = ("subscribed" if subscribed else "unsubscribed", (folder,)) in self._structure
            case FolderRenamed(folder=folder, old=old):
                ours = any(
                    what == "renamed" and (old == paths[0] or old.is_below(paths[0])) and old.moved(*paths) == folder
                    for what, paths in self._structure
                )
        return event._replace(own=True) if ours else event

    def forget_structure(self) -> None:
        """Drop what is remembered of the list of folders: the watch has looked at it."""
        self._structure.clear()

    def forget(self, folder: FolderPath) -> None:
        """Drop what is remembered of a folder: the watch has looked at it."""
        self._marks.pop(folder, None)
        self._expunged.pop(folder, None)
        for pair in [pair for pair in self.moves if pair[0] == folder]:
            del self.moves[pair]


def _applied(change: SetFlags, flags: int, keywords: frozenset[str]) -> _Flags:
    flags, asked = flags & SYSTEM_FLAGS & ~RECENT, change.flags & SYSTEM_FLAGS
    if change.mode == "add":
        return flags | asked, unite_keywords(keywords, change.keywords)
    if change.mode == "remove":
        return flags & ~asked, subtract_keywords(keywords, change.keywords)
    return asked, unite_keywords(frozenset(), change.keywords)
