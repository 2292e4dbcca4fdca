"""Finding the folders of a tree of directories.

The problem. A tree as it is found holds anything: directories that may not be read, links that lead in circles, names
that differ on disk and are one name to IMAP (``Inbox`` and ``INBOX``, two spellings of one accented letter), and a root
that holds messages itself. Nothing may be lost to that, and one bad directory must not spoil the others.

The solution. A directory is one folder. INBOX is the directory at the top that is called so, whatever its case; where
there is none, INBOX is the root. A second directory of a name that is taken gets a number behind it; the root, where
it holds messages beside an INBOX, gets its own directory's name. Each such thing is told in ``notes``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from mailstore.errors import StorageFailure
from mailstore.model.changes import Omission
from mailstore.model.names import INBOX, FolderPath
from mailstore.system import fs

MOST_LEVELS = 100
"""Directories below that are not looked at, and told of."""


class Directory(NamedTuple):
    """What a format says of one directory."""

    holds: bool
    """It is a folder that holds messages, or could; else it only groups folders."""
    children: tuple[tuple[str, str], ...] = ()
    """(name on disk, name of the folder) of the directories in it that may be folders."""
    omitted: tuple[Omission, ...] = ()
    """What lies in it and is not taken for mail; links to directories and hidden directories are seen to here."""


@dataclass(slots=True)
class Tree:
    """What a walk found.

    Attributes:
        folders: the directory of each folder that holds messages; '' for an INBOX that is not there.
        notes: names that were changed, directories that cannot be read, one fact a line.
        omitted: what lies there and is not taken for mail.
        directories: all that were looked at, the root first.
    """

    folders: dict[FolderPath, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    omitted: list[Omission] = field(default_factory=list)
    directories: list[str] = field(default_factory=list)


Look = Callable[[str, list["os.DirEntry[str]"]], Directory]
"""Given a directory's path and its entries, by name."""


def walk(root: str, look: Look) -> Tree:
    """Find the folders below ``root``; follows no link, raises nothing for what lies below it.

    Raises:
        StorageFailure: the root itself cannot be read.
    """
    tree = Tree()
    with fs.errors(root, StorageFailure):
        found = _look(tree, root, look)
    top = sorted(found.children, key=lambda child: child[0])
    inbox = next((child for child in top if child[1].upper() == "INBOX"), None)
    if inbox is not None:
        _add(tree, root, inbox, (), look)
    else:
        tree.folders[INBOX] = root if found.holds else ""
    for child in top:
        if child is not inbox:
            _add(tree, root, child, (), look)
    if inbox is not None and found.holds:
        take(tree, FolderPath((os.path.basename(root) or "root",)), root)
    return tree


def entries_of(directory: str) -> list[os.DirEntry[str]]:
    """Return a directory's entries, by name."""
    with os.scandir(directory) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def directories(entries: Iterable[os.DirEntry[str]]) -> list[str]:
    """Return the names of the directories among ``entries`` that are not hidden; a link to one is none."""
    return [entry.name for entry in entries if entry.name[:1] != "." and entry.is_dir(follow_symlinks=False)]


def files(entries: Iterable[os.DirEntry[str]]) -> list[str]:
    """Return the names that are not hidden of what is no directory and no link to one: files, links, anything else."""
    return [
        entry.name
        for entry in entries
        if entry.name[:1] != "."
        and not (os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir(follow_symlinks=False))
    ]


def is_hidden(entry: os.DirEntry[str]) -> bool:
    """Tell whether an entry is a hidden directory."""
    return entry.name[:1] == "." and entry.is_dir(follow_symlinks=False)


def omission(directory: str, names: Sequence[str], what: str, *, messages: bool = False) -> tuple[Omission, ...]:
    """Return what is left out of a directory as one omission that names some of it; none for no names."""
    some = ", ".join(fs.shown(name) for name in names[:5]) + (" …" if len(names) > 5 else "")
    reason = f"{what}: {len(names)} ({some})"
    return (Omission(fs.shown(directory), reason, len(names) if messages else None),) if names else ()


def _look(tree: Tree, directory: str, look: Look) -> Directory:
    entries = entries_of(directory)
    tree.directories.append(directory)
    found = look(directory, entries)
    links = [entry.path for entry in entries if entry.is_symlink() and os.path.isdir(entry.path)]
    tree.omitted += [Omission(fs.shown(path), "a link to a directory; it is not followed") for path in links]
    hidden = [entry.name for entry in entries if is_hidden(entry)]
    tree.omitted += omission(directory, hidden, "hidden directories, which are not looked into")
    tree.omitted += found.omitted
    return found


def _add(tree: Tree, above: str, child: tuple[str, str], components: tuple[str, ...], look: Look) -> None:
    directory = os.path.join(above, child[0])
    if len(components) >= MOST_LEVELS:
        reason = f"more than {MOST_LEVELS} directories deep"
        tree.omitted.append(Omission(fs.shown(directory), reason, damaged=True))
        return
    try:
        found = _look(tree, directory, look)
    except OSError as error:  # a folder all the same: reading it says what is wrong
        tree.notes.append(f"{fs.shown(directory)}: {error.strerror}")
        found = Directory(True)
    path = FolderPath((*components, child[1]))
    if found.holds:
        path = take(tree, path, directory)
    for one in sorted(found.children):
        _add(tree, directory, one, tuple(path), look)


def take(tree: Tree, path: FolderPath, directory: str) -> FolderPath:
    """Give the folder at ``directory`` its path, or the next free one like it, which is noted; returns that."""
    free, number = path, 1
    while free in tree.folders:
        number += 1
        free = FolderPath((*path[:-1], f"{path[-1]} ({number})"))
    if free != path:
        tree.notes.append(f"{fs.shown(directory)}: there is another folder {path}; this one is {free}")
    tree.folders[free] = directory
    return free
