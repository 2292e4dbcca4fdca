"""What a rerun finds: which messages an earlier run has stored, and which are still to come."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mailstore.convert.journal import Entry, FolderRecord, Intent, Message
from mailstore.convert.run import FolderRun
from mailstore.convert.transit import Fact, Rules
from mailstore.errors import NoSuchFolder
from mailstore.model.changes import FolderState
from mailstore.model.info import DIGEST, META, SIZE, Row
from mailstore.spi import FolderDriver
from mailstore.store import Store

_SAMPLE = 16


def settle(folder: FolderRun) -> set[int]:
    """Bring the journal's record of a folder to terms with the destination as it is.

    Returns the UIDs there of the messages that are known only from having been looked up by their digest.
    """
    run, way = folder.run, folder.way
    record = run.journal.record(way)
    if not record.entries and record.unresolved is None:
        return set()
    try:
        state = run.destination.folder(folder.target).state()
    except NoSuchFolder:
        run.journal.forget(way)
        return set()
    if record.entries and not _still_there(folder, record, state):
        return _look_up_all(folder, record, state.uidvalidity)
    if record.unresolved is not None:
        return _look_up_intent(folder, record, record.unresolved, state.uidvalidity)
    return set()


def _still_there(folder: FolderRun, record: FolderRecord, state: FolderState) -> bool:
    """Tell whether the destination folder is the one that was written to; some of its messages are looked at."""
    if record.uidvalidity not in (0, state.uidvalidity) or state.uidnext <= max(entry.uid for entry in record.entries):
        return False
    sample = {entry.uid: entry.stored for entry in record.entries[:: max(1, len(record.entries) // _SAMPLE)]}
    there = folder.run.destination.folder(folder.target).fetch(sample, DIGEST)
    found = [message.digest == sample[message.uid] for message in there if message.error is None]
    return all(found) and (bool(found) or record.uidvalidity != 0)


def _look_up_all(folder: FolderRun, record: FolderRecord, uidvalidity: int) -> set[int]:
    run, way = folder.run, folder.way
    entries = record.entries + (record.unresolved.entries if record.unresolved else [])
    uids = _find(run.destination, folder, entries, range(1, 1 << 32))
    run.journal.forget(way)
    found = [(entry, uid) for entry, uid in zip(entries, uids, strict=True) if uid]
    if found:
        run.journal.intend(way, [entry for entry, _ in found], uidvalidity, 1)
        run.journal.done(way, uidvalidity, [uid for _, uid in found])
    return {uid for _, uid in found}


def _look_up_intent(folder: FolderRun, record: FolderRecord, intent: Intent, uidvalidity: int) -> set[int]:
    known = {entry.uid for entry in record.entries}
    floor = intent.uidnext if intent.uidvalidity == uidvalidity else 1
    uids = _find(folder.run.destination, folder, intent.entries, range(floor, 1 << 32), known)
    folder.run.journal.done(folder.way, uidvalidity, uids)
    return {uid for uid in uids if uid}


def _find(
    store: Store, folder: FolderRun, entries: Sequence[Message], within: range, known: Iterable[int] = ()
) -> list[int]:
    """Return, for each entry in order, the UID of a message of that digest, each used once; 0 where there is none.

    Those that another folder of the source is known to have put there are passed over.
    """
    passed = {*known, *folder.run.journal.others(folder.way)}
    there = store.folder(folder.target)
    uids = [row.uid for row in there.rows(0) if row.uid in within and row.uid not in passed]
    by_digest: defaultdict[bytes, deque[int]] = defaultdict(deque)
    for message in there.fetch(uids, DIGEST):
        if message.error is None and message.row.digest is not None:
            by_digest[message.row.digest].append(message.uid)
    return [by_digest[entry.stored].popleft() if by_digest.get(entry.stored) else 0 for entry in entries]


@dataclass(slots=True)
class Pending:
    """What of a source folder is still to come, and what is not."""

    broken: list[tuple[int, Row]] = field(default_factory=list)
    """Positions and rows of what cannot be read."""
    missing: list[tuple[int, int]] = field(default_factory=list)
    """Positions and UIDs of what is to be copied."""
    stored: list[tuple[int, Row, Entry]] = field(default_factory=list)
    """What an earlier run stored."""


def find_pending(folder: FolderRun, source: FolderDriver, entries: Sequence[Entry]) -> Pending:
    """Compare the source folder with what the journal knows.

    A message is the same by key and digest; where its key changed (a renumbered folder, a renamed file), by digest
    alone, each entry counting once. A key that is known with another digest is another message.
    """
    pending = Pending()
    rest: list[tuple[int, Row]] = []
    by_name: defaultdict[tuple[str, bytes], deque[Entry]] = defaultdict(deque)
    for entry in entries:  # keys need not be unique: parts of an mbox that were read side by side number alike
        by_name[entry.key, entry.digest].append(entry)
    position = 0
    for rows in folder.read(lambda: source.changes(None, META | SIZE | DIGEST).batches):
        for row in rows:
            position += 1
            if row.error is not None or row.digest is None:
                pending.broken.append((position, row))
            elif same := by_name.get((row.key, row.digest)):
                pending.stored.append((position, row, same.popleft()))
            else:
                rest.append((position, row))
    by_digest: defaultdict[bytes | None, deque[Entry]] = defaultdict(deque)
    for (_, digest), unused in by_name.items():
        by_digest[digest] += unused
    for position, row in rest:
        if same := by_digest.get(row.digest):
            pending.stored.append((position, row, same.popleft()))
        else:
            pending.missing.append((position, row.uid))
    return pending


def expect_earlier(
    folder: FolderRun, pending: Pending, record: FolderRecord, looked_up: set[int], rules: Rules
) -> None:
    """Add to the folder's expectation what earlier runs stored and never compared.

    What was looked up just now is compared wholly; of what an earlier run noted as done only the bytes are, as its
    flags may have been changed there since.
    """
    uncompared = {entry.uid: entry for entry in record.entries[record.verified :]}
    for uid in folder.expected:
        uncompared.pop(uid, None)
    for uid, entry in uncompared.items():
        folder.expected[uid] = Fact(0, entry.key, entry.digest, entry.stored, 0, False, 0, None)
    for position, row, entry in pending.stored:
        if entry.uid in uncompared:
            meta = rules.meta(row) if entry.uid in looked_up else None
            folder.expected[entry.uid] = Fact(
                position, row.key, entry.digest, entry.stored, row.uid, row.recorded, row.size or 0, meta
            )
