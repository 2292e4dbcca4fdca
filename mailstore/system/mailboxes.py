"""Opening a mailbox that others could have put there.

The problem. A spool directory may be writable by everybody. Somebody else's symbolic link at the mailbox sends mail, or
a reader with more rights, to a file of his choice; a hard link is that file; a mailbox he made before its owner did is
his to read; a pipe or a device hangs, or does things, when it is opened. And whatever was looked at may be another
thing when it is opened.

The solution. A link is followed only if it is ours or root's, in a directory that not everybody can write to. What it
leads to must be a regular file, is opened without following links, and is looked at again when it is open. Where
everybody can write, only a file of ours or root's with a single name is written to. What is wrong is said, and nothing
is touched.
"""

from __future__ import annotations

import errno
import os
import stat

from mailstore.system import fs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailstore.errors import StoreError

_LINKS = 40
"""Links behind each other that are followed, as Linux does."""


def kind_of(mode: int) -> str:
    """Name a kind of file, with its article."""
    kinds = {
        stat.S_IFLNK: "a symbolic link",
        stat.S_IFDIR: "a directory",
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFREG: "a regular file",
    }
    return kinds.get(stat.S_IFMT(mode), "a device")


def followed(path: str) -> str:
    """Return the path of the file that the name ``path`` leads to, over links that may be trusted.

    Raises:
        NotAStore: there is a link of another user, or in a directory that everybody can write to.
        FileNotFoundError: nothing is there.
        NoSuchStore: a link leads nowhere.
    """
    at = _reached(path)
    if at is None:
        from mailstore.errors import NoSuchStore

        raise NoSuchStore(f"{fs.shown(path)} is a symbolic link that leads nowhere", path=path)
    return at


def _reached(path: str) -> str | None:
    """Return the same; None where a link leads nowhere."""
    at = path
    for _ in range(_LINKS):
        try:
            status = os.lstat(at)
        except FileNotFoundError:
            if at == path:
                raise
            return None
        if not stat.S_ISLNK(status.st_mode):
            return at
        directory = os.path.dirname(at) or "."
        if os.stat(directory).st_mode & stat.S_IWOTH:
            why = "is a symbolic link in a directory that everybody can write to: not followed"
            raise _no_store(f"{fs.shown(at)} {why}", path)
        if status.st_uid not in (os.geteuid(), 0):
            raise _no_store(f"{fs.shown(at)} is a symbolic link of user {status.st_uid}: not followed", path)
        at = os.path.join(directory, os.readlink(at))
    raise _no_store(f"{fs.shown(path)}: too many symbolic links", path)


def _no_store(text: str, path: str) -> StoreError:
    from mailstore.errors import NotAStore  # late, as all errors here: most mailboxes are in order

    return NotAStore(text, path=path)


def open_mailbox(path: str, *, writing: bool) -> int:
    """Open a file of mail, for reading and writing or for reading alone; never waits.

    Raises:
        NotAStore: it is no regular file, or a link that is not followed.
        ReadOnlyStore: it is to be written to, and somebody else could have put it there.
        FileNotFoundError: nothing is there.
        OSError: it cannot be opened.
    """
    real = followed(path)
    _check_kind(os.lstat(real), path)
    try:
        fd = fs.open_update(real) if writing else fs.open_source(real, nofollow=True)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _no_store(f"{fs.shown(path)} became a symbolic link: not followed", path) from error
        raise
    try:
        status = os.fstat(fd)
        _check_kind(status, path)
        if writing:
            _check_owner(status, os.stat(os.path.dirname(real) or "."), path)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _check_kind(status: os.stat_result, path: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise _no_store(f"{fs.shown(path)} is {kind_of(status.st_mode)}, not a regular file", path)


def _check_owner(status: os.stat_result, directory: os.stat_result, path: str) -> None:
    """Refuse what somebody else may have put into a directory that everybody can write to."""
    if not directory.st_mode & stat.S_IWOTH:
        return
    if status.st_uid not in (os.geteuid(), 0):
        why = f"belongs to user {status.st_uid}"
    elif status.st_nlink > 1:
        why = f"has {status.st_nlink} names (hard links)"
    else:
        return
    from mailstore.errors import ReadOnlyStore

    text = f"{fs.shown(path)} {why}, and everybody can write to its directory: not written to"
    raise ReadOnlyStore(text, path=path)


def is_named(path: str, fd: int) -> bool:
    """Tell whether the name ``path`` still leads to the open file, and that to no other.

    Raises: as ``open_mailbox`` does for what is there now.
    """
    have = os.fstat(fd)
    try:
        real = _reached(path)
        if real is None:
            return False
        found = os.lstat(real)
    except FileNotFoundError:
        return False
    _check_kind(found, path)
    if (found.st_dev, found.st_ino) != (have.st_dev, have.st_ino):
        return False
    _check_owner(found, os.stat(os.path.dirname(real) or "."), path)
    return True
