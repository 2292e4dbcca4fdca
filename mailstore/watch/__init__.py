"""Watching a store: typed, resumable events. See docs/watching.md; made by Store.watch and Folder.watch."""

from __future__ import annotations

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
    QuotaChanged,
    QuotaCrossed,
    SubscriptionChanged,
)
from mailstore.watch.replica import Replica
from mailstore.watch.tokenfile import TokenFile
from mailstore.watch.watcher import Watch

__all__ = [
    "Event",
    "FlagsChanged",
    "FolderCreated",
    "FolderDeleted",
    "FolderRenamed",
    "HistoryLost",
    "MessageAppended",
    "MessageExpunged",
    "MessageMoved",
    "QuotaChanged",
    "QuotaCrossed",
    "Replica",
    "SubscriptionChanged",
    "TokenFile",
    "Watch",
]
