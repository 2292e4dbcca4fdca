"""What lies in a Maildir's tree and is not read: links, directories closed to us, Maildirs of the other layout."""

from __future__ import annotations

import os
from collections.abc import Iterator

from mailstore.drivers.maildir.layout import RESERVED, Layout, is_maildir
from mailstore.model.changes import Omission
from mailstore.system import fs

_MOST_LEVELS = 100
_PARTS = frozenset({"cur", "new", "tmp"})


def omissions(layout: Layout) -> list[Omission]:
    """Return what is passed over, by path."""
    folders = {layout.absolute(place.directory) for place in layout.scan().values()}
    found = _closed(layout.root)
    for path in _below(layout.root) if layout.spelling.layout == "fs" else [layout.root]:
        found += [one for entry in _entries(path) for one in _look(entry, layout, folders)]
    return sorted(found, key=lambda one: one.where)


def _look(entry: os.DirEntry[str], layout: Layout, folders: set[str]) -> Iterator[Omission]:
    if entry.is_symlink():
        if entry.is_dir():
            yield Omission(fs.shown(entry.path), "a link to a directory, which is not followed")
    elif entry.is_dir() and not RESERVED.match(entry.name) and entry.name not in _PARTS:
        yield from _closed(entry.path)
        other = layout.spelling.layout == "++" and not entry.name.startswith(".mailstore-")
        if other and entry.path not in folders and any(is_maildir(path) for path in _below(entry.path)):
            yield Omission(fs.shown(entry.path), "a Maildir that no folder of this layout is", damaged=True)


def _closed(path: str) -> list[Omission]:
    return [] if os.access(path, os.R_OK | os.X_OK) else [Omission(fs.shown(path), "permission denied", damaged=True)]


def _entries(path: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            return list(entries)
    except OSError:
        return []


def _below(path: str, level: int = 0) -> Iterator[str]:
    """Yield ``path`` and the directories below it, those of messages left out."""
    yield path
    if level < _MOST_LEVELS:
        for entry in _entries(path):
            if entry.name not in _PARTS and entry.is_dir(follow_symlinks=False):
                yield from _below(entry.path, level + 1)
