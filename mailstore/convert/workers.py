"""Work in forked processes.

The problem. Threads do not make Python faster here, and a pool of processes imports everything anew. A fork is the
cheapest second process there is, but only a process with one thread may fork safely, and a child must not run its
parent's clean-up: close handlers, temporary files, buffered output.

The solution. Children are forked for one job each, send frames through a pipe (progress, then the result or an
error), and leave by ``os._exit``. A child that dies fails the whole work; a parent that dies breaks the pipe, and its
children end at their next frame.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import struct
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from mailstore import errors
from mailstore.errors import MailstoreError, StorageFailure, StoreError

Tell = Callable[[object], None]
Job = Callable[[Tell], object]
"""Runs in a child; may tell the parent something picklable on the way, and returns something picklable."""

_LENGTH = struct.Struct("=Q")


def can_fork() -> bool:
    """Tell whether this process may fork: it has one thread only."""
    return hasattr(os, "fork") and threading.active_count() == 1


def run_jobs(jobs: Sequence[Job], hear: Callable[[object], None]) -> list[Any]:
    """Run each job in a child of its own; returns their results in order.

    ``hear`` gets, in this process, what the children tell. When one fails, the others are ended.

    Raises:
        StoreError: what a job raised, or StorageFailure where a child died.
    """
    children: dict[int, _Child] = {}
    results: dict[int, Any] = {}
    try:
        for number, job in enumerate(jobs):
            child = _Child(number, job)
            children[child.pipe] = child
        while children:
            for pipe in select.select(list(children), [], [])[0]:
                child = children[pipe]
                kind, value = child.receive()
                if kind == "told":
                    hear(value)
                elif kind == "failed":
                    raise _error(*value)
                else:
                    results[child.number] = value
                    del children[pipe]
                    child.end()
    finally:
        for child in children.values():
            child.end(kill=True)
    return [results[number] for number in range(len(jobs))]


class _Child:
    def __init__(self, number: int, job: Job) -> None:
        self.number = number
        self.pipe, theirs = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            _live(job, theirs)
        os.close(theirs)

    def receive(self) -> tuple[str, Any]:
        """Return the child's next frame; a child that died has 'failed'."""
        head = self._read(_LENGTH.size)
        data = self._read(_LENGTH.unpack(head)[0]) if head else b""
        if not data:
            return "failed", ("StorageFailure", "a process that was copying died; run it again")
        kind, value = pickle.loads(data)  # noqa: S301 - from our own child, through our own pipe
        return kind, value

    def _read(self, size: int) -> bytes:
        pieces = []
        while size:
            piece = os.read(self.pipe, min(size, 1 << 20))
            if not piece:
                return b""
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def end(self, kill: bool = False) -> None:
        if kill:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        os.close(self.pipe)
        with suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


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


def _error(name: str, text: str) -> MailstoreError:
    """Return the error that a child named, or the next best where it needs more facts."""
    kind = getattr(errors, name, StorageFailure)
    return kind(text) if issubclass(kind, (StoreError, errors.MessageError)) else StorageFailure(text)
