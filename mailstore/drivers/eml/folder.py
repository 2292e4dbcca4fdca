"""One directory of ``.eml`` files as a folder.

Flags stand nowhere but in what mailbox programs wrote into the messages before they were exported: ``X-Mozilla-Status``
and its like (Thunderbird), ``Status`` and ``X-Status`` (mbox programs). They are read by the rules for mbox files: the
name is spelled exactly so and the value follows the grammar. They stay in the message, whose bytes are the file's.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress

from mailstore.drivers.readonly import Facts, FilesFolder, Listed, Opened
from mailstore.drivers.sidecar import Index
from mailstore.formats.mbox.metadata import find_fields, read_fields
from mailstore.model.flags import DELETED, NO_KEYWORDS, RECENT
from mailstore.model.names import FolderPath

_MARKS = frozenset(
    {b"Status", b"X-Status", b"X-Keywords", b"X-Mozilla-Status", b"X-Mozilla-Status2", b"X-Mozilla-Keys"}
)
_DIGITS = re.compile(r"(\d+)")


def is_message(name: str) -> bool:
    """Tell whether a file of this name is a message."""
    return name[:1] != "." and name[-4:].lower() == ".eml"


def natural(name: str) -> list[tuple[int, str]]:
    """Return what sorts names as people do: ``2.eml`` before ``10.eml``."""
    return [(int(part), "") if number % 2 else (0, part) for number, part in enumerate(_DIGITS.split(name))]


class EmlFolder(FilesFolder):
    """See mailstore.spi.FolderDriver. Its key here is the file's name.

    Args:
        index: see FilesFolder.
        path: see FilesFolder.
        place: see FilesFolder.
        believed: flags are taken from the messages' own header fields.
    """

    def __init__(self, index: Index, path: FolderPath, place: str, *, believed: bool) -> None:
        super().__init__(index, path, place)
        self._believed = believed

    def listed(self) -> list[Listed]:
        """See FilesFolder.listed: in natural order of the names."""
        found = []
        with os.scandir(self.place) as entries:
            for entry in entries:
                if is_message(entry.name):
                    with suppress(FileNotFoundError):
                        found.append(Listed.of(entry.name, entry.stat(follow_symlinks=False)))
        found.sort(key=lambda one: (natural(one.key), one.key))
        return found

    def file(self, key: str) -> str:
        """See FilesFolder.file."""
        return os.path.join(self.place, key)

    def facts(self, file: Opened, *, dated: bool) -> Facts:
        """See FilesFolder.facts: the file is the message."""
        header = file.header()
        notes: list[str] = []
        date = None
        if dated:
            date, note = file.date(header)
            notes.append(note)
        flags, keywords = 0, NO_KEYWORDS
        if self._believed:
            newline = b"\n" if b"\n" in header else b"\r"
            fields = [field for field in find_fields(header, 0, len(header), newline) if field.name in _MARKS]
            if fields:
                marks = read_fields(fields)
                flags = marks.flags & ~RECENT | (DELETED if marks.expunged else 0)
                keywords = marks.keywords
                notes.append("flags are taken from the message's own status fields")
        return Facts(flags, keywords, date, tuple(notes))
