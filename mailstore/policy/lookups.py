"""Looks at mailboxes: in a few threads, for a limited time, one at a time for each mailbox.

The problem. A look blocks: on a lock, on a large folder that has to be counted, on a file server that does not answer.
The client waits for it, and its own client waits too. A flood of mail for one mailbox, or one mailbox that hangs, must
not take all threads; and a thread that hangs in the system cannot be ended.

The solution. A mailbox is looked at by one thread at a time. What a look found holds for a moment, and not only for the
size asked about: where a message fits a smaller one fits, where one is refused a larger one is refused. Whoever comes
while a look goes on waits for it, and asks for another only where it says nothing about their size. Nobody waits longer
than ``timeout``, and nobody at all for a look that has taken that long already, or where all threads are at such ones;
when it ends after all, the next who asks has the answer. The threads are daemons: one that hangs does not keep the
process from ending.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, NamedTuple, TypeVar

from mailstore.errors import MessageTooLarge, QuotaExceeded, StoreBusy

_Key = TypeVar("_Key", bound=Hashable)

_MOST_KEPT = 10_000
"""Mailboxes."""


class Outcome(NamedTuple):
    """What a look found."""

    size: int
    """Bytes of the message that it was about."""
    error: BaseException | None
    """None: it fits."""
    until: float
    """On the clock: when it holds no more."""

    def decides(self, size: int) -> bool:
        """Whether it says something about a message of ``size``."""
        if self.error is None:
            return size <= self.size
        return size >= self.size or not isinstance(self.error, QuotaExceeded | MessageTooLarge)


class _Look(NamedTuple, Generic[_Key]):
    """A look that waits for a thread, or goes on."""

    key: _Key
    size: int
    deadline: float
    """On the clock: when nobody waits for it any more."""
    result: Future[Outcome]


class Lookups(Generic[_Key]):
    """Looks by key, from an event loop.

    Args:
        check: tells whether a message of a size would be delivered to a key: raises where not, or where it is not to be
            found out. Called in a thread.
        threads: how many looks go on side by side.
        timeout: seconds that a look is waited for.
        keep: seconds that what was found holds; 0: only for those who wait for it.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        check: Callable[[_Key, int], None],
        *,
        threads: int = 8,
        timeout: float = 5.0,
        keep: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._check = check
        self._timeout = timeout
        self._keep = keep
        self._clock = clock
        self._lock = threading.Lock()
        self._under_way: dict[_Key, _Look[_Key]] = {}
        self._working: set[_Look[_Key]] = set()
        self._kept: OrderedDict[_Key, tuple[Outcome, ...]] = OrderedDict()
        self._queue: queue.SimpleQueue[_Look[_Key] | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name=f"mailstore-policy-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    async def find(self, key: _Key, size: int) -> BaseException | None:
        """Return what ``check`` raises for a message of ``size``, None for nothing; StoreBusy where it takes too long.

        Of a message that is refused because another was just now, the error is that one's.
        """
        deadline = self._clock() + self._timeout
        while True:
            found = self._ask(key, size)
            if isinstance(found, _Look):
                found = await self._wait(found, deadline)
            if found.decides(size):
                return found.error

    def close(self) -> None:
        """Let the threads end, each after the look that it is at; does not wait for them."""
        for _ in self._threads:
            self._queue.put(None)

    def _ask(self, key: _Key, size: int) -> Outcome | _Look[_Key]:
        """Return what is known, else the look that is under way, else a new one."""
        now = self._clock()
        with self._lock:
            self._forget_old(now)
            for outcome in self._kept.get(key, ()):
                if outcome.until > now and outcome.decides(size):
                    return outcome
            look = self._under_way.get(key)
            if look is None:
                if len(self._working) == len(self._threads) and all(one.deadline <= now for one in self._working):
                    error = StoreBusy(f"all {len(self._threads)} threads hang at other mailboxes", waited=0.0)
                    return Outcome(size, error, now)
                look = self._under_way[key] = _Look(key, size, now + self._timeout, Future())
                self._queue.put(look)
            return look

    async def _wait(self, look: _Look[_Key], deadline: float) -> Outcome:
        if look.result.done():
            return look.result.result()
        try:
            async with asyncio.timeout(min(look.deadline, deadline) - self._clock()):
                # others may wait for it: one that gives up must not cancel it for them
                return await asyncio.shield(asyncio.wrap_future(look.result))
        except TimeoutError:
            return self._late(look)

    def _late(self, look: _Look[_Key]) -> Outcome:
        error = StoreBusy(f"no answer within {self._timeout:g} seconds", waited=self._timeout)
        return Outcome(look.size, error, self._clock())

    def _work(self) -> None:
        while (look := self._queue.get()) is not None:
            in_time = look.deadline > self._clock()  # else nobody waits any more
            outcome = self._find(look) if in_time else self._late(look)
            self._settle(look.key, outcome)
            look.result.set_result(outcome)

    def _find(self, look: _Look[_Key]) -> Outcome:
        error: BaseException | None = None
        with self._lock:
            self._working.add(look)
        try:
            self._check(look.key, look.size)
        except BaseException as raised:  # noqa: BLE001 - whatever it is becomes the result
            error = raised
        with self._lock:
            self._working.discard(look)
        return Outcome(look.size, error, self._clock() + self._keep)

    def _settle(self, key: _Key, outcome: Outcome) -> None:
        """Note what a look found, in the place of what it found otherwise."""
        now = self._clock()
        with self._lock:
            del self._under_way[key]
            if outcome.until <= now:
                return
            others = [
                one
                for one in self._kept.pop(key, ())
                if one.until > now and (one.error is None) != (outcome.error is None) and not one.decides(outcome.size)
            ]
            self._kept[key] = (outcome, *others)
            if len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)

    def _forget_old(self, now: float) -> None:
        while self._kept and next(iter(self._kept.values()))[0].until <= now:
            self._kept.popitem(last=False)
