"""What lies in a Maildir's tree and is not read: links, closed directories, Maildirs of another layout, mbox files."""

from __future__ import annotations

import os
from collections.abc import Iterator

from mailstore.drivers.maildir.layout import RESERVED, Layout, is_maildir
from mailstore.formats.mbox.opening import PROBE, read_opening
from mailstore.model.changes import Omission
from mailstore.system import fs

_MOST_LEVELS = 100
_PARTS = frozenset({"cur", "new", "tmp"})


def omissions(layout: Layout) -> list[Omission]:
    """Return what is passed over, by path."""
    folders = {layout.absolute(place.directory) for place in layout.scan().values()}
    found = _closed(layout.root)
    if layout.inbox and any(_entries(os.path.join(layout.root, part)) for part in ("cur", "new")):
        found.append(Omission(fs.shown(layout.root), "messages of its own, though INBOX is elsewhere", damaged=True))
    for path in _below(layout.root) if layout.spelling.layout != "++" else [layout.root]:
        found += [one for entry in _entries(path) for one in _look(entry, layout, folders)]
    return sorted(found, key=lambda one: one.where)


def _look(entry: os.DirEntry[str], layout: Layout, folders: set[str]) -> Iterator[Omission]:
    if entry.is_symlink():
        if entry.is_dir():
            yield Omission(fs.shown(entry.path), "a link to a directory, which is not followed")
    elif entry.is_dir() and not RESERVED.match(entry.name) and entry.name not in _PARTS:
        yield from _closed(entry.path)
        other = entry.path not in folders and not entry.name.startswith(".mailstore-")
        inside = _below(entry.path) if layout.spelling.layout == "++" else [entry.path]
        if other and any(is_maildir(path) for path in inside):
            yield Omission(fs.shown(entry.path), "a Maildir that no folder of this layout is", damaged=True)
    elif entry.is_file() and not entry.name.startswith(".") and not RESERVED.match(entry.name) and _is_mbox(entry.path):
        yield Omission(fs.shown(entry.path), "an mbox file among Maildirs: a store of its own", damaged=True)


def _is_mbox(path: str) -> bool:
    try:
        fd = fs.open_source(path, nofollow=True)
    except OSError:
        return False
    try:
        return read_opening(os.pread(fd, PROBE, 0)) is not None
    finally:
        os.close(fd)


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
