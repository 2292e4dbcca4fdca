"""Giving a tree other names in place: files keep their inodes, and so do the directories that there are."""

from __future__ import annotations

import os

Key = tuple[int, int]
"""Device and inode."""

Names = dict[Key, dict[str, Key]]
"""By directory what each name in it means."""


def rebuild(top: str, kept: str, root: Key, tree: Names) -> None:
    """Give everything below ``top`` the names in ``tree``. Files keep their inodes, directories where they are left."""
    shelf = f"{kept}/shelf"
    os.mkdir(shelf)
    files = {int(name): f"{kept}/{name}" for name in os.listdir(kept) if name.isdigit()}
    directories: dict[int, str] = {}
    for directory, subdirectories, names in os.walk(top, topdown=False):
        for name in names:
            place = f"{shelf}/{len(files)}-{len(directories)}"
            inode = os.lstat(os.path.join(directory, name)).st_ino
            os.rename(os.path.join(directory, name), place)
            files.setdefault(inode, place)
        for name in subdirectories:
            place = f"{shelf}/d{len(directories)}"
            directories[os.lstat(os.path.join(directory, name)).st_ino] = place
            os.rename(os.path.join(directory, name), place)
    waiting = [(top, root)]
    while waiting:
        path, key = waiting.pop()
        for name, below in tree.get(key, {}).items():
            target = os.path.join(path, name)
            if below[1] in files:
                os.link(files[below[1]], target, follow_symlinks=False)
                continue
            if below[1] in directories:
                os.rename(directories.pop(below[1]), target)
            else:
                os.mkdir(target, 0o700)
            waiting.append((target, below))
    for directory, subdirectories, names in os.walk(kept, topdown=False):
        for name in names:
            os.unlink(os.path.join(directory, name))
        for name in subdirectories:
            os.rmdir(os.path.join(directory, name))
