"""What the messages of a Maildir take on disk."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable

from mailstore.model.changes import Footprint


def footprint(directories: Iterable[str]) -> Footprint:
    """Add up the blocks and the shared bytes of the messages in ``directories`` (of folders, absolute).

    A file with n names counts with an n-th at each, so that the sums over all of them are right however many accounts
    they lie in, and nothing need be remembered of a message.

    Raises:
        OSError: a directory that is there cannot be read.
    """
    blocks: dict[int, int] = {}
    sizes: dict[int, int] = {}
    for directory in directories:
        for sub in ("new", "cur"):
            _add(f"{directory}/{sub}", blocks, sizes)
    physical = sum(count * 512 // names for names, count in blocks.items())
    return Footprint(physical, sum(size * (names - 1) // names for names, size in sizes.items()))


def _add(directory: str, blocks: dict[int, int], sizes: dict[int, int]) -> None:
    """Add the files of one directory to the sums by number of names."""
    try:
        entries = os.scandir(directory)
    except (FileNotFoundError, NotADirectoryError):
        return
    with entries:
        for entry in entries:
            if entry.name[0] == ".":
                continue
            try:
                found = entry.stat(follow_symlinks=False)
            except OSError:
                continue  # renamed or removed just now
            if stat.S_ISREG(found.st_mode):
                names = found.st_nlink or 1
                blocks[names] = blocks.get(names, 0) + found.st_blocks
                sizes[names] = sizes.get(names, 0) + found.st_size
