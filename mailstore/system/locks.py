"""Waiting for one lock: the kernel's on an open file, or a dotlock. ``mailboxlocks`` takes several at once.

Nothing here waits in the system: a lock is tried, and where somebody has it tried again after a random pause that
grows, up to a time the caller gives.
"""

from __future__ import annotations

import os
from contextlib import contextmanager

from mailstore.errors import StoreBusy
from mailstore.system import clock, fs
from mailstore.system.dotlocks import Dotlock as Dotlock
from mailstore.system.dotlocks import try_dotlock
from mailstore.system.kernellocks import try_lock, unlock
from mailstore.system.stalelocks import holder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.25


class Pauses:
    """Growing random pauses of up to ``longest`` seconds, until a deadline ``timeout`` seconds from now."""

    def __init__(self, timeout: float, longest: float = _LONGEST_PAUSE) -> None:
        self._longest = longest
        self._begin = clock.monotonic()
        self._end = self._begin + timeout
        self._pause = min(_FIRST_PAUSE, longest)

    def wait(self) -> bool:
        """Sleep a little; False when the time is over."""
        left = self._end - clock.monotonic()
        if left <= 0:
            return False
        import random  # late: most locks are free

        clock.sleep(min(left, self._pause * random.uniform(0.5, 1.5)))  # noqa: S311 - no secret
        self._pause = min(self._pause * 1.5, self._longest)
        return True

    def busy(self, path: str, why: str) -> StoreBusy:
        """Return the error to raise when the time is over; ``why`` says what is held."""
        waited = clock.monotonic() - self._begin
        return StoreBusy(
            f"{fs.shown(path)} is locked by another program ({why}); waited {waited:.0f} s", path=path, waited=waited
        )


@contextmanager
def file_lock(fd: int, exclusive: bool, timeout: float, path: str) -> Iterator[None]:
    """Hold the kernel lock (fcntl) on the open file ``fd`` for the block.

    An exclusive lock needs a descriptor open for writing, a shared one a descriptor open for reading. ``timeout`` in
    seconds (0: try once); ``path`` is for messages.

    Raises:
        StoreBusy: another program held it all the time.
        StorageFailure: the file system knows no locks, and an exclusive one was wanted.
    """
    pauses = Pauses(timeout)
    while not try_lock(fd, "fcntl", exclusive=exclusive, path=path):
        if not pauses.wait():
            raise pauses.busy(path, "fcntl lock")
    process = os.getpid()
    try:
        yield
    finally:
        unlock(fd, "fcntl", process)


@contextmanager
def dotlock(path: str, timeout: float) -> Iterator[Dotlock]:
    """Hold the dotlock ``path``.lock for the block; ``path``, the file it guards, need not exist.

    ``timeout`` in seconds (0: try once). Call ``refresh`` on the lock while working long.

    Raises:
        StoreBusy: another program held it all the time.
        CannotCreate: the directory does not allow it.
    """
    pauses = Pauses(timeout)
    while (lock := try_dotlock(path)) is None:
        if not pauses.wait():
            raise pauses.busy(path, holder(path))
    try:
        yield lock
    finally:
        lock.release()


@contextmanager
def uidlist_lock(directory: str, timeout: float) -> Iterator[Dotlock]:
    """Hold Dovecot's ``dovecot-uidlist.lock`` in ``directory``: a dotlock by its protocol and stale after its time.

    Raises: as ``dotlock``.
    """
    with dotlock(os.path.join(directory, "dovecot-uidlist"), timeout) as lock:
        yield lock
