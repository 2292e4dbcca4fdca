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

import apsw

from mailstore.drivers.sql import statements as sql
from mailstore.drivers.sql.adding import StagedMessage, count_bare, find_stages, measured, new_bodies
from mailstore.drivers.sql.database import Database
from mailstore.drivers.sql.dialect import SQLITE
from mailstore.drivers.sql.text import headline
from mailstore.errors import MessageChanged
from mailstore.model.info import CHUNK, Arrival, Blob, Body, body_size
from mailstore.system import clock


def hold(arrival: Arrival, content: bytes) -> StagedMessage:
    """Stage a small message in memory."""
    return measured(content, hashlib.sha256(content).digest(), arrival.meta, arrival.key)


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


def wait(connection: apsw.Connection, account: int, body: int) -> str:
    """Keep ``body`` from being collected until the stage that is returned is dropped."""
    stage = os.urandom(12).hex()
    connection.execute(SQLITE.render(sql.ADD_STAGE), (account, stage, body, clock.now()))
    return stage


def drop_stages(connection: apsw.Connection, account: int, stages: Iterable[tuple[str, int]]) -> None:
    """Remove rows of ``stage`` with the bodies that nothing else uses."""
    listed = list(stages)
    connection.executemany(SQLITE.render(sql.DROP_STAGE), ((account, stage) for stage, _ in listed))
    drop_unused(connection, account, {body for _, body in listed})


def drop_unused(connection: apsw.Connection, account: int, bodies: Iterable[int]) -> None:
    """Remove those of ``bodies`` that no message and no stage uses any more, with their chunks."""
    connection.executemany(SQLITE.render(sql.DROP_UNUSED_BODY), ((account, body) for body in sorted(bodies)))
