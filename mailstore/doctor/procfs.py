"""The lines of ``/proc`` that tell about locks and processes: pure text to values (proc(5), fs/locks.c).

``/proc/locks`` names a file by the device of its file system and its inode; btrfs subvolumes and overlays show another
device to ``stat``. A lock of an open file (OFD) has the pid -1 there; only ``/proc/PID/fdinfo/FD`` tells who has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

KINDS = {"POSIX": "fcntl", "OFDLCK": "fcntl-ofd", "FLOCK": "flock", "LEASE": "lease", "DELEG": "lease"}


class LockLine(NamedTuple):
    """One lock: of ``/proc/locks`` or of a ``lock:`` line in an fdinfo.

    Attributes:
        kind: as in ``KINDS``'s values, or the kernel's word in lower case.
        mode: ``read`` or ``write``; anything else as the kernel says it, in lower case.
        waiting: it is waited for.
        pid: who took it; None for a lock of an open file, and where the process is of another pid namespace.
        file: (major, minor, inode) of the file.
        first: first byte.
        last: last byte; None: to the end.
    """

    kind: str
    mode: str
    waiting: bool
    pid: int | None
    file: tuple[int, int, int]
    first: int
    last: int | None


def lock_line(text: str) -> LockLine | None:
    """Read ``1: POSIX  ADVISORY  WRITE 708 08:01:131095 0 EOF``, with ``->`` before a waiter; None if it is none."""
    number, colon, rest = text.strip().partition(":")
    words = rest.split()
    waiting = words[:1] == ["->"]
    words = words[waiting:]
    if not (colon and number.isdecimal() and len(words) == 7):
        return None
    kind, _, mode, pid, name, first, last = words
    device, _, inode = name.rpartition(":")
    major, _, minor = device.partition(":")
    try:
        file = (int(major, 16), int(minor, 16), int(inode))
        owner = int(pid)
        return LockLine(
            KINDS.get(kind, kind.lower()),
            mode.lower(),
            waiting,
            owner if owner > 0 else None,
            file,
            int(first),
            None if last == "EOF" else int(last),
        )
    except ValueError:
        return None


def lock_lines(text: str) -> Iterator[LockLine]:
    """Read ``/proc/locks``; lines that are none are passed over."""
    for line in text.splitlines():
        found = lock_line(line)
        if found is not None:
            yield found


class Descriptor(NamedTuple):
    """What an fdinfo tells: the inode and mount where the kernel says them (Linux 5.14, 3.15), and the locks."""

    inode: int | None
    mount: int | None
    locks: tuple[LockLine, ...]


def fdinfo(text: str) -> Descriptor:
    """Read ``/proc/PID/fdinfo/FD``."""
    inode = mount = None
    locks = []
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name == "ino" and value.strip().isdecimal():
            inode = int(value)
        elif name == "mnt_id" and value.strip().isdecimal():
            mount = int(value)
        elif name == "lock":
            found = lock_line(value)
            if found is not None:
                locks.append(found)
    return Descriptor(inode, mount, tuple(locks))


def start_ticks(text: str) -> int | None:
    """Read the start of a process from ``/proc/PID/stat``, in clock ticks since boot (field 22).

    The name of the program, in parentheses, may hold anything, a closing parenthesis and spaces too.
    """
    fields = text.rpartition(")")[2].split()
    return int(fields[19]) if len(fields) > 19 and fields[19].isdecimal() else None


def boot_time(text: str) -> int | None:
    """Read the time of booting from ``/proc/stat``, in seconds since 1970."""
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if name == "btime" and value.strip().isdecimal():
            return int(value)
    return None


def effective_user(text: str) -> int | None:
    """Read the effective user id from ``/proc/PID/status``."""
    for line in text.splitlines():
        if line.startswith("Uid:"):
            words = line.split()
            return int(words[2]) if len(words) > 2 and words[2].isdecimal() else None
    return None


class Mount(NamedTuple):
    """One line of ``/proc/self/mountinfo``."""

    device: tuple[int, int]
    filesystem: str
    source: str
    options: frozenset[str]


def mount_of(text: str, mount: int) -> Mount | None:
    """Find the mount with this id in ``/proc/self/mountinfo``."""
    for line in text.splitlines():
        before, dash, after = line.partition(" - ")
        words, more = before.split(" "), after.split(" ")
        if not dash or words[0] != str(mount) or len(words) < 6 or len(more) < 3:
            continue
        major, _, minor = words[2].partition(":")
        if not (major.isdecimal() and minor.isdecimal()):
            return None
        options = frozenset(words[5].split(",")) | frozenset(more[2].split(","))
        return Mount((int(major), int(minor)), more[0], unescaped(more[1]), options)
    return None


def unescaped(text: str) -> str:
    r"""Undo the octal escapes of mountinfo: ``\040`` is a space."""
    begin, *rest = text.split("\\")
    parts = [begin]
    for part in rest:
        digits = part[:3]
        if len(digits) == 3 and all(digit in "01234567" for digit in digits):
            parts.append(chr(int(digits, 8)) + part[3:])
        else:
            parts.append("\\" + part)
    return "".join(parts)
