"""Following several stores at once until a signal comes, or something else ends it."""

from __future__ import annotations

import queue
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from mailstore.watch import Event, Watch
from mailstore_cli.render import say

_TURN = 0.3
"""Seconds within which a signal is noticed."""


class Batch(NamedTuple):
    """What one look at a store found, and the token with which to go on after it."""

    location: str
    events: list[Event]
    token: str


def batches(follows: Mapping[str, Watch], stop: threading.Event) -> Iterator[Batch]:
    """Yield what all watches find until a signal comes. One store at most is a batch ahead of the consumer."""
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


def _follow(location: str, follow: Watch, found: queue.Queue[Batch | BaseException], stop: threading.Event) -> None:
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


def _put(found: queue.Queue[Batch | BaseException], one: Batch | BaseException, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            found.put(one, timeout=_TURN)
        except queue.Full:
            continue
        return


@contextmanager
def stopped_by_signals() -> Iterator[threading.Event]:
    """Give an event that SIGINT and SIGTERM set: what runs for events is ended in good order, not broken off."""
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
