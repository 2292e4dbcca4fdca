"""What is known of messages between the source and the destination: the hot loop of every conversion.

A few microseconds a message are all there is, so a Fact is a plain tuple of what verification and journal need, made
in one loop, and a message that cannot go on is the rare case.
"""

from __future__ import annotations

import marshal
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, NamedTuple

from mailstore.convert.choice import chooses
from mailstore.convert.losses import whole
from mailstore.convert.merge import Marks
from mailstore.convert.rejected import Rejected
from mailstore.errors import MailstoreError, MessageTooLarge, UnreadableMessage
from mailstore.model.flags import SYSTEM_FLAGS
from mailstore.model.info import Arrival, Body, Meta, Row
from mailstore.model.measure import digest_of
from mailstore.model.names import FolderPath
from mailstore.search import Search


class Fact(NamedTuple):
    """A message that was read from the source."""

    position: int
    """In the source's folder, from 1."""
    key: str
    digest: bytes
    stored: bytes
    """Digest of what the destination gives back."""
    uid: int
    """In the source, for fetching it again; provisional unless ``recorded``."""
    recorded: bool
    size: int
    meta: tuple[Any, ...] | None
    """The fields of the Meta that the destination was given; None where only the bytes are to be compared."""
    flags: int
    """In the source."""
    keywords: frozenset[str]
    """In the source."""

    @property
    def marks(self) -> Marks:
        r"""Flags and keywords in the source, without ``\Recent``."""
        return Marks(self.flags & SYSTEM_FLAGS, self.keywords)


class Trouble(NamedTuple):
    """A message that cannot go on; plain values, as it may come from another process."""

    position: int
    key: str
    uid: int
    error: str
    reason: str
    set_aside: str


@dataclass(slots=True)
class Taken:
    """What became of some rows; adds up."""

    facts: list[Fact] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    filtered: int = 0
    """Rows that the search does not choose."""

    @property
    def rows(self) -> int:
        """How many it was."""
        return len(self.facts) + len(self.troubles) + self.filtered


@dataclass(frozen=True, slots=True)
class Rules:
    """How messages are taken for one destination folder."""

    folder: FolderPath
    rejected: Rejected
    max_message: int | None
    canonical: Callable[[bytes], bytes] | None
    """None where the destination keeps every byte."""
    fit: Callable[[Meta], Meta] | None
    """None where the destination keeps every Meta."""
    stamp: Callable[[Row], Row] | None = None
    """What gives rows their POP3 unique ids; None where only recorded ones are carried."""
    unstamped: str = ""
    """What to note of a message that gets none."""
    search: Search | None = None
    """Which messages are wanted; None is all."""

    def take(
        self, rows: Sequence[Row], positions: Iterable[int], taken: Taken, *, lasting: bool = True
    ) -> list[Arrival]:
        """Return what can go on, with a Fact for each in ``taken``; the rest becomes Troubles there.

        The arrivals carry the recorded UIDs as hints, and their Blobs are open. ``lasting``: the keys of rows without a
        recorded UID last.
        """
        arrivals = []
        facts = taken.facts
        fit, stamp, canonical, limit = self.fit, self.stamp, self.canonical, self.max_message
        search = self.search
        for row, position in zip(rows, positions, strict=False):
            uid, key, recorded = row[:3]
            body = row.body
            if row.error is not None or body is None:
                taken.troubles.append(self._unreadable(row, position))
                continue
            if search is not None and not chooses(search, row):
                taken.filtered += 1
                close(body)
                continue
            if row.notes:
                taken.notes.update(row.notes)
            stamped = row if stamp is None else stamp(row)
            if stamped.uidl is None and self.unstamped:
                taken.notes[self.unstamped] += 1
            meta = stamped.meta if fit is None else fit(stamped.meta)
            if isinstance(body, bytes):
                size = len(body)
                digest = sha256(body).digest()
            else:
                try:
                    size, digest = body.size, digest_of(body)
                except MailstoreError as error:
                    body.close()
                    taken.troubles.append(trouble(position, key, uid if recorded else 0, error))
                    continue
            if limit is not None and size > limit:
                large = MessageTooLarge(f"{size} bytes are more than the format allows ({limit})")
                taken.troubles.append(self.refuse(position, key, uid if recorded else 0, large, digest, body))
                continue
            stored = digest if canonical is None else sha256(canonical(whole(body))).digest()
            if not (lasting or recorded):
                key = ""
            facts.append(Fact(position, key, digest, stored, uid, recorded, size, meta, row.flags, row.keywords))
            arrivals.append(Arrival(body, meta, None, uid if recorded else 0))
        return arrivals

    def meta(self, row: Row) -> Meta:
        """Return what the destination is given of a row."""
        meta = row.meta if self.stamp is None else self.stamp(row).meta
        return meta if self.fit is None else self.fit(meta)

    def _unreadable(self, row: Row, position: int) -> Trouble:
        error = row.error or UnreadableMessage("the message has no contents that can be read")
        uid = row.uid if row.recorded else 0
        if row.body is None:
            return trouble(position, row.key, uid, error)
        return self.refuse(position, row.key, uid, error, None, row.body)

    def refuse(
        self, position: int, key: str, uid: int, error: MailstoreError, digest: bytes | None, body: Body
    ) -> Trouble:
        """Set a message aside, close it, and tell of it."""
        told = trouble(position, key, uid, error)
        try:
            place = self.rejected.put(self.folder, position, digest or digest_of(body), body)
            return told._replace(set_aside=place)
        except MailstoreError as second:
            return told._replace(reason=f"{error}; nor could it be set aside: {second}")
        finally:
            close(body)


def trouble(position: int, key: str, uid: int, error: MailstoreError) -> Trouble:
    """Return an error as a Trouble; ``uid`` is a recorded one or 0."""
    return Trouble(position, key, uid, type(error).__name__, str(error), "")


def pack(facts: Iterable[Fact]) -> bytes:
    """Return facts as bytes for another process: a quarter of what pickling them costs on both sides."""
    return marshal.dumps([(*fact[:7], None if fact.meta is None else tuple(fact.meta), *fact[8:]) for fact in facts])


def unpack(packed: bytes, offset: int) -> list[Fact]:
    """Return the facts of ``pack``, their positions moved on by ``offset``."""
    plain = marshal.loads(packed)  # noqa: S302 - from our own child, through our own pipe
    return [Fact(position + offset, *rest) for position, *rest in plain]


def close(body: Body) -> None:
    """Release a Blob; nothing for bytes."""
    if not isinstance(body, bytes):
        body.close()


def close_all(arrivals: Iterable[Arrival]) -> None:
    """Release the Blobs among ``arrivals``."""
    for arrival in arrivals:
        if not isinstance(arrival.body, bytes):
            arrival.body.close()
