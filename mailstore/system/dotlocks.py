"""The file ``mailbox.lock`` beside a mailbox: making, breaking and removing it.

The problem. A crashed program leaves its dotlock; a program that removes such a leftover may remove the fresh lock of
somebody who was quicker; on NFS a link(2) may be reported as failed although it was made; and the directory may be
closed to us.

The solution. A dotlock is made by link(2) from a temporary file, and taken as ours when that file has two names; in a
directory that is closed to us one of the field's programs makes it (``lockhelpers``), and where none can, that is an
error: never is the lock just left out. It is broken only by the rule of ``stalelocks``. Whoever breaks a lock holds a
flock on that very lock file, or where it cannot be read the mailbox' kernel lock, and looks again that the name still
means it. A lock that was held is removed only if it is still ours.
"""

from __future__ import annotations

import errno
import fcntl
import os

from mailstore.system import clock, fs
from mailstore.system.calls import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from mailstore.system.lockhelpers import Helper

    Obtained = Callable[[], AbstractContextManager[bool]]

held: set[tuple[int, int]] = set()
"""Device and inode of each dotlock this process holds: any other that names our pid is a leftover."""

REFRESH = 10.0
"""Seconds after which ``Dotlock.refresh`` touches the lock: maildrop breaks one after a minute, others later."""


class Dotlock:
    """A dotlock that is held, or about to be: the open lock file that ``path`` is to name.

    Args:
        path: the lock's name.
        fd: the open lock file; the Dotlock closes it.
        remove: takes the name away.
    """

    __slots__ = ("_fd", "_identity", "_process", "_remove", "_touched", "path")

    def __init__(self, path: str, fd: int, remove: Callable[[str], None] | None = None) -> None:
        found = os.fstat(fd)
        self.path = path
        self._identity = (found.st_dev, found.st_ino)
        self._fd = fd
        self._process = os.getpid()
        self._remove = remove
        self._touched = clock.monotonic()
        held.add(self._identity)

    def refresh(self) -> None:
        """Show that the owner is alive. Cheap: call it in every loop that runs under the lock.

        Raises:
            StoreBusy: somebody took the lock away; stop writing.
        """
        now = clock.monotonic()
        if now - self._touched < REFRESH:
            return
        if not self.is_ours():
            from mailstore.errors import StoreBusy  # late, as all errors here: most locks are free, and stay ours

            raise StoreBusy(f"{fs.shown(self.path)}: another program broke our lock", path=self.path)
        with suppress(PermissionError):
            if self._remove is None:
                fs.touch(self._fd)
            else:  # it may not be readable, so that there is no descriptor to do it by
                fs.touch(self.path)
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
                    (_unlink if self._remove is None else self._remove)(self.path)
        finally:
            held.discard(self._identity)
            os.close(fd)


def _unlink(path: str) -> None:
    fs.unlink(path, missing_ok=True)


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


def _break_stale(box: str, present: int, obtained: Obtained | None, remove: Callable[[str], None] = _unlink) -> bool:
    """Remove the dotlock of ``box`` if it is stale; True if it is gone now.

    Args:
        box: path of the mailbox.
        present: the file system's time in ns.
        obtained: holds the mailbox' kernel lock if it can be had; None where there is no such lock.
        remove: takes the lock's name away.
    """
    from contextlib import nullcontext  # late, as the judge: only a lock that is there is judged

    from mailstore.system import stalelocks

    lock = f"{box}.lock"
    try:
        opened = stalelocks.open_lock(lock)
    except OSError:
        return False
    if opened is None:
        return True
    fd, readable = opened
    try:
        # What keeps two that judge it now from removing each other's next lock; NFS allows no flock on what is read.
        guarded = readable and _try_guard(fd)
        found = os.fstat(fd)
        verdict = stalelocks.judge(found, os.read(fd, 512) if readable else b"", box, present)
        if not verdict or (obtained is None and not guarded):
            return False
        with obtained() if obtained is not None else nullcontext(True) as free:
            if (not free and (verdict == "old" or not guarded)) or _identity(lock) != (found.st_dev, found.st_ino):
                return False
            remove(lock)
    except (PermissionError, BlockingIOError):  # a sticky directory: only its owner may; or another one is at it
        return False
    else:
        return True
    finally:
        os.close(fd)


def _try_guard(fd: int) -> bool:
    """Lock the lock file itself; BlockingIOError where another breaker has it, False where that cannot be."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return False
    return True


def try_dotlock(path: str, helper: str = "none", obtained: Obtained | None = None) -> Dotlock | None:
    """Take the dotlock of ``path`` if it is free or stale.

    Args:
        path: the mailbox; it need not exist.
        helper: who makes the lock in a directory closed to us: see ``mailstore.system.lockrules.HELPERS``.
        obtained: holds the mailbox' kernel lock for a block if it can be had, and says so.

    Raises:
        CannotCreate: the directory is closed to us and no helper can do it; or something is in the way.
    """
    lock = f"{path}.lock"
    try:
        try:
            made, present = _make_dotlock(lock)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM) or os.access(os.path.dirname(lock) or ".", os.W_OK):
                raise
            return _have_made(path, helper, obtained)
        if made is None and _break_stale(path, present, obtained):
            made, present = _make_dotlock(lock)
    except OSError as error:
        from mailstore.errors import CannotCreate

        raise fs.translate(error, lock, CannotCreate) from error
    return made


def _have_made(path: str, wanted: str, obtained: Obtained | None) -> Dotlock | None:
    """Have a helper make the dotlock."""
    from mailstore.errors import CannotCreate
    from mailstore.system.lockhelpers import HelperFailed, helpers  # late: only a closed directory needs it

    tried = []
    for helper in helpers(wanted):
        try:
            return _ask(helper, path, obtained)
        except HelperFailed as error:
            tried.append(str(error))
    reason = "; ".join(tried) or ("helper=none" if wanted == "none" else "no program that could make it is installed")
    raise CannotCreate(
        f"{fs.shown(path)}.lock cannot be made: the directory is closed to us, and {reason}; "
        "the option locks=fcntl locks the mailbox itself alone",
        path=path,
    )


def _ask(helper: Helper, path: str, obtained: Obtained | None) -> Dotlock | None:
    def remove(_: str) -> None:
        helper.unlock(path)

    from mailstore.system import stalelocks

    lock = f"{path}.lock"
    if not helper.lock(path) and not (_break_stale(path, clock.now_ns(), obtained, remove) and helper.lock(path)):
        return None
    opened = stalelocks.open_lock(lock)
    if opened is None:  # somebody broke it already
        return None
    return Dotlock(lock, opened[0], remove)
