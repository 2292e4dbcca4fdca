"""Small texts that are kept with an mbox store: its quota rules, and notes beside them.

They lie beside the file, or in the tree, under hidden names that mail programs pass over; where the directory is a
shared spool, or is not ours to write to, in the state directory of the user (as the index does). What lies beside is
what holds: an administrator may put it there.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from mailstore.drivers.mbox.note import QUOTA, kept_places, kept_suffix
from mailstore.drivers.sidecar.place import is_fit
from mailstore.errors import CorruptStore, StorageFailure
from mailstore.system import fs
from mailstore.system.locks import file_lock

RULES = QUOTA
_MOST = 1 << 20
"""Bytes: no rules are longer."""


class Kept:
    """The texts of one store.

    Args:
        root: the mbox file, or the directory of the tree.
        tree: which of the two.
    """

    def __init__(self, root: str, *, tree: bool) -> None:
        self._root = root
        self._directory = root if tree else os.path.dirname(root)
        # Dovecot shows every file in a tree of mbox files as a folder, except those called .lock
        self._suffix = "lock" if tree else kept_suffix(root)

    def read(self, note: str = "") -> bytes | None:
        """Return the rules, or the note of that name; None where there are none.

        Raises:
            CorruptStore: something else lies there, or it is too long.
            StorageFailure, ReadOnlyStore: it cannot be read.
        """
        for path in self._places(note):
            with fs.errors(path):
                try:
                    fd = fs.open_source(path, nofollow=True)
                except FileNotFoundError:
                    continue
                try:
                    if not stat.S_ISREG(os.fstat(fd).st_mode):
                        raise CorruptStore(f"{fs.shown(path)} is no regular file", path=path)
                    data = os.read(fd, _MOST + 1)
                finally:
                    os.close(fd)
            if len(data) > _MOST:
                raise CorruptStore(f"{fs.shown(path)} is too long to be what it should be", path=path)
            return data
        return None

    def write(self, data: bytes | None, note: str = "") -> None:
        """Keep other rules, or another note, or none; durable on return.

        Raises:
            StorageFailure: there is no place for it.
            StorageFull, ReadOnlyStore: the system does not let us.
        """
        places = self._places(note)
        if data is None:
            for path in filter(os.path.lexists, places):
                with fs.errors(path):
                    fs.unlink(path, missing_ok=True)
                    fs.sync_directory(os.path.dirname(path))
            return
        if not places:
            raise StorageFailure(
                f"{fs.shown(self._root)}: there is no home directory to keep a quota in", path=self._root
            )
        with fs.errors(places[0]):
            fs.make_directories(os.path.dirname(places[0]))
            self._replace(places[0], data)

    def _replace(self, path: str, data: bytes) -> None:
        """Write a file that whoever may read the mail may read."""
        if not os.path.lexists(path) and os.path.dirname(path) == self._directory:
            fd, temporary = fs.temporary_beside(path)
            fs.write_all(fd, data)
            with suppress(OSError):
                like = os.stat(self._root)
                fs.give(fd, like.st_uid, like.st_gid)
            fs.publish(fd, temporary, path)
        else:
            fs.replace_file(path, data)

    def _places(self, note: str) -> list[str]:
        """Return where it may lie, the place to write to first."""
        name = f"{RULES}{'-' if note else ''}{note}"
        beside, *elsewhere = kept_places(self._root, self._directory, name, self._suffix)
        if is_fit(self._directory):
            return [beside, *elsewhere]
        return [path for path in (beside,) if os.path.lexists(path)] + elsewhere

    @contextmanager
    def locked(self, timeout: float) -> Iterator[None]:
        """Keep other commits of this store out for the block; where no lock can be had there is none.

        Raises:
            StoreBusy: another has it all the time.
        """
        try:
            fd = self._open_lock()
        except OSError:
            yield
            return
        try:
            with file_lock(fd, True, timeout, self._root):
                yield
        finally:
            os.close(fd)

    def _open_lock(self) -> int:
        path = next(iter(self._places("lock")), os.devnull)
        while True:
            try:
                return fs.open_update(path)
            except FileNotFoundError:
                with suppress(FileExistsError):
                    fd = fs.create(path)
                    fs.inherit(fd, os.path.dirname(path))  # who delivers as the user must lock it too
                    os.close(fd)
