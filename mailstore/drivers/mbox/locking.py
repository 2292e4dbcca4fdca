"""A folder's file under its locks, to write."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from mailstore.drivers.mbox.sync import Folder
from mailstore.drivers.mbox.writing import Locked
from mailstore.errors import StoreBusy
from mailstore.system import clock, fs
from mailstore.system.mailboxes import open_mailbox
from mailstore.system.mailboxlocks import MailboxReplaced, mailbox_lock

_REPLACED = 10
"""How often the file may be another one before the time is looked at: a rewrite by others may come in between."""


@contextmanager
def locked(folder: Folder) -> Iterator[Locked]:
    """Hold the locks of a folder's file, by the folder's rules, for the block; an absent file is made, empty.

    Raises:
        StoreBusy: another program held a lock all the time, or put other files under the name.
        CannotCreate: there can be no dotlock.
        ReadOnlyStore: the file cannot be written.
        NotAStore: it is no regular file, or a link that is not followed.
    """
    path, rules = folder.path, folder.rules
    end = clock.monotonic() + rules.timeout
    replaced = 0
    while True:
        with fs.errors(path):
            fd = _open(path)
        try:
            with mailbox_lock(path, fd, rules) as dotlock:
                with fs.errors(path), folder.beating(dotlock):
                    yield Locked(folder, fd, dotlock)
                return
        except MailboxReplaced:
            replaced += 1
            if replaced > _REPLACED and clock.monotonic() > end:
                raise StoreBusy(f"{fs.shown(path)} is replaced by another file again and again", path=path) from None
        finally:
            os.close(fd)


def _open(path: str) -> int:
    while True:
        try:
            return open_mailbox(path, writing=True)
        except FileNotFoundError:
            with suppress(FileExistsError):
                os.close(fs.create(path))
                fs.sync_directory(os.path.dirname(path))
