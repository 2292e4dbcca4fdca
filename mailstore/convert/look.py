"""What is other in a folder of the source than the journal notes.

Where the source has a history, it is asked what changed since; else its listing is held against the record. A message
is taken for one that is noted by its key and size; of some of them the bytes are looked at, and where those are others
(a folder that took another's place) no key counts. What no key tells is paired by its digest (``pairing``).

The problem. A listing of a million messages must not be held in memory, nor an index of what is noted of them.

The solution. Both stand in the same order but for what was taken out or put in: a cursor goes along, and looks a little
ahead where the two differ. Only what that does not find is kept and looked up.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice, pairwise

from mailstore.convert.merge import Marks, marks
from mailstore.convert.record import DROPPED, PRESENT, FolderRecord, Way, identity
from mailstore.errors import MailstoreError
from mailstore.model.changes import Delta, Token
from mailstore.model.flags import SYSTEM_FLAGS
from mailstore.model.info import DIGEST, SIZE, Row
from mailstore.spi import FolderDriver

_AHEAD = 1000
_SAMPLE = 16
FETCH = 1000
"""Messages that are asked for at once."""


@dataclass(frozen=True, slots=True)
class Moving:
    """A message of the source that stood in another folder before, or in this one by another name."""

    way: Way
    """The one it is noted under."""
    number: int
    key: str
    size: int
    uid: int
    recorded: bool
    """Its UID is."""
    marks: Marks
    """What it has in the source now."""
    digest: bytes
    """SHA-256 of the bytes that it has there now."""


@dataclass(slots=True)
class Look:
    """What was found.

    Attributes:
        token: as of when; None where the source has no history.
        messages: how many the folder has.
        size: bytes of the messages that were listed.
        there: how many of them are noted.
        whole: all of the folder could be read.
        where: of what is noted, the position in the folder; 0 where it is not known.
        new: UIDs of the messages that are not noted, in order.
        positions: of each of them in the folder.
        broken: positions and rows of what cannot be read and is not noted.
        changed: messages whose flags or keywords are not those noted, and what they are now.
        back: messages noted as absent that are there again.
        gone: messages that are there no more, ascending; without those noted as absent before.
        moves: those of ``new`` that are noted elsewhere and gone from there, by UID.
        same: messages of this folder that have another key now.
        filtered: how many new messages are not wanted, and left out of ``new`` (``choice``).
        cut: some of them since a limit is reached.
        renumbered: some of what is noted have other UIDs in the source now.
    """

    token: Token | None = None
    messages: int = 0
    size: int = 0
    there: int = 0
    whole: bool = True
    where: array[int] = field(default_factory=lambda: array("I"))
    new: array[int] = field(default_factory=lambda: array("I"))
    positions: array[int] = field(default_factory=lambda: array("I"))
    broken: list[tuple[int, Row]] = field(default_factory=list)
    changed: list[tuple[int, Marks]] = field(default_factory=list)
    back: list[int] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)
    moves: dict[int, Moving] = field(default_factory=dict)
    same: list[Moving] = field(default_factory=list)
    filtered: int = 0
    cut: bool = False
    renumbered: bool = False
    error: MailstoreError | None = None
    """Why it is not whole, where the listing ended early."""

    def add_new(self, uid: int, position: int) -> None:
        """Take in a message that is not noted."""
        self.new.append(uid)
        self.positions.append(position)


def look(source: FolderDriver, record: FolderRecord, *, history: bool) -> Look:
    """Compare a folder of the source with what is noted of it.

    ``history``: the source keeps it, so what changed since the noted token is all there is to see.

    Raises:
        MailstoreError: the folder cannot be asked at all.
    """
    known = history and 0 not in record.uids  # a history speaks of UIDs
    delta = source.changes(record.token if known else None, SIZE | (DIGEST if record.keyless else 0))
    found = (_compare_listing if delta.full else _compare_changes)(source, record, delta)
    found.token = delta.token if history and found.whole else None
    return found


def vanished(record: FolderRecord) -> Look:
    """Return what is found of a folder that is not there."""
    return Look(gone=list(record.having(PRESENT)))


def _match(record: FolderRecord, found: Look, number: int, row: Row) -> None:
    """Take in that ``row`` is the message ``number``."""
    found.there += 1
    if record.uids[number] != row.uid:
        record.uids[number] = row.uid
        found.renumbered = True
    if record.is_absent(number):
        found.back.append(number)
    if not record.same_marks(number, row.flags & SYSTEM_FLAGS, row.keywords):
        now = marks(row.flags, row.keywords)
        if not now.same(record.marks(number)):
            found.changed.append((number, now))


def _rows(found: Look, batches: Iterator[list[Row]]) -> Iterator[Row]:
    """Yield rows; where they end early, note that."""
    try:
        for rows in batches:
            yield from rows
    except MailstoreError as error:
        found.whole, found.error = False, error


# -- what changed


def _compare_changes(source: FolderDriver, record: FolderRecord, delta: Delta) -> Look:
    found = Look()
    by_uid = _by_uid(record)
    found.gone = sorted(
        number for uid in delta.vanished if (number := by_uid(uid)) is not None and record.states[number] == PRESENT
    )
    fresh: list[int] = []
    changed = 0
    for row in _rows(found, delta.batches):
        number = by_uid(row.uid)
        if number is not None and record.identities[number] == identity(row.key, row.size):
            _match(record, found, number, row)
            changed += record.states[number] == PRESENT
        elif row.error is not None:
            found.whole = False
            found.broken.append((0, row))
        else:
            fresh.append(row.uid)
    state = source.state()
    found.messages, found.size = state.messages, state.size or 0
    for place, uid in enumerate(fresh):  # what is new stands at the end
        found.add_new(uid, max(1, state.messages - len(fresh) + 1 + place))
    found.there += record.count(PRESENT) - len(found.gone) - changed
    return found


def _by_uid(record: FolderRecord) -> Callable[[int], int | None]:
    """Return what finds the number of a message by its UID in the source."""
    uids, states = record.uids, record.states
    if any(before >= after for before, after in pairwise(uids)):
        numbers = {uid: number for number, uid in enumerate(uids) if states[number] != DROPPED}
        return numbers.get

    def find(uid: int) -> int | None:
        at = bisect_left(uids, uid)
        return at if at < len(uids) and uids[at] == uid and states[at] != DROPPED else None

    return find


# -- the whole listing


class _Cursor:
    """Finds messages by what they are known by, each once, in an order that is nearly theirs."""

    def __init__(self, record: FolderRecord) -> None:
        self._identities = record.identities
        self.free = bytearray(state != DROPPED for state in record.states)
        self._at = 0

    def find(self, wanted: int, other: int) -> int | None:
        """Return the number of a message that was not found yet; it may lie too far ahead or behind to be seen.

        It is known by what is ``wanted``, or by the ``other``.
        """
        at = self.free.find(1, self._at)
        if at < 0:
            return None
        if self._identities[at] in (wanted, other):
            self.free[at] = 0
            self._at = at + 1
            return at
        found = self._ahead(wanted, at)
        return self._ahead(other, at) if found is None and other != wanted else found

    def _ahead(self, wanted: int, at: int) -> int | None:
        free, identities = self.free, self._identities
        end = min(at + _AHEAD, len(free))
        while at < end:
            if identities[at] != wanted:
                try:
                    at = identities.index(wanted, at, end)
                except ValueError:
                    return None
            if free[at]:
                free[at] = 0
                self._at = at + 1
                return at
            at += 1
        return None


def _compare_listing(source: FolderDriver, record: FolderRecord, delta: Delta, *, trust: bool = True) -> Look:
    found = Look(where=array("I", bytes(4 * len(record))))
    cursor = _Cursor(record)
    late = array("q")
    """Of each of ``found.new``: what it is known by."""
    for row in _rows(found, delta.batches):
        found.messages += 1
        found.size += row.size or 0
        known_by = identity(row.key, row.size)
        by_digest = hash(row.digest) if record.keyless else known_by
        number = cursor.find(known_by, by_digest) if trust else None
        if number is not None:
            found.where[number] = found.messages
            _match(record, found, number, row)
        elif row.error is not None:
            found.whole = False
            found.broken.append((found.messages, row))
        else:
            found.add_new(row.uid, found.messages)
            late.append(known_by)
    if trust and late and 1 in cursor.free:
        _find_late(source, record, found, cursor.free, late)
    if trust and not _same_bytes(source, record, cursor.free):
        return _compare_listing(source, record, source.changes(None, SIZE), trust=False)
    if found.whole:
        found.gone = [number for number in record.having(PRESENT) if cursor.free[number]]
    return found


def _find_late(source: FolderDriver, record: FolderRecord, found: Look, free: bytearray, late: array[int]) -> None:
    """Find what stands in quite another order than is noted."""
    numbers: defaultdict[int, deque[int]] = defaultdict(deque)
    at = free.find(1)
    while at >= 0:
        numbers[record.identities[at]].append(at)
        at = free.find(1, at + 1)
    uids = {uid: numbers[known].popleft() for uid, known in zip(found.new, late, strict=True) if numbers.get(known)}
    if not uids:
        return
    new, positions = found.new, found.positions
    found.new, found.positions = array("I"), array("I")
    for uid, position in zip(new, positions, strict=True):
        if uid not in uids:
            found.add_new(uid, position)
    for row in fetch(source, uids, SIZE):
        free[uids[row.uid]] = 0
        _match(record, found, uids[row.uid], row)


def _same_bytes(source: FolderDriver, record: FolderRecord, free: bytearray) -> bool:
    """Tell whether some of the messages that were found have the bytes that are noted."""
    numbers = [number for number in range(len(free)) if not free[number] and record.states[number] != DROPPED]
    sample = {record.uids[number]: number for number in numbers[:: max(1, len(numbers) // _SAMPLE)]}
    return all(row.digest in (None, record.digest(sample[row.uid])) for row in fetch(source, sample, DIGEST))


def fetch(source: FolderDriver, uids: Iterable[int], want: int) -> Iterator[Row]:
    """Yield rows of chosen messages, some at a time; what cannot be read is passed over."""
    wanted = iter(uids)
    while some := list(islice(wanted, FETCH)):
        for rows in source.fetch(some, want):
            yield from (row for row in rows if row.error is None)
