"""Stores that keep less than they could, refuse messages, or cannot be read in places."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from mailstore import Capabilities, Location, MailstoreError, Row, Store, open_store
from mailstore.model.changes import Append, Change, Delta, FolderState, Outcome, Staged, Token
from mailstore.model.info import Arrival
from mailstore.model.names import FolderPath


class _Behind:
    """Passes everything on to what it stands before."""

    def __init__(self, real: Any) -> None:
        self.real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


class LimitedDriver(_Behind):
    """A driver with other capabilities, whose ``stage`` and ``commit`` a test can make fail."""

    def __init__(self, real: Any, capabilities: Capabilities) -> None:
        super().__init__(real)
        self.capabilities = capabilities
        self.refuse_staging: Callable[[Arrival], MailstoreError | None] = lambda arrival: None
        self.refuse_commit: Callable[[Append], MailstoreError | None] = lambda append: None
        self.whole_or_nothing = False
        self.make_canonical: Callable[[bytes], bytes] = lambda body: body
        self.spoil: Callable[[Row], Row] = lambda row: row
        self.break_listing_after: int | None = None
        self.break_state = False
        self.staged: list[Staged] = []

    def canonical(self, body: bytes) -> bytes:
        return self.make_canonical(body)

    def stage(self, arrivals: Sequence[Arrival]) -> list[Staged]:
        for arrival in arrivals:
            error = self.refuse_staging(arrival)
            if error is not None:
                raise error
        changed = [
            one._replace(body=self.canonical(one.body)) if isinstance(one.body, bytes) else one for one in arrivals
        ]
        staged: list[Staged] = self.real.stage(changed)
        self.staged += staged
        return staged

    def discard(self, staged: Sequence[Staged]) -> None:
        for one in staged:
            if one in self.staged:
                self.staged.remove(one)
        self.real.discard(staged)

    def commit(self, changes: Sequence[Change], **options: Any) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for place, change in enumerate(changes):
            error = self.refuse_commit(change) if isinstance(change, Append) else None
            if error is not None and self.whole_or_nothing:
                raise error
            if error is not None:
                return outcomes + [Outcome("failed", error=error)] * (len(changes) - place)
            if not self.whole_or_nothing:
                outcomes += self._carry_out([change], **options)
        return self._carry_out(changes, **options) if self.whole_or_nothing else outcomes

    def _carry_out(self, changes: Sequence[Change], **options: Any) -> list[Outcome]:
        outcomes: list[Outcome] = self.real.commit(changes, **options)
        self.discard([change.staged for change in changes if isinstance(change, Append)])
        return outcomes

    def folder(self, path: FolderPath) -> Any:
        return _LimitedFolder(self.real.folder(path), self)


class _LimitedFolder(_Behind):
    def __init__(self, real: Any, driver: LimitedDriver) -> None:
        super().__init__(real)
        self._driver = driver

    def state(self) -> FolderState:
        if self._driver.break_state:
            raise BROKEN[0]
        state: FolderState = self.real.state()
        return state

    def changes(self, since: Token | None, want: int) -> Delta:
        if self._driver.break_listing_after == 0:
            raise BROKEN[0]
        delta: Delta = self.real.changes(since, want)
        return replace(delta, batches=self._spoilt(delta.batches))

    def fetch(self, uids: Sequence[int], want: int) -> Iterator[list[Row]]:
        return self._spoilt(self.real.fetch(uids, want))

    def _spoilt(self, batches: Iterator[list[Row]]) -> Iterator[list[Row]]:
        left = self._driver.break_listing_after
        for rows in batches:
            if left is not None and left < len(rows):
                yield [self._driver.spoil(row) for row in rows[:left]]
                raise BROKEN[0]
            yield [self._driver.spoil(row) for row in rows]
            left = None if left is None else left - len(rows)


BROKEN: list[MailstoreError] = []


def limited(**capabilities: Any) -> tuple[Store, LimitedDriver]:
    """Return a store in memory that keeps as little as said, and its driver."""
    real = open_store("memory:")
    driver = LimitedDriver(real.driver, replace(real.capabilities, **capabilities))
    return Store(Location("memory", ""), driver), driver
