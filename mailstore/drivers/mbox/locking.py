"""A folder's file under its locks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from mailstore.drivers.mbox.sync import Folder
from mailstore.drivers.mbox.writing import Locked
from mailstore.system import fs
from mailstore.system.locks import MailboxReplaced, mailbox_lock


@contextmanager
def locked(folder: Folder) -> Iterator[Locked]:
    """Hold the locks of a folder's file, by the folder's rules, for the block; an absent file is made, empty.

    Raises:
        StoreBusy: another program held a lock all the time.
        ReadOnlyStore: the file cannot be written.
    """
    path, rules = folder.path, folder.rules
    dotlock = "dotlock" in rules.methods and _may_lock(path)
    while True:
        with fs.errors(path):
            fd = _open(path)
        try:
            with mailbox_lock(path, fd, exclusive=True, timeout=rules.timeout, dotlock=dotlock) as held:
                with fs.errors(path):
                    yield Locked(folder, fd, held)
                return
        except MailboxReplaced:
            continue
        finally:
            os.close(fd)


def _open(path: str) -> int:
    while True:
        try:
            return fs.open_update(path, nofollow=False)
        except FileNotFoundError:
            with suppress(FileExistsError):
                os.close(fs.create(path))
                fs.sync_directory(os.path.dirname(path))


def _may_lock(path: str) -> bool:
    return os.access(os.path.dirname(path), os.W_OK | os.X_OK)
