"""Apple Mail's mailboxes: mailstore.spi.Driver and mailstore.spi.Format."""

from __future__ import annotations

import os
from collections.abc import Mapping

from mailstore.drivers.apple.bundle import MBOX, has_messages, is_bundle, is_message, name_of
from mailstore.drivers.apple.export import open_mbox
from mailstore.drivers.apple.folder import EmlxFolder
from mailstore.drivers.readonly import Directory, ReadOnlyDriver, directories, entries_of, links, see_directory, walk
from mailstore.model.names import FolderPath
from mailstore.spi import Driver, FolderDriver, Location, Settings
from mailstore.system import fs

_MOST_DIRECTORIES = 200
_MOST_LEVELS = 3
_MAILDIR = frozenset({"cur", "new", "tmp"})


class AppleDriver(ReadOnlyDriver):
    """See mailstore.spi.Driver."""

    def __init__(self, location: Location, settings: Settings) -> None:
        super().__init__(location, settings)
        self._settings = settings
        self._exports: dict[str, Driver] = {}
        self._notes: list[str] = []

    def scan(self) -> Mapping[FolderPath, str]:
        """See ReadOnlyDriver.scan: a bundle is its directory, an export its mbox file."""
        self._notes = []
        tree = walk(self.root, self._directory)
        self._notes += tree.notes
        folders = {}
        for path, directory in tree.folders.items():
            folders[path] = directory
            file = os.path.join(directory, MBOX)
            if directory and is_bundle(os.path.basename(directory)) and os.path.isfile(file):
                if has_messages(directory):  # left by an old version that moved its mail out of it, or not
                    other = FolderPath((*path[:-1], f"{path[-1]} ({MBOX})"))
                    self._notes.append(f"{fs.shown(file)}: beside messages of their own; it is the folder {other}")
                    folders[other] = file
                else:
                    folders[path] = file
        return folders

    def _directory(self, directory: str, entries: list[os.DirEntry[str]]) -> Directory:
        self._notes += [f"{fs.shown(path)} is a link to a directory and is not followed" for path in links(entries)]
        inner = directories(entries)
        if is_bundle(os.path.basename(directory)):
            return Directory(True, tuple((name, name_of(name)) for name in inner if is_bundle(name)))
        files = [entry for entry in entries if is_bundle(entry.name) and entry.is_file()]
        self._notes += [f"{fs.shown(entry.path)}: a file, left out; open it as mbox:" for entry in files]
        return Directory(
            any(is_message(entry.name) for entry in entries), tuple((name, name_of(name)) for name in inner)
        )

    def open_folder(self, path: FolderPath, place: str) -> FolderDriver:
        """See ReadOnlyDriver.open_folder."""
        if os.path.basename(place) == MBOX and os.path.isfile(place):
            driver = self._exports.get(place)
            if driver is None:
                driver = self._exports[place] = open_mbox(place, self._settings)
            return driver.folder(FolderPath(("INBOX",)))
        return EmlxFolder(self.index, path, place, deep=is_bundle(os.path.basename(place)))

    def facts(self) -> list[str]:
        """See ReadOnlyDriver.facts."""
        folders = self.scan()
        exports = [path for path in folders.values() if os.path.basename(path) == MBOX]
        facts = [f"mailboxes of Apple Mail: {sum(map(bool, folders.values()))}"]
        facts += [f"{fs.shown(path)}: an exported mailbox" for path in exports]
        return facts + self._notes

    def close(self) -> None:
        """See Driver.close."""
        for driver in self._exports.values():
            driver.close()
        super().close()


class _AppleFormat:
    """See mailstore.spi.Format."""

    name = "apple"
    options: frozenset[str] = frozenset()

    def detect(self, path: str) -> str | None:
        """See Format.detect."""
        return _detect(path, [0], 0)

    def open(self, location: Location, settings: Settings) -> AppleDriver:
        """See Format.open."""
        see_directory(location, settings, "a mailbox of Apple Mail")
        return AppleDriver(location, settings)


FORMAT = _AppleFormat()


def _detect(directory: str, looked_at: list[int], level: int) -> str | None:
    """Say which mailbox there is: the directory itself, or one at most three levels below (``V10/<UUID>/X.mbox``)."""
    looked_at[0] += 1
    try:
        entries = entries_of(directory)
    except OSError:
        return None
    names = {entry.name for entry in entries}
    if len(names & _MAILDIR) >= 2:
        return None
    inner = directories(entries)
    name = os.path.basename(directory)
    if is_bundle(name):
        files = {entry.name for entry in entries if entry.is_file(follow_symlinks=False)}
        if MBOX in files:
            return f"a mailbox exported by Apple Mail ({fs.shown(name)}/{MBOX})"
        if has_messages(directory):
            return f"messages called .emlx in {fs.shown(name)}"
    elif any(is_message(one) for one in names):
        return "messages called .emlx"
    if level >= _MOST_LEVELS:
        return None
    for one in sorted(inner, key=lambda one: (not is_bundle(one), not one.startswith("INBOX"), one)):
        if looked_at[0] <= _MOST_DIRECTORIES and one not in _MAILDIR and not one.endswith(".sbd"):
            found = _detect(os.path.join(directory, one), looked_at, level + 1)
            if found is not None:
                return found
    return None
