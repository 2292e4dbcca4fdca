"""Locks that keep other mail programs, other processes and other threads out of a mailbox.

The problem. Mail programs use two locks at once: a kernel lock on the file (fcntl) and a file ``mailbox.lock`` beside
it (dotlock). Half of them take one first, half the other: two that wait for each other's second lock wait forever. A
crashed program leaves its dotlock; a program that removes such a leftover may remove the fresh lock of somebody who
was quicker. Python's and POSIX' fcntl locks vanish when any descriptor of the file is closed. And a mailbox may have
been replaced by another file of that name before its lock was had.

The solution (Debian policy 11.6, mutt's mbox(5)). Every step is non-blocking; when one fails, everything is released,
and after a random pause all begins anew. Kernel locks belong to the open file (F_OFD_SETLK) where the system has
that; they conflict with everybody's fcntl locks. A dotlock is made by link(2) from a temporary file, and taken as ours
when that file has two names (right on NFS as well). It is broken only when its owner, a process of this host, is
dead, or when nobody of this host owns it and both lock and mailbox have not changed for two minutes; and, where there
is a mailbox, only while we hold the kernel lock on it. Whoever breaks a lock holds a flock on that very lock file and
looks again that the name still means it. A lock that was held is removed only if it is still ours.
"""

from __future__ import annotations

import errno
import fcntl
import os
import random
import stat
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from mailstore.errors import CannotCreate, StorageFailure, StoreBusy
from mailstore.system import clock, fs

STALE = 120
"""Seconds without any change after which a lock nobody owns may be broken (Dovecot's mbox_dotlock_change_timeout)."""

