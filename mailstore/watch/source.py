"""What a watch asks a store: its driver, called under the store's lock.

Whoever is told that a folder was asked (``asked``) is told under the same hold of the lock: no commit of this store
object comes between.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext

from mailstore.errors import MailstoreError, NoSuchFolder
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

    def list_folders(self, asked: Callable[[], None] | None = None) -> dict[FolderPath, FolderInfo]:
        """Return all folders by path."""
        with self._lock:
            self._folders.clear()
            infos = {info.path: info for info in self._driver.changes(None).folders}
            if asked is not None:
                asked()
            return infos

    def changes_of(
        self, since: Mapping[FolderPath, Token | None], asked: Callable[[FolderPath], None]
    ) -> dict[FolderPath, Delta | MailstoreError]:
        """Return what changed in each of some folders, with as few commits as the driver can; or why it cannot be told.

        A folder whose token is None is listed.

        Raises:
            StoreBusy: what was found could not be made lasting.
        """
        found: dict[FolderPath, Delta | MailstoreError] = {}
        with self._lock:
            with (
                nullcontext(set[FolderPath]()) if self._watchable is None else self._watchable.look_together() as outrun
            ):
                for path, token in since.items():
                    found[path] = self._changes_or_why(path, token)
            for path in outrun & found.keys():
                found[path] = self._changes_or_why(path, since[path])
            for path, answer in found.items():
                if isinstance(answer, Delta):
                    asked(path)
        return found

    def _changes_or_why(self, path: FolderPath, since: Token | None) -> Delta | MailstoreError:
        try:
            return self.changes(path, since)
        except MailstoreError as error:
            return error

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
