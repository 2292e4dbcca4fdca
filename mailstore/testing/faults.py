"""A file system that fails, or ends the process, at any system call by which a store writes.

The problem. "Killed anywhere, still whole" is shown only by killing everywhere. A simulated kill that unwinds the
stack runs ``finally`` clauses that a dead process does not run; one that does not unwind it leaves locks behind that
the kernel would have dropped. So a kill is a real one: the work runs in a forked child, and the child ends by
``os._exit`` at the chosen call.

Points are counted in two places: ``mailstore.system.fs.calls``, and, for whatever lies in SQLite, a VFS over the
system's own (writes, syncs, truncations, deletions). Work is deterministic, so the n-th point of one run is the n-th
of the next. What a kill cannot show, a power cut would: data that was written and not synced. ``Barriers`` follows
the calls and tells which names became visible before the contents behind them were on the disk, and what was not on
the disk when the work returned.

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

How = Literal["count", "kill", "tear", "fail", "full"]
"""What happens at a point: nothing; the process ends before the call; it ends when half the bytes are written; the
call fails with EIO; it and all later ones that need space fail with ENOSPC."""

KILLED = 86
"""Exit status of a child that was killed at its point."""

_NEED_SPACE = frozenset({"open", "write", "pwrite", "mkdir", "link", "sqlite write"})
_HARMLESS_OPEN = os.O_CREAT | os.O_WRONLY | os.O_RDWR | os.O_TRUNC
_WRITES = frozenset({"write", "pwrite"})


class Plan:
    """Which point of the work is hit, and how.

    Attributes:
        at: the point, from 1; 0 hits none.
        how: what happens there.
        seen: the names of the points passed so far, the one hit included.
    """

    def __init__(self, at: int = 0, how: How = "count") -> None:
        self.at = at
        self.how = how
        self.seen: list[str] = []
        self.follow: Callable[..., None] = lambda *_: None

    def meet(self, name: str) -> bool:
        """Pass a point. Ends the process or raises OSError where it is the one; True asks to tear the write."""
        self.seen.append(name)
        place = len(self.seen)
        if self.how == "full" and self.at and place >= self.at and name in _NEED_SPACE:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if place != self.at:
            return False
        if self.how == "kill":
            os._exit(KILLED)
        if self.how == "fail":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return self.how == "tear"

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
        return table

    def _wrapped(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if name == "open" and not arguments[1] & _HARMLESS_OPEN:
                return real(*arguments, **options)
            if self.meet(name) and name in _WRITES:
                fd, data, *offset = arguments
                real(fd, data[: len(data) // 2], *offset)
                os._exit(KILLED)
            self.follow("before", name, arguments, options)
            result = real(*arguments, **options)
            self.follow("after", name, arguments, options)
            return result

        return call


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

    def before(self, name: str) -> None:
        if _current and _current[-1].meet(f"sqlite {name}"):
            os._exit(KILLED)

    def after(self, name: str, path: str) -> None:
        if _current and path:
            _current[-1].follow("after", f"sqlite_{name}", (path,), {})


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
