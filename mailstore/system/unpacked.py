"""Where an archive's files are put: names that cannot lead out, limits, and what is not taken.

The problem. An archive says where each file is to go, how large it is and how many there are, and all of it may be
meant to harm: absolute names, ``..``, links that later names go through, a few kilobytes that unpack to petabytes.

The solution. Only regular files and directories are made, with our own permissions, in a directory that was empty and
is closed to others. A name is taken apart: what is absolute or has ``..`` is not taken. No symbolic link is ever made,
so that no name goes through one. Bytes and files are counted against limits that follow from the archive's own size.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from typing import NamedTuple

from mailstore.errors import NotAStore, StorageFull
from mailstore.system import fs
from mailstore.system.calls import suppress

DEEPEST = 100
"""Directories below each other."""
_RATIO, _FREE_SIZE = 200, 1 << 30
_FILE, _FREE_FILES = 100, 100_000
_ROOM = 64 << 20
"""Bytes that are left free on the disk, and between looks at what is free."""
_BEGINS_MBOX = b"From "
_LAST = 253_402_300_799
"""The last second of the year 9999."""


class Damaged(Exception):
    """The archive, or a file in it, cannot be read any further."""


class Omitted(NamedTuple):
    """Something in an archive that was not taken, or not whole."""

    name: str
    reason: str
    damaged: bool
    """Mail may be missing."""


class Limits(NamedTuple):
    """How much may come out of an archive; None: any."""

    size: int | None
    """Bytes."""
    files: int | None
    """Files and directories."""

    @classmethod
    def of(cls, size: int) -> Limits:
        """Return those of an archive of ``size`` bytes: 1 GiB and 200 times its size; 100,000 and one a 100 bytes."""
        return cls(_FREE_SIZE + _RATIO * size, _FREE_FILES + size // _FILE)


class Unpacked:
    """The files of one archive, or of several that belong together.

    Attributes:
        directory: where they are.
        files: how many.
        size: bytes of them.
        omitted: what was not taken.
    """

    def __init__(self, directory: str, limits: Limits, path: str) -> None:
        self.directory = directory
        self.files = 0
        self.size = 0
        self.omitted: list[Omitted] = []
        self._limits = limits
        self._path = path
        self._entries = 0
        self._looked = -_ROOM
        self._times: dict[str, int] = {}

    def leave_out(self, name: str, reason: str, *, damaged: bool = False) -> None:
        """Note that something is not taken."""
        self.omitted.append(Omitted(fs.shown(name), reason, damaged))

    def add_directory(self, name: str, mtime: int) -> None:
        """Make a directory."""
        path = self._place(name)
        if path is not None and self._make(name, path):
            self._times[path] = mtime

    def add_file(self, name: str, chunks: Iterable[bytes], mtime: int) -> None:
        """Make a file; one that is there already is replaced, as tar does it.

        Where reading ``chunks`` fails, what came till then stays if it is an mbox: its messages but the last are whole.

        Raises:
            StorageFull: there is no room.
            NotAStore: the limits are passed.
            Exception: what reading raised.
        """
        path = self._place(name)
        if path is None or not self._make(name, os.path.dirname(path)):
            return
        fd = self._create(name, path)
        if fd < 0:
            return
        before, first = self.size, b""
        try:
            try:
                for chunk in chunks:
                    first = first or chunk[: len(_BEGINS_MBOX)]
                    self._take(len(chunk))
                    fs.write_all(fd, chunk)
            finally:
                fs.close(fd)
        except (OSError, StorageFull, NotAStore):
            raise
        except Exception:
            if first == _BEGINS_MBOX:
                self.files += 1
                self.leave_out(name, f"only its first {self.size - before} bytes can be read", damaged=True)
            else:
                fs.unlink(path)
                self.leave_out(name, "it cannot be read to its end", damaged=True)
            raise
        self.files += 1
        fs.set_times(path, _clamped(mtime))

    def add_link(self, name: str, target: str) -> None:
        """Give a file that was added before one more name."""
        path, old = self._place(name), self._path_of(target)
        if path is None or not self._make(name, os.path.dirname(path)):
            return
        try:
            if old is None or not stat.S_ISREG(os.lstat(old).st_mode):
                raise FileNotFoundError
            if old != path:
                fs.unlink(path, missing_ok=True)
                fs.link(old, path)
                self.files += 1
        except OSError:
            self.leave_out(name, f"a hard link to {fs.shown(target)}, which is not there", damaged=True)

    def finish(self) -> None:
        """Give the directories their times; nothing is added any more."""
        for path, mtime in self._times.items():
            with suppress(OSError):
                fs.set_times(path, _clamped(mtime))

    def expect(self, size: int) -> None:
        """See that there is room for ``size`` bytes more.

        Raises:
            StorageFull: there is not.
            NotAStore: the limits are passed.
        """
        self._check(self.size + size)
        self._look(size)

    # --- within

    def _path_of(self, name: str) -> str | None:
        """Return where a name leads; None where it leads out, or nowhere."""
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if name.startswith("/") or not parts or ".." in parts or "\0" in name:
            return None
        return os.path.join(self.directory, *parts)

    def _place(self, name: str) -> str | None:
        self._entries += 1
        if self._limits.files is not None and self._entries > self._limits.files:
            raise self._bomb(f"more than {self._limits.files} files")
        path = self._path_of(name)
        if path is None:
            if name.strip("./"):
                self.leave_out(name, "its name leads out of the archive", damaged=True)
        elif path.count("/", len(self.directory)) > DEEPEST:
            self.leave_out(name, f"more than {DEEPEST} directories deep", damaged=True)
            path = None
        return path

    def _make(self, name: str, directory: str) -> bool:
        """Make a directory with those above it; False, noted, where that cannot be."""
        missing = []
        while directory != self.directory and not os.path.isdir(directory):
            missing.append(directory)
            directory = os.path.dirname(directory)
        for path in reversed(missing):
            try:
                fs.mkdir(path)
            except OSError as error:
                return self._cannot(name, error)
            self._entries += 1
        return True

    def _create(self, name: str, path: str) -> int:
        try:
            if os.path.lexists(path):
                fs.unlink(path)
                self.leave_out(name, "the archive has two files of this name; the later one is taken")
                self.files -= 1
            return fs.create(path)
        except OSError as error:
            self._cannot(name, error)
            return -1

    def _cannot(self, name: str, error: OSError) -> bool:
        """Note that a name cannot be made; a disk that is full or broken is an error."""
        translated = fs.translate(error, self.directory)
        if isinstance(translated, StorageFull):
            raise translated from error
        in_the_way = isinstance(error, FileExistsError)
        reason = "a file is where its directory should be" if in_the_way else os.strerror(error.errno or 0)
        self.leave_out(name, reason, damaged=True)
        return False

    def _take(self, size: int) -> None:
        self.size += size
        self._check(self.size)
        if self.size - self._looked >= _ROOM:
            self._look(0)

    def _check(self, size: int) -> None:
        if self._limits.size is not None and size > self._limits.size:
            raise self._bomb(f"more than {self._limits.size} bytes")

    def _look(self, size: int) -> None:
        self._looked = self.size
        disk = os.statvfs(self.directory)
        free = disk.f_bavail * disk.f_frsize
        if free < size + _ROOM:
            needed = f"{size + _ROOM} bytes are needed" if size else "the disk is filling up"
            where = fs.shown(os.path.dirname(self.directory))
            raise StorageFull(
                f"{fs.shown(self._path)}: no room to unpack it in {where}: {needed}, {free} are free; name another "
                "directory in TMPDIR",
                path=self._path,
            )

    def _bomb(self, what: str) -> NotAStore:
        return NotAStore(
            f"{fs.shown(self._path)}: it unpacks to {what}, far more than mail does; limits=none takes it all the same",
            path=self._path,
        )


def _clamped(mtime: int) -> int:
    return min(max(mtime, -(1 << 31)), _LAST)
