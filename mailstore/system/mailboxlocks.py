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

from mailstore.system.dotlocks import Dotlock, try_dotlock
from mailstore.system.kernellocks import obtained, try_lock, unlock
from mailstore.system.lockrules import LockRules
from mailstore.system.mailboxes import is_named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailstore.system.locks import Pauses

_EAGER = 0.01
"""Seconds: the longest pause of who shares a lock: in a stream of deliveries a slower one would never find it free."""
_writing: dict[int, tuple[int, int, int, int]] = {}
"""By descriptor, for each mailbox that is locked for writing here: (process, thread, device, inode)."""


class MailboxReplaced(Exception):
    """The path names another file than the one that was locked: close it, open the path again, try again."""


class _Attempt:
    """The locks of a mailbox that were had so far."""

    def __init__(self, path: str, fd: int, rules: LockRules, shared: bool) -> None:
        self._path, self._fd, self._rules, self._shared = path, fd, rules, shared
        self._process = os.getpid()
        self.kernel: list[str] = []
        self.dotlock: Dotlock | None = None

    def take(self) -> str:
        """Try every lock, in order; returns which one is held by others, '' where all were had."""
        for method in self._rules.methods:
            if method == "dotlock":
                self.dotlock = try_dotlock(self._path, self._rules.helper, self._other_locks)
                if self.dotlock is None:
                    from mailstore.system.stalelocks import holder  # late: most locks are free

                    return holder(self._path)
            elif try_lock(self._fd, method, exclusive=not self._shared, path=self._path):
                self.kernel.append(method)
            else:
                return f"{method} lock"
        return ""

    def _other_locks(self) -> obtained:
        others = [kernel for kernel in ("fcntl", "flock") if kernel not in self.kernel]
        return obtained(self._fd, others, self._path)

    def release(self) -> None:
        """Release what was had, the last first."""
        try:
            if self.dotlock is not None:
                self.dotlock.release()
        finally:
            for method in reversed(self.kernel):
                unlock(self._fd, method, self._process)


class mailbox_lock:  # noqa: N801 - it is called where a ``with`` begins
    """Hold the locks of a mailbox for the block, to write; ``fd`` has it open for reading and writing.

    The block gets the dotlock, if there is one among them: refresh it while working long. With ``shared`` the kernel's
    locks are shared: writers are kept out all the same, and readers are not; ``fd`` may be open for reading alone.

    Raises:
        MailboxReplaced: ``path`` no longer names the file that ``fd`` has open; nothing is locked.
        StoreBusy: another program held one of them all the time.
        CannotCreate: the directory allows no dotlock, and no helper makes one.
    """

    def __init__(self, path: str, fd: int, rules: LockRules, *, shared: bool = False) -> None:
        self._path, self._fd, self._rules, self._shared = path, fd, rules, shared
        self._attempt = _Attempt(path, fd, rules, shared)

    def __enter__(self) -> Dotlock | None:
        pauses: Pauses | None = None
        while why := self._try():
            pauses = pauses or _pauses(self._rules.timeout, eager=self._shared)
            if not pauses.wait():
                raise pauses.busy(self._path, why)
        return self._attempt.dotlock

    def __exit__(self, *_: object) -> None:
        _writing.pop(self._fd, None)
        self._attempt.release()

    def _try(self) -> str:
        """Try once to have all; returns which lock others have."""
        self._attempt = attempt = _Attempt(self._path, self._fd, self._rules, self._shared)
        had = False
        try:
            why = attempt.take()
            if not is_named(self._path, self._fd):
                raise MailboxReplaced(self._path)
            if not why and not self._shared:
                status = os.fstat(self._fd)
                _writing[self._fd] = os.getpid(), get_ident(), status.st_dev, status.st_ino
            had = not why
        finally:
            if not had:
                self.__exit__()
        return why


def _pauses(timeout: float, *, eager: bool = False) -> Pauses:
    from mailstore.system.locks import Pauses  # late: most locks are free

    return Pauses(timeout, _EAGER) if eager else Pauses(timeout)


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

    def held(self) -> _Reading:
        """Hold the locks for a block. They are not taken by a thread that has the mailbox locked for writing.

        Raises:
            StoreBusy: another program held one of them all the time.
        """
        return _Reading(self)

    def enter(self) -> bool:
        """Take the locks, waiting for them; False where none are needed. For ``held``."""
        if not self._methods or self._is_ours():
            return False
        pauses: Pauses | None = None
        while why := self._enter():
            pauses = pauses or _pauses(self._rules.timeout, eager=True)
            if not pauses.wait():
                raise pauses.busy(self._path, why)
        return True

    def _is_ours(self) -> bool:
        if not _writing:
            return False
        status = os.fstat(self._fd)
        mine = (os.getpid(), get_ident(), status.st_dev, status.st_ino)
        return mine in list(_writing.values())

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

    def leave(self) -> None:
        """Release what ``enter`` took."""
        with self._guard:
            self._readers -= 1
            if not self._readers:
                for method in self._methods:
                    unlock(self._fd, method, self._process)


class _Reading:
    """The context manager behind ``ReadingLock.held``."""

    __slots__ = ("_lock", "_taken")

    def __init__(self, lock: ReadingLock) -> None:
        self._lock, self._taken = lock, False

    def __enter__(self) -> None:
        self._taken = self._lock.enter()

    def __exit__(self, *_: object) -> None:
        if self._taken:
            self._lock.leave()
