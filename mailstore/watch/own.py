"""Which changes were made through the very store that is watched, so that a session need not hear its own echo.

The problem. Between two looks of the watch another program may have changed the same message: an event that mixes both
must not pass for our own, or the other's change would be left out. So an event is our own only where the message's
modseq is still the one of our commit, and the old flags with our change applied give the new ones. And a commit may
come, in another thread, while the watch looks: it must not be forgotten before the look that finds it.

The solution. What was done is noted under the store's lock. The watch takes the notes of a folder over under the same
hold of that lock under which it asks what changed there: what is noted later is for the next look.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


class _Notes:
    """What was done in one folder."""

    __slots__ = ("expunged", "marks", "moved")

    def __init__(self) -> None:
        self.marks: dict[int, _Mark] = {}
        self.expunged: set[int] = set()
        self.moved: dict[int, tuple[FolderPath, int]] = {}
        """Whence a message came, and the UID that it had there."""


_NOTHING = _Notes()


class Own:
    """What this store object did since the watch looked last.

    What notes and takes is for who holds the store's lock, the rest for the watching thread.
    """

    def __init__(self) -> None:
        self._noted: dict[FolderPath, _Notes] = {}
        self._taken: dict[FolderPath, _Notes] = {}
        self._noted_structure: list[tuple[str, tuple[FolderPath, ...]]] = []
        self._structure: list[tuple[str, tuple[FolderPath, ...]]] = []

    # --- under the store's lock

    def note(
        self, changes: Sequence[Change], outcomes: Sequence[Outcome], wanted: Callable[[FolderPath], bool]
    ) -> set[FolderPath]:
        """Take in a commit; returns the folders it touched, of those that are ``wanted``."""
        touched = set()
        for change, outcome in zip(changes, outcomes, strict=True):
            destination = change.destination if isinstance(change, Move) else change.folder
            touched |= {change.folder, destination}
            if outcome.status != "done":
                continue
            notes = self._noted.setdefault(change.folder, _Notes())
            match change:
                case Append():
                    _mark(notes.marks, outcome, ())
                case SetFlags():
                    _mark(notes.marks, outcome, (change,))
                case Expunge() | Move():
                    if len(notes.expunged) + len(outcome.uids) <= MOST:
                        notes.expunged.update(outcome.uids)
            if isinstance(change, Move):
                moved = self._noted.setdefault(destination, _Notes()).moved
                if len(moved) + len(outcome.uids) <= MOST:
                    moved.update(
                        (new, (change.folder, uid)) for uid, new in zip(outcome.uids, outcome.new_uids, strict=True)
                    )
        for folder in [folder for folder in self._noted if not wanted(folder)]:
            del self._noted[folder]
        return {folder for folder in touched if wanted(folder)}

    def take(self, folder: FolderPath) -> None:
        """Take over what was noted of a folder: the watch has just asked what changed there."""
        notes = self._noted.pop(folder, None)
        if notes is not None:
            self._taken[folder] = notes

    def note_structure(self, what: str, *paths: FolderPath) -> None:
        """Take in a change of the list of folders; ``what`` as in Watch.restructured."""
        if len(self._noted_structure) < MOST:
            self._noted_structure.append((what, paths))

    def take_structure(self) -> None:
        """Take over what was noted of the list of folders: the watch has just read it."""
        self._structure, self._noted_structure = self._noted_structure, []

    # --- for the watching thread

    def moved_from(self, folder: FolderPath, uid: int) -> tuple[FolderPath, int] | None:
        """Return folder and UID that a message had before we moved it; None where we did not."""
        return self._taken.get(folder, _NOTHING).moved.get(uid)

    def appended(self, folder: FolderPath, row: Row) -> bool:
        """Tell whether we added this message, and it is as we added it."""
        mark = self._taken.get(folder, _NOTHING).marks.get(row.uid)
        return mark is not None and not mark.changes and mark.modseq == row.modseq

    def changed(self, folder: FolderPath, row: Row, old: _Flags | None) -> bool:
        """Tell whether our change alone made the old flags the new ones."""
        mark = self._taken.get(folder, _NOTHING).marks.get(row.uid)
        if mark is None or not mark.changes or mark.modseq != row.modseq or old is None:
            return False
        for change in mark.changes:
            old = _applied(change, *old)
        return old[0] == row.flags & ~RECENT and same_keywords(old[1], row.keywords)

    def expunged(self, folder: FolderPath, uid: int) -> bool:
        """Tell whether we expunged it."""
        return uid in self._taken.get(folder, _NOTHING).expunged

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

    def forget(self) -> None:
        """Drop what was taken over: the look is over."""
        self._taken.clear()
        self._structure.clear()


def _mark(marks: dict[int, _Mark], outcome: Outcome, changes: tuple[SetFlags, ...]) -> None:
    if len(marks) + len(outcome.uids) > MOST:
        return
    for uid in outcome.uids:
        before = marks.get(uid)
        if before is not None and not before.changes:
            del marks[uid]  # what others did between our append and our change of flags cannot be told
        else:
            marks[uid] = _Mark(outcome.modseq, (*(before.changes if before else ()), *changes))


def _applied(change: SetFlags, flags: int, keywords: frozenset[str]) -> _Flags:
    flags, asked = flags & SYSTEM_FLAGS & ~RECENT, change.flags & SYSTEM_FLAGS
    if change.mode == "add":
        return flags | asked, unite_keywords(keywords, change.keywords)
    if change.mode == "remove":
        return flags & ~asked, subtract_keywords(keywords, change.keywords)
    return asked, unite_keywords(frozenset(), change.keywords)
