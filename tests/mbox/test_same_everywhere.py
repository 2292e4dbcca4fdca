"""A record reads the same by every way: listed, fetched, opened, in parts; in memory or too large for it."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailstore import open_store
from mailstore.drivers.mbox import reading, scan, shards
from mailstore.model.info import BODY, CHUNK, META, Row, body_chunks
from mailstore.model.names import INBOX
from mailstore.spi import FolderDriver, Shards

LINE = b"From joe@example.org Thu Nov  9 22:33:52 2023\n"
FILLING = b"0123456789abcdef\n" * (CHUNK // 15)


def said(row: Row) -> tuple[object, ...]:
    assert row.error is None
    assert row.body is not None
    return row.flags, row.keywords, row.internal_date, row.sender, b"".join(body_chunks(row.body))


def in_parts(driver: FolderDriver) -> list[tuple[object, ...]]:
    assert isinstance(driver, Shards)
    return [said(row) for part in driver.shards(3) for rows in driver.read_shard(part, BODY | META) for row in rows]


def every_way(path: Path) -> list[bytes]:
    """Return the messages, having read them by every way."""
    with open_store(f"mbox:{path}", readonly=True) as store:
        parts = in_parts(store.driver.folder(INBOX))
    with open_store(f"mbox:{path}", readonly=True) as store:
        driver = store.driver.folder(INBOX)
        found = [row for rows in driver.changes(None, BODY | META).batches for row in rows]
        listed = [said(row) for row in found]
        assert [said(row) for row in reversed(found)] == [
            said(row) for one in reversed(found) for rows in driver.fetch([one.uid], BODY | META) for row in rows
        ]
        bodies = [b"".join(body_chunks(row.body)) for row in found if row.body is not None]
        for row, body in zip(found, bodies, strict=True):
            blob = driver.open(row.uid)
            assert blob.read_at(0, blob.size + 1) == body
            assert blob.read_at(len(body) // 2, 7) == body[len(body) // 2 :][:7]
            blob.close()
    assert parts in ([], listed)  # no parts of a file only some of whose UIDs are recorded
    return bodies


def test_a_large_mmdf_message_without_a_from_line(tmp_path: Path) -> None:
    path, body = tmp_path / "box", b"Subject: large\n\n" + FILLING
    path.write_bytes((b"\x01\x01\x01\x01\n" + body + b"\x01\x01\x01\x01\n") * 2)
    assert every_way(path) == [body, body]


@pytest.mark.parametrize("eol", [b"\n", b"\r\n", b"\r"])
def test_a_sentinel_that_stands_alone(tmp_path: Path, eol: bytes) -> None:
    """Where Python's mailbox module took Status and X-Status away, it is all that tells the message's bytes."""
    path, body = tmp_path / "box", b"X-Mailstore-Kept-Status: open\nSubject: a\n\n>From x\nend"
    path.write_bytes((LINE + b"X-Mailstore: size=36 kept=1\n" + body + b"\n\n").replace(b"\n", eol))
    wanted = b"Status: open\nSubject: a\n\nFrom x\nend".replace(b"\n", eol)
    path.write_bytes(path.read_bytes().replace(b"size=36", b"size=%d" % len(wanted)))
    assert every_way(path) == [wanted]


def test_a_large_message_whose_renamed_line_another_program_took_out(tmp_path: Path) -> None:
    path, body = tmp_path / "box", b"Subject: large\n\n" + FILLING
    other = b"X-Mailstore-Kept-Status: open\n\nother\n"
    path.write_bytes(LINE + b"X-Mailstore: kept=1\n" + body + b"\n" + LINE + b"Subject: b\n" + other + b"\n")
    assert every_way(path) == [body, b"Subject: b\n" + other]


PIECES = st.sampled_from([
    b"\n", b"\n", LINE, b"\n" + LINE, b"\n" + LINE, b"Subject: a\n", b"text\n", b">From x\n", b"From here\n",
    b"Status: RO\n", b"X-Status: AF\n", b"X-Keywords: work\n", b"X-Mailstore: size=4\n", b"X-Mailstore: rd kept=1\n",
    b"X-Mailstore-Kept-Status: open\n", b"Content-Length: 60\n", b"Content-Length: 7\n", b"Status: open\n", b"x" * 300,
    b"X-Mozilla-Status: 0001\n", b"\r\n", b"\n\nFrom - Thu Nov  9 22:33 99\n", b"\x01\x01\x01\x01\n",
])  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(PIECES, max_size=30), large=st.booleans())
def test_whatever_a_file_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pieces: list[bytes], *, large: bool
) -> None:
    """With windows so small that every file is read in many, and with messages that count as large."""
    path = tmp_path / "box"
    path.write_bytes(LINE + b"".join(pieces))
    before = every_way(path)
    with monkeypatch.context() as patch:
        patch.setattr(scan, "LINE", 100)
        for module in (scan, reading, shards):
            patch.setattr(module, "WINDOW", 500)
        if large:
            patch.setattr(reading, "CHUNK", 100)
        assert every_way(path) == before


def test_a_date_is_looked_for_in_the_header_alone(tmp_path: Path) -> None:
    path = tmp_path / "box"
    forwarded = b"Date: Thu, 9 Nov 2023 22:33:52 +0000\n\nReceived: from a by b; Fri, 10 Nov 2023 22:33:52 +0000\n"
    path.write_bytes(b"From -\n" + forwarded + b"\n" + b"From -\nSubject: b\n\nDate: Fri, 10 Nov 2023 22:33:52 +0000\n")
    assert every_way(path) == [forwarded, b"Subject: b\n\nDate: Fri, 10 Nov 2023 22:33:52 +0000\n"]
    with open_store(f"mbox:{path}", readonly=True) as store:
        assert [row.internal_date for row in store.inbox.rows(META)] == [1_699_569_232, int(path.stat().st_mtime)]


def test_an_append_leaves_messages_without_a_date_readable(tmp_path: Path) -> None:
    path, bodies = tmp_path / "box", [b"Subject: a\n\nbody\n", b"Subject: b\n\nbody\n"]
    path.write_bytes(b"From -\n" + bodies[0] + b"\n")
    os.utime(path, (1_000_000_000, 1_000_000_000))
    with open_store(f"mbox:{path}") as store:
        dates = [row.internal_date for row in store.inbox.rows(META)]
        store.inbox.append(bodies[1])
        found = list(store.inbox.rows(BODY | META))
        assert [row.body for row in found] == bodies
        assert [row.internal_date for row in found][:1] == dates == [1_000_000_000]
        store.inbox.add_flags([1], ["\\Seen"])
        assert [row.internal_date for row in store.inbox.rows(META)][:1] == dates
    with open_store(f"mbox:{path}") as store:
        assert [row.body for row in store.inbox.rows(BODY)] == bodies


def test_hidden_mail_stays_apart_where_no_from_line_has_a_date(tmp_path: Path) -> None:
    path, bodies = tmp_path / "box", [b"Subject: a\n\nbody\n", b"Subject: b\n\nbody\n"]
    hidden = b"X-Mozilla-Status: 0009\nSubject: hidden\n\nbody\n"
    path.write_bytes(b"".join(b"From joe\n" + body + b"\n" for body in (bodies[0], hidden, bodies[1], hidden)))
    with open_store(f"mbox:{path}") as store:
        store.inbox.add_flags([1], ["\\Seen"])
        assert [row.body for row in store.inbox.rows(BODY)] == bodies
    with open_store(f"mbox:{path}?expunged=include", readonly=True) as store:
        assert len(store.inbox) == 4
