"""One synchronisation under way: what its parts share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from mailstore.convert.losses import fitting, known_keywords
from mailstore.convert.merge import Marks
from mailstore.convert.options import Progress, ProgressCallback
from mailstore.errors import MailstoreError
from mailstore.folder import Folder
from mailstore.model.info import Meta
from mailstore.model.names import FolderPath
from mailstore.store import Store
from mailstore.sync.folders import Bound
from mailstore.sync.journal import Journal, Side
from mailstore.sync.options import Options
from mailstore.sync.report import Done, FolderSync, SyncReport


class Expected(NamedTuple):
    """What a message that was touched must be now."""

    digest: bytes
    marks: Marks
    meta: Meta | None = None
    """All that travelled with it; None: only the marks are known."""


@dataclass(slots=True)
class Work:
    """A synchronisation under way."""

    stores: tuple[Store, Store]
    options: Options
    journal: Journal
    report: SyncReport
    progress: ProgressCallback | None
    wanted: set[FolderPath] = field(default_factory=set)
    """The names, of all that are in either store or known, that were chosen."""
    bound: dict[int, Bound] = field(default_factory=dict)
    """The folders by their number."""
    entries: dict[int, FolderSync] = field(default_factory=dict)
    unfinished: set[int] = field(default_factory=set)
    """Folders whose changes are to be looked at again by the next run."""
    expected: dict[tuple[Side, int], dict[int, Expected]] = field(default_factory=dict)
    """What is to be compared, by side, folder and UID."""
    expunged: dict[tuple[Side, int], list[int]] = field(default_factory=dict)
    """What is to be gone, by side and folder: UIDs."""
    fits: dict[tuple[Side, int], Callable[[Meta], Meta] | None] = field(default_factory=dict)
    same: bool = True
    """Nothing that was compared differs."""
    told: dict[str, list[int]] = field(default_factory=dict)
    """Messages and bytes by phase."""

    def path(self, folder: int) -> FolderPath:
        """Return a folder's name."""
        return self.bound[folder].path

    def folder(self, side: Side, folder: int) -> Folder:
        """Return a folder of a store, under the name that it has there.

        Raises:
            NoSuchFolder: it is not there.
        """
        info = self.bound[folder].infos[side]
        return self.stores[side].folder(self.path(folder) if info is None else info.path)

    def fit(self, side: Side, folder: int) -> Callable[[Meta], Meta] | None:
        """Return what makes a Meta one that a store can hold; None where all are."""
        if (side, folder) not in self.fits:
            store = self.stores[side]
            self.fits[side, folder] = fitting(store.capabilities, known_keywords(store, self.path(folder)))
        return self.fits[side, folder]

    def holdable(self, side: Side, folder: int, wanted: Marks) -> Marks:
        """Return what a store can hold of some marks."""
        fit = self.fit(side, folder)
        if fit is None:
            return wanted
        meta = fit(Meta(wanted.flags, wanted.keywords))
        return Marks(meta.flags, meta.keywords)

    def done(self, folder: int, side: Side) -> Done:
        """Return the account of what was done in a folder of a store."""
        return self.entries[folder].done[side]

    def expect(self, side: Side, folder: int, uid: int, expected: Expected) -> None:
        """Note what a message must be."""
        self.expected.setdefault((side, folder), {})[uid] = expected

    def fail(self, folders: Iterable[int], error: MailstoreError, uid: int = 0) -> None:
        """Note that something could not be carried; the folders are looked at again by the next run."""
        folders = list(folders)
        self.unfinished.update(folders)
        self.report.add_problem(self.path(folders[0]), type(error).__name__, str(error), uid)

    def advance(self, phase: Literal["copy", "verify"], folder: int, messages: int, size: int) -> None:
        """Count, and tell the caller."""
        total = self.told.setdefault(phase, [0, 0])
        total[0] += messages
        total[1] += size
        if self.progress is not None:
            self.progress(Progress(phase, self.path(folder), *total))


SIDES = ("first", "second")
"""What the stores are called in texts."""
