"""Compare what the destination gives back with what the source had: the check after a copy.

Everything is read from the destination's files again, bodies too: no digest that an index remembers counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import pairwise
from typing import NamedTuple

from mailstore.convert.run import FolderRun
from mailstore.convert.transit import Fact
from mailstore.convert.workers import Tell, run_jobs
from mailstore.errors import MailstoreError
from mailstore.model.flags import SYSTEM_FLAGS, flag_names, same_keywords
from mailstore.model.info import BODY, META, Body, Meta, Row
from mailstore.model.measure import digest_of
from mailstore.spi import FolderDriver, Shards

TOGETHER = 20_000
"""Messages that are compared at once: what is expected of them is held in memory until then."""
PARALLEL_FROM = 1000
"""Messages: from so many on more than one process compares."""


class Difference(NamedTuple):
    """What differs in one message."""

    uid: int
    """In the destination."""
    what: str
    reason: str


class _Seen(NamedTuple):
    uids: list[int]
    differences: list[Difference]


def compare_folder(folder: FolderRun) -> None:
    """Compare all that the folder's expectation holds, and clear it; what differs becomes a problem."""
    compare_expected(folder)
    if folder.same:
        folder.run.journal.verified(folder.way)


def compare_expected(folder: FolderRun) -> None:
    """Do the same without noting that all is compared."""
    expected = folder.expected
    if expected:
        folder.same &= _compare(folder)
        folder.last = next((uid for uid in reversed(expected) if expected[uid].meta is not None), folder.last)
        folder.expected = {}


def _compare(folder: FolderRun) -> bool:
    expected = folder.expected
    try:
        seen = _look(folder)
    except MailstoreError as error:
        folder.fail(error)
        return False
    differences = [difference for part in seen for difference in part.differences]
    missing = expected.keys() - {uid for part in seen for uid in part.uids}
    differences += [Difference(uid, "missing", "is not in the destination") for uid in sorted(missing)]
    differences += _out_of_order(expected, folder.last)
    for uid, what, reason in differences:
        fact = expected[uid]
        reason = f"message {uid} of the destination: {reason}"
        folder.run.report.add_problem(
            folder.path, what, reason, fact.position, fact.uid if fact.recorded else 0, fact.key
        )
    return not differences


def _look(folder: FolderRun) -> list[_Seen]:
    run = folder.run
    there = run.destination.driver.folder(folder.target)
    if len(folder.expected) >= PARALLEL_FROM and run.parallel > 1 and _most(there, folder):
        sharded = there if "shard" in run.destination.capabilities.native and isinstance(there, Shards) else None
        shards = sharded.shards(run.parallel) if sharded is not None else []
        if sharded is not None and len(shards) > 1:

            def compare(shard: object, tell: Tell) -> _Seen:
                return _compare_rows(sharded.read_shard(shard, BODY | META), folder.expected, tell)

            return run_jobs([partial(compare, shard) for shard in shards], lambda told: _heard(folder, told))
    return [_compare_rows(_batches(there, folder), folder.expected, lambda told: _heard(folder, told))]


def _batches(there: FolderDriver, folder: FolderRun) -> Iterator[list[Row]]:
    """Read the messages expected, and as few others as can be."""
    if _most(there, folder):
        return there.changes(None, BODY | META).batches
    return there.fetch(sorted(folder.expected), BODY | META)


def _most(there: FolderDriver, folder: FolderRun) -> bool:
    """Tell whether more than half of a folder is to be compared, so that all of it may as well be read."""
    return len(folder.expected) * 2 > there.state().messages


def _heard(folder: FolderRun, told: object) -> None:
    assert isinstance(told, tuple)
    folder.run.advance("verify", folder.path, *told)


def _compare_rows(batches: Iterable[list[Row]], expected: dict[int, Fact], tell: Tell) -> _Seen:
    seen = _Seen([], [])
    for rows in batches:
        size = messages = 0
        for row in rows:
            fact = expected.get(row.uid)
            if fact is not None:
                messages += 1
                size += fact.size
                seen.uids.append(row.uid)
                seen.differences.extend(_differences(row, fact))
            if row.body is not None and not isinstance(row.body, bytes):
                row.body.close()
        tell((messages, size))
    return seen


def _differences(row: Row, fact: Fact) -> list[Difference]:
    if row.error is not None or row.body is None:
        return [Difference(row.uid, "unreadable", f"cannot be read: {row.error}")]
    found = []
    if _digest(row.body) != fact.stored:
        found.append(Difference(row.uid, "digest", "its bytes differ"))
    meta = fact.meta
    # Flags, then the other fields of a Meta: five comparisons in two, as they are equal but for a bug.
    if meta is not None and ((row.flags ^ meta[0]) & SYSTEM_FLAGS or row[5:10] != meta[1:]):
        found += [Difference(row.uid, what, reason) for what, reason in meta_differences(Meta(*meta), row.meta)]
    return found


def _digest(body: Body) -> bytes:
    try:
        return digest_of(body)
    except MailstoreError:
        return b""


def meta_differences(wanted: Meta, found: Meta) -> Iterator[tuple[str, str]]:
    """Yield name and text of what differs; a date that was not given (None) was the store's to choose."""
    if (wanted.flags ^ found.flags) & SYSTEM_FLAGS:
        yield "flags", _differ("flags", _names(wanted.flags), _names(found.flags))
    if not same_keywords(wanted.keywords, found.keywords):
        yield "keywords", _differ("keywords", _words(wanted.keywords), _words(found.keywords))
    if wanted.internal_date is not None and wanted.internal_date != found.internal_date:
        yield "internal-date", _differ("internal date", wanted.internal_date, found.internal_date)
    if wanted.saved_date is not None and wanted.saved_date != found.saved_date:
        yield "saved-date", _differ("saved date", wanted.saved_date, found.saved_date)
    if wanted.sender != found.sender:
        yield "sender", _differ("envelope sender", repr(wanted.sender), repr(found.sender))
    if wanted.uidl is not None and wanted.uidl != found.uidl:
        yield "uidl", _differ("POP3 unique id", wanted.uidl, found.uidl)


def _differ(what: str, wanted: object, found: object) -> str:
    return f"its {what} should be {wanted} and is {found}"


def _names(flags: int) -> str:
    return " ".join(flag_names(flags & SYSTEM_FLAGS)) or "none"


def _words(keywords: frozenset[str]) -> str:
    return " ".join(sorted(keywords)) or "none"


def _out_of_order(expected: dict[int, Fact], last: int) -> Iterator[Difference]:
    """Tell where messages copied in this order, after ``last``, do not stand in it."""
    for earlier, later in pairwise([last, *(uid for uid, fact in expected.items() if fact.meta is not None)]):
        if later <= earlier:
            yield Difference(later, "order", f"stands before message {earlier}, which comes first in the source")
