"""Trees in which each folder is a directory that holds its own mbox file and the directories of its children.

Converters of Outlook's PST files write them: ``Dir/Dir.mbox``, ``Dir/Dir``, or (readpst -r) ``Dir/mbox``. A file that
is not called like its directory is a folder below it. They are read and never written to.
"""

from __future__ import annotations

import os

from mailstore.drivers.mbox.layout import DEEPEST, NESTED, TOO_DEEP, Layout, Place, Tree, why_not
from mailstore.model.names import INBOX, FolderPath
from mailstore.system import fs

_SUFFIX = ".mbox"


class NestedLayout(Layout):
    """See Layout."""

    frozen = f"has layout {NESTED}"

    def __init__(self, root: str, inbox: str | None = None, *, utf7: bool = False) -> None:
        super().__init__(root, NESTED, inbox or os.path.join(root, ".no-inbox"), utf7=utf7)
        self._given = self.inbox

    @property
    def facts(self) -> list[str]:
        """See Layout.facts."""
        return [f"a tree of mbox files, layout {NESTED}: each in a directory that is called like it"]

    def scan(self) -> Tree:
        """See Layout.scan."""
        tree = Tree()
        if os.path.isfile(self._given):
            tree.folders[INBOX] = Place(self._given, "")
        self._walk(self.root, (), tree)
        self.inbox = tree.folders.setdefault(INBOX, Place(self._given, "")).file
        self._known = {path: place for path, place in tree.folders.items() if not path.is_inbox}
        return tree

    def _walk(self, directory: str, above: tuple[str, ...], tree: Tree) -> None:
        for entry in tree.look_into(directory):
            if entry.name.startswith((".", fs.TEMPORARY)) or self._passes_over(entry):
                continue
            name = _stem(entry.name)
            component = self.read(directory, name)
            below = (*above, "INBOX" if not above and component.upper() == "INBOX" else component)
            own = above and name in (_stem(os.path.basename(directory)), "mbox")
            if entry.is_dir(follow_symlinks=False):
                if len(below) <= DEEPEST:
                    self._walk(entry.path, below, tree)
                else:
                    tree.skip(entry.path, TOO_DEEP, mail=True)
            elif (why := why_not(entry)) is not None:
                tree.skip(entry.path, why.reason, mail=why.closed)
            elif (path := FolderPath(above if own else below)) in tree.folders:
                tree.skip(entry.path, "another file has the same folder name", mail=True)
            else:
                tree.folders[path] = Place(entry.path, directory)


def _stem(name: str) -> str:
    return name[: -len(_SUFFIX)] if name.lower().endswith(_SUFFIX) and len(name) > len(_SUFFIX) else name
