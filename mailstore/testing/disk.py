"""What of a directory is on the disk for certain, and what a power cut may take away.

The problem. A killed process loses nothing that it wrote: the kernel has it. A power cut loses whatever no sync
covered, each piece on its own: the contents of a file or only its length, a name or the absence of a name, in any
order. A test that kills cannot show it, and a real disk shows one of a thousand outcomes at a time.

The solution. ``Disk`` follows every call (``mailstore.testing.faults.Plan.follow``) and keeps, by inode, what the last
sync made sure: contents, times, and the names in each directory. What differs from that now is pending. ``cuts`` lists
outcomes that the rules below allow, the extreme ones and each pending name by itself, and ``cut`` turns the
directory into one of them, in place: files keep their inodes, as they do on a disk.

The rules, which are weaker than those of every file system with a journal:

- fsync and fdatasync of a file make sure of its contents, not of its name; fsync of a directory of the names in it,
  not of what they name; syncfs of everything. A sync that failed makes sure of nothing, and what was written before it
  is never made sure of by a later one: the kernel has marked it clean (Linux; "fsyncgate").
- Any pending name may have come to the disk or not, whatever became of the others and of the contents.
- Of pending contents nothing, all, a first part, the last part alone, or only the new length may be there; a write is
  torn at sectors of 512 bytes.
- A rename is one change: the old name does not vanish without the new one being there, and the new name means the old
  file or the new. A directory is never in two places.

What SQLite writes is followed in the same way; its ``-shm`` files are memory, and gone after a cut. A dotlock that is
left keeps its contents: an empty one is broken only when it is two minutes old, which a test cannot wait for.
"""

from __future__ import annotations

import os
import re
import stat
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from mailstore.system import fs
from mailstore.testing.contents import WAYS, Contents, written
from mailstore.testing.rebuild import Key, Names, rebuild

Slot = tuple[Key, str]
"""A directory and a name in it."""

_RANDOM = re.compile(r"[0-9a-f]{6,}|\d+")


class Cut(NamedTuple):
    """One outcome of a power cut: which pending names are there, and what became of pending contents."""

    kind: str
    kept: frozenset[Slot]
    way: str


