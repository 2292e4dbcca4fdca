"""The fast way into a destination folder that is not there yet: filled out of sight, published by one step.

Where the source can be read in parts and the destination filled side by side, forked children do both; only receipts
and facts come back. Nothing of the folder can be seen before it is published, so whatever goes wrong is thrown away
as a whole and the general way taken instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count

from mailstore.convert.run import FolderRun
from mailstore.convert.transit import Rules, Taken, close_all, pack, unpack
from mailstore.convert.workers import Tell, run_jobs
from mailstore.errors import FolderError, MailstoreError, MessageError
from mailstore.model.changes import SetState
from mailstore.model.info import BODY, META, Row
from mailstore.spi import FolderDriver, FreshFolder, Shards


@dataclass(slots=True)
class _Part:
    """What one process filled in; plain values that go through a pipe."""

    receipts: list[object] = field(default_factory=list)
    taken: Taken = field(default_factory=Taken)
    packed: bytes | None = None
    """The facts, where they come from another process."""
    broken: tuple[str, str] | None = None
    """Name and text of the error that ended the reading early."""


def copy_fresh(folder: FolderRun, source: FolderDriver, rules: Rules) -> bool:
    """Copy the folder as a whole; False where that cannot be done here, and nothing was.

    Raises:
        StoreError: the destination cannot go on; nothing of the folder is there.
    """
    shortcut = folder.run.destination.fresh_folders
    fresh = shortcut.fresh(folder.path) if shortcut is not None else None
    if shortcut is None or fresh is None:
        return False
    try:
        parts = _fill(folder, source, rules, fresh, shortcut.parallel_fresh)
        return _publish(folder, source, fresh, parts)
    except (MessageError, FolderError):
        return False  # one message was refused, or the folder got messages meanwhile: the general way knows which
    finally:
        fresh.discard()


def _fill(folder: FolderRun, source: FolderDriver, rules: Rules, fresh: FreshFolder, parallel: bool) -> list[_Part]:
    run = folder.run
    workers = run.parallel if parallel and rules.fit is None else 1
    shards: list[object] = []
    sharded = source if "shard" in run.source.capabilities.native and isinstance(source, Shards) else None
    if workers > 1 and sharded is not None:
        shards = sharded.shards(workers)
    if sharded is None or len(shards) < 2:
        batches = source.changes(None, BODY | META).batches
        return [_fill_part(batches, rules, fresh, lambda told: _heard(folder, told))]

    def fill(shard: object, tell: Tell) -> _Part:
        part = _fill_part(sharded.read_shard(shard, BODY | META), rules, fresh, tell)
        part.packed, part.taken.facts = pack(part.taken.facts), []
        return part

    parts: list[_Part] = run_jobs([partial(fill, shard) for shard in shards], lambda told: _heard(folder, told))
    return parts


def _heard(folder: FolderRun, told: object) -> None:
    assert isinstance(told, tuple)
    folder.run.advance("copy", folder.path, *told)


def _fill_part(batches: Iterator[list[Row]], rules: Rules, fresh: FreshFolder, tell: Tell) -> _Part:
    part = _Part()
    taken = part.taken
    positions = count(1)
    while True:
        try:
            rows = next(batches, None)
        except MailstoreError as error:
            part.broken = (type(error).__name__, str(error))
            break
        if rows is None:
            break
        before = len(taken.facts)
        arrivals = rules.take(rows, positions, taken)
        try:
            part.receipts += fresh.add(arrivals)
        finally:
            close_all(arrivals)
        tell((len(rows), sum(fact.size for fact in taken.facts[before:])))
    return part


def _publish(folder: FolderRun, source: FolderDriver, fresh: FreshFolder, parts: Sequence[_Part]) -> bool:
    run, path = folder.run, folder.path
    taken = _joined(parts)
    if not taken.facts:
        return False
    keep = taken.facts[0].recorded
    state = source.state() if keep else None
    adopted = None if state is None else SetState(path, state.uidvalidity, state.uidnext, state.highest_modseq)
    run.journal.intend(path, taken.facts, 0, 1)
    try:
        uids = fresh.publish([receipt for part in parts for receipt in part.receipts], adopted)
    except MailstoreError:
        run.journal.done(path, 0, [0] * len(taken.facts))
        raise
    # Asking for a UIDVALIDITY that was not adopted would list the whole folder once more: the journal does without.
    run.journal.done(path, 0 if state is None else state.uidvalidity, uids)
    folder.count(taken)
    folder.stored(taken.facts, uids, state is not None)
    for part in parts:
        if part.broken is not None:
            run.report.add_problem(path, *part.broken)
    return True


def _joined(parts: Sequence[_Part]) -> Taken:
    """Add the parts up, with positions counted through."""
    taken = Taken()
    for part in parts:
        offset = len(taken.facts) + len(taken.troubles)
        taken.facts += part.taken.facts if part.packed is None else unpack(part.packed, offset)
        taken.troubles += [one._replace(position=one.position + offset) for one in part.taken.troubles]
        taken.notes.update(part.taken.notes)
    return taken
