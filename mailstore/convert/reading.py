"""Where the messages of a folder come from: one stream of batches, read by this process or by forked ones.

The problem. Reading a source costs about as much as writing a destination, and most destinations take messages from
one process only.

The solution. Where the source can be read in parts, the first of many is read here; when it was large enough to be
worth it, forked readers take the others in turn, a part or so ahead of us, and send what they made of it through
pipes. They touch nothing but the source: whatever else this process has open stays unused in them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count
from typing import NamedTuple

from mailstore.convert.run import FolderRun
from mailstore.convert.transit import Fact, Rules, Taken, close_all, pack, unpack
from mailstore.convert.workers import Child, Tell, started
from mailstore.errors import MailstoreError, StorageFailure
from mailstore.model.info import BODY, META, Arrival, Body, Meta, Row, body_chunks
from mailstore.spi import FolderDriver, Shards, Watchable
from mailstore.system.spool import Spool

PARTS = 32
"""Into how many a folder is split: the first is read before anything is forked."""
WORTH_FORKING = 256 << 10
"""Bytes in the first part from which on the others are read by forked processes."""


class Batch(NamedTuple):
    """Messages on their way; the Blobs among the bodies are the receiver's to close."""

    arrivals: list[Arrival]
    facts: list[Fact]


class FolderReader:
    """Reads one folder of the source, once.

    Attributes:
        taken: troubles and notes so far.
        broken: why the stream ended early.
        source: the folder.
    """

    def __init__(self, folder: FolderRun, source: FolderDriver, rules: Rules) -> None:
        self._run = folder.run
        self.source = source
        self._rules = rules
        self.taken = Taken()
        self.broken: MailstoreError | None = None
        self._position = 0
        driver = folder.run.source.driver
        self._keys_last = isinstance(driver, Watchable) and driver.keys_travel
        """A part's keys are no others than those of a listing, also where no UID is recorded."""
        self._sharded: Shards | None = None
        numbered = rules.search is not None and rules.search.by_uid  # rows of a part need have no UIDs
        if "shard" in folder.run.source.capabilities.native and isinstance(source, Shards) and not numbered:
            self._sharded = source

    def parts(self) -> list[object]:
        """Split the folder; empty where it cannot be."""
        try:
            return [] if self._sharded is None else self._sharded.shards(PARTS)
        except MailstoreError:
            return []  # the listing says what is wrong

    def rows(self, part: object) -> Iterator[list[Row]]:
        """Read one of ``parts``."""
        assert self._sharded is not None
        return self._sharded.read_shard(part, BODY | META)

    def batches(self) -> Iterator[Batch]:
        """Yield the whole folder, in order."""
        parts = self.parts()
        if not parts:
            yield from self.read(lambda: self.source.changes(None, BODY | META).batches)
            return
        size = 0
        for batch in self.read_part(parts[0]):
            size += sum(fact.size for fact in batch.facts)
            yield batch
        others = parts[1:]
        workers = min(self._run.parallel, len(others)) if size >= WORTH_FORKING and self._rules.fit is None else 1
        if workers > 1 and self.broken is None:
            yield from self._read_forked(others, workers)
            return
        for part in others:
            yield from self.read_part(part)

    def read_part(self, part: object) -> Iterator[Batch]:
        """Yield one of ``parts``."""
        return self.read(partial(self.rows, part), lasting=self._keys_last)

    def read(
        self,
        begin: Callable[[], Iterator[list[Row]]],
        positions: Iterator[int] | None = None,
        *,
        lasting: bool = True,
    ) -> Iterator[Batch]:
        """Yield what the iterator that ``begin`` makes gives; positions go on from those before unless given."""
        if self.broken is not None:
            return
        try:
            source = begin()
            while (rows := next(source, None)) is not None:
                facts: list[Fact] = []
                taken = Taken(facts, self.taken.troubles, self.taken.notes)
                arrivals = self._rules.take(rows, positions or count(self._position + 1), taken, lasting=lasting)
                self.taken.filtered += taken.filtered
                self._position += len(rows)
                yield Batch(arrivals, facts)
        except MailstoreError as error:
            self.broken = error

    def _read_forked(self, parts: Sequence[object], workers: int) -> Iterator[Batch]:
        jobs = [partial(self._send_parts, parts[first::workers]) for first in range(workers)]
        with started(jobs) as children:
            for number in range(len(parts)):
                yield from self._receive_part(children[number % workers])
                if self.broken is not None:
                    return

    def _send_parts(self, parts: Sequence[object], tell: Tell) -> None:
        """Run in a child: send each part as batches, large bodies in pieces behind theirs."""
        self.taken = Taken()  # what was found before the fork is told already
        for part in parts:
            self._position = 0
            for arrivals, facts in self.read_part(part):
                bodies = [arrival.body if isinstance(arrival.body, bytes) else None for arrival in arrivals]
                tell((pack(facts), bodies, self.taken.troubles, self.taken.notes, self.taken.filtered))
                self.taken = Taken()
                for arrival in arrivals:
                    if not isinstance(arrival.body, bytes):
                        for chunk in body_chunks(arrival.body):
                            tell(chunk)
                close_all(arrivals)
            tell(None if self.broken is None else str(self.broken))

    def _receive_part(self, child: Child) -> Iterator[Batch]:
        offset = self._position
        while (batch := self._receive(child, offset)) is not None:
            yield batch

    def _receive(self, child: Child, offset: int) -> Batch | None:
        """Return the next batch of a part; None at its end, or where the child has no more to give."""
        try:
            _, told = child.receive()
            if told is None or isinstance(told, str):
                self.broken = None if told is None else StorageFailure(told)
                return None
            packed, bodies, troubles, notes, filtered = told
            facts = unpack(packed, offset)
            self.taken.troubles += [one._replace(position=one.position + offset) for one in troubles]
            self.taken.notes.update(notes)
            self.taken.filtered += filtered
            self._position += len(facts) + len(troubles) + filtered
            return Batch([_arrival(fact, body, child) for fact, body in zip(facts, bodies, strict=True)], facts)
        except MailstoreError as error:
            self.broken = error
            return None


def _arrival(fact: Fact, body: bytes | None, child: Child) -> Arrival:
    whole: Body = _receive_large(fact.size, child) if body is None else body
    assert fact.meta is not None
    return Arrival(whole, Meta(*fact.meta), None, fact.uid if fact.recorded else 0)


def _receive_large(size: int, child: Child) -> Spool:
    spool = Spool()
    try:
        while spool.size < size:
            spool.append((child.receive()[1],))
    except BaseException:
        spool.close()
        raise
    return spool
