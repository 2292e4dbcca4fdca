"""What a watch asks a store: its driver, called under the store's lock."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping

from mailstore.errors import NoSuchFolder
from mailstore.model.changes import Delta, FolderInfo, Token
from mailstore.model.info import Row
from mailstore.model.names import FolderPath
from mailstore.spi import Driver, FolderDriver, Watchable, WatchPoint


class Source:
    """An open store as a watch sees it."""

    def __init__(self, driver: Driver, lock: threading.RLock) -> None:
        self._driver = driver
        self._watchable = driver if isinstance(driver, Watchable) else None
        self._lock = lock
        self.keys_travel = self._watchable is not None and self._watchable.keys_travel
        """Whether a message that moves is known again by its key."""
        self._folders: dict[FolderPath, FolderDriver] = {}
        self.stable_ids = driver.capabilities.folder_ids
        """Whether FolderInfo.id survives renames."""

    def list_folders(self) -> dict[FolderPath, FolderInfo]:
        """Return all folders by path."""
        with self._lock:
            self._folders.clear()
            return {info.path: info for info in self._driver.changes(None).folders}

    def changes(self, path: FolderPath, since: Token | None) -> Delta:
        """Return a folder's changes, its rows without fields.

        Raises:
            NoSuchFolder: it is gone.
        """
        with self._lock:
            folder = self._folders.get(path)
            if folder is None:
                folder = self._folders[path] = self._driver.folder(path)
            try:
                delta = folder.changes(since, 0)
            except NoSuchFolder:
                del self._folders[path]
                raise
        return Delta(delta.token, delta.full, delta.vanished, self._locked(delta.batches))

    def watch_points(self) -> list[WatchPoint] | None:
        """Return where to listen, None where there is no such place."""
        if self._watchable is None:
            return None
        with self._lock:
            return self._watchable.watch_points()

    def tokens(self) -> Mapping[FolderPath, Token]:
        """Return where folders stand, as far as one question tells."""
        if self._watchable is None:
            return {}
        with self._lock:
            return self._watchable.folder_tokens() or {}

    def _locked(self, batches: Iterator[list[Row]]) -> Iterator[list[Row]]:
        while True:
            with self._lock:
                batch = next(batches, None)
            if batch is None:
                return
            yield batch
