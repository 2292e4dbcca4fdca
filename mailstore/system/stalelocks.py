"""Whether a dotlock was left by somebody who is dead.

The problem. A program that died leaves its ``mailbox.lock``; one that is only slow must not lose it. The lock may name
a process (``pid:host``: Dovecot, maildrop, us; ``pid``: liblockfile), another one may have got that number since, it
may say nothing (procmail, mutt), or not even be readable (Postfix and mutt_dotlock make it with mode 0).

The solution. Whoever is named with this host's name and is dead left it. Of anybody else nothing is known: the lock is
*old* when neither it nor the mailbox changed for two minutes, by the file system's own clock; it may then be broken
by one who can also have the kernel lock. A living process on this host keeps its lock for ever, unless it was started
after the lock had last been touched: then it is another one of that number, and the lock is like one that names nobody.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress

from mailstore.errors import CannotCreate
from mailstore.system import clock, fs
from mailstore.system.dotlocks import held as held
from mailstore.system.mailboxes import kind_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

STALE = 120
"""Seconds without any change after which a lock nobody owns is old (Dovecot's mbox_dotlock_change_timeout)."""


def owner(text: bytes) -> tuple[int, bytes | None]:
    """Read what a lock file says: (pid or 0, host or None)."""
    pid, colon, host = text.strip().partition(b":")
    return (int(pid) if pid.isdigit() and len(pid) < 10 else 0), (host if colon else None)


def judge(found: os.stat_result, text: bytes, box: str, present: int) -> Literal["dead", "old", ""]:
    """Judge a lock file by its status, contents (empty where it cannot be read) and mailbox.

    Args:
        found: the lock's status.
        text: what it says.
        box: path of the mailbox it guards.
        present: the file system's time in ns.

    Returns:
        ``dead``: its owner is; ``old``: nobody is known to own it, and nothing changed for STALE seconds; '': neither.
    """
    touched = max(found.st_mtime_ns, found.st_ctime_ns)
    pid, host = owner(text)
    if pid and host == os.fsencode(os.uname().nodename):
        if pid == os.getpid():  # we died here before with the same pid (containers), or a thread of ours holds it
            return "" if (found.st_dev, found.st_ino) in held else "dead"
        if not _alive(pid):
            return "dead"
        if not _started_since(pid, touched):
            return ""
    elif pid and host is None and _alive(pid) and not _started_since(pid, touched):
        return ""
    if present - touched <= STALE * 10**9:
        return ""
    try:
        mailbox = os.stat(box)
    except OSError:
        return "old"
    return "old" if present - max(mailbox.st_mtime_ns, mailbox.st_ctime_ns) > STALE * 10**9 else ""


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _started_since(pid: int, when: int) -> bool:
    """Tell whether a process began after ``when`` (ns since 1970); False where the system does not say.

    A clock that was set forward meanwhile makes it seem so: no lock is broken for this alone.
    """
    with suppress(OSError, ValueError, IndexError, AttributeError):
        with open(f"/proc/{pid}/stat", "rb") as file:
            ticks = int(file.read().rpartition(b")")[2].split()[19])
        with open("/proc/uptime", "rb") as file:
            uptime = float(file.read().split()[0])
        age = uptime - ticks / os.sysconf("SC_CLK_TCK")
        return clock.now_ns() - int(age * 10**9) > when + 10**9
    return False


def open_lock(lock: str) -> tuple[int, bool] | None:
    """Open a lock file to judge it: (descriptor, whether it can be read); None where it is gone.

    Raises:
        CannotCreate: it is no file, so nobody's lock: somebody put it in the way.
        OSError: it cannot be opened.
    """
    try:
        status = os.lstat(lock)
        if not stat.S_ISREG(status.st_mode):
            raise CannotCreate(
                f"{fs.shown(lock)} is {kind_of(status.st_mode)}, no lock of a mail program; remove it", path=lock
            )
        try:
            return fs.open_source(lock, nofollow=True), True
        except PermissionError:
            return os.open(lock, getattr(os, "O_PATH", 0) | os.O_NOFOLLOW | os.O_CLOEXEC), False
    except FileNotFoundError:
        return None


def holder(path: str) -> str:
    """Say who has the dotlock of ``path``, as far as it tells."""
    lock = f"{path}.lock"
    pid, host = 0, None
    with suppress(OSError, CannotCreate):
        opened = open_lock(lock)
        if opened is not None:
            fd, readable = opened
            try:
                pid, host = owner(os.read(fd, 512)) if readable else (0, None)
            finally:
                os.close(fd)
    by = f" of process {pid}" if pid else ""
    return f"{fs.shown(lock)}{by}" + (f" on {fs.shown(os.fsdecode(host))}" if pid and host else "")
