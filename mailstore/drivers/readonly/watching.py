"""Where changes of a tree of directories show whose folders are directories with a file for each message."""

from __future__ import annotations

from abc import abstractmethod
from typing import Literal

from mailstore.drivers.readonly.driver import ReadOnlyDriver
from mailstore.model.names import FolderPath
from mailstore.spi import Concern, WatchPoint

Hint = Literal["messages", "listing", "everything"] | None


class WatchedTree(ReadOnlyDriver):
    """See mailstore.spi.Watchable. A format says by ``hint`` what the name of an entry is about."""

    @abstractmethod
    def hint(self, name: str) -> Hint:
        """Return what a change of this name in a directory of the tree is about."""

    def watch_points(self) -> list[WatchPoint]:
        """See Watchable.watch_points: every directory, with what is written in it."""
        tree = self.scan()
        folders = {place: path for path, place in tree.folders.items()}
        return [
            WatchPoint(directory, _Concerns(self, folders.get(directory)), contents=True)
            for directory in tree.directories
        ]


class _Concerns:
    """What an entry's name hints at in the directory of a folder, or of none."""

    __slots__ = ("_driver", "_path")

    def __init__(self, driver: WatchedTree, path: FolderPath | None) -> None:
        self._driver, self._path = driver, path

    def __call__(self, name: str) -> Concern:
        hint = self._driver.hint(name)
        if hint == "messages":
            return self._path or "listing"  # the first message makes a folder of it
        return hint
