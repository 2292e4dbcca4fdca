"""One MH folder: files called by numbers, and the sequences that say what is unread, replied to, flagged."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress

from mailstore.drivers.readonly import Facts, FilesFolder, Listed, Opened
from mailstore.drivers.sidecar import Index
from mailstore.formats import mh
from mailstore.model.names import FolderPath


class MhFolder(FilesFolder):
    """See mailstore.spi.FolderDriver. Its key here is the message's number.

    Args:
        index: see FilesFolder.
        path: see FilesFolder.
        place: see FilesFolder.
        sequences: reads the folder's sequences as of now.
        sources: the files in which they stand.
    """

    marks_in_files = False

    def __init__(
        self, index: Index, path: FolderPath, place: str, sequences: Callable[[str], mh.Sequences], sources: list[str]
    ) -> None:
        super().__init__(index, path, place)
        self._read_sequences = sequences
        self._sources = sources
        self._sequences = mh.Sequences({})

    def listed(self) -> list[Listed]:
        """See FilesFolder.listed: by number."""
        self._sequences = self._read_sequences(self.place)
        found = []
        with os.scandir(self.place) as entries:
            for entry in entries:
                if mh.is_message(entry.name) and not entry.is_dir(follow_symlinks=False):
                    with suppress(FileNotFoundError):
                        found.append(Listed.of(entry.name, entry.stat(follow_symlinks=False)))
        found.sort(key=lambda one: int(one.key))
        return found

    def file(self, key: str) -> str:
        """See FilesFolder.file."""
        return os.path.join(self.place, key)

    def marks(self, key: str) -> tuple[int, frozenset[str]]:
        """See FilesFolder.marks."""
        return self._sequences.marks(int(key))

    def notes(self, key: str) -> tuple[str, ...]:
        """See FilesFolder.notes."""
        return tuple(f"the sequence {name!r} is no keyword; left out" for name in self._sequences.odd(int(key)))

    def facts(self, file: Opened, *, dated: bool) -> Facts:
        """See FilesFolder.facts: the file is the message."""
        date, note = file.date(file.header()) if dated else (None, "")
        return Facts(date=date, notes=(note,) if dated else ())

    def sources(self) -> list[str]:
        """See FilesFolder.sources."""
        return [self.place, *self._sources]
