"""A store that can be read and not written: mailstore.spi.Driver less what a format must say itself."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace

from mailstore.drivers.readonly.refusing import Refusing
from mailstore.drivers.readonly.tree import Directory, Tree, walk
from mailstore.drivers.sidecar import Index, open_index
from mailstore.errors import CannotCreate, MailstoreError, NoSuchFolder, NoSuchStore, NotAStore
from mailstore.model.caps import Capabilities
from mailstore.model.changes import FolderInfo, Omission, StoreDelta, Usage
from mailstore.model.flags import SYSTEM_FLAGS
from mailstore.model.measure import digest_of
from mailstore.model.names import FolderPath
from mailstore.spi import FolderDriver, Location, Settings
from mailstore.system import fs


class ReadOnlyDriver(Refusing, ABC):
    """See mailstore.spi.Driver. A format gives ``look``, ``open_folder`` and ``facts``.

    Args:
        location: of the store.
        settings: as it is opened; ``index=auto`` means memory.
        flags: bits of the system flags that the format has.
    """

    def __init__(self, location: Location, settings: Settings, *, flags: int = SYSTEM_FLAGS) -> None:
        super().__init__(location.path, location.format)
        place = "memory" if settings.index == "auto" else settings.index
        self.index: Index = open_index(replace(settings, index=place), None, self.root)
        self._places: Mapping[FolderPath, str] = {}
        self._folders: dict[FolderPath, tuple[str, FolderDriver]] = {}
        self.capabilities = Capabilities(
            format=location.format,
            writable=False,
            flags=flags,
            saved_date=False,
            sender=False,
            uidl=False,
            uids=False,
            modseqs=self.index.persistent,
            folder_ids=False,
            subscriptions=False,
            special_use=False,
            idempotency=False,
            batch="prefix",
            foreign_writers=True,
        )

    # --- what a format says

    @abstractmethod
    def look(self, directory: str, entries: list[os.DirEntry[str]]) -> Directory:
        """Say what a directory of the tree is; never raises for what lies in it."""

    @abstractmethod
    def open_folder(self, path: FolderPath, place: str) -> FolderDriver:
        """Return the driver of the folder in the directory ``place``; '': of an INBOX that is not there, and empty."""

    @abstractmethod
    def facts(self, tree: Tree) -> list[str]:
        """Return what the format was recognised by, one fact a line."""

    def scan(self) -> Tree:
        """Return the folders as of now; INBOX is among them. A folder's place is its id."""
        return walk(self.root, self.look)

    # --- reading

    @property
    def evidence(self) -> tuple[str, ...]:
        """See Driver.evidence."""
        tree = self.scan()
        facts = [*self.facts(tree), *tree.notes]
        facts += [f"{one.where}: left out: {one.reason}" for one in tree.omitted]
        return (*facts, self.index.trouble) if self.index.trouble else tuple(facts)

    def omissions(self) -> list[Omission]:
        """See Omitting.omissions."""
        return self.scan().omitted

    def changes(self, since: str | None) -> StoreDelta:
        """See Driver.changes."""
        places = self._places = self.scan().folders
        parents = {FolderPath(path[:depth]) for path in places for depth in range(1, len(path))}
        infos = tuple(
            FolderInfo(places.get(path, ""), path, selectable=path in places)
            for path in sorted({*places, *parents}, key=lambda path: (not path.is_inbox, path))
        )
        token = digest_of(repr(infos).encode("utf-8", "surrogatepass")).hex()[:32]
        if token == since:
            return StoreDelta(token, full=False, folders=(), gone=())
        return StoreDelta(token, full=True, folders=infos, gone=())

    def folder(self, path: FolderPath) -> FolderDriver:
        """See Driver.folder."""
        place = self._places.get(path)
        if not place or not os.path.lexists(place):
            self._places = self.scan().folders
            place = self._places.get(path)
        if place is None:
            raise NoSuchFolder(f"no folder {path}", folder=str(path))
        known = self._folders.get(path)
        if known is None or known[0] != place:
            known = self._folders[path] = place, self.open_folder(path, place)
        return known[1]

    def usage(self) -> Usage:
        """See Driver.usage. A folder that cannot be read counts as empty."""
        messages = size = 0
        for path in self.scan().folders:
            try:
                state = self.folder(path).state()
            except MailstoreError:
                continue
            messages += state.messages
            size += state.size or 0
        return Usage(messages, size)

    def close(self) -> None:
        """See Driver.close."""
        self.index.close()


def see_directory(location: Location, settings: Settings, what: str) -> None:
    """See that there is a directory at ``location``; ``what`` names the kind of store, with its article.

    Raises:
        CannotCreate: it is to be made.
        NoSuchStore: nothing is there.
        NotAStore: it is no directory.
    """
    path = location.path
    if not fs.is_there(path, follow=True):
        if settings.create and not settings.readonly:
            raise CannotCreate(
                f"{fs.shown(path)}: mailstore only reads the format {location.format} and makes no store of it",
                path=path,
            )
        raise NoSuchStore(f"{fs.shown(path)}: there is no such directory", path=path)
    if not os.path.isdir(path):
        raise NotAStore(f"{fs.shown(path)}: {what} is a directory, and this is none", path=path)
