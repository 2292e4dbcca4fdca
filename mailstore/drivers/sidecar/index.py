"""An index of many folders: in memory, or in one SQLite file.

The problem. Several processes use one index at a time, and each holds its own copy of a folder. Were the second to
write over what the first wrote, one UID would mean two messages. An index file can be damaged, or be something else
altogether, or its disk can be full: none of that may keep anybody from reading mail.

The solution. Every folder's record has a version; ``store`` compares it under SQLite's write lock and refuses when
another process was quicker: load again, reconcile again. Where many folders are looked at, a ``batch`` keeps what is
to be stored and writes it in one transaction: until then nothing of it may be shown. Transactions are synced in full,
since a UID that was shown must not be given twice after a power cut. A damaged index is dropped and made anew with
another epoch; where writing fails the index goes on in memory. Both are told in ``trouble``, never as an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from mailstore.drivers.sidecar.folder import FolderIndex


class Index(Protocol):
    """The index of a store's folders. Folders are named by the driver: their on-disk name."""

    @property
    def persistent(self) -> bool:
        """Whether what is stored is there at the next opening."""
        ...

    @property
    def trouble(self) -> str:
        """What went wrong with the index, for a report: '' or 'the index ... was damaged; it is made anew'."""
        ...

    def load(self, folder: str) -> FolderIndex:
        """Return what is known of ``folder``; a fresh FolderIndex where that is nothing."""
        ...

    def current(self, folder: str, known: FolderIndex) -> bool:
        """Tell whether ``known`` is still what is stored (a few microseconds): no need to load it again."""
        ...

    def store(self, folder: str, known: FolderIndex) -> bool:
        """Write what changed in ``known`` since it was loaded, all or nothing; nothing where nothing changed.

        False: another process stored this folder meanwhile and nothing was written; load it and reconcile again.

        Raises:
            StoreBusy: another process held the index for the whole lock timeout.
        """
        ...

    def batch(self) -> AbstractContextManager[set[str]]:
        """Within the block ``store`` only notes what is to be written; that is done at its end, in one transaction.

        The set given holds, after the block, the folders that another process stored meanwhile: nothing of them was
        written, and what was concluded from them is void. No lock is held before the end of the block. Where the block
        raises nothing is written.

        Raises:
            StoreBusy: at the end, as ``store``; nothing was written.
        """
        ...

    def rename(self, old: str, new: str) -> None:
        """Carry what is known of ``old`` over to ``new`` (which is forgotten); may be called twice."""
        ...

    def remove(self, folder: str) -> None:
        """Forget a folder; a new one of that name will get a greater UIDVALIDITY. May be called twice."""
        ...

    def remove_all(self) -> None:
        """Forget every folder, likewise: for a store that was made anew where one was that somebody removed."""
        ...

    def close(self) -> None:
        """Release the file; may be called twice."""
        ...


class MemoryIndex:
    """An index that ends with the process."""

    persistent = False

    def __init__(self, trouble: str = "") -> None:
        self.trouble = trouble
        self._folders: dict[str, FolderIndex] = {}
        self._least_uidvalidity = 1

    def load(self, folder: str) -> FolderIndex:
        """Return the folder's index, always the same object."""
        return self._folders.setdefault(folder, FolderIndex(least_uidvalidity=self._least_uidvalidity))

    def current(self, folder: str, known: FolderIndex) -> bool:
        """Tell whether ``known`` is the folder's index."""
        return self._folders.get(folder) is known

    def store(self, folder: str, known: FolderIndex) -> bool:
        """Keep ``known``."""
        known.pending.clear()
        self._folders[folder] = known
        return True

    @contextmanager
    def batch(self) -> Iterator[set[str]]:
        """Nothing is written anyway."""
        yield set()

    def rename(self, old: str, new: str) -> None:
        """Carry the index of ``old`` over to ``new``."""
        if old in self._folders and old != new:
            self.remove(new)
            moved = self._folders[new] = self._folders.pop(old)
            self._least_uidvalidity = max(self._least_uidvalidity, moved.uidvalidity + 1)

    def remove(self, folder: str) -> None:
        """Forget a folder."""
        gone = self._folders.pop(folder, None)
        if gone is not None:
            self._least_uidvalidity = max(self._least_uidvalidity, gone.uidvalidity + 1)

    def remove_all(self) -> None:
        """Forget every folder."""
        for folder in list(self._folders):
            self.remove(folder)

    def close(self) -> None:
        """Nothing to release."""


def update(index: Index, folder: str, scan: Callable[[FolderIndex], object]) -> FolderIndex:
    """Load ``folder``, let ``scan`` reconcile it, store it; again until no other process came in between."""
    while True:
        known = index.load(folder)
        scan(known)
        if index.store(folder, known):
            return known
