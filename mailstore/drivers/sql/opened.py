"""Which databases this process holds locks on, through SQLite.

Closing any descriptor of a file drops all POSIX locks that the process has on it, SQLite's among them. So before a
database file is opened by other means than SQLite, it is looked up here.
"""

from __future__ import annotations

import os
from collections import Counter

OPEN: Counter[tuple[int, int]] = Counter()
"""How often a file is open, by device and inode."""


def inode(path: str) -> tuple[int, int] | None:
    """Return device and inode of the file, or None where there is none."""
    try:
        at = os.stat(path)
    except OSError:
        return None
    return at.st_dev, at.st_ino


def is_open(path: str) -> bool:
    """Tell whether this process has the database open with locks on it."""
    found = inode(path)
    return found is not None and OPEN[found] > 0
