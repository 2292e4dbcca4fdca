"""A mailbox of ``.emlx`` files."""

from __future__ import annotations

import os
import re
from contextlib import suppress

from mailstore.drivers.apple.bundle import inside, is_message, is_twin
from mailstore.drivers.readonly import Facts, FilesFolder, Listed, Opened
from mailstore.drivers.sidecar import Index
from mailstore.formats import emlx
from mailstore.model.names import FolderPath

_NUMBER = re.compile(r"\d{1,18}")
PARTIAL = "a partial message: its attachments lie beside it or were never fetched; carried without them"


class EmlxFolder(FilesFolder):
    """See mailstore.spi.FolderDriver. Its key here is the file's path in the bundle.

    Args:
        index: see FilesFolder.
        path: see FilesFolder.
        place: see FilesFolder.
        deep: it is a bundle: messages lie in directories in it.
    """

    def __init__(self, index: Index, path: FolderPath, place: str, *, deep: bool) -> None:
        super().__init__(index, path, place)
        self._deep = deep
        self._directories = [place]

    def listed(self) -> list[Listed]:
        """See FilesFolder.listed: by Apple Mail's number of the message."""
        found = []
        seen = []
        for directory, entries in inside(self.place, deep=self._deep):
            seen.append(directory)
            names = {entry.name for entry in entries}
            for entry in entries:
                if is_message(entry.name) and not is_twin(entry.name, names):
                    with suppress(FileNotFoundError):
                        status = entry.stat(follow_symlinks=False)
                        found.append(Listed.of(os.path.relpath(entry.path, self.place), status))
        found.sort(key=lambda one: (_number(one.key), one.key))
        self._directories = seen
        return found

    def file(self, key: str) -> str:
        """See FilesFolder.file."""
        return os.path.join(self.place, key)

    def notes(self, key: str) -> tuple[str, ...]:
        """See FilesFolder.notes."""
        return (PARTIAL,) if key.endswith(emlx.PARTIAL) else ()

    def facts(self, file: Opened, *, dated: bool) -> Facts:
        """See FilesFolder.facts."""
        frame = emlx.find_message(file.read_at, file.size)
        rest = min(file.size - frame.list_at, emlx.LARGEST_LIST + 1)
        told = emlx.read_list(file.read_at(frame.list_at, rest))
        notes = [note for note in (frame.note, told.note) if note]
        date = told.received
        if dated and date is None:
            date, note = file.date(file.header(frame.start, frame.start + frame.size))
            notes.append(note)
        return Facts(told.flags, told.keywords, date, tuple(notes), frame.start, frame.size)

    def sources(self) -> list[str]:
        """See FilesFolder.sources."""
        return self._directories


def _number(key: str) -> int:
    match = _NUMBER.match(os.path.basename(key))
    return int(match[0]) if match is not None else 0
