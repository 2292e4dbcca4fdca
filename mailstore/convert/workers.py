"""Work in forked processes.

The problem. Threads do not make Python faster here, and a pool of processes imports everything anew. A fork is the
cheapest second process there is, but only a process with one thread may fork safely, and a child must not run its
parent's clean-up: close handlers, temporary files, buffered output.

The solution. Children are forked for one job each, send frames through a pipe (progress, then the result or an
error), and leave by ``os._exit``. A child that dies fails the whole work; a parent that dies breaks the pipe, and its
children end at their next frame.
"""

from __future__ import annotations

import fcntl
import os
import pickle
import select
import signal
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from mailstore import errors
from mailstore.errors import MailstoreError, StorageFailure, StoreError

Tell = Callable[[object], None]
Job = Callable[[Tell], object]
"""Runs in a child; may tell the parent something picklable on the way, and returns something picklable."""

_LENGTH = struct.Struct("=Q")
_SET_PIPE_SIZE = 1031
"""F_SETPIPE_SZ of Linux; Python names it from 3.10 on, but only where it was built with new headers."""


def can_fork() -> bool:
    """Tell whether this process may fork: it has one thread only."""
    return hasattr(os, "fork") and threading.active_count() == 1


def run_jobs(jobs: Sequence[Job], hear: Callable[[object], None]) -> list[Any]:
    """Run each job in a child of its own; returns their results in order.

    ``hear`` gets, in this process, what the children tell. When one fails, the others are ended.

    Raises:
        StoreError: what a job raised, or StorageFailure where a child died.
    """
    results: dict[int, Any] = {}
    with started(jobs) as children:
        waiting = {child.pipe: number for number, child in enumerate(children)}
        while waiting:
            for pipe in select.select(list(waiting), [], [])[0]:
                number = waiting[pipe]
                over, value = children[number].receive()
                if over:
                    results[number] = value
                    del waiting[pipe]
                else:
                    hear(value)
    return [results[number] for number in range(len(jobs))]


@contextmanager
def started(jobs: Sequence[Job]) -> Iterator[list[Child]]:
    """Run each job in a child of its own; whatever still runs at the end of the ``with`` is ended."""
    children: list[Child] = []
    try:
        for job in jobs:
            children.append(Child(job))  # noqa: PERF401 - those begun are to be ended when the next cannot be
        yield children
    finally:
        for child in children:
            child.end()


class Child:
    """A forked process that does one job."""

    def __init__(self, job: Job) -> None:
        self.pipe, theirs = os.pipe()
        with suppress(OSError):  # a megabyte at a time instead of 64 KB; a system may allow less
            fcntl.fcntl(self.pipe, _SET_PIPE_SIZE, 1 << 20)
        self._over = False
        self.status: int | None = None
        """Exit code once it has ended; the signal that killed it as a negative number."""
        self.pid = os.fork()
        if self.pid == 0:
            _live(job, theirs)
        os.close(theirs)

    def receive(self) -> tuple[bool, Any]:
        """Wait for what the child tells next (False, ...) or for its result (True, ...).

        Raises:
            StoreError: what the job raised, or StorageFailure where the child died.
        """
        head = self._read(_LENGTH.size)
        data = self._read(_LENGTH.unpack(head)[0]) if head else b""
        if not data:
            raise StorageFailure("a process that was copying died; run it again")
        kind, value = pickle.loads(data)  # noqa: S301 - from our own child, through our own pipe
        if kind == "failed":
            raise child_error(*value)
        self._over = kind == "result"
        return self._over, value

    def _read(self, size: int) -> bytes:
        pieces = []
        while size:
            piece = os.read(self.pipe, min(size, 1 << 20))
            if not piece:
                return b""
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def end(self) -> None:
        """Wait for the child's end; one that has not given its result is killed.

        One that became another user cannot be killed: it ends when it finds the pipe closed.
        """
        if not self._over:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(self.pid, signal.SIGKILL)
        os.close(self.pipe)
        with suppress(ChildProcessError):
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def _live(job: Job, pipe: int) -> None:
    """Run the job and leave, never returning into the parent's code."""
    status = 1
    try:
        try:
            frame = ("result", job(lambda value: _send(pipe, ("told", value))))
        except MailstoreError as error:
            frame = ("failed", (type(error).__name__, str(error)))
        _send(pipe, frame)
        status = 0
    except BrokenPipeError:
        pass  # the parent is gone
    finally:
        os._exit(status)


def _send(pipe: int, frame: tuple[str, object]) -> None:
    data = pickle.dumps(frame, pickle.HIGHEST_PROTOCOL)
    view = memoryview(_LENGTH.pack(len(data)) + data)
    while view:
        view = view[os.write(pipe, view) :]


def child_error(name: str, text: str) -> MailstoreError:
    """Return the error that a child named, or the next best where it needs more facts."""
    kind = getattr(errors, name, StorageFailure)
    return kind(text) if issubclass(kind, (StoreError, errors.MessageError)) else StorageFailure(text)
