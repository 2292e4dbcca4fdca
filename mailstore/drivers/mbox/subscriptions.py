"""The subscriptions of a tree of mbox files: Dovecot's ``.subscriptions``, else c-client's ``.mailboxlist``.

c-client keeps its list in the user's home, with names relative to the home (``mail/work``): a list beside the tree's
root counts as far as it names folders in the tree. It is read where Dovecot has not left a list of its own, and never
written: what is subscribed to here goes, with all that was read, into ``.subscriptions``.
"""

from __future__ import annotations

import os
import stat

from mailstore.drivers.mbox.layout import Layout
from mailstore.formats.dovecotfiles import parse_subscriptions, render_subscriptions
from mailstore.model.names import INBOX, FolderPath
from mailstore.system import fs

_C_CLIENTS = ".mailboxlist"
_MOST = 1 << 20  # bytes


def read(layout: Layout) -> tuple[int, set[FolderPath]]:
    """Return (version of Dovecot's file, the folders subscribed to, whether they exist or not)."""
    if layout.kind == "file":
        return 2, set()
    data = _contents(layout.subscriptions)
    if data is not None:
        version, names = parse_subscriptions(data, "/")
        return version if data else 2, {_path(layout, name) for name in names if all(name)}
    return 2, _c_clients(layout)


def write(layout: Layout, version: int, paths: set[FolderPath]) -> None:
    """Make ``paths`` the folders subscribed to, durable on return."""
    names = [tuple(map(layout.spell, path)) for path in sorted(paths)]
    with fs.errors(layout.subscriptions):
        fs.make_directories(os.path.dirname(layout.subscriptions))
        fs.replace_file(layout.subscriptions, render_subscriptions(version, names, "/"))


def _c_clients(layout: Layout) -> set[FolderPath]:
    """Return what c-client's list names: relative to the root, or to the directory above it."""
    inside = _contents(os.path.join(layout.root, _C_CLIENTS))
    above = _contents(os.path.join(os.path.dirname(layout.root), _C_CLIENTS)) if inside is None else None
    prefix = os.path.basename(layout.root) + "/"
    found = set()
    for line in os.fsdecode(inside or above or b"").split("\n"):
        name = line.strip("\r").lstrip("/")
        if name.upper() == "INBOX":
            found.add(INBOX)
        elif above is None or name.startswith(prefix):
            parts = tuple(name.removeprefix(prefix).rstrip("/").split("/"))
            if all(parts) and not set(parts) & {".", ".."}:
                found.add(_path(layout, parts))
    return found


def _path(layout: Layout, name: tuple[str, ...]) -> FolderPath:
    return FolderPath(layout.read(layout.root, part) for part in name)


def _contents(path: str) -> bytes | None:
    """Return a small regular file's contents; None where there is none that can be read."""
    try:
        fd = fs.open_source(path, nofollow=True)
    except OSError:
        return None
    try:
        return os.pread(fd, _MOST, 0) if stat.S_ISREG(os.fstat(fd).st_mode) else None
    finally:
        os.close(fd)
