"""Copy and move between any two folders, of one store or of two.

The problem: a copy must be all or nothing (RFC 9051 section 6.4.7) although some formats commit only a prefix of a
batch, and a move must never lose a message although no two stores share a transaction. So: everything is staged
first, committed as one batch, and what a failed batch left behind is taken back; a move expunges in the source only
what is durable in the destination (within a store by the same commit, whose changes are carried out in order). A crash
between the two leaves a message in both places, never in none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from mailstore.errors import NoSuchMessage
from mailstore.model.changes import Append, Change, Expunge, Move, Outcome, Staged
from mailstore.model.flags import RECENT
from mailstore.model.info import BODY, META, Arrival, body_size
from mailstore.model.names import FolderPath

if TYPE_CHECKING:
    from mailstore.folder import Folder
    from mailstore.store import Store


_BATCH_BYTES = 8 << 20
_BATCH_MESSAGES = 2000
_TRIES = 100

Clone = Callable[[FolderPath, Sequence[int]], list[Staged]]


class UidMap(NamedTuple):
    """Where messages went (RFC 4315 COPYUID): the destination's UIDVALIDITY and (source UID, destination UID) pairs."""

    uidvalidity: int
    pairs: tuple[tuple[int, int], ...]


def in_batches(arrivals: Iterable[Arrival]) -> Iterator[list[Arrival]]:
    """Yield ``arrivals`` in order, in lists of some MB."""
    batch: list[Arrival] = []
    size = 0
    for arrival in arrivals:
        batch.append(arrival)
        size += body_size(arrival.body)
        if size >= _BATCH_BYTES or len(batch) >= _BATCH_MESSAGES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def copy(source: Folder, uids: tuple[int, ...], destination: Folder) -> UidMap:
    """See Folder.copy."""
    with _both(source.store, destination.store):
        present, staged = _stage(source, uids, destination)
        outcomes = _append(destination, staged)
        return _uid_map(present, outcomes, destination)


def move(source: Folder, uids: tuple[int, ...], destination: Folder) -> UidMap:
    """See Folder.move."""
    store = source.store
    with _both(store, destination.store):
        if store is destination.store and "move" in store.capabilities.native and source.path != destination.path:
            outcome = store.commit([Move(source.path, uids, destination.path)])[0]
            if outcome.error is not None:
                raise outcome.error
            pairs = tuple(zip(outcome.uids, outcome.new_uids, strict=True))
            return UidMap(outcome.uidvalidity or destination.state().uidvalidity, pairs)
        if store is destination.store:
            # in one commit with what it makes of it, so that a quota sees that nothing is added
            present, staged = _stage(source, uids, destination)
            then = [Expunge(source.path, tuple(present))] if present else []
            return _uid_map(present, _append(destination, staged, then), destination)
        copied = copy(source, uids, destination)
        expunged = store.commit([Expunge(source.path, tuple(uid for uid, _ in copied.pairs))])[0]
        if expunged.error is not None:
            raise expunged.error
        return copied


@contextmanager
def _both(one: Store, other: Store) -> Iterator[None]:
    """Hold two stores' locks, always in the same order, so that two threads copying crosswise cannot deadlock."""
    first, second = sorted((one, other), key=id)
    with first.lock, second.lock:
        yield


def _stage(source: Folder, uids: tuple[int, ...], destination: Folder) -> tuple[list[int], list[Staged]]:
    """Stage what is there of ``uids``, ascending, in the destination's store."""
    wanted = sorted(set(uids))
    clone = source.store.clone if source.store is destination.store else None
    if clone is not None:
        return _clone(source, wanted, clone)
    present: list[int] = []
    staged: list[Staged] = []
    try:
        for batch in in_batches(_arrivals(source, wanted, present)):
            staged += destination.store.stage(batch)
    except BaseException:
        destination.store.discard(staged)
        raise
    return present, staged


def _clone(source: Folder, wanted: list[int], clone: Clone) -> tuple[list[int], list[Staged]]:
    """Stage what is there by the native shortcut; what another program expunges just now is passed over."""
    tries = 0
    while True:
        here = [message.uid for message in source.fetch(wanted, 0) if message.error is None]
        try:
            return here, clone(source.path, here)
        except NoSuchMessage:
            tries += 1
            if tries == _TRIES:
                raise


def _arrivals(source: Folder, uids: list[int], present: list[int]) -> Iterator[Arrival]:
    """Yield what is there of ``uids``, noting their UIDs in ``present``."""
    for message in source.fetch(uids, META | BODY):
        row = message.row
        if isinstance(row.error, NoSuchMessage):
            continue
        if row.error is not None:
            raise row.error
        assert row.body is not None
        present.append(row.uid)
        yield Arrival(row.body, row.meta._replace(saved_date=None))


def _append(destination: Folder, staged: list[Staged], then: Sequence[Change] = ()) -> list[Outcome]:
    """Commit what is staged, all or none of it, and ``then`` once it is durable; returns the outcomes of the appends.

    Raises:
        MailstoreError: an append failed, and all are taken back; or one of ``then`` did.
    """
    store = destination.store
    changes: list[Change] = [
        Append(destination.path, one, meta=one.meta._replace(flags=one.meta.flags | RECENT)) for one in staged
    ]
    try:
        outcomes = store.commit([*changes, *then]) if changes else []
    except BaseException:
        store.discard(staged)
        raise
    outcomes, after = outcomes[: len(changes)], outcomes[len(changes) :]
    failed = next((outcome.error for outcome in outcomes if outcome.status == "failed"), None)
    if failed is not None:
        done = tuple(uid for outcome in outcomes if outcome.status == "done" for uid in outcome.uids)
        store.commit([Expunge(destination.path, done)])
        store.discard(staged)
        raise failed
    for outcome in after:
        if outcome.error is not None:
            raise outcome.error
    return outcomes


def _uid_map(present: list[int], outcomes: list[Outcome], destination: Folder) -> UidMap:
    if not outcomes:
        return UidMap(destination.state().uidvalidity, ())
    pairs = tuple((uid, outcome.uids[0]) for uid, outcome in zip(present, outcomes, strict=True))
    return UidMap(outcomes[0].uidvalidity, pairs)
