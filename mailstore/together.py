"""Deliveries into several open stores that are committed as one: one transaction, or the same syncs for all.

>>> with Together([joe, sue]) as together:  # doctest: +SKIP
...     staged = together.stage(joe, [Arrival(body)])
...     results = together.commit([(joe, [Append(INBOX, staged[0])])])
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from mailstore.model.changes import Append, Outcome, Staged
from mailstore.model.info import Arrival
from mailstore.spi import Part
from mailstore.store import Store


class Together:
    """One such batch, used once; a context manager. Not for two threads at once; the stores may be.

    Args:
        stores: at least one; all have the same ``store.joining.joint.key``.

    Raises:
        StoreError: the system gives no descriptor.
    """

    def __init__(self, stores: Sequence[Store]) -> None:
        # of the accounts of a database the same one whenever it can be: its connection has the pages in memory
        first = min(stores, key=lambda store: str(store.location))
        assert first.joining is not None
        with first.lock:
            self._driver = first.joining.together()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._driver.close()

    def stage(self, store: Store, arrivals: Sequence[Arrival]) -> list[Staged]:
        """Stage as ``store.stage`` does, for ``commit`` or ``store.discard``; errors are the same."""
        with store.lock:
            return self._driver.stage(store.driver, arrivals)

    def commit(self, parts: Sequence[tuple[Store, Sequence[Append]]]) -> list[list[Outcome] | Exception]:
        """Commit deliveries without UIDs, each store once; durable on return.

        Returns:
            of each part its outcomes, or the error that ``Store.commit`` would have raised for it alone. Raises none.
        """
        results: list[list[Outcome] | Exception] = [[] for _ in parts]
        with ExitStack() as locks:
            for store in sorted((store for store, _ in parts), key=id):  # one order, or two threads wait for ever
                locks.enter_context(store.lock)
            joined: dict[int, Part] = {}
            for at, (store, changes) in enumerate(parts):
                try:
                    joined[at] = store.part(changes)
                except Exception as error:  # noqa: BLE001 - one store's trouble is not another's
                    results[at] = error
            for at, result in zip(joined, self._commit(list(joined.values())), strict=True):
                results[at] = result
            for store, _ in parts:
                store.quota.settle()
        for store, _ in parts:
            store.quota.tell()
        return results

    def _commit(self, parts: Sequence[Part]) -> Sequence[list[Outcome] | Exception]:
        try:
            return self._driver.commit(parts) if parts else []
        except Exception as error:  # noqa: BLE001 - what they share is in trouble, or a defect
            return [error] * len(parts)
