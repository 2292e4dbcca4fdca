"""The note of an append that is under way: what ``journal.recover`` cuts off again after a crash.

Loading this loads next to nothing: a delivery starts a process for each mail. ``mailstore.drivers.mbox.journal`` tells
what the note is for, and reads it.
"""

from __future__ import annotations

import errno
import os
import stat

from mailstore.formats.sha256 import sha256
from mailstore.system import fs
from mailstore.system.calls import suppress
from mailstore.system.places import state_directory

APPENDS = f"{fs.TEMPORARY}append."
COPIES = f"{fs.TEMPORARY}copy."
NAMES = (APPENDS, COPIES)
"""How the names of these files begin: of the note, and of the new contents of a file that is written in place."""
QUOTA = f"{fs.TEMPORARY}quota"
"""How the names begin of what is kept with a store: its quota rules, notes of them."""
AROUND = 64
"""Bytes that are noted of what stands before an append, and of its beginning."""
LINE = 512
"""Bytes of what is said of an append: one sector, written by one call."""


def place(mailbox: str, kind: str) -> str:
    """Return where we put the file of ``mailbox`` whose name begins with ``kind``, one of NAMES."""
    return places(mailbox, kind)[-1]


def places(mailbox: str, kind: str) -> tuple[str, ...]:
    """Return where that file may be, ours the last; the same for all symbolic links to the mailbox.

    A directory that is closed to us may be open to another program of ours (``/var/mail`` to root's).
    """
    mailbox = os.path.realpath(mailbox) if os.path.islink(mailbox) else os.path.abspath(mailbox)
    directory, name = os.path.split(mailbox)
    beside: tuple[str, ...] = ()
    if not os.stat(directory).st_mode & (stat.S_ISVTX | stat.S_IWOTH):
        # Dovecot passes over .lock; any other file in a tree it would show as a folder.
        beside = (os.path.join(directory, f"{kind}{_digest(name)}.lock"),)
        if os.access(directory, os.W_OK | os.X_OK):
            return beside
    base = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.join(os.path.expanduser("~"), ".local", "state")
    return (*beside, os.path.join(base, "mailstore", "mbox", kind + _digest(os.path.realpath(mailbox))))


def _digest(name: str) -> str:
    return sha256(os.fsencode(name)).hexdigest()[:32]


class Append:
    """An append that is under way.

    Args:
        mailbox: path of the mbox file.
        fd: its open descriptor.
        offset: where the append begins.
        start: its first bytes; all of them where ``length`` says how many there are.
        length: how many bytes it has; -1 where that is not known yet, then ``finish`` must sync.
    """

    def __init__(self, mailbox: str, fd: int, offset: int, start: bytes, length: int) -> None:
        self._path = place(mailbox, APPENDS)
        self._length = length
        self._fd = -1
        facts = (
            b'{"inode": %d, "offset": %d, "before": "%s", "start": "%s", "length": %d, "nuls": %d, "single": %d}'
            % (
                os.fstat(fd).st_ino,
                offset,
                os.pread(fd, min(AROUND, offset), max(offset - AROUND, 0)).hex().encode(),
                start[:AROUND].hex().encode(),
                length,
                start.count(0) if length >= 0 else 0,
                length >= 0 and start.find(b"\nFrom ", 1) < 0,
            )
        )  # JSON, without the module
        try:
            self._fd = fs.open_update(self._path)
        except FileNotFoundError:
            fs.make_directories(os.path.dirname(self._path))
            os.close(fs.create(self._path))
            fs.sync_directory(os.path.dirname(self._path))
            self._fd = fs.open_update(self._path)
        try:
            fs.pwrite_all(self._fd, facts.ljust(LINE), 0)
            fs.sync_data(self._fd)
        except BaseException:
            os.close(self._fd)
            raise

    def finish(self) -> None:
        """The append is wholly on the disk, or was taken back. May be called twice.

        Where the length was said, it fails without an error: the append is complete, and ``recover`` will see that.

        Raises:
            OSError: the length was not said; a complete append that this still speaks of would be cut off.
        """
        fd, self._fd = self._fd, -1
        if fd < 0:
            return
        try:
            fs.pwrite_all(fd, b" " * LINE, 0)
            if self._length < 0:
                fs.sync_data(fd)
        except OSError:
            if self._length < 0:
                raise
        finally:
            os.close(fd)


def kept_places(root: str, directory: str, name: str, suffix: str) -> list[str]:
    """Return where a text that is kept with the store at ``root`` may lie (``mailstore.drivers.mbox.kept``).

    Args:
        root: the mbox file, or the directory of the tree.
        directory: where it lies beside the mail.
        name: begins with QUOTA.
        suffix: what the file's name beside the mail ends in.
    """
    places, state = [os.path.join(directory, f"{name}.{suffix}")], state_directory()
    if state:
        identity = sha256(os.fsencode(root)).hexdigest()[:32]
        places.append(os.path.join(state, "quota", f"{identity}{name[len(QUOTA) :]}.toml"))
    return places


def has_rules(mailbox: str) -> bool:
    """Tell whether quota rules may be kept with the store that is the file ``mailbox`` alone."""
    return any(map(os.path.lexists, kept_places(mailbox, os.path.dirname(mailbox), QUOTA, kept_suffix(mailbox))))


def kept_suffix(mailbox: str) -> str:
    """Return what the names of texts end in that are kept beside a file of mail."""
    return os.path.basename(mailbox)[:180]


def is_kept(mailbox: str) -> bool:
    """Tell whether the file is there in which appends are noted, be it empty."""
    try:
        return os.path.lexists(place(mailbox, APPENDS))
    except FileNotFoundError:  # its directory is gone
        return False


def forget(mailbox: str) -> None:
    """Remove the file that says nothing any more, at the end of a session; under the mailbox's locks."""
    with suppress(OSError):
        path = place(mailbox, APPENDS)
        if not said(path):
            fs.unlink(path, missing_ok=True)


def said(path: str, mailbox: int | None = None) -> bytes:
    """Return what is said of an append, b"" where that is nothing; ``mailbox`` as in ``open_note``."""
    fd = open_note(path, mailbox)
    try:
        return os.pread(fd, LINE, 0).strip()
    finally:
        os.close(fd)


def open_note(path: str, mailbox: int | None = None) -> int:
    """Open a journal to read; never waits, follows no link.

    Raises:
        PermissionError: it is no regular file; or, of a mailbox that is open as ``mailbox``, not its owner's, ours or
            root's: somebody put it there so that we spoil the mailbox.
    """
    fd = fs.open_source(path, nofollow=True)
    status = os.fstat(fd)
    planted = mailbox is not None and status.st_uid not in (os.geteuid(), 0, os.fstat(mailbox).st_uid)
    if planted or not stat.S_ISREG(status.st_mode):
        os.close(fd)
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), path)
    return fd


def is_pending(mailbox: str) -> bool:
    """Tell whether a crash may have left something to do for ``mailbox``."""
    if any(map(os.path.lexists, places(mailbox, COPIES))):
        return True
    try:
        return bool(said(place(mailbox, APPENDS)))
    except OSError:
        return False
