"""A tree of MH folders: mailstore.spi.Driver and mailstore.spi.Format."""

from __future__ import annotations

import os

from mailstore.drivers.mh.detect import detect
from mailstore.drivers.mh.folder import MhFolder
from mailstore.drivers.mh.profile import find_profile, read_small
from mailstore.drivers.readonly import Directory, Hint, Tree, WatchedTree, directories, files, omission, see_directory
from mailstore.errors import NotAStore
from mailstore.formats import mh, sylpheed
from mailstore.model.flags import ANSWERED, DELETED, FLAGGED, SEEN
from mailstore.model.names import FolderPath
from mailstore.spi import Location, Settings
from mailstore.system import fs

_NOT_FOLDERS = (",", "#")


class MhDriver(WatchedTree):
    """See mailstore.spi.Driver."""

    def __init__(self, location: Location, settings: Settings) -> None:
        super().__init__(location, settings, flags=SEEN | ANSWERED | FLAGGED | DELETED)
        self._profile = find_profile(self.root, location.options.get("profile", ""))

    def look(self, directory: str, entries: list[os.DirEntry[str]]) -> Directory:
        """See ReadOnlyDriver.look: every directory is a folder, the root if it holds messages."""
        inner = directories(entries)
        children = [name for name in inner if not name.startswith(_NOT_FOLDERS)]
        found = files(entries)
        removed = [name for name in found if mh.is_removed(name)]
        messages = [name for name in found if mh.is_message(name)]
        known = {*removed, *messages}
        others = [n for n in found if n not in known and os.path.join(directory, n) != self._context]
        return Directory(
            directory != self.root or bool(messages),
            tuple((name, name) for name in children),
            omission(directory, removed, "messages that were removed (rmm)", messages=True)
            + omission(directory, others, "files that are not called by a number")
            + omission(directory, [n for n in inner if n.startswith(_NOT_FOLDERS)], "directories that are no folders"),
        )

    @property
    def _context(self) -> str:
        return self._profile.context

    def open_folder(self, path: FolderPath, place: str) -> MhFolder:
        """See ReadOnlyDriver.open_folder."""
        public = os.path.join(place, self._profile.sequences) if self._profile.sequences else ""
        marks = [os.path.join(place, name) for name in sylpheed.FILES]
        sources = [file for file in (public, self._context, *marks) if file]
        return MhFolder(self.index, path, place, self._sequences, sources)

    def _sequences(self, folder: str) -> mh.Sequences:
        """Return the marks of the folder in this directory as of now: sequences public and private, a client's own."""
        profile = self._profile
        ranges: dict[str, mh.Ranges] = {}
        if profile.sequences:
            ranges.update(mh.parse_sequences(read_small(os.path.join(folder, profile.sequences))))
        for private in mh.parse_private(read_small(profile.context)):
            if self._is_meant(private.folder, folder):
                ranges[private.name] = private.ranges
        marks = (sylpheed.parse_marks(read_small(os.path.join(folder, name))) for name in sylpheed.FILES)
        return mh.Sequences(ranges, profile.unseen, profile.previous, next(filter(None, marks), None))

    def _is_meant(self, named: str, folder: str) -> bool:
        """Tell whether a path in the context is this folder's: as it is, or as it was before the tree was moved."""
        if os.path.normpath(named) in (folder, os.path.realpath(folder)):
            return True
        below = os.path.relpath(folder, os.path.dirname(self.root))
        return os.path.normpath(named).endswith(f"/{below}") and not os.path.isdir(named)

    def facts(self, tree: Tree) -> list[str]:
        """See ReadOnlyDriver.facts."""
        facts = [f"a tree of MH folders: {len(tree.folders)}"]
        return [*facts, f"the profile is {fs.shown(self._profile.file)}"] if self._profile.file else facts

    def hint(self, name: str) -> Hint:
        """See WatchedTree.hint."""
        if mh.is_message(name) or name == self._profile.sequences or name in sylpheed.FILES:
            return "messages"
        if name == os.path.basename(self._context):
            return "everything"
        return None if name.startswith((".", *_NOT_FOLDERS)) else "listing"


class _MhFormat:
    """See mailstore.spi.Format."""

    name = "mh"
    options = frozenset({"profile"})

    def detect(self, path: str) -> str | None:
        """See Format.detect."""
        return detect(path)

    def open(self, location: Location, settings: Settings) -> MhDriver:
        """See Format.open."""
        see_directory(location, settings, "an MH tree")
        root = location.path
        if all(os.path.isdir(os.path.join(root, name)) for name in ("cur", "new")):
            raise NotAStore(f"{fs.shown(root)}: this is a Maildir, no MH folder", path=root)
        return MhDriver(location, settings)


FORMAT = _MhFormat()
