"""Locks that keep other mail programs, other processes and other threads out of a mailbox.

The problem. Mail programs use two locks at once: a kernel lock on the file (fcntl) and a file ``mailbox.lock`` beside
it (dotlock, see ``dotlocks``). Half of them take one first, half the other: two that wait for each other's second lock
wait forever. Python's and POSIX' fcntl locks vanish when any descriptor of the file is closed. And a mailbox may have
been replaced by another file of that name before its lock was had.

The solution (Debian policy 11.6, mutt's mbox(5)). Every step is non-blocking; when one fails, everything is released,
and after a random pause all begins anew. Kernel locks belong to the open file (F_OFD_SETLK) where the system has that;
they conflict with everybody's fcntl locks. The kernel lock comes first, so that a dotlock is only ever broken by who
holds it. Once all are held, the path must still mean the locked file.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from mailstore.errors import StorageFailure, StoreBusy
from mailstore.system import clock, fs
from mailstore.system.dotlocks import Dotlock as Dotlock
from mailstore.system.dotlocks import holder, try_dotlock

_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 3.0
_OFD_SETLK: int | None = getattr(fcntl, "F_OFD_SETLK", None) if sys.platform == "linux" else None
_FLOCK = struct.Struct("hhqqi4x")
_BUSY = frozenset({errno.EAGAIN, errno.EACCES})
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})


class LockRules(NamedTuple):
    """How an mbox is locked.

    Attributes:
        methods: ``fcntl`` and ``dotlock``, in the order they are taken.
        timeout: seconds to wait for all of them before StoreBusy.
    """

    methods: tuple[str, ...] = ("fcntl", "dotlock")
    timeout: float = 300.0


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
        import random  # late: most locks are free

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


@contextmanager
def dotlock(path: str, timeout: float) -> Iterator[Dotlock]:
    """Hold the dotlock ``path``.lock for the block; ``path``, the file it guards, need not exist.

    ``timeout`` in seconds (0: try once). Call ``refresh`` on the lock while working long.

    Raises:
        StoreBusy: another program held it all the time.
        CannotCreate: the directory does not allow it.
    """
    pauses = _Pauses(timeout)
    while (lock := try_dotlock(path)) is None:
        if not pauses.wait():
            raise _busy(path, pauses, holder(path))
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
                    lock = try_dotlock(path)
                    why = holder(path)
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


@contextmanager
def replacing(new: int, fd: int, path: str) -> Iterator[None]:
    """Rename the open file ``new`` over ``path`` in the block; after it the locked ``fd`` means the new file.

    The new file is locked before it has the name, and the old one until it has lost it: nobody ever finds the mailbox
    free. ``new`` stays open, and is the caller's to close. Where the block raises, ``fd`` is as it was.

    Raises:
        StoreBusy: somebody knows the new file already.
    """
    if not _try_kernel_lock(new, True, path):
        raise StoreBusy(f"{fs.shown(path)}: the new file is locked already", path=path)
    yield
    os.dup2(new, fd, inheritable=False)


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