class Disk:
    """Follows the calls that change what is below ``top``, a directory in which nobody else is at work.

    Everything there at the start counts as being on the disk. Beside ``top`` a directory ``top`` + ``.kept`` holds
    files that lost a name which may come back; remove it together with ``top``.
    """

    def __init__(self, top: str) -> None:
        self.top = top
        self._kept = f"{top}.kept"
        os.mkdir(self._kept)
        self._root = _key(os.stat(top))
        self._files: defaultdict[Key, Contents] = defaultdict(Contents)
        self._sure: Names = {}
        self._renames: list[tuple[Slot, Slot, Key]] = []
        self._before: list[tuple[Slot, Slot, Key]] = []
        self._new_journals: set[str] = set()
        self._sync_everything()

    # -- following

    def follow(self, when: str, name: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
        """Take one call in, before and after it is made, and when it failed."""
        handler = getattr(self, f"_{when}_{name}", None)
        if handler is not None:
            handler(*arguments, **options)

    def _after_write(self, fd: int, data: bytes) -> None:
        self._after_pwrite(fd, data, os.lseek(fd, 0, os.SEEK_CUR) - len(data))

    def _after_pwrite(self, fd: int, data: bytes, offset: int) -> None:
        self._files[_key(os.fstat(fd))].writes.append((offset, bytes(data)))

    def _after_ftruncate(self, fd: int, size: int) -> None:
        self._files[_key(os.fstat(fd))].writes.append((size, None))

    def _after_open(self, path: str, flags: int, *_: Any, dir_fd: int | None = None) -> None:
        if flags & os.O_TRUNC:
            self._files[_key(os.stat(_path(path, dir_fd)))].writes.append((0, None))

    def _after_fsync(self, fd: int) -> None:
        self._synced(f"/proc/self/fd/{fd}")

    _after_fdatasync = _after_fsync

    def _failed_fsync(self, fd: int) -> None:
        self._not_synced(f"/proc/self/fd/{fd}")

    _failed_fdatasync = _failed_fsync

    def _after_syncfs(self, _: int) -> None:
        self._sync_everything()

    def _before_unlink(self, path: str, *, dir_fd: int | None = None) -> None:
        self._keep(_path(path, dir_fd))

    def _before_rename(self, source: str, target: str, **options: Any) -> None:
        source, target = _path(source, options.get("src_dir_fd")), _path(target, options.get("dst_dir_fd"))
        self._keep(target)
        with suppress(FileNotFoundError):
            self._before = [(_slot(source), _slot(target), _key(os.lstat(source)))]

    _before_rename_noreplace = _before_rename

    def _after_rename(self, *_: Any, **__: Any) -> None:
        self._renames += self._before

    _after_rename_noreplace = _after_rename

    # -- following SQLite

    def _after_sqlite_open(self, path: str, journal: bool, new: bool) -> None:
        if journal and new:
            self._new_journals.add(path)

    def _after_sqlite_write(self, path: str, data: bytes, offset: int) -> None:
        with suppress(FileNotFoundError):
            self._files[_key(os.stat(path))].writes.append((offset, data))

    def _after_sqlite_truncate(self, path: str, size: int) -> None:
        with suppress(FileNotFoundError):
            self._files[_key(os.stat(path))].writes.append((size, None))

    def _after_sqlite_sync(self, path: str) -> None:
        with suppress(FileNotFoundError):
            self._synced(path)
        if path in self._new_journals:  # SQLite syncs the directory with the first sync of a new journal or WAL
            self._new_journals.discard(path)
            self._synced(os.path.dirname(path))

    def _failed_sqlite_sync(self, path: str) -> None:
        with suppress(FileNotFoundError):
            self._not_synced(path)

    def _before_sqlite_delete(self, path: str, _: bool) -> None:
        self._keep(path)

    def _after_sqlite_delete(self, path: str, synced: bool) -> None:
        if synced:
            self._synced(os.path.dirname(path))

    # -- what is sure

    def _synced(self, path: str) -> None:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            self._directory_synced(_key(status), path)
        elif stat.S_ISREG(status.st_mode):
            self._files[_key(status)].synced(_read(path), status.st_mtime_ns)

    def _not_synced(self, path: str) -> None:
        status = os.stat(path)
        if stat.S_ISREG(status.st_mode):
            contents = self._files[_key(status)]
            contents.doomed = contents.doomed or bool(contents.writes)
            contents.writes.clear()

    def _directory_synced(self, directory: Key, path: str) -> None:
        self._sure[directory] = {entry.name: _key(entry.stat(follow_symlinks=False)) for entry in os.scandir(path)}
        waiting = []
        for source, target, key in self._renames:
            if source[0] == directory != target[0]:
                self._sure.setdefault(target[0], {})[target[1]] = key
            elif directory != target[0]:
                waiting.append((source, target, key))
            elif key in self._sure and self._sure.get(source[0], {}).get(source[1]) == key:
                del self._sure[source[0]][source[1]]  # a directory is in one place
        self._renames = waiting

    def _sync_everything(self) -> None:
        for directory, _, names in os.walk(self.top):
            self._directory_synced(_key(os.stat(directory)), directory)
            for name in names:
                with suppress(OSError):
                    self._synced(os.path.join(directory, name))
        self._renames = []

    def _keep(self, path: str) -> None:
        """Keep a file alive whose name goes, as long as the going is not sure."""
        with suppress(FileNotFoundError, NotADirectoryError):
            status = os.lstat(path)
            key = _key(status)
            if stat.S_ISREG(status.st_mode) and any(key in names.values() for names in self._sure.values()):
                with suppress(FileExistsError):
                    os.link(path, f"{self._kept}/{key[1]}")

    # -- what may be

    def cuts(self) -> list[Cut]:
        """Return the outcomes to look at, in an order that is the same for the same work."""
        now = self._now()
        groups = self._pending(now)
        everything = frozenset(slot for group in groups for slot in group)
        found = [Cut("nothing", frozenset(), "lost")]
        found += [Cut(f"names, contents {way}", everything, way) for way in WAYS]
        found.append(Cut("contents", frozenset(), "kept"))
        found += [Cut("one name", group, "lost") for group in groups]
        found += [Cut("all but one name", everything - group, "kept") for group in groups]
        return found

    def prints(self) -> list[tuple[str, int]]:
        """Return the kind of each of ``cuts`` and a number that is the same for the same outcome of this run."""
        now = self._now()
        return [(cut.kind, hash(tuple(self._print(self._tree(cut, now), cut.way)))) for cut in self.cuts()]

    def cut(self, number: int) -> None:
        """Turn the directory into outcome ``number`` of ``cuts``, or the last. The process should end then."""
        cuts = self.cuts()  # as many as before, but for what depends on the clock
        cut = cuts[min(number, len(cuts) - 1)]
        tree = self._tree(cut, self._now())
        rebuild(self.top, self._kept, self._root, tree)
        locks = _locks(tree)
        for directory, _, names in os.walk(self.top):
            for name in names:
                self._fill(os.path.join(directory, name), cut.way, locks)

    def _fill(self, path: str, way: str, locks: set[Key]) -> None:
        status = os.lstat(path)
        contents = self._files.get(_key(status)) if stat.S_ISREG(status.st_mode) else None
        if contents is None or way == "kept" or not (contents.writes or contents.doomed) or _key(status) in locks:
            return
        data = contents.after(way, _read(path))
        with open(path, "r+b", buffering=0) as file:
            file.truncate(0)
            file.write(data)
        seconds = contents.mtime if way == "lost" and contents.mtime is not None else status.st_mtime_ns
        os.utime(path, ns=(seconds, seconds))

    def _now(self) -> Names:
        """Return the names as the running system shows them."""
        found: Names = {}
        for directory, _, _ in os.walk(self.top):
            found[_key(os.stat(directory))] = {
                entry.name: _key(entry.stat(follow_symlinks=False)) for entry in os.scandir(directory)
            }
        return found

    def _pending(self, now: Names) -> list[frozenset[Slot]]:
        """Return the names that are not sure, those of a moved directory together."""
        slots = [
            (directory, name)
            for directory in now.keys() | self._sure.keys()
            for name in self._sure.get(directory, {}).keys() | now.get(directory, {}).keys()
            if self._sure.get(directory, {}).get(name) != now.get(directory, {}).get(name) and not name.endswith("-shm")
        ]
        directories = now.keys() | self._sure.keys()
        together: dict[object, set[Slot]] = {}
        for slot in slots:
            means = {self._sure.get(slot[0], {}).get(slot[1]), now.get(slot[0], {}).get(slot[1])}
            moved = next((key for key in means if key in directories), None)
            together.setdefault(slot if moved is None else moved, set()).add(slot)
        return sorted(map(frozenset, together.values()), key=self._order)

    def _order(self, group: frozenset[Slot]) -> tuple[tuple[str, int], ...]:
        return tuple(sorted((_RANDOM.sub("#", name), directory[1]) for directory, name in group))

    def _tree(self, cut: Cut, now: Names) -> Names:
        """Return the names after a cut."""
        tree: Names = {}
        for directory in now.keys() | self._sure.keys():
            sure, present = self._sure.get(directory, {}), now.get(directory, {})
            tree[directory] = {
                name: means
                for name in sure.keys() | present.keys()
                if not name.endswith("-shm")
                and (means := (present if (directory, name) in cut.kept else sure).get(name)) is not None
            }
        there = {key for names in tree.values() for key in names.values()}
        living = {key for names in now.values() for key in names.values()}
        for source, _, key in self._renames:
            if key in living and key not in there and self._sure.get(source[0], {}).get(source[1]) == key:
                tree[source[0]][source[1]] = key
        return tree

    def _print(self, tree: Names, way: str) -> Iterator[tuple[object, ...]]:
        waiting, locks = [("", self._root)], _locks(tree)
        while waiting:
            path, key = waiting.pop()
            if key in tree:
                waiting += sorted((f"{path}/{name}", below) for name, below in tree[key].items())
                yield path, key
            else:
                contents = self._files.get(key, Contents())
                now = written(contents.sure, contents.writes)
                yield path, key, now if key in locks else contents.after(way, now)


def _locks(tree: Names) -> set[Key]:
    """Return the dotlocks, under whatever name they were made."""
    return {
        key
        for names in tree.values()
        for name, key in names.items()
        if name.endswith(".lock") and not name.startswith(fs.TEMPORARY)
    }


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _key(status: os.stat_result) -> Key:
    return status.st_dev, status.st_ino


def _slot(path: str) -> Slot:
    return _key(os.stat(os.path.dirname(path))), os.path.basename(path)


def _path(path: str, dir_fd: int | None) -> str:
    base = os.getcwd() if dir_fd is None else os.readlink(f"/proc/self/fd/{dir_fd}")
    return os.path.join(base, path)
