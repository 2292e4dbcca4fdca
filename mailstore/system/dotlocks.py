"""The file ``mailbox.lock`` beside a mailbox: making, judging, breaking and removing it.

The problem. A crashed program leaves its dotlock; a program that removes such a leftover may remove the fresh lock of
somebody who was quicker; and on NFS a link(2) may be reported as failed although it was made.

The solution. A dotlock is made by link(2) from a temporary file, and taken as ours when that file has two names. It is
broken only when its owner, a process of this host, is dead, or when nobody of this host is known to own it and both
lock and mailbox have not changed for two minutes, by the file system's own clock. Whoever breaks a lock holds a flock
on that very lock file and looks again that the name still means it. A lock that was held is removed only if it is
still ours.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import threading
from contextlib import suppress

from mailstore.errors import CannotCreate, StoreBusy
from mailstore.system import clock, fs

STALE = 120
"""Seconds without any change after which a lock nobody owns may be broken (Dovecot's mbox_dotlock_change_timeout)."""

REFRESH = 10.0
"""Seconds after which ``Dotlock.refresh`` touches the lock."""

_held: set[tuple[int, int]] = set()
"""Device and inode of each dotlock this process holds: any other that names our pid is a leftover."""
_held_guard = threading.Lock()


class Dotlock:
    """A dotlock that is held, or about to be: the open lock file that ``path`` is to name."""

    __slots__ = ("_fd", "_identity", "_process", "_touched", "path")

    def __init__(self, path: str, fd: int) -> None:
        found = os.fstat(fd)
        self.path = path
        self._identity = (found.st_dev, found.st_ino)
        self._fd = fd
        self._process = os.getpid()
        self._touched = clock.monotonic()
        with _held_guard:
            _held.add(self._identity)

    def refresh(self) -> None:
        """Show that the owner is alive. Cheap: call it in every loop that runs under the lock.

        Raises:
            StoreBusy: somebody took the lock away; stop writing.
        """
        now = clock.monotonic()
        if now - self._touched < REFRESH:
            return
        if not self.is_ours():
            raise StoreBusy(f"{fs.shown(self.path)}: another program broke our lock", path=self.path)
        with suppress(PermissionError):
            fs.touch(self._fd)
        self._touched = now

    def is_ours(self) -> bool:
        """Tell whether the name still means our lock."""
        return _identity(self.path) == self._identity

    def release(self) -> None:
        """Remove the lock if it is still ours; may be called twice. Does nothing in a forked child."""
        fd, self._fd = self._fd, -1
        if fd < 0 or os.getpid() != self._process:
            return
        try:
            if self.is_ours():
                with fs.errors(self.path):
                    fs.unlink(self.path, missing_ok=True)
        finally:
            with _held_guard:
                _held.discard(self._identity)
            os.close(fd)


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _make_dotlock(lock: str) -> tuple[Dotlock | None, int]:
    """Try once to make ``lock``; returns it, or None, and the file system's present (ns)."""
    fd, temporary = fs.temporary_beside(lock, 0o444)
    made = Dotlock(lock, fd)
    try:
        try:
            fs.write_all(fd, f"{os.getpid()}:{os.uname().nodename}".encode())
            present = os.fstat(fd).st_mtime_ns
            linked = _link(temporary, lock, fd)
        finally:
            fs.unlink(temporary, missing_ok=True)
        if linked is None:
            made.release()
            return _make_exclusively(lock), present
    except BaseException:
        made.release()
        raise
    if linked:
        return made, present
    made.release()
    return None, present


def _link(temporary: str, lock: str, fd: int) -> bool | None:
    """Give the temporary file the lock's name; None where the file system knows no links."""
    try:
        fs.link(temporary, lock)
    except FileExistsError:
        pass
    except OSError as error:
        if error.errno in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            return None
        raise
    # NFS may answer with an error though the link was made: the number of names is the truth.
    return os.fstat(fd).st_nlink == 2


def _make_exclusively(lock: str) -> Dotlock | None:
    """The same where the file system knows no links: O_EXCL alone."""
    try:
        fd = fs.create(lock, 0o444)
    except FileExistsError:
        return None
    made = Dotlock(lock, fd)
    try:
        fs.write_all(fd, f"{os.getpid()}:{os.uname().nodename}".encode())
    except BaseException:
        made.release()
        raise
    return made


def _owner(text: bytes) -> tuple[int, bytes | None]:
    """Read what a lock file says: (pid or 0, host or None). ``pid:host`` (Dovecot, us) or ``pid`` (liblockfile)."""
    pid, colon, host = text.strip().partition(b":")
    return (int(pid) if pid.isdigit() and len(pid) < 10 else 0), (host if colon else None)


def holder(path: str) -> str:
    """Say who has the dotlock, as far as it tells."""
    lock = f"{path}.lock"
    try:
        fd = fs.open_source(lock, nofollow=True)
        try:
            pid, host = _owner(os.read(fd, 512))
        finally:
            os.close(fd)
    except OSError:
        return fs.shown(lock)
    owner = f" of process {pid}" if pid else ""
    return f"{fs.shown(lock)}{owner}" + (f" on {fs.shown(os.fsdecode(host))}" if pid and host else "")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _is_stale(found: os.stat_result, text: bytes, box: str, present: int) -> bool:
    """Judge a lock file by its status, contents and mailbox; ``present`` is the file system's time in ns."""
    age = present - max(found.st_mtime_ns, found.st_ctime_ns)
    pid, host = _owner(text)
    here = os.fsencode(os.uname().nodename)
    if pid and host == here:
        if pid == os.getpid():  # we died here before with the same pid (containers), or a thread of ours holds it
            with _held_guard:
                return (found.st_dev, found.st_ino) not in _held
        return not _alive(pid)
    if pid and host is None and _alive(pid):
        return False
    if age <= STALE * 10**9:
        return False
    try:
        mailbox = os.stat(box)
    except OSError:
        return True
    return present - max(mailbox.st_mtime_ns, mailbox.st_ctime_ns) > STALE * 10**9


def _break_stale(lock: str, box: str, present: int) -> bool:
    """Remove ``lock`` if it is stale; True if it is gone now."""
    try:
        fd = os.open(lock, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    except OSError:  # unreadable (Postfix makes it with mode 0), or no file at all
        return False
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or not _is_stale(found, os.read(fd, 512), box, present):
            return False
        if _identity(lock) != (found.st_dev, found.st_ino):
            return False
        fs.unlink(lock, missing_ok=True)
    except PermissionError:  # a sticky directory: only its owner may remove it
        return False
    else:
        return True
    finally:
        os.close(fd)


def try_dotlock(path: str) -> Dotlock | None:
    """Take the dotlock of ``path`` if it is free or stale."""
    lock = f"{path}.lock"
    with fs.errors(lock, CannotCreate):
        made, present = _make_dotlock(lock)
        if made is None and _break_stale(lock, path, present):
            made, present = _make_dotlock(lock)
        return made
