"""The file ``maildirsize`` on the disk: where it is, what it says, one line more.

The problem. Every delivery into a Maildir++ with a quota looks at this file and adds a line, several programs at
once and without any lock; and since anybody who owns the directory may put something else there, it must neither be
followed elsewhere nor waited for.

The solution (maildirquota(7)). The file lies in the Maildir that a folder's ``maildirfolder`` points up to. What is
read is never more than 5120 bytes. A line is one write(2) to a descriptor opened with O_APPEND: whole lines of several
writers do not mix. Symbolic links, directories and devices are refused. Loading this loads nothing but the table of
system calls: a delivery starts a process for each mail.
"""

from __future__ import annotations

import errno
import os
import stat

from mailstore.formats.maildirsize import MOST, Sums, parse, render_line
from mailstore.system.calls import at_work as calls
from mailstore.system.drop import MARK as MARK
from mailstore.system.drop import OWN as OWN
from mailstore.system.drop import RULES as RULES
from mailstore.system.drop import SUMS

NAME = SUMS

_MOST_LEVELS = 16
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def account_of(directory: str) -> str:
    """Return the Maildir that keeps the sums of ``directory``: itself, or the one above that it is a folder of.

    The way up is that of the disk, not of the path's text, and it ends below what is no Maildir: a ``maildirfolder`` in
    the root, as Dovecot 2.3.19 made it, leads nowhere.
    """
    for _ in range(_MOST_LEVELS):
        if not _is(stat.S_ISREG, f"{directory}/{MARK}"):
            break
        above = os.path.dirname(os.path.realpath(directory))
        if not (_is(stat.S_ISDIR, f"{above}/cur") and _is(stat.S_ISDIR, f"{above}/new")):
            break
        directory = above
    return directory


def _is(kind: object, path: str) -> bool:
    try:
        return bool(kind(os.lstat(path).st_mode))  # type: ignore[operator]
    except OSError:
        return False


def read(path: str) -> tuple[Sums, os.stat_result] | None:
    """Return what the file says, and its stat; None where there is none.

    Raises:
        OSError: it cannot be read, or is no regular file (ELOOP for a symbolic link).
    """
    try:
        fd = os.open(path, _READ)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        found = _regular(fd, path)
        data = os.read(fd, MOST)
        while len(data) < MOST and (more := os.read(fd, MOST - len(data))):
            data += more
    finally:
        os.close(fd)
    return parse(data), found


def append(path: str, size: int, count: int) -> int:
    """Add a line of ``size`` bytes and ``count`` messages; returns how long the file is then. Not made durable.

    0: there is none. At ``mailstore.formats.maildirsize.MOST`` it is time to make it anew.

    Raises:
        OSError: it cannot be written to, or is no regular file. What a short write left is no line: the sums are made
            anew when somebody reads it.
    """
    try:
        fd = calls.open(path, _APPEND)
    except (FileNotFoundError, NotADirectoryError):
        return 0
    try:
        length = _regular(fd, path).st_size
        line = render_line(size, count)
        if calls.write(fd, line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
    finally:
        calls.close(fd)
    return length + len(line)


def _regular(fd: int, path: str) -> os.stat_result:
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "not a regular file", path)
    return found
