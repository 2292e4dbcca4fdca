"""The index in a SQLite file; see mailstore.drivers.sidecar.index for what it promises and why."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, TypeVar

from mailstore.drivers.sidecar import records
from mailstore.drivers.sidecar.folder import FolderIndex
from mailstore.drivers.sidecar.index import MemoryIndex
from mailstore.drivers.sidecar.records import Damaged, NotAnIndex
from mailstore.errors import StoreBusy, StoreError
from mailstore.system import fs, locks

if TYPE_CHECKING:
    import apsw

_Result = TypeVar("_Result")


class DatabaseIndex:
    """An Index in the file ``path``. Its connection is opened when first needed, anew in a forked child.

    Args:
        path: the file; its directory exists.
        timeout: seconds to wait for another process.
        expendable: the place is ours alone, so whatever is there and is no index may be removed. Elsewhere only a
            damaged index of ours is.
    """

    def __init__(self, path: str, *, timeout: float, expendable: bool) -> None:
        self._path = path
        self._timeout = timeout
        self._expendable = expendable
        self._connection: apsw.Connection | None = None
        self._process = 0
        self._identity: tuple[int, int] | None = None
        self._ours = expendable
        self._memory: MemoryIndex | None = None
        self._trouble = ""
        self._batch: dict[str, FolderIndex] | None = None
        """What a batch is to write; None: there is no batch."""
        self._looked_at: dict[str, FolderIndex] = {}
        """Which were current in this batch."""

    @property
    def persistent(self) -> bool:
        """Whether the file is in use (not after trouble with it)."""
        return self._memory is None

    @property
    def trouble(self) -> str:
        """What went wrong with the file, or ''."""
        return self._trouble

    def load(self, folder: str) -> FolderIndex:
        """See Index."""
        known = self._run(lambda connection: records.load(connection, folder), lambda memory: memory.load(folder))
        if self._batch is not None:
            self._batch.pop(folder, None)
            self._looked_at[folder] = known
        return known

    def current(self, folder: str, known: FolderIndex) -> bool:
        """See Index. In a batch it is asked once: what changes then is found at the end."""
        if self._batch is not None and self._looked_at.get(folder) is known:
            return True
        current = self._run(
            lambda connection: records.is_current(connection, folder, known),
            lambda memory: memory.current(folder, known),
        )
        if self._batch is not None and current:
            self._looked_at[folder] = known
        return current

    def store(self, folder: str, known: FolderIndex) -> bool:
        """See Index."""
        if not known.pending:
            return True
        if self._batch is not None:
            self._batch[folder] = known
            return True
        return not self._store({folder: known})

    def _store(self, folders: dict[str, FolderIndex]) -> set[str]:
        """Write folders; returns those for which another process was quicker."""
        outrun = self._run(
            lambda connection: records.save(connection, folders),
            lambda memory: {folder for folder, known in folders.items() if not memory.store(folder, known)},
        )
        for folder, known in folders.items():
            if folder in outrun:
                known.disown()
            else:
                known.version += 1
                known.pending.clear()
        return outrun

    @contextmanager
    def batch(self) -> Iterator[set[str]]:
        """See Index."""
        outrun: set[str] = set()
        folders = self._batch = {}
        self._looked_at.clear()
        try:
            try:
                yield outrun
            finally:
                self._batch = None
                self._looked_at.clear()
            if folders:
                outrun |= self._store(folders)
        except BaseException:
            for known in folders.values():
                known.disown()
            raise

    def rename(self, old: str, new: str) -> None:
        """See Index."""
        self._run(lambda connection: records.rename(connection, old, new), lambda memory: memory.rename(old, new))

    def remove(self, folder: str) -> None:
        """See Index."""
        self._run(lambda connection: records.remove(connection, folder), lambda memory: memory.remove(folder))

    def remove_all(self) -> None:
        """See Index."""
        if os.path.lexists(self._path):
            self._run(records.remove_all, lambda memory: memory.remove_all())

    def close(self) -> None:
        """See Index."""
        connection, self._connection = self._connection, None
        if connection is not None and self._process == os.getpid():
            connection.close()

    def _run(
        self, action: Callable[[apsw.Connection], _Result], otherwise: Callable[[MemoryIndex], _Result]
    ) -> _Result:
        """Do ``action`` on the file; where that is damaged, on a new one; where nothing helps, in memory."""
        if self._memory is not None:
            return otherwise(self._memory)
        import apsw

        for _ in range(3):
            try:
                return action(self._open())
            except (apsw.BusyError, apsw.LockedError) as error:
                raise StoreBusy(
                    f"{fs.shown(self._path)}: the index is locked by another process",
                    path=self._path,
                    waited=self._timeout,
                ) from error
            except (apsw.CorruptError, apsw.NotADBError, apsw.SQLError, Damaged, NotAnIndex) as error:
                if not self._drop(error):
                    break
            except (apsw.Error, OSError, StoreError, UnicodeEncodeError) as error:  # SQLite opens only paths in UTF-8
                self._trouble = f"the index {fs.shown(self._path)} cannot be used ({error}); it is kept in memory"
                break
        self.close()
        self._memory = MemoryIndex()
        return otherwise(self._memory)

    def _open(self) -> apsw.Connection:
        """Return this process' connection to the file that has the path now."""
        if self._connection is not None and self._process == os.getpid():
            if self._identity == _identity(self._path):
                return self._connection
            self._connection.close()
        self._connection = None  # one that was inherited over a fork is never touched again
        connection = records.open_database(self._path, readonly=False, timeout=self._timeout)
        self._connection, self._process, self._identity = connection, os.getpid(), _identity(self._path)
        self._ours = True
        return connection

    def _drop(self, error: Exception) -> bool:
        """Remove a damaged index, if it is ours to remove; True if a new one can be made now."""
        damaged = self._identity if self._connection is not None else _identity(self._path)
        self.close()
        if isinstance(error, NotAnIndex) and error.ours:
            self._ours = True
        if not self._ours:
            self._trouble = (
                f"{fs.shown(self._path)} is no index of mailstore; it was left alone, the index is in memory"
            )
            return False
        self._trouble = f"the index {fs.shown(self._path)} was damaged ({error}); it is made anew"
        try:
            with locks.dotlock(self._path, self._timeout):
                if _identity(self._path) == damaged:
                    fs.unlink(f"{self._path}-journal", missing_ok=True)
                    fs.unlink(self._path, missing_ok=True)
        except (OSError, StoreError) as reason:
            self._trouble += f", but cannot be removed: {reason}"
            return False
        return True


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


class ReadOnlyIndex(MemoryIndex):
    """An index that begins with what a file holds, and writes nothing."""

    def __init__(self, path: str, *, timeout: float) -> None:
        super().__init__()
        self._path = path
        self._timeout = timeout

    def load(self, folder: str) -> FolderIndex:
        """Return the folder's index, read from the file once."""
        import apsw

        if folder not in self._folders and os.path.exists(self._path):
            try:
                with closing(records.open_database(self._path, readonly=True, timeout=self._timeout)) as connection:
                    self._folders[folder] = records.load(connection, folder)
            except (apsw.Error, OSError, Damaged, NotAnIndex, UnicodeEncodeError) as error:
                self.trouble = f"the index {fs.shown(self._path)} cannot be read ({error}); going on without it"
        return super().load(folder)
