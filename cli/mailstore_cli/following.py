"""Following several stores at once until a signal comes, or something else ends it."""

from __future__ import annotations

import queue
import select
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from mailstore.watch import Event, Watch
from mailstore_cli.render import say

_TURN = 0.3
"""Seconds within which a signal is noticed."""


class Stop:
    """Says when to end. It takes no lock: a handler of signals may come in the middle of anything.

    Attributes:
        urgent: a second signal came: what still runs is to be ended.
    """

    def __init__(self) -> None:
        self._set = self.urgent = False

    def is_set(self) -> bool:
        """Tell whether to end."""
        return self._set

    def set(self) -> None:
        """Let it end."""
        self._set = True

    def signalled(self) -> None:
        """Take in a signal."""
        self.urgent |= self._set
        self._set = True


class Batch(NamedTuple):
    """What one look at a store found, and the token with which to go on after it."""

    location: str
    events: list[Event]
    token: str


def batches(follows: Mapping[str, Watch], stop: Stop) -> Iterator[Batch]:
    """Yield what all watches find until a signal comes. One store at most is a batch ahead of the consumer.

    Raises:
        BrokenPipeError: nobody reads standard output any more, seen without an event to write.
    """
    found: queue.Queue[Batch | BaseException] = queue.Queue(1)
    threads = [
        threading.Thread(target=_follow, args=(location, follow, found, stop), daemon=True)
        for location, follow in follows.items()
    ]
    for thread in threads:
        thread.start()
    try:
        while not stop.is_set():
            try:
                one = found.get(timeout=_TURN)
            except queue.Empty:
                _check_reader()
                continue
            if isinstance(one, BaseException):
                raise one
            yield one
    finally:
        stop.set()
        for follow in follows.values():
            follow.close()
        for thread in threads:
            thread.join()


def _check_reader() -> None:
    """Raise BrokenPipeError where standard output is a pipe without a reader: ``mstore watch … | head -1`` ends."""
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        found = poll.poll(0)
    except (OSError, ValueError, AttributeError):
        return  # no such call, or no descriptor
    if any(events & select.POLLERR for _, events in found):
        raise BrokenPipeError


def _follow(location: str, follow: Watch, found: queue.Queue[Batch | BaseException], stop: Stop) -> None:
    """Run in a thread: hand over what one watch finds."""
    told = 0
    try:
        while not stop.is_set():
            events = follow.batch(_TURN)
            for problem in follow.problems[told:]:
                say(f"{location}: {problem}")
            told = max(told, len(follow.problems))
            if events:
                _put(found, Batch(location, events, follow.token), stop)
    except BaseException as error:  # noqa: BLE001 -- it is raised again where the command runs
        _put(found, error, stop)


def _put(found: queue.Queue[Batch | BaseException], one: Batch | BaseException, stop: Stop) -> None:
    while not stop.is_set():
        try:
            found.put(one, timeout=_TURN)
        except queue.Full:
            continue
        return


@contextmanager
def stopped_by_signals() -> Iterator[Stop]:
    """Give what SIGINT and SIGTERM set: what runs for events is ended in good order, not broken off."""
    stop = Stop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: stop.signalled()) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
