"""What changed between two lists of folders, as events in an order that can be replayed.

Folders with stable ids are known again under another name. The problem is names that are taken: A becomes B while B
becomes C, or A and B are exchanged. Renames are told from the end of such a chain; in a ring one folder is told as
deleted and made anew, with all its messages. A folder that stands in the way of a name goes first, any other last,
after its messages moved elsewhere. Two folders may have one id: a copy of a directory has its file of UIDs too, and a
list that was read while somebody renamed shows a folder under both names. Those are known by their names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from mailstore.model.changes import FolderInfo
from mailstore.model.events import FolderCreated, FolderDeleted, FolderRenamed, SubscriptionChanged
from mailstore.model.names import FolderPath


class FolderChanges(NamedTuple):
    """Events in the order of the fields; messages that move come before ``deleted``."""

    in_the_way: tuple[FolderDeleted, ...]
    renamed: tuple[FolderRenamed, ...]
    created: tuple[FolderCreated, ...]
    subscribed: tuple[SubscriptionChanged, ...]
    deleted: tuple[FolderDeleted, ...]


Folders = Mapping[FolderPath, FolderInfo]


def compare(before: Folders, now: Folders, *, stable_ids: bool) -> FolderChanges:
    """Return what makes ``now`` out of ``before``; folders are one by id, or else by path. INBOX is always INBOX."""
    doubtful = _shared_ids(before) | _shared_ids(now)
    old, new = (_by_identity(folders, stable_ids, doubtful) for folders in (before, now))
    gone = {old[one] for one in old.keys() - new.keys()}
    made = {new[one] for one in new.keys() - old.keys()}
    renames: list[tuple[FolderPath, FolderPath]] = []
    waiting = {old[one]: new[one] for one in old.keys() & new.keys() if old[one] != new[one]}
    while waiting:
        ready = sorted(path for path, target in waiting.items() if target not in waiting)
        if ready:
            renames += [(path, waiting.pop(path)) for path in ready]
        else:
            ring = min(waiting)
            gone.add(ring)
            made.add(waiting.pop(ring))
    taken = made | {target for _, target in renames}
    deleted = [FolderDeleted(path, before[path].id) for path in sorted(gone)]
    return FolderChanges(
        tuple(event for event in deleted if event.folder in taken),
        tuple(FolderRenamed(target, path, now[target].id) for path, target in renames),
        tuple(FolderCreated(path, now[path].id) for path in sorted(made)),
        _subscriptions(before, now),
        tuple(event for event in deleted if event.folder not in taken),
    )


def _shared_ids(folders: Folders) -> set[str]:
    """Return the ids that more than one folder has."""
    counts = Counter(info.id for info in folders.values() if info.selectable)
    return {one for one, count in counts.items() if count > 1}


def _by_identity(folders: Folders, stable_ids: bool, doubtful: set[str]) -> dict[str | FolderPath, FolderPath]:
    return {
        info.id if stable_ids and info.id and info.id not in doubtful and not path.is_inbox else path: path
        for path, info in folders.items()
        if info.selectable
    }


def _subscriptions(before: Folders, now: Folders) -> tuple[SubscriptionChanged, ...]:
    were = {path for path, info in before.items() if info.subscribed}
    are = {path for path, info in now.items() if info.subscribed}
    return tuple(SubscriptionChanged(path, path in are) for path in sorted(were ^ are))
