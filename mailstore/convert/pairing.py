"""Which messages that are new in a folder of the source are those that are gone from another.

A message that vanished here and appeared there with the same bytes was moved. Keys and UIDs do not tell it, and a
Message-ID is no proof: only the digest counts, each message once. First a folder's new messages are held against its
own that are gone (they got another key), then against those of the others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from mailstore.convert.choice import Choice
from mailstore.convert.journal import Journal
from mailstore.convert.look import Look, Moving, fetch, look, vanished
from mailstore.convert.merge import marks
from mailstore.convert.record import PRESENT, FolderRecord, Way
from mailstore.convert.removing import too_much
from mailstore.convert.rewritten import digests_before, may_be_rewritten
from mailstore.errors import MailstoreError
from mailstore.model.info import DIGEST, HEADER, SIZE, Row
from mailstore.spi import FolderDriver
from mailstore.store import Store


class Found(NamedTuple):
    """A way, what was found of it, and what is noted."""

    way: Way
    look: Look
    record: FolderRecord
    source: FolderDriver | None
    """None where the folder is not there."""


_Donors = defaultdict[bytes, list[tuple[Way, int]]]


def look_at(
    source: Store,
    records: Mapping[Way, FolderRecord],
    ways: Sequence[Way],
    stale: Iterable[Way],
    failed: Callable[[Way, MailstoreError], None],
    choice: Choice,
    *,
    again: bool = False,
) -> dict[Way, Found]:
    """Look at the folders of which something is noted, at the others only where a message of theirs may be known.

    Args:
        source: where.
        records: what is noted of every way.
        ways: those to look at.
        stale: those of which the folder is gone.
        failed: is told of a folder that cannot be asked.
        choice: what is wanted of what is new.
        again: this very source object was looked at before: it knows what changed since, wherever it keeps its history.
    """
    found: dict[Way, Found] = {}

    def see(way: Way) -> None:
        record = records.get(way) or FolderRecord()
        try:
            folder = source.driver.folder(way.path)
            found[way] = Found(way, look(folder, record, history=again or source.capabilities.modseqs), record, folder)
        except MailstoreError as error:
            failed(way, error)

    for way in ways:
        if way in records and records[way].live:
            see(way)
    for way in stale:
        found[way] = Found(way, vanished(records[way]), records[way], None)
    for way, record in records.items():
        if way not in found and record.missing:
            found[way] = Found(way, Look(), record, None)
    if _any_gone(found) or choice.counts:
        for way in ways:
            if way not in found:
                see(way)
        with suppress(MailstoreError):  # copying tells what cannot be read
            pair(found)
    _choose(choice, [found[way] for way in ways if way in found])
    return found


def _choose(choice: Choice, found: Sequence[Found]) -> None:
    for one in found:
        if one.source is not None and not choice.everything:
            choice.leave_out(one.look, one.source)


def moved_away(found: Iterable[Found]) -> Mapping[Way, set[int]]:
    """Return which of the messages that are gone from each folder were moved to others."""
    moved: defaultdict[Way, set[int]] = defaultdict(set)
    for one in found:
        for moving in one.look.moves.values():
            moved[moving.way].add(moving.number)
    return moved


def note(journal: Journal, found: Found, moved: Collection[int] = ()) -> None:
    """Write down what the source calls otherwise, has again, or has no more; those ``moved`` are elsewhere."""
    look, way, record = found.look, found.way, found.record
    back = {*look.back, *(one.number for one in look.same if record.is_absent(one.number))}
    for one in look.same:
        digest = one.digest if one.digest != record.digest(one.number) else None
        journal.again(way, one.number, one.key, one.size, one.uid, digest)
    journal.state(way, "present", sorted(back))
    gone = sum(number not in moved for number in look.gone)
    stay = record.count(PRESENT) - len(look.gone)
    journal.state(way, "spared" if too_much(gone, stay) else "absent", look.gone)


def _any_gone(found: Mapping[Way, Found]) -> bool:
    """Tell whether a message is missing anywhere."""
    return any(one.look.gone or one.record.missing > len(one.look.back) for one in found.values())


def pair(found: Mapping[Way, Found]) -> None:
    """Sort out, in each Look, what of ``new`` was moved there (``moves``) and what only has another key (``same``)."""
    donors: _Donors = defaultdict(list)
    for one in found.values():
        back = set(one.look.back)
        for number in (*one.record.absent(), *one.look.gone):
            if number not in back:
                donors[one.record.digest(number)].append((one.way, number))
    waiting: list[tuple[Found, Row, bytes]] = []
    for one in found.values():
        if donors and one.source is not None and one.look.new:
            waiting += ((one, *known) for known in _known(one.source, one.look.new, donors))
    for own in (True, False):
        waiting = [known for known in waiting if not _take(*known, donors, own=own)]
    for one in found.values():
        _take_out_same(one.look)


def _known(source: FolderDriver, new: Iterable[int], donors: _Donors) -> Iterator[tuple[Row, bytes]]:
    """Yield the rows of what may be one of the ``donors``, and the digest by which it is."""
    rewritten: dict[int, Row] = {}
    for row in fetch(source, new, SIZE | DIGEST | HEADER):
        assert row.digest is not None
        if row.digest in donors:
            yield row._replace(header=None), row.digest
        elif may_be_rewritten(row):
            rewritten[row.uid] = row._replace(header=None)
    for uid, digest in digests_before(source, list(rewritten)):
        if digest in donors:
            yield rewritten[uid], digest


def _take(one: Found, row: Row, digest: bytes, donors: _Donors, *, own: bool) -> bool:
    assert row.digest is not None
    ready = donors[digest]
    place = next((place for place, (way, _) in enumerate(ready) if way == one.way or not own), None)
    if place is None:
        return False
    way, number = ready.pop(place)
    now = marks(row.flags, row.keywords)
    moving = Moving(way, number, row.key, row.size or 0, row.uid, row.recorded, now, row.digest)
    if own:
        one.look.same.append(moving)
    else:
        one.look.moves[row.uid] = moving
    return True


def _take_out_same(look: Look) -> None:
    """Take out of what is new and gone what only has another key."""
    same = {moving.uid for moving in look.same}
    if not same:
        return
    numbers = {moving.number for moving in look.same}
    look.gone = [number for number in look.gone if number not in numbers]
    new, positions = look.new, look.positions
    look.new, look.positions = new[:0], positions[:0]
    for uid, position in zip(new, positions, strict=True):
        if uid not in same:
            look.add_new(uid, position)
    look.there += len(same)
