"""Which files of a store can be locked: its own, and the lock files beside or in it."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from mailstore.spi import Location

_MESSAGES = frozenset({"cur", "new", "tmp"})


@dataclass(frozen=True, slots=True)
class Targets:
    """What to look at.

    Attributes:
        path: the store.
        directory: where its lock files would be made.
        files: files that may carry kernel locks.
        lock_files: lock files that may be there, with what each guards.
        protocol: how this format is locked, one line each.
    """

    path: str
    directory: str
    files: tuple[str, ...]
    lock_files: tuple[tuple[str, str], ...]
    protocol: tuple[str, ...]


def targets(location: Location) -> Targets | None:
    """Return what to look at for a store; None for a format that has no files of its own."""
    read = {"mbox": _mbox, "maildir": _maildir, "sqlite": _sqlite}.get(location.format)
    return read(location) if read is not None else None


def _mbox(location: Location) -> Targets:
    boxes = [location.path]
    if os.path.isdir(location.path):
        boxes = _plain_files(location.path)
    inbox = location.options.get("inbox")
    if inbox:
        boxes.insert(0, inbox)
    files = [*boxes, *(found for box in boxes if (found := c_client_lock(box)) is not None)]
    tree = location.path if os.path.isdir(location.path) else os.path.dirname(location.path)
    return Targets(
        location.path if boxes != [inbox] or inbox is None else inbox,
        os.path.dirname(inbox) if inbox else tree,
        tuple(files),
        tuple((f"{box}.lock", box) for box in boxes),
        ("every change takes the locks of the mailbox: a kernel lock on it, the dotlock beside it, or both",),
    )


def c_client_lock(box: str) -> str | None:
    """Return c-client's lock file of a mailbox, ``/tmp/.DEVICE.INODE`` in hexadecimal; None for no mailbox."""
    try:
        found = os.stat(box)
    except OSError:
        return None
    return f"/tmp/.{found.st_dev:x}.{found.st_ino:x}"  # noqa: S108 - its place by definition


def _plain_files(root: str) -> list[str]:
    """Return the mailboxes of a tree: all regular files that are not hidden and no locks."""
    found = []
    for directory, below, names in os.walk(root):
        below[:] = sorted(name for name in below if not name.startswith("."))
        found += [
            os.path.join(directory, name)
            for name in sorted(names)
            if not name.startswith(".") and not name.endswith(".lock")
        ]
    return [path for path in found if _is_file(path)]


def _is_file(path: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return False


def _maildir(location: Location) -> Targets:
    files: list[str] = []
    locks: dict[str, str] = {}
    for directory, below, names in os.walk(location.path):
        uidlist = os.path.join(directory, "dovecot-uidlist")
        if _MESSAGES & set(below):
            locks[f"{uidlist}.lock"] = uidlist
            courier = os.path.join(directory, "tmp", "courier.lock")
            locks[courier] = directory
        below[:] = sorted(name for name in below if name not in _MESSAGES)
        for name in sorted(names):
            path = os.path.join(directory, name)
            if name.endswith(".lock"):
                locks.setdefault(path, path.removesuffix(".lock"))
            elif _is_file(path):
                files.append(path)
    return Targets(
        location.path,
        location.path,
        tuple(files),
        tuple(locks.items()),
        (
            "to deliver and to read takes no lock",
            "to give UIDs takes dovecot-uidlist.lock in the folder, as Dovecot does (touched while held)",
        ),
    )


def _sqlite(location: Location) -> Targets:
    files = (location.path, f"{location.path}-wal", f"{location.path}-shm", f"{location.path}-journal")
    return Targets(
        location.path,
        os.path.dirname(location.path),
        files,
        (),
        (
            "every change is one BEGIN IMMEDIATE: one writer at a time, the others wait",
            "readers never wait for a writer (write-ahead log)",
        ),
    )


def location_text(location: Location) -> str:
    """Return the location without its ``locks`` option."""
    options = "&".join(f"{name}={value}" for name, value in location.options.items() if name != "locks")
    return f"{location.format}:{Path(location.path)}" + (f"?{options}" if options else "")
