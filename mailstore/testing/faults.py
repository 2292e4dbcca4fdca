"""A file system that fails, or ends the process, at any system call by which a store writes.

The problem. "Killed anywhere, still whole" is shown only by killing everywhere. A simulated kill that unwinds the
stack runs ``finally`` clauses that a dead process does not run; one that does not unwind it leaves locks behind that
the kernel would have dropped. So a kill is a real one: the work runs in a forked child, and the child ends by
``os._exit`` at the chosen call.

Points are counted in two places: ``mailstore.system.fs.calls``, and, for whatever lies in SQLite, a VFS over the
system's own (writes, syncs, truncations, deletions). Work is deterministic, so the n-th point of one run is the n-th
of the next. The end of the work is a point too, the last: there the process ends after the last call. Closes are
counted by themselves, since an end before a close shows no more than one before the next call.

What a kill cannot show, a power cut would: data that was written and not synced. ``mailstore.testing.disk`` follows
the calls and turns the store, as the process ends, into what a disk may hold then; ``Barriers`` tells which names
became visible before the contents behind them were on the disk.

A child must open its own stores; no store may be open in the parent while it forks.
"""

from __future__ import annotations

import errno
import json
import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

from mailstore.system import fs
from mailstore.testing import vfs

How = Literal["count", "kill", "tear", "fail", "stale", "interrupted", "short", "full", "quota", "close"]
"""What happens at a point:

- ``count``: nothing.
- ``kill``: the process ends before the call. ``tear``: it ends when half the bytes are written.
- ``fail``, ``stale``, ``interrupted``: this call fails, with EIO, ESTALE or EINTR; those after it do not.
- ``short``: the call writes half the bytes and says so.
- ``full``, ``quota``: it and all later calls that need space fail, with ENOSPC or EDQUOT.
- ``close``: counted are closes; this one closes, and fails with EIO.

SQLite's own files deal with short writes and EINTR beneath the VFS: there nothing happens.
"""

KILLED = 86
"""Exit status of a child that was killed at its point."""

END = -1
"""The point after the last call, when the work has returned."""

_NEED_SPACE = frozenset({"open", "write", "pwrite", "mkdir", "link", "sqlite write"})
_HARMLESS_OPEN = os.O_CREAT | os.O_WRONLY | os.O_RDWR | os.O_TRUNC
_WRITES = frozenset({"write", "pwrite"})
_ONCE: dict[str, int] = {"fail": errno.EIO, "stale": errno.ESTALE, "interrupted": errno.EINTR}
_LASTING: dict[str, int] = {"full": errno.ENOSPC, "quota": errno.EDQUOT}

Follower = Callable[[str, str, tuple[Any, ...], dict[str, Any]], None]
"""Is told of each call: ``before``, ``after`` or ``failed``; its name; its arguments, as it was made."""


class Plan:
    """Which point of the work is hit, and how.

    Attributes:
        at: the point, from 1; 0 hits none; END is when the work has returned.
        how: what happens there.
        seen: the names of the points passed so far, the one hit included.
        closes: how many descriptors were closed.
        follow: is told of each call.
        meeting: is called at each point, before anything happens there.
        dying: is called before the process ends at the point.
    """

    def __init__(self, at: int = 0, how: How = "count") -> None:
        self.at = at
        self.how = how
        self.seen: list[str] = []
        self.closes = 0
        self.follow: Follower = lambda *_: None
        self.meeting: Callable[[], object] = lambda: None
        self.dying: Callable[[], object] = lambda: None

    def meet(self, name: str) -> bool:
        """Pass a point. Ends the process or raises OSError where it is the one; True asks for half of a write."""
        self.meeting()
        self.seen.append(name)
        place = len(self.seen)
        if self.how in _LASTING and self.at and place >= self.at and name in _NEED_SPACE:
            raise _error(_LASTING[self.how])
        if place != self.at:
            return False
        if self.how == "kill":
            self.die()
        if self.how in _ONCE and not (self.how == "interrupted" and name.startswith("sqlite")):
            raise _error(_ONCE[self.how])
        return self.how in ("tear", "short")

    def end(self) -> None:
        """The work has returned: the last point, for a kill."""
        self.meeting()
        if self.how == "kill" and self.at == END:
            self.die()

    def die(self) -> None:
        """End the process."""
        self.dying()
        os._exit(KILLED)

    @contextmanager
    def at_work(self) -> Iterator[Plan]:
        """Interfere with everything written in the ``with``, as long as the plan says so."""
        with fs.replaced(self._table()), _sqlite_hook(self):
            yield self

    def _table(self) -> fs.Calls:
        table = fs.Calls()
        for name in fs.Calls.NAMES:
            if name != "close":
                setattr(table, name, self._wrapped(name, getattr(table, name)))
        real = table.close

        def close(fd: int) -> None:
            self.closes += 1
            real(fd)  # also where it fails: Linux gives the descriptor back in any case
            if self.how == "close" and self.closes == self.at:
                raise _error(errno.EIO)

        table.close = close
        return table

    def _wrapped(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if name == "open" and not arguments[1] & _HARMLESS_OPEN:
                return real(*arguments, **options)
            try:
                half = self.meet(name) and name in _WRITES
            except OSError:
                self.follow("failed", name, arguments, options)
                raise
            if half:
                fd, data, *offset = arguments
                arguments = (fd, data[: len(data) // 2 or 1], *offset)
            self.follow("before", name, arguments, options)
            result = real(*arguments, **options)
            self.follow("after", name, arguments, options)
            if half and self.how == "tear":
                self.die()
            return result

        return call


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


_current: list[Plan] = []


@contextmanager
def _sqlite_hook(plan: Plan) -> Iterator[None]:
    """Let SQLite ask ``plan``; connections must have been opened after ``in_child`` put the VFS in place."""
    _current.append(plan)
    try:
        yield
    finally:
        _current.pop()


class _Watch:
    """What the VFS asks before it does something, and tells when it is done."""

    def before(self, name: str, *arguments: Any) -> bytes | None:
        if not _current:
            return None
        plan = _current[-1]
        try:
            half = plan.meet(f"sqlite {name}") and name == "write" and plan.how == "tear"
        except OSError:
            self._tell("failed", name, arguments)
            raise
        self._tell("before", name, arguments)
        return arguments[1][: len(arguments[1]) // 2] if half else None

    def after(self, name: str, *arguments: Any) -> None:
        if _current:
            self._tell("after", name, arguments)

    def torn(self) -> None:
        _current[-1].die()

    def _tell(self, when: str, name: str, arguments: tuple[Any, ...]) -> None:
        if arguments[0]:
            _current[-1].follow(when, f"sqlite_{name}", arguments, {})


class ChildFailed(Exception):
    """A forked child ended by an exception; the text is its traceback."""


def in_child(work: Callable[[], Any]) -> Any:
    """Run ``work`` in a forked child; return what it returned, as JSON took it, or None where it was killed.

    Raises:
        ChildFailed: it raised.
    """
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            vfs.install(_Watch())
            answer = json.dumps(work())
            status = 0
        except BaseException:  # noqa: BLE001 - whatever it is, the parent gets to see it, and nothing unwinds further
            answer = traceback.format_exc()
        with open(writer, "w") as pipe:
            pipe.write(answer)
        os._exit(status)
    os.close(writer)
    with open(reader) as pipe:
        text = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status == KILLED:
        return None
    if status != 0:
        raise ChildFailed(text or f"exit status {status}")
    return json.loads(text)
