"""What root makes for other users: a file or directory that is theirs, in a place that nobody can tamper with.

The problem. Where a user may write, he may put a symbolic link, a hard link or a directory of his in the place of what
root is about to open or give away, at any moment: root would write to, or give him, what is another's.

The solution. Root makes and gives away only inside directories that belong to root, all the way up, and that nobody
else may write to. There, what was made a moment ago is what is opened now. Everywhere else the user's own process does
the work with the user's own rights.
"""

from __future__ import annotations

import os
import stat

from mailstore.system import fs
from mailstore.system.calls import suppress


def is_safe(path: str, owner: int = 0, *, crowded: bool = False) -> bool:
    """Tell whether nobody but root and the user ``owner`` decides what ``path`` leads to; it need not exist itself.

    Every directory on the way, of the targets of symbolic links too, belongs to one of them, and nobody else may write
    there (in a directory with the sticky bit others can only add names that were not there). ``crowded``: the last
    directory may be open to a group (``/var/mail`` is, to ``mail``): enough for a file that is made there.
    """
    seen = 0
    while True:
        parts = path.rstrip("/").split("/")
        for count in range(1, len(parts)):
            step = "/".join(parts[: count + 1])
            open_to = 0o002 if crowded and count == len(parts) - 1 else 0o022
            if not _is_closed("/".join(parts[:count]) or "/", owner, open_to):
                return False
            if os.path.islink(step):
                seen += 1
                if seen > 40 or os.lstat(step).st_uid not in (0, owner):
                    return False
                target = os.path.join(os.path.dirname(step), os.readlink(step))
                path = os.path.normpath("/".join([target, *parts[count + 1 :]]))
                break
        else:
            return True


def _is_closed(directory: str, owner: int, others: int) -> bool:
    try:
        found = os.lstat(directory)
    except OSError:
        return False
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (0, owner):
        return False
    return not found.st_mode & others or bool(found.st_mode & stat.S_ISVTX)


def make_private(directory: str) -> None:
    """Make a directory that users can reach what is theirs in, but not list; it may be there already.

    Raises:
        OSError: it cannot be made, or (PermissionError) others may write there.
    """
    before = os.umask(0o066)  # with root's own, which may be 077, nobody could reach what is his
    try:
        fs.make_directories(directory, 0o711)
    finally:
        os.umask(before)
    found = os.lstat(directory)
    if found.st_uid != os.geteuid() or found.st_mode & 0o022 or not is_safe(directory, os.geteuid()):
        raise PermissionError(1, "others may write there, or above it", directory)


def make_for(path: str, user: int, group: int, *, directory: bool, new: bool = False) -> None:
    """Make a file (0600) or directory (0700) and give it to a user.

    ``path`` must be safe (``is_safe``). Unless it is to be ``new``, what is there already is given to that user now;
    nobody else may write in its directory then.

    Raises:
        OSError: it cannot be made, or what is there is something else, or has more than one name.
    """
    if directory:
        with suppress(*() if new else (FileExistsError,)):
            fs.mkdir(path)
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    else:
        try:
            fd = fs.create(path)
        except FileExistsError:
            if new:
                raise
            fd = fs.open_source(path, nofollow=True)
    try:
        found = os.fstat(fd)
        if not directory and (not stat.S_ISREG(found.st_mode) or found.st_nlink != 1):
            raise FileExistsError(17, "something else is there", path)
        if (found.st_uid, found.st_gid) != (user, group):
            fs.give(fd, user, group)
    finally:
        os.close(fd)
    fs.sync_directory(os.path.dirname(path))
