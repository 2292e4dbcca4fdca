"""A tree of directories of ``.eml`` files: mailstore.spi.Driver and mailstore.spi.Format."""

from __future__ import annotations

import os

from mailstore.drivers.eml.folder import EmlFolder, is_message
from mailstore.drivers.readonly import (
    Directory,
    Hint,
    Tree,
    WatchedTree,
    directories,
    entries_of,
    files,
    is_hidden,
    omission,
    see_directory,
)
from mailstore.errors import LocationError
from mailstore.model.names import FolderPath
from mailstore.spi import Location, Settings
from mailstore.system import fs

_CHOICES = ("headers", "none")
_MOST_DIRECTORIES = 200
_MOST_LEVELS = 4
_MOST_FILES = 50
_MAILDIR = frozenset({"cur", "new", "tmp"})


class EmlDriver(WatchedTree):
    """See mailstore.spi.Driver."""

    def __init__(self, location: Location, settings: Settings) -> None:
        super().__init__(location, settings)
        self._believed = location.options.get("flags", "headers") == "headers"

    def look(self, directory: str, entries: list[os.DirEntry[str]]) -> Directory:
        """See ReadOnlyDriver.look: a folder holds messages, or nothing at all."""
        visible = [entry for entry in entries if entry.name[:1] != "."]
        holds = any(is_message(entry.name) for entry in visible) or (not visible and directory != self.root)
        others = [name for name in files(entries) if not is_message(name)]
        hidden = [e.name for e in entries if e.name[:1] == "." and is_message(e.name.lstrip(".")) and not is_hidden(e)]
        children = tuple((name, name) for name in directories(entries) if not is_message(name))
        left_out = omission(directory, others, "files that are not called .eml")
        return Directory(holds, children, left_out + omission(directory, hidden, "hidden files called .eml"))

    def open_folder(self, path: FolderPath, place: str) -> EmlFolder:
        """See ReadOnlyDriver.open_folder."""
        return EmlFolder(self.index, path, place, believed=self._believed)

    def facts(self, tree: Tree) -> list[str]:
        """See ReadOnlyDriver.facts."""
        return [f"directories of .eml files: {sum(map(bool, tree.folders.values()))}"]

    def hint(self, name: str) -> Hint:
        """See WatchedTree.hint."""
        if is_message(name):
            return "messages"
        return None if name.startswith(".") else "listing"


class _EmlFormat:
    """See mailstore.spi.Format."""

    name = "eml"
    options = frozenset({"flags"})

    def detect(self, path: str) -> str | None:
        """See Format.detect."""
        return _detect(path, [0], 0)

    def open(self, location: Location, settings: Settings) -> EmlDriver:
        """See Format.open."""
        flags = location.options.get("flags", "headers")
        if flags not in _CHOICES:
            raise LocationError(f"flags={flags}: one of {', '.join(_CHOICES)}, please", location=str(location))
        see_directory(location, settings, "a tree of .eml files")
        return EmlDriver(location, settings)


FORMAT = _EmlFormat()


def _detect(directory: str, looked_at: list[int], level: int) -> str | None:
    """Say where the first ``.eml`` file is, in a tree that is no store of another kind.

    Programs save single messages as ``.eml`` anywhere, among mbox files too, and Thunderbird's Maildirs have files of
    that name: neither makes a tree of ``.eml`` files.
    """
    looked_at[0] += 1
    try:
        entries = entries_of(directory)
    except OSError:
        return None
    names = {entry.name for entry in entries}
    if len(names & _MAILDIR) >= 2:
        return None
    files = [entry for entry in entries if entry.name[:1] != "." and entry.is_file(follow_symlinks=False)]
    messages = [entry.name for entry in files if is_message(entry.name)]
    if messages:
        others = [entry.path for entry in files if not is_message(entry.name)]
        if any(_is_mbox(path) for path in others[:_MOST_FILES]):
            return None
        return f"{len(messages)} files called .eml ({fs.shown(messages[0])})"
    if level < _MOST_LEVELS:
        for name in directories(entries):
            if looked_at[0] > _MOST_DIRECTORIES or name in _MAILDIR or name.endswith(".sbd"):
                continue
            found = _detect(os.path.join(directory, name), looked_at, level + 1)
            if found is not None:
                return found if ":" in found else f"in {fs.shown(name)}: {found}"
    return None


def _is_mbox(path: str) -> bool:
    try:
        fd = fs.open_source(path, nofollow=True)
    except OSError:
        return False
    try:
        return os.pread(fd, 5, 0) == b"From "
    except OSError:
        return False
    finally:
        os.close(fd)
