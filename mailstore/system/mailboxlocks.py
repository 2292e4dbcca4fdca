"""Locks that keep other mail programs, other processes and other threads out of an mbox.

The problem. Mail programs use two locks at once: a kernel lock on the file and a file ``mailbox.lock`` beside it. Half
of them take one first, half the other: two that wait for each other's second lock wait forever. And a mailbox may have
been replaced by another file of that name before its lock was had.

The solution (Debian policy 11.6, mutt's mbox(5)). Every step is non-blocking, in the order of the rules; when one
fails, everything is released, and after a random pause all begins anew. Once all are held, the path must still mean the
locked file. A reader takes the kernel's locks shared, and only while it reads: so it sees no half of a record, and
whoever lists a folder slowly keeps nobody out.
"""

from __future__ import annotations

import os
from _thread import allocate_lock, get_ident
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from mailstore.errors import StoreBusy
from mailstore.system import fs
from mailstore.system.dotlocks import Dotlock, try_dotlock
from mailstore.system.kernellocks import obtained, try_lock, unlock
from mailstore.system.lockrules import LockRules
from mailstore.system.locks import Pauses
from mailstore.system.mailboxes import is_named
from mailstore.system.stalelocks import holder

_writing: dict[int, tuple[tuple[int, int, int, int], list[str]]] = {}
"""By descriptor, for each mailbox that is locked for writing here: (process, thread, device, inode), kernel locks."""


class MailboxReplaced(Exception):
    """The path names another file than the one that was locked: close it, open the path again, try again."""


class _Attempt:
    """The locks of a mailbox that were had so far."""

    def __init__(self, path: str, fd: int, rules: LockRules) -> None:
        self._path, self._fd, self._rules = path, fd, rules
        self._process = os.getpid()
        self.kernel: list[str] = []
        self.dotlock: Dotlock | None = None

    def take(self) -> str:
        """Try every lock, in order; returns which one is held by others, '' where all were had."""
        for method in self._rules.methods:
            if method == "dotlock":
                others = [kernel for kernel in ("fcntl", "flock") if kernel not in self.kernel]
                box = partial(obtained, self._fd, others, self._path)
                self.dotlock = try_dotlock(self._path, self._rules.helper, box)
                if self.dotlock is None:
                    return holder(self._path)
            elif try_lock(self._fd, method, exclusive=True, path=self._path):
                self.kernel.append(method)
            else:
                return f"{method} lock"
        return ""

    def release(self) -> None:
        """Release what was had, the last first."""
        try:
            if self.dotlock is not None:
                self.dotlock.release()
        finally:
            for method in reversed(self.kernel):
                unlock(self._fd, method, self._process)


@contextmanager
def mailbox_lock(path: str, fd: int, rules: LockRules) -> Iterator[Dotlock | None]:
    """Hold the locks of a mailbox for the block, to write; ``fd`` has it open for reading and writing.

    Yields the dotlock, if there is one among them: refresh it while working long.

    Raises:
        MailboxReplaced: ``path`` no longer names the file that ``fd`` has open; nothing is locked.
        StoreBusy: another program held one of them all the time.
        CannotCreate: the directory allows no dotlock, and no helper makes one.
    """
    pauses = Pauses(rules.timeout)
    while True:
        attempt = _Attempt(path, fd, rules)
        try:
            why = attempt.take()
            if not is_named(path, fd):
                raise MailboxReplaced(path)
            if not why:
                _note(fd, attempt.kernel)
                yield attempt.dotlock
                return
        finally:
            _writing.pop(fd, None)
            attempt.release()
        if not pauses.wait():
            raise pauses.busy(path, why)


def _note(fd: int, methods: list[str]) -> None:
    status = os.fstat(fd)
    _writing[fd] = (os.getpid(), get_ident(), status.st_dev, status.st_ino), methods


@contextmanager
def replacing(new: int, fd: int, path: str) -> Iterator[None]:
    """Rename the open file ``new`` over ``path`` in the block; after it the locked ``fd`` means the new file.

    The new file is locked before it has the name, and the old one until it has lost it: nobody ever finds the mailbox
    free. ``new`` stays open, and is the caller's to close. Where the block raises, ``fd`` is as it was.

    Raises:
        StoreBusy: somebody knows the new file already.
    """
    methods = _writing[fd][1]
    if not all(try_lock(new, method, exclusive=True, path=path) for method in methods):
        raise StoreBusy(f"{fs.shown(path)}: the new file is locked already", path=path)
    yield
    os.dup2(new, fd, inheritable=False)
    _note(fd, methods)


class ReadingLock:
    """The shared locks of one open mailbox: held while somebody in this process reads it, by any number of them.

    Args:
        path: for messages.
        fd: the open file; a forked child must not use it: its parent's locks are on the same open file.
        rules: how it is locked.
    """

    def __init__(self, path: str, fd: int, rules: LockRules) -> None:
        self._path, self._fd, self._rules = path, fd, rules
        self._methods = rules.kernel
        self._process = os.getpid()
        self._readers = 0
        self._guard = allocate_lock()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the locks for the block. They are not taken by a thread that has the mailbox locked for writing.

        Raises:
            StoreBusy: another program held one of them all the time.
        """
        if not self._methods or self._is_ours():
            yield
            return
        pauses = Pauses(self._rules.timeout)
        while why := self._enter():
            if not pauses.wait():
                raise pauses.busy(self._path, why)
        try:
            yield
        finally:
            self._leave()

    def _is_ours(self) -> bool:
        if not _writing:
            return False
        status = os.fstat(self._fd)
        mine = (os.getpid(), get_ident(), status.st_dev, status.st_ino)
        return any(mine == who for who, _ in list(_writing.values()))

    def _enter(self) -> str:
        """Try once; returns which lock others have."""
        with self._guard:
            if not self._readers:
                for at, method in enumerate(self._methods):
                    if not try_lock(self._fd, method, exclusive=False, path=self._path):
                        for taken in self._methods[:at]:
                            unlock(self._fd, taken, self._process)
                        return f"{method} lock"
            self._readers += 1
        return ""

    def _leave(self) -> None:
        with self._guard:
            self._readers -= 1
            if not self._readers:
                for method in self._methods:
                    unlock(self._fd, method, self._process)
