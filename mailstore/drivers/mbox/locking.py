"""A folder's file under its locks, to write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mailstore.drivers.mbox.held import Held
from mailstore.drivers.mbox.sync import Folder
from mailstore.drivers.mbox.writing import Locked
from mailstore.system import fs


@contextmanager
def locked(folder: Folder) -> Iterator[Locked]:
    """Hold the locks of a folder's file, by the folder's rules, for the block; an absent file is made, empty.

    Raises: as ``mailstore.drivers.mbox.held.Held``.
    """
    with Held(folder.path, folder.rules) as (fd, dotlock), fs.errors(folder.path), folder.beating(dotlock):
        yield Locked(folder, fd, dotlock)
