"""Where changes of a Maildir show.

In ``new`` and ``cur`` of each folder, in the directories that hold folders, and in the file of subscriptions. What
programs write into their own indexes is no change of ours.
"""

from __future__ import annotations

import os

from mailstore.drivers.maildir.account import Account
from mailstore.drivers.maildir.layout import RESERVED
from mailstore.model.names import FolderPath
from mailstore.spi import Concern, WatchPoint

_SUBSCRIPTIONS = frozenset({"subscriptions", "courierimapsubscribed"})
_NOT_FOLDERS = (".mailstore-", ".nfs")


def watch_points(account: Account) -> list[WatchPoint]:
    """See Watchable.watch_points: two directories a folder, and each that can hold folders."""
    layout = account.layout
    tree = layout.spelling.layout != "++"
    points = {layout.root: WatchPoint(layout.root, _in_tree if tree else _in_root)}
    for place in layout.scan().values():
        directory = layout.absolute(place.directory)
        for sub in ("new", "cur"):
            points[f"{directory}/{sub}"] = WatchPoint(f"{directory}/{sub}", _Only(place.path))
        while tree and directory not in points:
            points[directory] = WatchPoint(directory, _in_tree)
            directory = os.path.dirname(directory)
    return list(points.values())


class _Only:
    """Whatever happens there concerns one folder."""

    __slots__ = ("_folder",)

    def __init__(self, folder: FolderPath) -> None:
        self._folder = folder

    def __call__(self, _: str) -> Concern:
        return self._folder


def _in_root(name: str) -> Concern:
    is_folder = name.startswith(".") and not name.startswith(_NOT_FOLDERS)
    return "listing" if is_folder or name in _SUBSCRIPTIONS or not name else None


def _in_tree(name: str) -> Concern:
    is_folder = not RESERVED.match(name) and not name.startswith(_NOT_FOLDERS)
    return "listing" if is_folder or name in _SUBSCRIPTIONS else None
