"""Hints that something in a directory changed, where there is no inotify: through the package watchfiles.

The problem. watchfiles hides lost events, groups them by time, and takes a thread for each thing it watches, while a
store has two directories a folder.

The solution. Directories below one that is watched already, of which only names matter (a Maildir's), share its watch,
which is a recursive one: one thread a store. What was lost is found by the look at everything that comes every so often
(mailstore.watch.hints). A directory that another took the place of is watched anew.

FSEvents (macOS) is what this is made for; it is tested by force on Linux.
"""

from __future__ import annotations

import errno
import os
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mailstore.system.notify import Tell

_DEBOUNCE_MS, _STEP_MS = 50, 10
"""Changes are told when none came for a step, at the latest after the first."""
_DELETED = 3

_lock = threading.RLock()
_rivers: list[_River] = []


class ElsewhereEar:
    """One listener at one directory; ``close`` ends it, and may be called twice."""

    __slots__ = ("_river", "directory", "tell")

    def __init__(self, river: _River, directory: str, tell: Tell) -> None:
        self._river = river
        self.directory = directory
        self.tell = tell

    def close(self) -> None:
        """Hear no more; with the last listener its watch ends."""
        with _lock:
            self._river.drop(self)


def listen(directory: str, tell: Tell, *, contents: bool) -> ElsewhereEar:
    """See mailstore.system.notify.listen.

    Raises:
        OSError: no such directory; or watchfiles is not installed (ENOSYS) or cannot watch.
    """
    real = os.path.realpath(directory)  # FSEvents tells real paths
    found = os.stat(real)
    with _lock:
        river = next((river for river in _rivers if river.covers(real, recursive=not contents)), None)
        if river is None:
            river = _River(real, (found.st_dev, found.st_ino), recursive=not contents)
            _rivers.append(river)
        return river.add(real, tell)


def _after_fork() -> None:
    global _lock
    _lock = threading.RLock()  # another thread may have held it
    _rivers.clear()


os.register_at_fork(after_in_child=_after_fork)


class _River:
    """What watchfiles tells of one directory, or of all below it, and who listens where."""

    def __init__(self, directory: str, identity: tuple[int, int], *, recursive: bool) -> None:
        self._directory = directory
        self._identity = identity
        self._recursive = recursive
        self._ears: dict[str, list[ElsewhereEar]] = {}
        self._ended = self._gone = False
        self._notify = _open(directory, recursive)
        threading.Thread(target=self._run, name="mailstore-notify", daemon=True).start()

    def covers(self, directory: str, *, recursive: bool) -> bool:
        """Tell whether a listener at ``directory`` is served; not where the path leads to another one by now."""
        below = self._recursive and recursive and directory.startswith(self._directory + "/")
        if self._recursive != recursive or not (below or directory == self._directory):
            return False
        try:
            now = os.stat(self._directory)
        except OSError:
            return False
        return not self._gone and self._identity == (now.st_dev, now.st_ino)

    def add(self, directory: str, tell: Tell) -> ElsewhereEar:
        """Add a listener."""
        ear = ElsewhereEar(self, directory, tell)
        self._ears.setdefault(directory, []).append(ear)
        return ear

    def drop(self, ear: ElsewhereEar) -> None:
        """Remove a listener, and end where it was the last."""
        ears = self._ears.get(ear.directory, [])
        if ear in ears:
            ears.remove(ear)
            if not ears:
                del self._ears[ear.directory]
        if not self._ears and self in _rivers:
            _rivers.remove(self)
            self._ended = True

    def is_set(self) -> bool:
        """Tell watchfiles whether to end."""
        return self._ended

    def _run(self) -> None:
        while True:
            try:
                found = self._notify.watch(_DEBOUNCE_MS, _STEP_MS, 0, self)
            except Exception:  # noqa: BLE001 -- whatever it is, these listeners hear nothing any more
                found = "stop"
            if isinstance(found, str):
                break
            for change, path in found:
                self._tell(change, path)
        self._notify.close()
        for ear in self._all():
            ear.tell("")

    def _tell(self, change: int, path: str) -> None:
        directory, name = os.path.split(path)
        with _lock:
            self._gone |= change == _DELETED and path == self._directory  # the next one may get its inode
            ears = list(self._ears.get(directory, ()))
            gone = list(self._ears.get(path, ())) if change == _DELETED else []
        for ear in ears:
            ear.tell(name)
        for ear in gone:
            ear.tell("")

    def _all(self) -> list[ElsewhereEar]:
        with _lock:
            return [ear for ears in self._ears.values() for ear in ears]


def _open(directory: str, recursive: bool) -> Any:
    try:
        from watchfiles._rust_notify import RustNotify, WatchfilesRustInternalError  # its documented way to the backend
    except ImportError as error:
        raise OSError(errno.ENOSYS, "there is no inotify, and the package watchfiles is not installed") from error
    try:
        return RustNotify([directory], False, False, 0, recursive, True)
    except WatchfilesRustInternalError as error:
        raise OSError(errno.EIO, str(error)) from error
