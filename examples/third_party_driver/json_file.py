"""The file of a store in JSON: read whole, changed whole.

The problem: a change must be all or nothing, and two processes may change the file at once. The solution: a change is
made under a lock on a file beside it, to what the file holds then, and published by one rename, which readers never
see half done.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from mailstore import CannotCreate, CorruptStore, ReadOnlyStore
from mailstore.system import fs, locks

MAGIC = b'{"mailstore-json": 1,'

Record = dict[str, Any]
"""The store, a folder or a message as it stands in the file."""


class JsonFile:
    """The file; ``content`` is what was read from it last."""

    def __init__(self, path: str, readonly: bool, lock_timeout: float) -> None:
        self.path = path
        self.readonly = readonly
        self.content: Record = {}
        self._lock_timeout = lock_timeout
        self._signature: tuple[int, ...] = ()

    def make(self, fill: Callable[[], object]) -> None:
        """Make the file with what ``fill`` puts into ``content``, where there is none."""
        with fs.errors(self.path, denied=CannotCreate), self._locked():
            if not os.path.lexists(self.path):
                self.content = {
                    "mailstore-json": 1,
                    "epoch": os.urandom(8).hex(),
                    "revision": 0,
                    "serial": 0,
                    "uidvalidity": 0,
                    "subscriptions": [],
                    "folders": [],
                }
                fill()
                fs.replace_file(self.path, json.dumps(self.content).encode())

    def read(self) -> Record:
        """Return what the file holds now."""
        with fs.errors(self.path):
            found = os.stat(self.path)
            signature = (found.st_ino, found.st_mtime_ns, found.st_size)
            if signature != self._signature:
                with open(fs.open_source(self.path), "rb") as file:
                    text = file.read()
                try:
                    self.content = json.loads(text)
                except ValueError as error:
                    raise CorruptStore(f"{self.path} is damaged: {error}", path=self.path) from error
                self._signature = signature
        return self.content

    @contextmanager
    def change(self) -> Iterator[Record]:
        """Yield what the file holds and write it back, durably; when the block raises, nothing has happened."""
        self.check_writable()
        with fs.errors(self.path), self._locked():
            try:
                yield self.read()
                fs.replace_file(self.path, json.dumps(self.content).encode())
            finally:
                self._signature = ()  # what is in memory is newer than what was read, or half changed

    def check_writable(self) -> None:
        """Refuse where the store was opened read-only."""
        if self.readonly:
            raise ReadOnlyStore(f"{self.path} was opened read-only", path=self.path)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        name = f"{self.path}.lock"
        with suppress(FileExistsError):
            fs.close(fs.create(name))
        fd = fs.open_update(name)
        try:
            with locks.file_lock(fd, True, self._lock_timeout, name):
                yield
        finally:
            fs.close(fd)
