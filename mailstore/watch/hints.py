"""Which folders may have changed: what inotify, polling and our own commits say, gathered until somebody looks.

The problem. Hints come doubled, late, out of order, or not at all: from another machine, when the system has no more
watches, when its queue overflows. And they come faster than anybody can look.

The solution. A hint marks a folder, or everything; that is a set, and needs no more room however many come. Where no
inotify watch is to be had, the directories' stamps are compared at intervals instead, which is said once. And every so
often everything is marked, hint or none.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterable
from functools import partial
from typing import NamedTuple

from mailstore.errors import MailstoreError
from mailstore.model.names import FolderPath
from mailstore.spi import Concern, WatchPoint
from mailstore.system import clock, notify

SAFETY = 30.0
"""Seconds after which everything is looked at even without a hint (Dovecot's IDLE check)."""
QUICKEST, SLOWEST, SLOWEST_WHOLE = 0.5, 10.0, 2.0
"""Seconds between two comparisons of stamps: more while nothing happens."""

_log = logging.getLogger("mailstore")


class Marks(NamedTuple):
    """What to look at."""

    folders: frozenset[FolderPath]
    listing: bool
    """The list of folders and subscriptions."""
    everything: bool


class Hints:
    """Gathers hints for one watch. ``mark`` and ``close`` may come from any thread, ``wait`` from one.

    Args:
        polling: use no inotify.
    """

    def __init__(self, *, polling: bool = False) -> None:
        self.problems: list[str] = []
        self._changed = threading.Condition()
        self._folders: set[FolderPath] = set()
        self._listing = self._everything = False
        self.closed = self._woken = False
        self._always_poll = polling
        self._ears: dict[str, notify.Ear] = {}
        self._deaf: set[str] = set()
        """Ears at directories that are gone; only ever added to by the thread that reads."""
        self._points: dict[str, WatchPoint] = {}
        self._stamps: dict[str, _Stamps] = {}
        self._polled: set[str] = set()
        self._whole = self._said_polled = False
        self._interval = QUICKEST
        self._next_poll = self._next_safety = 0.0

    # --- from any thread

    def mark(self, folders: Iterable[FolderPath] = (), *, listing: bool = False, everything: bool = False) -> None:
        """Note what may have changed, and wake who waits."""
        with self._changed:
            self._folders.update(folders)
            self._listing |= listing
            self._everything |= everything
            self._changed.notify_all()

    def wake(self) -> None:
        """Let who waits go on without a hint, once."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def close(self) -> None:
        """Wake who waits for good, and listen no more; may be called twice."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()
            ears = list(self._ears.values())
            self._ears.clear()
        for ear in ears:
            ear.close()

    # --- from the watching thread

    def listen(self, points: list[WatchPoint] | None, *, anew: bool = False) -> None:
        """Listen at these points and no others.

        A point that is kept misses nothing. What happened before the call is not told: look afterwards.

        Args:
            points: None: the store has none, and is looked at as a whole.
            anew: trust no watch that is there: where a file system was mounted, or taken away while files of it are
                open, the path leads to another directory now, and the watch on the old one says nothing.
        """
        self._whole = points is None
        wanted = {point.directory: point for point in points or ()}
        deaf, self._deaf = self._deaf, set()
        with self._changed:
            useless = [
                self._ears.pop(place) for place in list(self._ears) if anew or place not in wanted or place in deaf
            ]
        self._points = wanted
        self._polled &= wanted.keys()
        for place, point in wanted.items():
            if place not in self._ears:
                self._add(point)
        for ear in useless:  # last: a directory that is still the same one keeps its watch
            ear.close()
        self._stamps = {place: _stamps(wanted[place]) for place in self._polled}
        self._next_poll = clock.monotonic() + self._interval

    def _add(self, point: WatchPoint) -> None:
        self._polled.add(point.directory)
        if self._always_poll:
            return
        try:
            ear = notify.listen(point.directory, partial(self._hear, point.directory), contents=point.contents)
        except FileNotFoundError:
            return  # it will be there some day
        except OSError as error:
            self._say_polled(point.directory, error)
            return
        with self._changed:
            if not self.closed:
                self._ears[point.directory] = ear
        if self.closed:
            ear.close()
        self._polled.discard(point.directory)

    def _say_polled(self, directory: str, error: OSError) -> None:
        """Say once for all directories, however many there are."""
        if not self._said_polled:
            self._said_polled = True
            self._say(
                f"nothing tells of changes in {directory} ({error.strerror}): it is polled instead, and so are others"
            )

    def _say(self, problem: str) -> None:
        if not self.problems:
            _log.warning("%s", problem)
        if len(self.problems) < 100:
            self.problems.append(problem)

    def trouble(self, error: MailstoreError) -> None:
        """Keep what went wrong with a folder; it is looked at again."""
        if str(error) not in self.problems:
            self._say(str(error))

    def _hear(self, place: str, name: str | None) -> None:
        if not name:  # an overflow, or the directory is gone
            if name is not None:
                self._deaf.add(place)
            self.mark(everything=True)
        elif (point := self._points.get(place)) is not None:
            self._mark_concern(point.concern(name))

    def _mark_concern(self, concern: Concern) -> None:
        if concern == "listing" or concern == "everything":
            self.mark(listing=True, everything=concern == "everything")
        elif concern is not None:
            self.mark((concern,))

    def wait(self, timeout: float | None) -> bool:
        """Wait until there is something to look at; False: the time is over, or it was closed."""
        end = None if timeout is None else clock.monotonic() + timeout
        while True:
            now = clock.monotonic()
            self._look_by_the_clock(now)
            with self._changed:
                if self.closed:
                    return False
                if self._folders or self._listing or self._everything:
                    return True
                if self._woken or (end is not None and now >= end):
                    self._woken = False
                    return False
                until = min(self._next_safety, self._next_poll if self._polled or self._whole else self._next_safety)
                self._changed.wait(max(0.0, (until if end is None else min(until, end)) - now))

    def take(self) -> Marks:
        """Return what was gathered and begin anew."""
        with self._changed:
            marks = Marks(frozenset(self._folders), self._listing, self._everything)
            self._folders.clear()
            self._listing = self._everything = False
            return marks

    def pause(self, seconds: float) -> None:
        """Let hints gather for so long."""
        end = clock.monotonic() + seconds
        with self._changed:
            while not self.closed and (left := end - clock.monotonic()) > 0:
                self._changed.wait(left)

    def _look_by_the_clock(self, now: float) -> None:
        if not self._next_safety:
            self._next_safety = now + SAFETY
        if now >= self._next_safety:
            self._next_safety = now + SAFETY
            self.mark(everything=True)
        if (self._polled or self._whole) and now >= self._next_poll:
            found = self._poll()
            slowest = SLOWEST_WHOLE if self._whole else SLOWEST
            self._interval = QUICKEST if found else min(self._interval * 1.5, slowest)
            self._next_poll = clock.monotonic() + self._interval

    def _poll(self) -> bool:
        """Compare stamps; returns whether something changed. A store without places is marked as a whole each time."""
        if self._whole:
            self.mark(everything=True)
        found = False
        for place in self._polled:
            point, before = self._points[place], self._stamps[place]
            now = self._stamps[place] = _stamps(point)
            for name in sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name)):
                found = True
                self._mark_concern(point.concern(name))
        return found


_Stamps = dict[str, tuple[int, ...]]


def _stamps(point: WatchPoint) -> _Stamps:
    """Return, as far as stat tells, what changes when something there changes: of the directory as '', and of files."""
    try:
        stamps: _Stamps = {"": _stamp(os.stat(point.directory))}
        if point.contents:
            with os.scandir(point.directory) as entries:
                for entry in entries:
                    if point.concern(entry.name) is not None:
                        stamps[entry.name] = _stamp(entry.stat(follow_symlinks=False))
    except OSError:
        return {}
    return stamps


def _stamp(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size
