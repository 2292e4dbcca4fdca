"""Bringing the journal to terms with the destination as it is: what an earlier run began, and what others did since."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Sequence

from mailstore.convert import notes
from mailstore.convert.journal import Journal
from mailstore.convert.look import Look, fetch
from mailstore.convert.record import DROPPED, PRESENT, FolderRecord, Intent, Message, Origin, Way
from mailstore.convert.run import FolderRun
from mailstore.convert.transit import Fact, Rules
from mailstore.errors import InvalidFolderName, MailstoreError, NoSuchFolder
from mailstore.model.changes import Expunge, FolderState
from mailstore.model.info import DIGEST, META
from mailstore.model.names import FolderPath
from mailstore.spi import FolderDriver
from mailstore.store import Store

_SAMPLE = 16


def settle(store: Store, journal: Journal, ways: Collection[Way]) -> dict[Way, set[int]]:
    """Bring what is noted of ``ways`` to terms with the destination.

    Returns the numbers of the messages of which nobody has said yet that they have arrived: those of a commit that
    was interrupted.
    """
    for way, record in list(journal.ways.items()):
        if record.renaming is not None:
            _finish_rename(store, journal, way, record.renaming)
    looked_up: dict[Way, set[int]] = {}
    for way, record in list(journal.ways.items()):  # before any is forgotten: a move concerns two of them
        if record.unresolved is not None:
            looked_up[way] = _resolve(store, journal, way, record, record.unresolved)
    for way in ways:
        record = journal.record(way)
        state = _state(store, way.target)
        if record.live and state is None:
            journal.forget(way)
        elif record.live and state is not None and not _still_there(store, way.target, record, state):
            _look_up_all(store, journal, way, state.uidvalidity)
            looked_up.pop(way, None)
    return looked_up


def _state(store: Store, path: FolderPath) -> FolderState | None:
    try:
        return store.folder(path).state()
    except (InvalidFolderName, NoSuchFolder):
        return None


def _finish_rename(store: Store, journal: Journal, way: Way, before: FolderPath) -> None:
    there = {info.path for info in store.folders()}
    if before in there and way.target not in there:
        store.rename(before, way.target)
    journal.renamed(way)


def _resolve(store: Store, journal: Journal, way: Way, record: FolderRecord, intent: Intent) -> set[int]:
    """Find out what of an intent has happened, and finish a move; returns the numbers of what was copied by it."""
    first = len(record)
    state = _state(store, way.target)
    if state is None:
        journal.done(way, 0, [0] * len(intent.messages))
        return set()
    known: Iterable[int] = record.places if _still_there(store, way.target, record, state) else ()
    floor = intent.uidnext if intent.uidvalidity == state.uidvalidity else 1
    uids = _find(store, journal, way, intent.messages, range(floor, 1 << 32), known)
    if intent.origin is not None:
        _leave(store, journal.record(intent.origin.way), intent.origin, uids)
    journal.done(way, state.uidvalidity, uids)
    return set(range(first, len(journal.record(way)))) if intent.origin is None else set()


def _leave(store: Store, record: FolderRecord, origin: Origin, arrived: Sequence[int]) -> None:
    """Take out of the folder that messages were moved from those that have arrived."""
    moved = {
        record.places[number]: record.stored(number)
        for number, uid in zip(origin.numbers, arrived, strict=True)
        if uid and record.places[number]
    }
    if not moved or _state(store, origin.way.target) is None:
        return
    there = store.folder(origin.way.target).fetch(moved, DIGEST)
    left = tuple(one.uid for one in there if one.error is None and one.digest == moved[one.uid])
    if left:
        (outcome,) = store.commit([Expunge(origin.way.target, left)])
        if outcome.error is not None:
            raise outcome.error


def _still_there(store: Store, target: FolderPath, record: FolderRecord, state: FolderState) -> bool:
    """Tell whether the destination folder is the one that was written to; some of its messages are looked at."""
    if record.uidvalidity not in (0, state.uidvalidity) or state.uidnext <= max(record.places, default=0):
        return False
    live = [number for number, place in enumerate(record.places) if place and record.states[number] != DROPPED]
    sample = {record.places[number]: record.stored(number) for number in live[:: max(1, len(live) // _SAMPLE)]}
    there = store.folder(target).fetch(sample, DIGEST)
    found = [message.digest == sample[message.uid] for message in there if message.error is None]
    return all(found) and (bool(found) or not live or record.uidvalidity != 0)


def _look_up_all(store: Store, journal: Journal, way: Way, uidvalidity: int) -> None:
    record = journal.record(way)
    live = [number for number, state in enumerate(record.states) if state != DROPPED]
    messages = [journal.noted(record, number) for number in live]
    uids = _find(store, journal, way, messages, range(1, 1 << 32))
    found = [(number, message, uid) for number, message, uid in zip(live, messages, uids, strict=True) if uid]
    made = record.made
    journal.forget(way)
    if made:
        journal.made(way)
    if found:
        journal.intend(way, [message for _, message, _ in found], uidvalidity, 1)
        journal.done(way, uidvalidity, [uid for _, _, uid in found])
    for word, state in notes.GONE:
        journal.state(
            way, word, [place for place, (number, _, _) in enumerate(found) if record.states[number] == state]
        )


def _find(
    store: Store, journal: Journal, way: Way, messages: Sequence[Message], within: range, known: Iterable[int] = ()
) -> list[int]:
    """Return, for each message in order, the UID of one of that digest, each used once; 0 where there is none.

    Those that other folders of the source are known to have put there are passed over.
    """
    passed = {*known, *journal.others(way)}
    there = store.folder(way.target)
    uids = [row.uid for row in there.rows(0) if row.uid in within and row.uid not in passed]
    by_digest: defaultdict[bytes, deque[int]] = defaultdict(deque)
    for message in there.fetch(uids, DIGEST):
        if message.error is None and message.row.digest is not None:
            by_digest[message.row.digest].append(message.uid)
    return [by_digest[one.stored].popleft() if by_digest.get(one.stored) else 0 for one in messages]


def expect_earlier(
    folder: FolderRun, source: FolderDriver, found: Look, numbers: range, looked_up: set[int], rules: Rules
) -> None:
    """Add to the folder's expectation those of ``numbers``, which earlier runs stored and did not compare.

    What an interrupted commit has left is compared wholly, but for saved dates: where the source does not record them
    they are its files' times, which a flag set since has changed. Of what an earlier run noted as done only the bytes
    are, as its flags may have been changed there since.
    """
    record, recorded = folder.record, not found.where
    for number in numbers:
        place = record.places[number]
        if place and record.states[number] != DROPPED:
            digest, stored, marks = record.digest(number), record.stored(number), record.marks(number)
            position = found.where[number] if number < len(found.where) else 0
            folder.expected[place] = Fact(position, "", digest, stored, record.uids[number], recorded, 0, None, *marks)
    whole = {
        record.uids[number]: number
        for number in looked_up.intersection(numbers)
        if record.states[number] == PRESENT and record.uids[number]
    }
    try:
        for row in fetch(source, whole, META):
            place = record.places[whole[row.uid]]
            if place in folder.expected:
                meta = rules.meta(row)._replace(saved_date=None)
                folder.expected[place] = folder.expected[place]._replace(meta=tuple(meta))
    except MailstoreError:
        return  # only the bytes are compared then
