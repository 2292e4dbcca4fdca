r"""Hints that something in a directory changed: Linux' inotify, one instance a process.

The problem. inotify loses events when its queue overflows, gives none for changes made on another machine, may tell of
a name that is gone again, and has limits on watches and instances that other programs use up. A directory that is
removed takes its watch along, and the number of that watch must not be mistaken for another's while events of it are
queued.

The solution. Whatever comes is a hint and no more: a listener is told a name, that the directory is
gone, or that anything may have changed, and looks for itself. One thread reads the one descriptor of the
process and calls the listeners, which only note what they heard. A watch stays in the table until the kernel says
IN_IGNORED. Where no watch can be had, ``listen`` raises OSError, and its caller polls. Systems without inotify have
mailstore.system.elsewhere.

Descriptors do not cross a fork: a child begins its own instance.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

Tell = Callable[[str | None], None]
"""Called in the reading thread with an entry's name; '' says that the directory itself is gone, moved or unmounted,
None that events were lost and anything may have changed. Quick, raises nothing."""

_CREATE, _DELETE, _MOVED_FROM, _MOVED_TO = 0x100, 0x200, 0x40, 0x80
_MODIFY, _CLOSE_WRITE = 0x2, 0x8
_DELETE_SELF, _MOVE_SELF, _UNMOUNT, _OVERFLOW, _IGNORED = 0x400, 0x800, 0x2000, 0x4000, 0x8000
_ONLYDIR, _DONT_FOLLOW, _MASK_ADD = 0x1000000, 0x2000000, 0x20000000
_NAMES = _CREATE | _DELETE | _MOVED_FROM | _MOVED_TO | _DELETE_SELF | _MOVE_SELF
_CONTENTS = _MODIFY | _CLOSE_WRITE
_GONE = _DELETE_SELF | _MOVE_SELF | _UNMOUNT | _IGNORED


class Ear(Protocol):
    """One listener at one directory."""

    def close(self) -> None:
        """Hear no more; may be called twice."""
        ...


class _InotifyEar:
    """See Ear."""

    __slots__ = ("_hub", "_wd", "tell")

    def __init__(self, hub: _Hub, wd: int, tell: Tell) -> None:
        self._hub = hub
        self._wd = wd
        self.tell = tell

    def close(self) -> None:
        """Hear no more."""
        self._hub.drop(self._wd, self)


def listen(directory: str, tell: Tell, *, contents: bool) -> Ear:
    """Tell of changes in ``directory`` from now on.

    Args:
        directory: absolute path; a link is not followed.
        tell: see Tell.
        contents: tell of writes into the files there too, not only of names that come and go.

    Raises:
        OSError: no such directory, or no more watches (ENOSPC), instances (EMFILE), or nothing that tells (ENOSYS).
    """
    while True:
        try:
            hub = _the_hub()
        except OSError as error:
            if error.errno != errno.ENOSYS:
                raise
            from mailstore.system import elsewhere  # late: most systems have inotify

            return elsewhere.listen(directory, tell, contents=contents)
        ear = hub.add(directory, tell, contents)
        if ear is not None:
            return ear


_hub: _Hub | None = None
_hub_lock = threading.Lock()


def _the_hub() -> _Hub:
    global _hub
    with _hub_lock:
        if _hub is None or _hub.pid != os.getpid() or _hub.closed:
            _hub = _Hub()
        return _hub


def _after_fork() -> None:
    global _hub_lock
    _hub_lock = threading.Lock()  # another thread may have held it


os.register_at_fork(after_in_child=_after_fork)


class _Hub:
    """The inotify instance, who listens at which of its watches, and the thread that reads it."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.closed = False
        self._lock = threading.Lock()
        self._ears: dict[int, list[_InotifyEar]] = {}
        self._inotify = _open_inotify()
        threading.Thread(target=self._run, name="mailstore-notify", daemon=True).start()

    def add(self, directory: str, tell: Tell, contents: bool) -> _InotifyEar | None:
        """Add a listener; None: this hub has just closed."""
        mask = _NAMES | _ONLYDIR | _DONT_FOLLOW | _MASK_ADD | (_CONTENTS if contents else 0)
        with self._lock:  # the reader must not see an event of a watch that is not in the table yet
            if self.closed:
                return None
            wd = self._inotify.add_watch(directory, mask)
            ear = _InotifyEar(self, wd, tell)
            self._ears.setdefault(wd, []).append(ear)
            return ear

    def drop(self, wd: int, ear: _InotifyEar) -> None:
        """Remove a listener; with the last one at a directory its watch goes."""
        if self.pid != os.getpid():
            return
        with self._lock:
            ears = self._ears.get(wd, [])
            if ear in ears:
                ears.remove(ear)
                if not ears:
                    with suppress(OSError):  # EINVAL: the directory went before
                        self._inotify.rm_watch(wd)

    def _run(self) -> None:
        while True:
            events = list(self._inotify.read())
            for wd, mask, _, name in events:
                self._hear(wd, mask, name)
            if self._finished():
                return

    def _hear(self, wd: int, mask: int, name: str) -> None:
        with self._lock:
            if mask & _OVERFLOW:
                ears = [ear for some in self._ears.values() for ear in some]
            else:
                ears = list(self._ears.get(wd, ()))
            if mask & _IGNORED:
                self._ears.pop(wd, None)
        what = None if mask & _OVERFLOW else "" if mask & _GONE else name
        for ear in ears:
            ear.tell(what)

    def _finished(self) -> bool:
        """Close when nobody listens any more; the next listener opens another."""
        with self._lock:
            if not self._ears and not self.closed:
                self.closed = True
                self._inotify.close()
            return self.closed


def _open_inotify() -> Any:  # inotify_simple has no types
    try:
        import inotify_simple  # type: ignore[import-not-found, import-untyped, unused-ignore]

        return inotify_simple.INotify()
    except (ImportError, AttributeError) as error:
        raise OSError(errno.ENOSYS, "inotify is not available here") from error
