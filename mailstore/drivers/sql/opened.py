"""Which databases this process holds locks on, through SQLite.

The problem. Closing any descriptor of a file drops all POSIX locks that the process has on it, SQLite's among them. So
before a database file is opened by other means than SQLite, it must be known whether SQLite has it open here. And a
store that nobody closed must not count for ever: its connection ends when it is collected, and the next file may get
the same inode.

The solution. An entry lives as long as the connection, or until it is taken back, whichever ends first.
"""

from __future__ import annotations

import itertools
import os
from _weakref import ref  # the module weakref loads three more, and a delivery starts a process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    import apsw  # late: recognising a Maildir asks here too

_open: dict[int, tuple[int, int]] = {}
"""Device and inode of each open file, by a number of its own."""
_watched: dict[int, ref[apsw.Connection]] = {}
"""By the same number, what tells of the connection's end."""
_serial = itertools.count()


def inode(path: str) -> tuple[int, int] | None:
    """Return device and inode of the file, or None where there is none."""
    try:
        at = os.stat(path)
    except OSError:
        return None
    return at.st_dev, at.st_ino


def note(connection: apsw.Connection, path: str) -> Callable[[], object]:
    """Count the database as open; returns what takes that back, at the latest the connection's end."""
    number = next(_serial)
    opened, watched = _open, _watched  # a connection may outlive this module's names
    found = inode(path)
    if found is not None:
        _open[number] = found

    def take_back(_: object = None) -> None:
        opened.pop(number, None)
        watched.pop(number, None)

    watched[number] = ref(connection, take_back)
    return take_back


def forget_all() -> None:
    """A forked child holds none of its parent's locks."""
    _open.clear()


def is_open(path: str) -> bool:
    """Tell whether this process has the database open with locks on it."""
    return inode(path) in list(_open.values())  # list: other threads open and close meanwhile
