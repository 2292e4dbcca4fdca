"""A message on its way into a Maildir folder: written in ``tmp``, on the disk before it is seen in ``new``.

The problem. A delivery starts a process for each mail: whatever is loaded is loaded for this one message, and half of
what the library loads costs more than the interpreter's own start. A message must not be seen before it is whole, must
not be acknowledged before contents and name are on the disk, and must not take the name of another one.

The solution (https://cr.yp.to/proto/maildir.html, with Dovecot's names). A name that no other process can give; the
file is made exclusively, written, synced and closed in ``tmp``, renamed into ``new``, and ``new`` is synced. Its name
says its size, which is known only then. Nothing is loaded but the table of system calls and the clock.
"""

from __future__ import annotations

import os

from mailstore.formats.uniquename import base_name, host_part, with_sizes
from mailstore.system import clock
from mailstore.system.calls import at_work as calls
from mailstore.system.calls import write_all

SUMS = "maildirsize"
"""Keeps a Maildir++'s quota and what counts towards it: ``mailstore.system.maildirsize``."""
OWN = "mailstore-maildirsize"
"""The same file of a Maildir whose folders lie in each other (layout fs), where no other program keeps one."""
RULES = "mailstore-quota"
"""What a Maildir's quota says besides limits of bytes and messages."""
MARK = "maildirfolder"
"""Says that a directory is a folder of the Maildir++ above it."""

_CREATE = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Drop:
    """A new message of one Maildir folder: ``write`` any number of times, then ``publish``, or ``discard``.

    Args:
        directory: of the folder; holds ``tmp`` and ``new``.
        mode: permissions of the file.

    Raises:
        OSError: ``tmp`` takes no file.
    """

    __slots__ = ("_after_cr", "_base", "_crlf_size", "_directory", "_fd", "_path", "size")

    def __init__(self, directory: str, mode: int = 0o600) -> None:
        host = host_part(os.uname().nodename)
        self._base = base_name(clock.now_ns() // 1000, os.getpid(), os.urandom(4).hex(), host)
        self._directory = directory
        self._path = os.path.join(directory, "tmp", self._base)
        self._fd = calls.open(self._path, _CREATE, mode)
        self._after_cr = False
        self._crlf_size = 0
        self.size = 0
        """Bytes written so far."""

    def write(self, data: bytes) -> None:
        """Write all of ``data``, over any number of short writes.

        Raises:
            OSError: ``discard`` it.
        """
        write_all(self._fd, data)
        bare = data.count(b"\n") - data.count(b"\r\n")
        if self._after_cr and data[:1] == b"\n":
            bare -= 1
        self._after_cr = data.endswith(b"\r")
        self.size += len(data)
        self._crlf_size += len(data) + bare

    def publish(self) -> str:
        """Make the message visible; returns its file name in ``new``. Contents and name are on the disk then.

        Raises:
            OSError: nothing is visible, or the message is and its name may not survive a power cut: it is
                acknowledged in neither case. ``discard`` it.
        """
        calls.fsync(self._fd)
        fd, self._fd = self._fd, -1
        calls.close(fd)
        name = with_sizes(self._base, self.size, self._crlf_size)
        calls.rename(self._path, f"{self._directory}/new/{name}")
        self._path = ""
        directory = calls.open(f"{self._directory}/new", _DIRECTORY)
        try:
            calls.fsync(directory)
        finally:
            calls.close(directory)
        return name

    def discard(self) -> None:
        """Remove what ``publish`` has not made visible; may be called twice, and after it."""
        fd, self._fd = self._fd, -1
        path, self._path = self._path, ""
        try:
            if fd >= 0:
                calls.close(fd)
        finally:
            if path:
                calls.unlink(path)
