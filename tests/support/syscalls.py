"""Tables of system calls that note, fail or crash at the n-th call."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from typing import Any

from mailstore.system import fs


class Crash(BaseException):
    """The process 'died' in a system call."""


class Recorder:
    """Passes every call on, noting its name and arguments; may fail or crash at one of them."""

    def __init__(self) -> None:
        self.log: list[tuple[str, tuple[Any, ...]]] = []
        self.fail_at = 0
        self.failure: BaseException = Crash()
        self.table = fs.Calls()
        for name in fs.Calls.NAMES:
            setattr(self.table, name, self._wrapped(name))

    def _wrapped(self, name: str) -> Callable[..., Any]:
        real = getattr(fs.Calls(), name)

        def call(*args: Any, **kwargs: Any) -> Any:
            crashed = isinstance(self.failure, Crash) and 0 < self.fail_at <= len(self.log)
            if crashed:
                if name == "close":
                    real(*args)
                raise self.failure
            self.log.append((name, args))
            if len(self.log) == self.fail_at:
                if name == "close":
                    real(*args)
                raise self.failure
            return real(*args, **kwargs)

        return call

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.log]


def stops(
    action: Callable[[], Any], failure: BaseException, raised: type[BaseException] | None = None
) -> Iterator[tuple[int, Recorder]]:
    """Run ``action`` again and again, stopping it at its first, second, ... call, until it comes through.

    ``raised`` is what ``action`` then raises: ``failure`` itself unless it is translated.
    """
    kinds = (raised or type(failure),)
    for at in range(1, 200):
        made = Recorder()
        made.fail_at, made.failure = at, failure
        stopped = False
        with fs.replaced(made.table):
            try:
                action()
            except kinds:
                stopped = True
        if len(made.log) < at:
            assert not stopped
            return
        yield at, made
    raise AssertionError("never came through")


def open_descriptors() -> int:
    """Count this process' descriptors, without those that only wait for the collector."""
    gc.collect()
    return len(os.listdir("/proc/self/fd"))
