"""What must survive a crash in the middle of writing an mbox file in place.

The problem. Two things cannot be done by one system call: appending more than a few megabytes, and giving a file new
contents without giving it another inode. The latter is needed where the directory is not ours (``/var/mail``), where
the file has a second name or is a symbolic link, or where its owner could not be kept.

The solution. A file in the state directory, named after the mailbox, says what is under way; it is synced before the
mailbox is touched, and removed after that is synced. ``recover`` finds it under the mailbox's lock.

- *append*: the size before. What lies behind it, up to the size that was being written, is cut off.
- *copy*: the new contents, complete. They are copied over the old again, as often as needed; what other programs
  appended meanwhile is kept behind them.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from contextlib import suppress

from mailstore.model.info import CHUNK
from mailstore.system import fs


def _path(mailbox: str) -> str:
    base = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.join(os.path.expanduser("~"), ".local", "state")
    name = hashlib.sha256(os.fsencode(os.path.realpath(mailbox))).hexdigest()[:32]
    return os.path.join(base, "mailstore", "mbox", name)


def may_rename(path: str, fd: int) -> bool:
    """Tell whether another file may take the name ``path`` from the open file ``fd`` without harm to anybody."""
    directory = os.path.dirname(path)
    status = os.fstat(fd)
    if os.path.islink(path) or status.st_nlink != 1 or not os.access(directory, os.W_OK | os.X_OK):
        return False
    mode = os.stat(directory).st_mode
    if mode & stat.S_ISVTX or mode & stat.S_IWOTH:
        return False
    return os.geteuid() == 0 or (
        status.st_uid == os.geteuid() and (status.st_gid == os.getegid() or status.st_gid in os.getgroups())
    )


def _write(mailbox: str, fd: int, facts: dict[str, object], pieces: Iterator[bytes]) -> None:
    path = _path(mailbox)
    status = os.fstat(fd)
    fs.make_directories(os.path.dirname(path))
    head = json.dumps({"mailbox": os.path.realpath(mailbox), "inode": status.st_ino, **facts}).encode() + b"\n"
    out, temporary = fs.temporary_beside(path)
    try:
        try:
            fs.write_all(out, head)
            fs.copy_body(out, pieces)
            fs.sync_file(out)
        finally:
            fs.close(out)
        fs.rename(temporary, path)
    except BaseException:
        with suppress(OSError):
            fs.unlink(temporary, missing_ok=True)
        raise
    fs.sync_directory(os.path.dirname(path))


def _remove(mailbox: str) -> None:
    path = _path(mailbox)
    if os.path.lexists(path):
        fs.unlink(path, missing_ok=True)
        fs.sync_directory(os.path.dirname(path))


def begin_append(mailbox: str, fd: int, size: int) -> None:
    """Say that the file of ``size`` bytes is being appended to by several calls."""
    _write(mailbox, fd, {"kind": "append", "size": size}, iter(()))


def end_append(mailbox: str) -> None:
    """The append is on the disk, or was taken back."""
    _remove(mailbox)


def copy_over(mailbox: str, fd: int, pieces: Iterator[bytes]) -> None:
    """Give the open file new contents in place; ``pieces`` may read the old ones until they are exhausted."""
    size = os.fstat(fd).st_size
    _write(mailbox, fd, {"kind": "copy", "size": size}, pieces)
    _apply(mailbox, fd)


def _apply(mailbox: str, fd: int) -> bool:
    """Carry out what the journal of ``mailbox`` says; False where there is none for this file."""
    try:
        source = os.open(_path(mailbox), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        head = os.pread(source, 65536, 0).partition(b"\n")[0]
        facts = json.loads(head)
        status = os.fstat(fd)
        if facts["inode"] != status.st_ino:
            return False
        if facts["kind"] == "append":
            if status.st_size > facts["size"]:
                fs.truncate(fd, facts["size"])
        else:
            _copy(source, len(head) + 1, fd, facts["size"])
        fs.sync_file(fd)
    finally:
        os.close(source)
    _remove(mailbox)
    return True


def _copy(source: int, offset: int, fd: int, old: int) -> None:
    at = 0
    while piece := os.pread(source, CHUNK, offset + at):
        fs.pwrite_all(fd, piece, at)
        at += len(piece)
    if at < old:
        fs.truncate(fd, at)


def is_pending(mailbox: str) -> bool:
    """Tell whether a crash left something to do for ``mailbox``."""
    return os.path.lexists(_path(mailbox))


def recover(mailbox: str, fd: int) -> bool:
    """Finish or undo what a crash left, under the mailbox's lock; True where there was something."""
    return _apply(mailbox, fd)
