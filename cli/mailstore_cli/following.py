"""Following several stores at once until a signal comes, or something else ends it."""

from __future__ import annotations

import queue
import select
import sys
import threading
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from mailstore.watch import Event, Watch
from mailstore_cli.render import say
from mailstore_cli.stopping import Stop

_TURN = 0.3
"""Seconds within which a signal is noticed."""


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
