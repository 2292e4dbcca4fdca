"""The fast way into a destination folder that is not there yet: filled out of sight, published by one step.

Where the source can be read in parts and the destination filled side by side, forked children do both; only receipts
and facts come back. Nothing of the folder can be seen before it is published, so whatever goes wrong is thrown away
as a whole and the general way taken instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from typing import NamedTuple

from mailstore.convert.reading import WORTH_FORKING, Batch, FolderReader
from mailstore.convert.run import FolderRun, state_of
from mailstore.convert.transit import Rules, Taken, close_all, pack, unpack
from mailstore.convert.workers import Tell, run_jobs
from mailstore.errors import FolderError, MailstoreError, MessageError
from mailstore.model.changes import SetState
from mailstore.spi import FolderDriver, FreshFolder

MOST = 50_000
"""Messages: a larger folder is not filled out of sight, since all that is known of it would be held in memory."""


class _Part(NamedTuple):
    """What one process filled in; goes through a pipe."""

    receipts: list[object]
    taken: Taken
    packed: bytes | None = None
    """The facts, where they come from another process."""
    broken: bool = False
    """The reading ended early, or there is too much to read."""


def copy_fresh(folder: FolderRun, source: FolderDriver, rules: Rules, reader: FolderReader) -> bool:
    """Copy the folder as a whole; False where that cannot be done, and nothing was.

    Raises:
        StoreError: the destination cannot go on; nothing of the folder is there.
    """
    shortcut = folder.run.destination.fresh_folders
    fresh = shortcut.fresh(folder.target) if shortcut is not None else None
    if shortcut is None or fresh is None:
        return False
    try:
        if shortcut.parallel_fresh and rules.fit is None and folder.run.parallel > 1:
            parts = _fill_side_by_side(folder, rules, fresh, reader)
        else:
            parts = [_fill(reader, reader.batches(), fresh, lambda told: _heard(folder, told))]
        if any(part.broken for part in parts):
            return False  # the general way tells what of it is wrong
        return _publish(folder, source, fresh, parts)
    except (MessageError, FolderError):
        return False  # one message was refused, or the folder got messages meanwhile: the general way knows which
    finally:
        fresh.discard()


def _fill_side_by_side(folder: FolderRun, rules: Rules, fresh: FreshFolder, reader: FolderReader) -> list[_Part]:
    """Fill the first part of the folder here and, when that was much, the others in forked processes."""
    parts = reader.parts()
    if not parts:
        return [_fill(reader, reader.batches(), fresh, lambda told: _heard(folder, told))]
    first = _fill(reader, reader.read_part(parts[0]), fresh, lambda told: _heard(folder, told))
    size = sum(fact.size for fact in first.taken.facts)
    others = parts[1:]
    if len(first.taken.facts) * len(parts) > MOST:
        return [first._replace(broken=True)]
    if size < WORTH_FORKING or len(others) < 2 or first.broken:
        rest = chain.from_iterable(reader.read_part(part) for part in others)
        more = _fill(reader, rest, fresh, lambda told: _heard(folder, told))
        return [_Part(first.receipts + more.receipts, reader.taken, None, more.broken)]

    def fill(mine: Sequence[object], tell: Tell) -> _Part:
        begun = FolderReader(folder, reader.source, rules)
        batches = chain.from_iterable(begun.read_part(part) for part in mine)
        part = _fill(begun, batches, fresh, tell)
        facts, part.taken.facts = part.taken.facts, []
        return part._replace(packed=pack(facts))

    workers = min(folder.run.parallel, len(others))
    share = -(-len(others) // workers)
    jobs = [partial(fill, others[at : at + share]) for at in range(0, len(others), share)]
    filled: list[_Part] = run_jobs(jobs, lambda told: _heard(folder, told))
    return [first, *filled]


def _heard(folder: FolderRun, told: object) -> None:
    assert isinstance(told, tuple)
    folder.run.advance("copy", folder.path, *told)


def _fill(reader: FolderReader, batches: Iterator[Batch], fresh: FreshFolder, tell: Tell) -> _Part:
    receipts: list[object] = []
    for arrivals, facts in batches:
        try:
            receipts += fresh.add(arrivals)
        finally:
            close_all(arrivals)
        reader.taken.facts += facts
        if len(reader.taken.facts) > MOST:
            return _Part(receipts, reader.taken, None, True)
        tell((len(facts), sum(fact.size for fact in facts)))
    return _Part(receipts, reader.taken, None, reader.broken is not None)


def _publish(folder: FolderRun, source: FolderDriver, fresh: FreshFolder, parts: Sequence[_Part]) -> bool:
    taken = _joined(parts)
    if not taken.facts:
        return False
    keep = folder.alone and taken.facts[0].recorded
    state = state_of(source) if keep else None
    adopted = None if state is None else SetState(folder.target, state.uidvalidity, state.uidnext, state.highest_modseq)
    folder.run.journal.intend(folder.way, taken.facts, 0, 1)
    try:
        uids = fresh.publish([receipt for part in parts for receipt in part.receipts], adopted)
    except MailstoreError:
        folder.run.journal.done(folder.way, 0, [0] * len(taken.facts))
        raise
    # Asking for a UIDVALIDITY that was not adopted would list the whole folder once more: the journal does without.
    folder.run.journal.done(folder.way, 0 if state is None else state.uidvalidity, uids)
    folder.count(taken)
    folder.stored(taken.facts, uids, state is not None)
    return True


def _joined(parts: Sequence[_Part]) -> Taken:
    """Add the parts up, with positions counted through."""
    taken = Taken()
    for part in parts:
        offset = taken.rows
        taken.facts += part.taken.facts if part.packed is None else unpack(part.packed, offset)
        taken.troubles += [one._replace(position=one.position + offset) for one in part.taken.troubles]
        taken.notes.update(part.taken.notes)
        taken.filtered += part.taken.filtered
    return taken