REFRESH = 10.0
"""Seconds after which ``Dotlock.refresh`` touches the lock."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 3.0
_OFD_SETLK: int | None = getattr(fcntl, "F_OFD_SETLK", None) if sys.platform == "linux" else None
_FLOCK = struct.Struct("hhqqi4x")
_BUSY = frozenset({errno.EAGAIN, errno.EACCES})
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})

_held: set[tuple[int, int]] = set()
"""Device and inode of each dotlock this process holds: any other that names our pid is a leftover."""
_held_guard = threading.Lock()


class MailboxReplaced(Exception):
    """The path names another file than the one that was locked: close it, open the path again, try again."""


class _Pauses:
    """Growing random pauses up to a deadline."""

    def __init__(self, timeout: float) -> None:
        self._begin = clock.monotonic()
        self._end = self._begin + timeout
        self._pause = _FIRST_PAUSE

    @property
    def waited(self) -> float:
        return clock.monotonic() - self._begin

    def wait(self) -> bool:
        """Sleep a little; False when the time is over."""
        left = self._end - clock.monotonic()
        if left <= 0:
            return False
        clock.sleep(min(left, self._pause * random.uniform(0.5, 1.5)))  # noqa: S311 - no secret
        self._pause = min(self._pause * 1.5, _LONGEST_PAUSE)
        return True


def _busy(path: str, pauses: _Pauses, why: str) -> StoreBusy:
    waited = pauses.waited
    return StoreBusy(
        f"{fs.shown(path)} is locked by another program ({why}); waited {waited:.0f} s", path=path, waited=waited
    )


# --- kernel locks ----------------------------------------------------------------------------------------------------


def _kernel_lock(fd: int, kind: int) -> None:
    if _OFD_SETLK is not None:
        try:
            fcntl.fcntl(fd, _OFD_SETLK, _FLOCK.pack(kind, os.SEEK_SET, 0, 0, 0))
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
        else:
            return
    operation = {fcntl.F_RDLCK: fcntl.LOCK_SH, fcntl.F_WRLCK: fcntl.LOCK_EX, fcntl.F_UNLCK: fcntl.LOCK_UN}[kind]
    fcntl.lockf(fd, operation | (0 if kind == fcntl.F_UNLCK else fcntl.LOCK_NB))


def _try_kernel_lock(fd: int, exclusive: bool, path: str) -> bool:
    """Take the lock if it is free. Where the file system knows no locks, nobody has one: a reader goes on."""
    try:
        _kernel_lock(fd, fcntl.F_WRLCK if exclusive else fcntl.F_RDLCK)
    except OSError as error:
        if error.errno in _BUSY:
            return False
        if error.errno in _NO_LOCKS:
            if not exclusive:
                return True
            raise StorageFailure(
                f"{fs.shown(path)}: the file system has no locks; not safe to write", path=path
            ) from error
        raise fs.translate(error, path) from error
    return True


def _unlock(fd: int, process: int) -> None:
    """Release the lock that ``process`` took: a forked child shares it and must let it be."""
    if os.getpid() == process:
        with suppress(OSError):
            _kernel_lock(fd, fcntl.F_UNLCK)


@contextmanager
def file_lock(fd: int, exclusive: bool, timeout: float, path: str) -> Iterator[None]:
    """Hold the kernel lock on the open file ``fd`` for the block.

    An exclusive lock needs a descriptor open for writing, a shared one a descriptor open for reading. ``timeout`` in
    seconds (0: try once); ``path`` is for messages.

    Raises:
        StoreBusy: another program held it all the time.
        StorageFailure: the file system knows no locks, and an exclusive one was wanted.
    """
    pauses = _Pauses(timeout)
    while not _try_kernel_lock(fd, exclusive, path):
        if not pauses.wait():
            raise _busy(path, pauses, "kernel lock")
    process = os.getpid()
    try:
        yield
    finally:
        _unlock(fd, process)


# --- dotlocks --------------------------------------------------------------------------------------------------------


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


def _holder(path: str) -> str:
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


def _try_dotlock(path: str) -> Dotlock | None:
    """Take the dotlock of ``path`` if it is free or stale."""
    lock = f"{path}.lock"
    with fs.errors(lock, CannotCreate):
        made, present = _make_dotlock(lock)
        if made is None and _break_stale(lock, path, present):
            made, present = _make_dotlock(lock)
        return made


@contextmanager
def dotlock(path: str, timeout: float) -> Iterator[Dotlock]:
    """Hold the dotlock ``path``.lock for the block; ``path``, the file it guards, need not exist.

    ``timeout`` in seconds (0: try once). Call ``refresh`` on the lock while working long.

    Raises:
        StoreBusy: another program held it all the time.
        CannotCreate: the directory does not allow it.
    """
    pauses = _Pauses(timeout)
    while (lock := _try_dotlock(path)) is None:
        if not pauses.wait():
            raise _busy(path, pauses, _holder(path))
    try:
        yield lock
    finally:
        lock.release()


@contextmanager
def mailbox_lock(path: str, fd: int, exclusive: bool, timeout: float, *, dotlock: bool) -> Iterator[Dotlock | None]:
    """Hold the kernel lock on ``fd`` and, if asked for, the dotlock of ``path`` for the block.

    Raises:
        MailboxReplaced: ``path`` no longer names the file that ``fd`` has open; nothing is locked.
        StoreBusy: another program held one of them all the time.
        CannotCreate: the directory allows no dotlock.
    """
    pauses = _Pauses(timeout)
    process = os.getpid()
    while True:
        lock: Dotlock | None = None
        why = "kernel lock"
        if _try_kernel_lock(fd, exclusive, path):
            try:
                if dotlock:
                    lock = _try_dotlock(path)
                    why = _holder(path)
                if not dotlock or lock is not None:
                    _check_same_file(path, fd)
                    yield lock
                    return
            finally:
                if lock is not None:
                    lock.release()
                _unlock(fd, process)
        else:
            _check_same_file(path, fd)
        if not pauses.wait():
            raise _busy(path, pauses, why)


def _check_same_file(path: str, fd: int) -> None:
    have = os.fstat(fd)
    try:
        found = os.stat(path)
    except FileNotFoundError:
        found = None
    if found is None or (found.st_dev, found.st_ino) != (have.st_dev, have.st_ino):
        raise MailboxReplaced(path)


@contextmanager
def uidlist_lock(directory: str, timeout: float) -> Iterator[Dotlock]:
    """Hold Dovecot's ``dovecot-uidlist.lock`` in ``directory``: a dotlock by its protocol and stale after its time.

    Raises: as ``dotlock``.
    """
    with dotlock(os.path.join(directory, "dovecot-uidlist"), timeout) as lock:
        yield lock
