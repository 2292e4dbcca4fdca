"""A listing that is kept up by events alone: what a consumer does, and how tests check that events tell everything."""

from __future__ import annotations

from typing import NamedTuple

from mailstore.model.events import (
    Event,
    FlagsChanged,
    FolderCreated,
    FolderDeleted,
    FolderRenamed,
    HistoryLost,
    MessageAppended,
    MessageExpunged,
    MessageMoved,
    SubscriptionChanged,
)
from mailstore.model.names import INBOX, FolderPath


class State(NamedTuple):
    """What is known of a message."""

    flags: int
    keywords: frozenset[str]


class Replica:
    """Folders, their messages by UID, and subscriptions.

    Attributes:
        folders: messages by UID of each folder; INBOX is always there.
        subscribed: names, of folders that need not exist.
    """

    def __init__(self) -> None:
        self.folders: dict[FolderPath, dict[int, State]] = {INBOX: {}}
        self.subscribed: set[FolderPath] = set()

    def apply(self, event: Event) -> None:
        """Change the listing as ``event`` says.

        Raises:
            KeyError: it tells of a folder or message that is not there, or makes one that is: events were lost.
        """
        match event:
            case MessageAppended():
                self._add(event.folder, event.uid, State(event.flags, event.keywords))
            case MessageMoved():
                del self.folders[event.source][event.source_uid]
                self._add(event.folder, event.uid, State(event.flags, event.keywords))
            case MessageExpunged():
                del self.folders[event.folder][event.uid]
            case FlagsChanged():
                self._flags(event)
            case HistoryLost():
                self.folders[event.folder].clear()
            case FolderCreated():
                self._make(event.folder, {})
            case FolderRenamed():
                self._make(event.folder, self.folders.pop(event.old))
            case FolderDeleted():
                del self.folders[event.folder]
            case SubscriptionChanged():
                (self.subscribed.add if event.subscribed else self.subscribed.remove)(event.folder)

    def _make(self, folder: FolderPath, messages: dict[int, State]) -> None:
        if folder in self.folders:
            raise KeyError(f"folder {folder} is there already")
        self.folders[folder] = messages

    def _add(self, folder: FolderPath, uid: int, state: State) -> None:
        messages = self.folders[folder]
        if uid in messages:
            raise KeyError(f"message {uid} of {folder} is there already")
        messages[uid] = state

    def _flags(self, event: FlagsChanged) -> None:
        before = self.folders[event.folder][event.uid]
        if event.old_flags is not None and before != (event.old_flags, event.old_keywords):
            raise KeyError(f"message {event.uid} of {event.folder} had other flags")
        self.folders[event.folder][event.uid] = State(event.flags, event.keywords)
