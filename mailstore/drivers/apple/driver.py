"""Apple Mail's mailboxes: mailstore.spi.Driver and mailstore.spi.Format."""

from __future__ import annotations

import os
from contextlib import suppress

from mailstore.drivers.apple.bundle import (
    MBOX,
    contents,
    has_messages,
    is_bundle,
    is_export,
    is_message,
    is_strange,
    name_of,
    twins_in,
)
from mailstore.drivers.apple.export import open_mbox
from mailstore.drivers.apple.folder import EmlxFolder
from mailstore.drivers.readonly import (
    Directory,
    ReadOnlyDriver,
    Tree,
    directories,
    entries_of,
    omission,
    see_directory,
    take,
)
from mailstore.errors import MailstoreError
from mailstore.model.changes import Omission
from mailstore.model.names import INBOX, FolderPath
from mailstore.spi import Driver, FolderDriver, Location, Omitting, Settings
from mailstore.system import fs

_MOST_DIRECTORIES = 200
_MOST_LEVELS = 3
_STRANGE = "neither messages nor files of Apple Mail's own"
_MAILDIR = frozenset({"cur", "new", "tmp"})


class AppleDriver(ReadOnlyDriver):
    """See mailstore.spi.Driver."""

    def __init__(self, location: Location, settings: Settings) -> None:
        super().__init__(location, settings)
        self._settings = settings
        self._exports: dict[str, Driver] = {}

    def scan(self) -> Tree:
        """See ReadOnlyDriver.scan: an export is its mbox file; what stands beside messages is told."""
        tree = super().scan()
        for path, directory in list(tree.folders.items()):
            if not directory:
                continue
            file = os.path.join(directory, MBOX)
            twins = twins_in(directory, deep=is_bundle(os.path.basename(directory)))
            tree.omitted += omission(directory, twins, "partial messages that lie beside the whole ones")
            if is_bundle(os.path.basename(directory)) and is_export(directory):
                if has_messages(directory):
                    other = take(tree, FolderPath((*path[:-1], f"{path[-1]} ({MBOX})")), file)
                    tree.notes.append(f"{fs.shown(file)}: beside messages of their own; it is the folder {other}")
                else:
                    tree.folders[path] = file
        return tree

    def look(self, directory: str, entries: list[os.DirEntry[str]]) -> Directory:
        """See ReadOnlyDriver.look: a bundle is a folder, and so is a directory with loose messages."""
        inner = directories(entries)
        if is_bundle(os.path.basename(directory)):
            bundles, others = contents(directory)
            children = tuple((path, name_of(os.path.basename(path))) for path in bundles)
            return Directory(True, children, omission(directory, others, _STRANGE))
        files = [entry.name for entry in entries if is_bundle(entry.name) and entry.is_file(follow_symlinks=False)]
        others = [entry.name for entry in entries if is_strange(entry, top=False) and entry.name not in files]
        return Directory(
            any(is_message(entry.name) for entry in entries),
            tuple((name, name_of(name)) for name in inner),
            omission(directory, files, "plain files called .mbox, which the format mbox reads")
            + omission(directory, others, _STRANGE),
        )

    def omissions(self) -> list[Omission]:
        """See Omitting.omissions: with those of exported mailboxes."""
        tree = self.scan()
        found = tree.omitted
        for path, place in tree.folders.items():
            if os.path.basename(place) == MBOX:
                with suppress(MailstoreError):  # reading the folder says what is wrong
                    export = self._export(place)
                    if isinstance(export, Omitting):
                        found += [one._replace(where=str(path)) for one in export.omissions()]
        return found

    def open_folder(self, path: FolderPath, place: str) -> FolderDriver:
        """See ReadOnlyDriver.open_folder."""
        if os.path.basename(place) == MBOX and os.path.isfile(place):
            return self._export(place).folder(INBOX)
        return EmlxFolder(self.index, path, place, deep=is_bundle(os.path.basename(place)))

    def _export(self, file: str) -> Driver:
        driver = self._exports.get(file)
        if driver is None:
            driver = self._exports[file] = open_mbox(file, self._settings)
        return driver

    def facts(self, tree: Tree) -> list[str]:
        """See ReadOnlyDriver.facts."""
        exports = [place for place in tree.folders.values() if os.path.basename(place) == MBOX]
        facts = [f"mailboxes of Apple Mail: {sum(map(bool, tree.folders.values()))}"]
        return facts + [f"{fs.shown(place)}: an exported mailbox" for place in exports]

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
