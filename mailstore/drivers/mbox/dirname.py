"""Trees of Dovecot's with ``DIRNAME=NAME``: folder ``A/B`` is the file ``A/B/NAME``. They are read, not written to."""

from __future__ import annotations

from mailstore.drivers.mbox.layout import DEEPEST, TOO_DEEP, Layout, Place, Tree, why_not
from mailstore.model.names import INBOX, FolderPath


class DirnameLayout(Layout):
    """See Layout.

    Args:
        root: the directory.
        dirname: what the file of each folder but INBOX is called.
        inbox: the path of INBOX's file; None is that of a tree without ``dirname``.
        utf7: names are modified UTF-7.
    """

    frozen = "has dirname="

    def __init__(self, root: str, dirname: str, inbox: str | None = None, *, utf7: bool = False) -> None:
        super().__init__(root, "dirname", inbox, utf7=utf7)
        self._dirname = dirname

    def scan(self) -> Tree:
        """See Layout.scan."""
        tree = Tree(folders={INBOX: Place(self.inbox, "")})
        self._walk(self.root, (), tree)
        self._known = {path: place for path, place in tree.folders.items() if not path.is_inbox}
        return tree

    def _walk(self, directory: str, above: tuple[str, ...], tree: Tree) -> None:
        for entry in tree.look_into(directory):
            if entry.name.startswith(".") or self._passes_over(entry) or entry.path in (self.inbox, self.subscriptions):
                continue
            if entry.is_dir(follow_symlinks=False):
                if len(above) < DEEPEST:
                    self._walk(entry.path, (*above, self.read(directory, entry.name)), tree)
                else:
                    tree.skip(entry.path, TOO_DEEP, mail=True)
            elif (why := why_not(entry)) is not None:
                tree.skip(entry.path, why.reason, mail=why.closed)
            elif above and entry.name == self._dirname:
                tree.folders[FolderPath(above)] = Place(entry.path, directory)
            else:
                tree.skip(entry.path, f"an mbox file that is not called {self._dirname}", mail=True)
