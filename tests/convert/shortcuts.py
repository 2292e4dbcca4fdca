"""Stores in memory that offer the shortcuts ``fresh`` and ``shard``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from convert.kit import put
from convert.limited import LimitedDriver, limited

from mailstore import FolderPath, Row, SetState, Store
from mailstore.model.info import Arrival


class FreshDriver(LimitedDriver):
    """A driver with the shortcuts ``fresh`` and ``shard``; what ``add`` stores travels in the receipts."""

    parallel_fresh = True
    published: int = 0
    discarded: int = 0
    pids: frozenset[int] = frozenset()
    on_add: Callable[[Arrival], None] = staticmethod(lambda arrival: None)
    on_publish: Callable[[], None] = staticmethod(lambda: None)

    def fresh(self, path: FolderPath) -> FreshMemory | None:
        if any(info.path == path for info in self.real.changes(None).folders):
            state = self.real.folder(path).state()
            if state.messages or state.uidnext > 1:
                return None
        return FreshMemory(self, path)

    def folder(self, path: FolderPath) -> Any:
        return ShardedFolder(super().folder(path))


class FreshMemory:
    def __init__(self, driver: FreshDriver, path: FolderPath) -> None:
        self.driver = driver
        self.path = path

    def add(self, arrivals: Sequence[Arrival]) -> list[object]:
        for arrival in arrivals:
            self.driver.on_add(arrival)
        return [(os.getpid(), arrival) for arrival in arrivals]

    def publish(self, receipts: Sequence[Any], state: SetState | None) -> list[int]:
        self.driver.on_publish()
        self.driver.pids = frozenset(pid for pid, _ in receipts)
        self.driver.published += 1
        with Store(None, self.driver.real) as store:  # type: ignore[arg-type]
            put(store, self.path, [arrival for _, arrival in receipts], state)
        return [row.uid for rows in self.driver.real.folder(self.path).changes(None, 0).batches for row in rows]

    def discard(self) -> None:
        self.driver.discarded += 1


class ShardedFolder:
    def __init__(self, real: Any) -> None:
        self.real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def shards(self, count: int) -> list[object]:
        uids = [row.uid for rows in self.real.changes(None, 0).batches for row in rows]
        size = -(-len(uids) // count) or 1
        return [tuple(uids[at : at + size]) for at in range(0, len(uids), size)]

    def read_shard(self, shard: Any, want: int) -> Iterator[list[Row]]:
        for rows in self.real.fetch(shard, want):
            yield [row._replace(key=f"k{number}") for number, row in enumerate(rows)]


def fresh(**capabilities: Any) -> tuple[Store, FreshDriver]:
    _, plain = limited(**capabilities, native=frozenset({"fresh", "shard"}))
    driver = FreshDriver(plain.real, plain.capabilities)
    return Store(_.location, driver), driver
