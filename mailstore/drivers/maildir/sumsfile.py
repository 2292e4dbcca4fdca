"""The file in which an account's sums stand: which one, what it says, and a new one in its place.

The problem. The file is replaced while others append to it, by users that are not its owner, and what lies under its
name may be anything.

The solution. A new one is written in ``tmp``, named like Courier's, with the owner and permissions of the old one, and
is on the disk before it takes the name. What is no regular file is never written to, and not replaced unless somebody
sets limits. What goes wrong is told to the log ``mailstore.quota`` where it costs nobody anything.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress

from mailstore.drivers.maildir.layout import Layout
from mailstore.errors import CorruptStore
from mailstore.formats import maildirsize, uniquename
from mailstore.formats.maildirsize import Sums
from mailstore.model.changes import Usage
from mailstore.system import clock, fs
from mailstore.system import maildirsize as files


def told(text: str) -> None:
    """Tell the log what went wrong with the bookkeeping."""
    import logging  # late: most commits have nothing to tell

    logging.getLogger("mailstore.quota").warning("%s", text)


class SumsFile:
    """The sums of one account.

    Args:
        layout: of the account; its root is where the file lies.
        mode: gives the permissions of new files.
    """

    def __init__(self, layout: Layout, mode: Callable[[], int]) -> None:
        self._layout = layout
        self._mode = mode

    @property
    def path(self) -> str:
        """The file: Dovecot's where it has made one for nested folders, else one that only we keep there."""
        shared = os.path.join(self._layout.root, files.NAME)
        if self._layout.spelling.layout == "++" or os.path.lexists(shared):
            return shared
        return os.path.join(self._layout.root, files.OWN)

    @property
    def exists(self) -> bool:
        """Whether something has its name."""
        return os.path.lexists(self.path)

    def read(self) -> tuple[Sums, float] | None:
        """Return the sums as they stand and their age in seconds; None where there is no file.

        Raises:
            CorruptStore: it is no file that can be read.
        """
        path = self.path
        try:
            found = files.read(path)
        except OSError as error:
            raise CorruptStore(f"{fs.shown(path)} holds no sums: {error.strerror}", path=path) from error
        return None if found is None else (found[0], clock.now_ns() / 1e9 - found[1].st_mtime)

    def read_leniently(self) -> tuple[Sums, float] | None:
        """Do as ``read``, but tell the log what is wrong."""
        try:
            return self.read()
        except CorruptStore as error:
            told(str(error))
            return None

    def append(self, size: int, count: int) -> bool:
        """Add a line where there is a file; True: it is so long now that it is time to make it anew. Never fails."""
        path = self.path
        try:
            return files.append(path, size, count) >= maildirsize.MOST
        except OSError as error:
            told(f"{fs.shown(path)}: {size} bytes in {count} messages were not entered: {error.strerror}")
            return False

    def replace(self, limits: tuple[int, int], total: Usage) -> None:
        """Write a new file in the place of the old one, durable on return.

        Raises:
            OSError: the old one is as it was.
        """
        path = self.path
        temporary = self._temporary()
        fd = fs.create(temporary, self._mode())
        try:
            _imitate(fd, path, self._layout.root)
            fs.write_all(fd, maildirsize.render(limits, total.size, total.messages))
        except OSError:
            fs.close(fd)
            fs.unlink(temporary, missing_ok=True)
            raise
        fs.publish(fd, temporary, path)

    def _temporary(self) -> str:
        host = uniquename.host_part(os.uname().nodename)
        name = f"{clock.now()}.{os.getpid()}_NeWmAiLdIrSiZe.{host}"
        return os.path.join(self._layout.absolute(self._layout.inbox), "tmp", name)

    def remove(self) -> None:
        """Remove it, durable on return.

        Raises:
            OSError: it is still there.
        """
        if self.exists:
            fs.unlink(self.path, missing_ok=True)
            fs.sync_directory(self._layout.root)


def _imitate(fd: int, path: str, root: str) -> None:
    """Give a new file the owner and permissions of the one it replaces, or the owner of the directory.

    A file of root in a user's Maildir would be closed to the user's own programs: they would take it for no quota.
    """
    with suppress(FileNotFoundError):
        like = os.lstat(path)
        if stat.S_ISREG(like.st_mode):
            fs.imitate(fd, like)
            return
    fs.inherit(fd, root)
