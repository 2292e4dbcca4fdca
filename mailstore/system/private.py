"""A private directory for what is needed as files as long as a store is open.

The problem. It may hold gigabytes of somebody's mail. A process that is killed removes nothing, and nobody may remove
what another process still reads.

The solution. The directory is open to its owner alone and locked (flock) as long as it is in use: the kernel releases
the lock with the last process that has it. Who makes such a directory first removes those of the same user that are
old enough to have been locked by now, and that nobody has locked.
"""

from __future__ import annotations

import os
import stat

from mailstore.errors import MailstoreError, StorageFailure
from mailstore.system import clock, fs, scratch
from mailstore.system.calls import suppress
from mailstore.system.kernellocks import try_lock

_PREFIX = "mailstore-unpacked-"
_YOUNG = 3600
"""Seconds: a younger directory may be about to be locked."""


class PrivateDirectory:
    """Make one, empty, where temporary files belong that may be large; what was left by killed processes goes.

    Attributes:
        path: where it is.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self) -> None:
        parent = scratch.large_directory()
        sweep(parent)
        while True:
            self.path = os.path.join(parent, f"{_PREFIX}{os.urandom(8).hex()}")
            with suppress(FileExistsError):
                fs.mkdir(self.path)
                break
        self._process = os.getpid()
        self._fd = fs.open_directory(self.path)
        with suppress(StorageFailure):  # no locks here: then nobody sweeps either
            try_lock(self._fd, "flock", exclusive=True, path=self.path)

    def close(self) -> None:
        """Remove it with all in it, where this process made it; may be called twice."""
        fd, self._fd = self._fd, -1
        if fd < 0:
            return
        try:
            if self._process == os.getpid():
                fs.remove_tree(self.path)
        finally:
            fs.close(fd)


def sweep(parent: str) -> None:
    """Remove what killed processes of this user left in ``parent``; what cannot be removed stays."""
    with suppress(OSError):
        for name in os.listdir(parent):
            if name.startswith(_PREFIX):
                with suppress(OSError, MailstoreError):
                    _remove_if_left(os.path.join(parent, name))


def _remove_if_left(path: str) -> None:
    status = os.lstat(path)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        return
    if max(status.st_mtime, status.st_ctime) > clock.now() - _YOUNG:
        return
    fd = fs.open_directory(path)
    try:
        if try_lock(fd, "flock", exclusive=True, path=path):
            fs.remove_tree(path)
    finally:
        fs.close(fd)
