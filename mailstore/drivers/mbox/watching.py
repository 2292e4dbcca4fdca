"""Where changes of an mbox store show: in the directories of its files.

Whoever rewrites an mbox by a rename would take a watch on the file itself along with the old file.
"""

from __future__ import annotations

import os

from mailstore.drivers.mbox.layout import SUBSCRIPTIONS, Layout
from mailstore.model.names import INBOX, FolderPath
from mailstore.spi import Concern, WatchPoint

_NO_MAIL = (".lock", ".msf")


def watch_points(layout: Layout) -> list[WatchPoint]:
    """See Watchable.watch_points: one directory for a single file, else each directory of the tree."""
    inbox_directory, inbox = os.path.split(layout.inbox)
    files: dict[str, dict[str, FolderPath]] = {inbox_directory: {inbox: INBOX}}
    if layout.kind == "file":
        return [WatchPoint(inbox_directory, {inbox: INBOX, "": INBOX}.get, contents=True)]
    files.setdefault(layout.root, {})
    tree = layout.scan()
    for path, place in tree.folders.items():
        directory, name = os.path.split(place.file)
        files.setdefault(directory, {})[name] = path
        if os.path.isdir(place.children):
            files.setdefault(place.children, {})
    return [WatchPoint(directory, _Concern(names), contents=True) for directory, names in files.items()]


class _Concern:
    """Known files concern their folders; another name may be a new folder."""

    __slots__ = ("_names",)

    def __init__(self, names: dict[str, FolderPath]) -> None:
        self._names = names

    def __call__(self, name: str) -> Concern:
        known = self._names.get(name)
        if known is not None:
            return known
        if (name.startswith(".") and name != SUBSCRIPTIONS) or name.lower().endswith(_NO_MAIL):
            return None
        return "listing"
