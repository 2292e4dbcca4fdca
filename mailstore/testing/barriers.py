"""What a power cut would show: names that became visible before their contents were on the disk.

Followed are the calls of ``mailstore.system.fs`` and of SQLite: which files have contents, and which directories have
names, that no sync covers yet. A rename or a link that gives unsynced contents a visible name breaks the first
barrier; anything unsynced when the work returns breaks the second. Files whose name begins with the prefix of
temporary ones, files in a Maildir's ``tmp``, and lock files are not visible to readers. A line that is added to the
sums of a Maildir's quota may be lost: they are made anew by a look at the messages. Their file itself may not, when it
is replaced: it holds the limits.
"""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from typing import Any

from mailstore.system import fs

_SUMS = re.compile(r"/(mailstore-)?maildirsize$")
_INVISIBLE = re.compile(rf"(^|/){re.escape(fs.TEMPORARY)}|/tmp/[^/]*$|\.lock$")


class Barriers:
    """Follows the calls of one piece of work; give ``follow`` to a ``mailstore.testing.faults.Plan``.

    Attributes:
        broken: what a power cut could have shown, one line each.
    """

    def __init__(self) -> None:
        self.broken: list[str] = []
        self._unsynced: dict[tuple[int, int], str] = {}
        self._names: dict[str, set[str]] = {}

    def follow(self, when: str, name: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
        """Take one call in, before and after it is made."""
        handler = getattr(self, f"_{when}_{name}", None)
        if handler is not None:
            handler(*arguments, **options)

    def finish(self) -> list[str]:
        """The work has returned: return everything that was or is not as it should be."""
        must = [path for path in self._unsynced.values() if _is_visible(path) and not _SUMS.search(path)]
        left = [f"{path}: contents not on disk at the end" for path in must]
        for directory, names in self._names.items():
            left += [f"{directory}/{name}: name not on disk at the end" for name in sorted(names)]
        return self.broken + left

    # -- contents

    def _after_write(self, fd: int, *_: Any) -> None:
        status = os.fstat(fd)
        if stat.S_ISREG(status.st_mode):
            self._unsynced[status.st_dev, status.st_ino] = os.readlink(f"/proc/self/fd/{fd}")

    _after_pwrite = _after_write
    _after_ftruncate = _after_write

    def _after_fsync(self, fd: int) -> None:
        status = os.fstat(fd)
        if stat.S_ISDIR(status.st_mode):
            self._names.pop(os.readlink(f"/proc/self/fd/{fd}"), None)
        else:
            self._unsynced.pop((status.st_dev, status.st_ino), None)

    _after_fdatasync = _after_fsync

    def _after_sqlite_write(self, path: str, *_: Any) -> None:
        with suppress(FileNotFoundError):  # a journal may be gone already
            status = os.stat(path)
            self._unsynced[status.st_dev, status.st_ino] = path

    _after_sqlite_truncate = _after_sqlite_write

    def _after_sqlite_sync(self, path: str) -> None:
        with suppress(FileNotFoundError):
            status = os.stat(path)
            self._unsynced.pop((status.st_dev, status.st_ino), None)

    def _after_syncfs(self, _: int) -> None:
        self._unsynced.clear()
        self._names.clear()

    # -- names

    def _before_rename(self, source: str, target: str, **options: Any) -> None:
        source, target = _path(source, options.get("src_dir_fd")), _path(target, options.get("dst_dir_fd"))
        status = os.lstat(source)
        if stat.S_ISDIR(status.st_mode):
            self._moving_directory(source, target)
            return
        self._naming(source, target, (status.st_dev, status.st_ino))
        self._gone(source)

    _before_rename_noreplace = _before_rename

    def _before_link(self, source: str, target: str, **options: Any) -> None:
        source, target = _path(source, options.get("src_dir_fd")), _path(target, options.get("dst_dir_fd"))
        status = os.lstat(source)
        self._naming(source, target, (status.st_dev, status.st_ino))

    def _after_open(self, path: str, flags: int, _mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        if flags & os.O_CREAT:
            self._came(_path(path, dir_fd))

    def _after_mkdir(self, path: str, _mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        self._came(_path(path, dir_fd))

    def _after_unlink(self, path: str, *, dir_fd: int | None = None) -> None:
        self._gone(_path(path, dir_fd))

    _after_rmdir = _after_unlink

    def _naming(self, source: str, target: str, inode: tuple[int, int]) -> None:
        if inode in self._unsynced:
            if _is_visible(target):
                self.broken.append(f"{target}: named before its contents were on disk")
            self._unsynced[inode] = target
        self._came(target)

    def _moving_directory(self, source: str, target: str) -> None:
        for inode, path in self._unsynced.items():
            if path.startswith(source + "/"):
                if _is_visible(target + path[len(source) :]):
                    self.broken.append(f"{path}: its directory named before its contents were on disk")
                self._unsynced[inode] = target + path[len(source) :]
        for directory in [name for name in self._names if name == source or name.startswith(source + "/")]:
            moved = self._names.pop(directory)
            if _is_visible(target) and any(_is_visible(f"{target}/{name}") for name in moved):
                self.broken.append(f"{directory}: named before the names in it were on disk")
            self._names[target + directory[len(source) :]] = moved
        self._came(target)

    def _came(self, path: str) -> None:
        if _is_visible(path):
            self._names.setdefault(os.path.dirname(path), set()).add(os.path.basename(path))

    def _gone(self, path: str) -> None:
        """A name that came and went needs no sync. The vanishing itself may be lost: mail doubled, not lost."""
        directory, name = os.path.split(path)
        names = self._names.get(directory)
        if names is not None:
            names.discard(name)


def _path(path: str, dir_fd: int | None) -> str:
    base = os.getcwd() if dir_fd is None else os.readlink(f"/proc/self/fd/{dir_fd}")
    return os.path.normpath(os.path.join(base, path))


def _is_visible(path: str) -> bool:
    return _INVISIBLE.search(path) is None
