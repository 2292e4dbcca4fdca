"""Messages on their way in: staged where no reader looks, then given a body row when they are committed.

A small message waits in memory; its digest, sizes, From and Subject are taken beforehand, so that a commit only
inserts. A large one is written at once, in transactions of 1 MB so that other writers get their turn, into a body
without a digest; whether the account has that body already is known only at its end and looked up at the commit. A
copy of a stored message only names its body. What waits in the database has a row in ``stage``, which keeps the body
from being collected and says since when it waits.

Body ids are never used again, so that a reader of an expunged message finds nothing rather than another message.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import apsw

from mailstore.drivers.sql import statements as sql
from mailstore.drivers.sql.database import Database
from mailstore.drivers.sql.dialect import SQLITE
from mailstore.drivers.sql.rows import AccountRow
from mailstore.drivers.sql.text import headline
from mailstore.errors import MessageChanged, NoSuchMessage
from mailstore.model.info import CHUNK, Arrival, Blob, Body, Meta, body_size
from mailstore.system import clock


class StagedMessage(NamedTuple):
    """See mailstore.model.changes.Staged; picklable. It waits in ``content`` or in the body of row ``stage``."""

    meta: Meta
    key: bytes | None
    digest: bytes
    size: int
    crlf_size: int
    sent_by: str
    subject: str
    content: bytes | None = None
    stage: str = ""


def hold(arrival: Arrival, content: bytes) -> StagedMessage:
    """Stage a small message in memory."""
    digest = hashlib.sha256(content).digest()
    crlf_size = len(content) + count_bare(content)
    sent_by, subject = headline(content)
    return StagedMessage(arrival.meta, arrival.key, digest, len(content), crlf_size, sent_by, subject, content)


def count_bare(content: bytes) -> int:
    """Return how many LF have no CR before them."""
    return content.count(b"\n") - (content.count(b"\r\n") if b"\r" in content else 0)


def write_large(database: Database, account: int, arrival: Arrival) -> StagedMessage:
    """Stage a large message in the database; when it raises nothing stays staged."""
    with database.write() as connection:
        body = new_bodies(connection, account, 1)
        connection.execute(SQLITE.render(sql.ADD_BODY), (account, body, None, 0, 0, "", ""))
        stage = wait(connection, account, body)
    try:
        return _fill(database, account, body, stage, arrival)
    except BaseException:
        with database.write() as connection:
            drop_stages(connection, account, [(stage, body)])
        raise


def _fill(database: Database, account: int, body: int, stage: str, arrival: Arrival) -> StagedMessage:
    digest = hashlib.sha256()
    size = bare = 0
    sent_by = subject = ""
    last = b""
    for n, chunk in enumerate(_pieces(arrival.body)):
        if n == 0:
            sent_by, subject = headline(chunk)
        digest.update(chunk)
        size += len(chunk)
        bare += count_bare(chunk) - (last == b"\r" and chunk[:1] == b"\n")
        last = chunk[-1:]
        with database.write() as connection:
            connection.execute(SQLITE.render(sql.ADD_CHUNK), (account, body, n, chunk))
    return StagedMessage(arrival.meta, arrival.key, digest.digest(), size, size + bare, sent_by, subject, stage=stage)


def _pieces(body: Body) -> Iterator[bytes]:
    """Yield the body in pieces of exactly CHUNK bytes, the last one shorter: the n-th is chunk n."""
    size = body_size(body)
    for start in range(0, size, CHUNK):
        end = min(start + CHUNK, size)
        yield body[start:end] if isinstance(body, bytes) else _read_exactly(body, start, end)


def _read_exactly(blob: Blob, start: int, end: int) -> bytes:
    piece = blob.read_at(start, end - start)
    while len(piece) < end - start:
        more = blob.read_at(start + len(piece), end - start - len(piece))
        if not more:
            raise MessageChanged(f"the message has {start + len(piece)} bytes, not {blob.size}")
        piece += more
    return piece[: end - start]


def stage_all(database: Database, account: int, arrivals: Sequence[Arrival]) -> list[StagedMessage]:
    """Stage messages in order; when it raises nothing stays staged."""
    staged: list[StagedMessage] = []
    try:
        for arrival in arrivals:
            if body_size(arrival.body) > CHUNK:
                staged.append(write_large(database, account, arrival))
            else:
                content = arrival.body if isinstance(arrival.body, bytes) else b"".join(_pieces(arrival.body))
                staged.append(hold(arrival, content))
    except BaseException:
        discard(database, account, staged)
        raise
    return staged


def discard(database: Database, account: int, staged: Iterable[StagedMessage]) -> None:
    """Drop what waits in the database; what was committed or dropped before is passed over."""
    names = [one.stage for one in staged if one.stage]
    if names:
        with database.write() as connection:
            drop_stages(connection, account, find_stages(connection, account, names).items())


def new_bodies(connection: apsw.Connection, account: int, count: int) -> int:
    """Take ``count`` fresh body ids, within a transaction; returns the first."""
    row = AccountRow.load(connection, account)
    row.last_body += count
    row.save(connection)
    return row.last_body - count + 1


def wait(connection: apsw.Connection, account: int, body: int) -> str:
    """Keep ``body`` from being collected until the stage that is returned is dropped."""
    stage = os.urandom(12).hex()
    connection.execute(SQLITE.render(sql.ADD_STAGE), (account, stage, body, clock.now()))
    return stage


def find_stages(connection: apsw.Connection, account: int, names: Sequence[str]) -> dict[str, int]:
    """Return the body that waits under each of the names; a name that is gone is missing."""
    found: dict[str, int] = {}
    for part, width in sql.in_lists(names):
        found.update(connection.execute(SQLITE.render(sql.FIND_STAGES, width), (account, *part)))
    return found


def drop_stages(connection: apsw.Connection, account: int, stages: Iterable[tuple[str, int]]) -> None:
    """Remove rows of ``stage`` with the bodies that nothing else uses."""
    listed = list(stages)
    connection.executemany(SQLITE.render(sql.DROP_STAGE), ((account, stage) for stage, _ in listed))
    drop_unused(connection, account, {body for _, body in listed})


def drop_unused(connection: apsw.Connection, account: int, bodies: Iterable[int]) -> None:
    """Remove those of ``bodies`` that no message and no stage uses any more, with their chunks."""
    connection.executemany(SQLITE.render(sql.DROP_UNUSED_BODY), ((account, body) for body in sorted(bodies)))


def place(connection: apsw.Connection, account: int, staged: Sequence[StagedMessage]) -> list[int]:
    """Give each staged message its body row, storing only contents that the account does not have; within a commit.

    Raises:
        NoSuchMessage: one that waits in the database was dropped meanwhile.
    """
    have = _known(connection, account, {one.digest for one in staged})
    waiting = find_stages(connection, account, [one.stage for one in staged if one.stage])
    fresh: dict[bytes, StagedMessage] = {}
    for one in staged:
        if one.stage and one.stage not in waiting:
            raise NoSuchMessage("a staged message is gone: it was committed or discarded before, or waited 36 hours")
        if one.digest in have:
            continue
        if one.stage:
            have[one.digest] = body = waiting[one.stage]
            facts = (one.digest, one.size, one.crlf_size, one.sent_by, one.subject, account, body)
            connection.execute(SQLITE.render(sql.FINISH_BODY), facts)
            fresh.pop(one.digest, None)
        else:
            fresh[one.digest] = one
    if fresh:
        have.update(_insert(connection, account, list(fresh.values())))
    return [have[one.digest] for one in staged]


def _known(connection: apsw.Connection, account: int, digests: Iterable[bytes]) -> dict[bytes, int]:
    have: dict[bytes, int] = {}
    for part, width in sql.in_lists(sorted(digests)):
        have.update(connection.execute(SQLITE.render(sql.FIND_BODIES, width), (account, *part)))
    return have


def _insert(connection: apsw.Connection, account: int, fresh: list[StagedMessage]) -> dict[bytes, int]:
    first = new_bodies(connection, account, len(fresh))
    numbered = list(enumerate(fresh, first))
    connection.executemany(
        SQLITE.render(sql.ADD_BODY),
        [(account, body, one.digest, one.size, one.crlf_size, one.sent_by, one.subject) for body, one in numbered],
    )
    connection.executemany(
        SQLITE.render(sql.ADD_CHUNK), [(account, body, 0, one.content) for body, one in numbered if one.content]
    )
    return {one.digest: body for body, one in numbered}
