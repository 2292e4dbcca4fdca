"""Lock files: who made one, does its owner live, and which program would remove it when.

The problem. Programs do not agree on when a dotlock is a leftover: one believes the pid in it, one only its age, by
another clock each; what is safe from one is broken by the next. The solution here is to put every program's rule
(``StaleRule``) to the lock file found, and to say what each would do.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from typing import NamedTuple

from mailstore.doctor.kernel import process, user_name
from mailstore.doctor.report import Breaker, LockFile, Program, StaleRule
from mailstore.system import clock, fs, stalelocks

_LARGEST = 512


class Seen(NamedTuple):
    """A lock file as a rule judges it; ages in seconds.

    Attributes:
        pid: process it names, or 0.
        local: that process is of this host for certain.
        foreign: it names another host.
        alive: a process of this number lives here.
        mtime_age: since the last change of its contents.
        ctime_age: since the last change of its status.
        mailbox_age: since the mailbox changed; None where there is none.
        size: in bytes.
        kernel_free: nobody has a kernel lock on the mailbox.
    """

    pid: int
    local: bool
    foreign: bool
    alive: bool
    mtime_age: float
    ctime_age: float
    mailbox_age: float | None
    size: int
    kernel_free: bool


def owner(text: bytes) -> tuple[int, str | None]:
    """Read what a lock file says: the pid, 0 if it says none, and the host, None if none.

    ``pid:host`` (Dovecot, mailstore), ``pid`` and a newline (liblockfile), pid and host in lines of their own
    (Courier), ``0`` (procmail) or nothing (mutt, Postfix).
    """
    words = text.replace(b":", b" ", 1).split()
    if not words or not words[0].isdigit() or len(words[0]) > 9:
        return 0, None
    host = words[1] if len(words) > 1 else None
    return int(words[0]), os.fsdecode(host) if host else None


def breaks(rule: StaleRule | None, lock: Seen) -> float | None:
    """Return in how many seconds a program with this rule would remove the lock (0: now); None: never, as it is."""
    if rule is None or (rule.largest is not None and lock.size > rule.largest):
        return None
    believed = lock.pid > 0 and (rule.dead_pid == "any" or (rule.dead_pid == "host" and lock.local))
    if believed and not lock.alive:
        return 0.0
    if rule.living_pid and lock.pid > 0 and lock.alive and not lock.foreign:
        return None
    if rule.age is None or (rule.kernel and not lock.kernel_free):
        return None
    ages = {"mtime": lock.mtime_age, "ctime": lock.ctime_age, "newest": min(lock.mtime_age, lock.ctime_age)}
    left = rule.age - ages[rule.clock]
    if rule.mailbox and lock.mailbox_age is not None:
        left = max(left, rule.age - lock.mailbox_age)
    return max(left, 0.0)


def look_at(path: str, guards: str, kernel_free: bool, programs: Iterable[Program]) -> LockFile | None:
    """Look at a lock file that guards ``guards``; None where there is none."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    text = _contents(path) if stat.S_ISREG(status.st_mode) else None
    pid, host = owner(text or b"")
    here = os.uname().nodename
    living = process(pid) if pid and (host is None or host == here) else None
    now = clock.now_ns() / 1e9
    seen = Seen(
        pid=pid,
        local=host == here,
        foreign=host is not None and host != here,
        alive=living is not None,
        mtime_age=now - status.st_mtime,
        ctime_age=now - status.st_ctime,
        mailbox_age=_age(guards, now),
        size=status.st_size,
        kernel_free=kernel_free,
    )
    return LockFile(
        path=path,
        guards=guards,
        says=None if text is None else text.decode("utf-8", "backslashreplace"),
        pid=pid or None,
        host=host,
        process=living,
        dead=pid > 0 and living is None and not seen.foreign,
        user=user_name(status.st_uid),
        since=status.st_mtime,
        age=max(seen.mtime_age, 0.0),
        stale=_is_stale(status, text or b"", guards, kernel_free),
        breakers=tuple(
            Breaker(program.name, breaks(program.breaks, seen))
            for program in programs
            if program.breaks is not None and program.uses_mbox
        ),
    )


def _is_stale(status: os.stat_result, text: bytes, guards: str, kernel_free: bool) -> bool:
    """Tell whether mailstore would break the lock now: where age alone tells, only with the kernel lock."""
    if not stat.S_ISREG(status.st_mode):
        return False
    judged = stalelocks.judge(status, text, guards, clock.now_ns())
    return judged == "dead" or (judged == "old" and kernel_free)


def _contents(path: str) -> bytes | None:
    try:
        fd = fs.open_source(path, nofollow=True)
    except OSError:  # Postfix makes it with mode 0
        return None
    try:
        return os.read(fd, _LARGEST)
    except OSError:
        return None
    finally:
        os.close(fd)


def _age(path: str, now: float) -> float | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return now - max(found.st_mtime, found.st_ctime)
