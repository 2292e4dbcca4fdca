"""Whole records: any message comes back as it was, in every dialect; other programs' headers are taken out."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mailstore.drivers.mbox import render
from mailstore.drivers.mbox.scan import Rules, line_of, scanner
from mailstore.formats.mbox.dialect import DIALECTS, NONE, Dialect
from mailstore.formats.mbox.from_line import Zone
from mailstore.formats.mbox.metadata import Base, Marks
from mailstore.formats.mbox.opening import PROBE, read_opening
from mailstore.formats.mbox.record import (
    Content,
    Message,
    content_stop,
    message_of,
    read_body,
    read_head,
    style_of,
    write_record,
)
from mailstore.model.flags import ANSWERED, DELETED, DRAFT, FLAGGED, RECENT, SEEN

EOLS = (b"\n", b"\r\n", b"\r")
NAMES = [*DIALECTS]

_PIECES = (
    rb"From |>From |>>From |From joe@x Thu Nov  9 22:33:52 2023|\n|\n\n|\r\n|\r| |\t|Subject: x|Status: RO|status: x|"
    rb"X-UID: 7|X-Keywords: a|Content-Length: 3|X-Mailstore: size=1|X-Mailstore-Kept-Status: R|X-IMAP: 1 2|"
    rb"X-IMAPbase: 1 0000000002|\x01\x01\x01\x01|\x01\x01\x01\x01 |\x00|\xff|body|:|X-Status: AF|X-Mozilla-Status: 0001"
)
PIECES = [piece.decode("unicode_escape").encode("latin-1") for piece in _PIECES.split(b"|")]

bodies = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join),
    st.lists(st.sampled_from([*PIECES, b"\n", b"\n"]), max_size=14).map(lambda parts: b"\n".join(parts)),
    st.binary(max_size=60),
)
dialects = st.builds(
    lambda name, eol: DIALECTS[name].with_eol(eol), st.sampled_from(NAMES), st.sampled_from(EOLS)
).filter(lambda dialect: not (dialect.mmdf and dialect.eol == b"\r"))
ZONE = Zone(utc=True)


def read_all(data: bytes, dialect: Dialect) -> list[tuple[bytes, Content, tuple[int | None, str | None]]]:
    """Read a file of our own records."""
    opening = read_opening(data[:PROBE])
    assert opening is not None
    assert (opening.start, opening.eol, opening.mmdf) == (0, dialect.eol, dialect.mmdf)
    rules = Rules(len(data), dialect.newline, ZONE, opening.bare, lambda: dialect.counted)
    found = []
    for extent in scanner(lambda at, size: data[at : at + size], rules, 0, len(data), mmdf=dialect.mmdf):
        assert extent.raw is not None
        content = read_head(extent.raw, extent.line_stop, dialect.newline, plain=extent.plain)
        stop = extent.counted or content_stop(extent.raw, extent.line_stop, dialect)
        body = read_body(extent.raw, content, max(stop, content.start), dialect, style_of(content, NONE))
        found.append((body, content, message_of(line_of(extent, extent.raw, ZONE), content)))
    return found


@settings(max_examples=400)
@given(st.lists(bodies, min_size=1, max_size=4), dialects)
@example([b""], DIALECTS["mboxrd"])
@example([b"\n"], DIALECTS["mboxcl2"])
@example([b"", b"", b"\r"], DIALECTS["mboxrd"].with_eol(b"\r\n"))
@example([b"A: b\n\nFrom joe@x Thu Nov  9 22:33:52 2023\nB: c\n\n", b"x"], DIALECTS["mboxcl2"])
@example([b"From joe@x Thu Nov  9 22:33:52 2023\n"], DIALECTS["rfc4155"])
@example([b"\x01\x01\x01\x01\n\x01\x01\x01\x01 \n"], DIALECTS["mmdf"])
def test_any_messages_come_back(messages: list[bytes], dialect: Dialect) -> None:
    data = b"".join(
        write_record(
            body,
            Message(1_000_000_000 + at, "joe@x", SEEN, frozenset({"work"}), at + 1, base=None if at else Base(7, 9)),
            dialect,
        )
        for at, body in enumerate(messages)
    )
    found = read_all(data, dialect)
    assert [body for body, _, _ in found] == messages
    for at, (_, content, (date, sender)) in enumerate(found):
        assert content.own
        assert (date, sender) == (1_000_000_000 + at, "joe@x")
        assert (content.marks.flags, content.marks.keywords, content.marks.uid) == (SEEN, {"work"}, at + 1)
        assert content.marks.base == (None if at else Base(7, 9))


@settings(max_examples=200)
@given(bodies, dialects)
def test_large_messages_are_written_the_same(body: bytes, dialect: Dialect) -> None:
    class Blob:
        size = len(body)

        def read_at(self, offset: int, size: int) -> bytes:
            return body[offset : offset + size]

        def close(self) -> None:
            """Nothing is open."""

    if not body:
        return
    message = Message(0, "", RECENT, frozenset(), 3)
    data = b"".join(render.record(Blob(), message, dialect))
    assert [found for found, _, _ in read_all(data, dialect)] == [body]


@given(
    st.integers(0, 63),
    st.frozensets(st.sampled_from(["$Forwarded", "work", "ä", "x:y"])),
    st.one_of(st.none(), st.text(st.characters(codec="utf-8"), max_size=20)),
    st.integers(-(1 << 50), 1 << 50),
    st.one_of(st.none(), st.integers(-(1 << 50), 1 << 50)),
    st.one_of(st.none(), st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=70)),
    st.one_of(st.none(), st.binary(min_size=16, max_size=16)),
)
def test_all_that_travels_comes_back(
    flags: int,
    keywords: frozenset[str],
    sender: str | None,
    date: int,
    saved: int | None,
    uidl: str | None,
    key: bytes | None,
) -> None:
    message = Message(date, sender, flags, keywords, 5, saved, uidl, key)
    [(body, content, (found_date, found_sender))] = read_all(
        write_record(b"A: b\n\nc\n", message, DIALECTS["mboxrd"]), DIALECTS["mboxrd"]
    )
    assert body == b"A: b\n\nc\n"
    assert (content.marks.flags, content.marks.keywords, content.marks.uid) == (flags, keywords, 5)
    assert (found_date, found_sender) == (date, sender)
    assert (content.sentinel.saved, content.sentinel.uidl, content.sentinel.key) == (saved, uidl, key)


def test_ordinary_mail_carries_the_standard_headers_only() -> None:
    message = Message(1_700_000_000, "joe@example.org", SEEN | FLAGGED, frozenset({"work"}), 12)
    record = write_record(b"Subject: x\n\nFrom here\n", message, DIALECTS["mboxrd"])
    assert re.sub(rb" +\n", b"\n", record) == (
        b"From joe@example.org Tue Nov 14 22:13:20 2023\nStatus: RO\nX-Status: F\nX-Keywords: work\nX-UID: 12\n"
        b"Subject: x\n\n>From here\n\n"
    )


def test_the_senders_own_fields_are_told_apart() -> None:
    body = b"Status: open\nsubject: x\nx-uid: 3\nX-Keywords: a b\n c\n\nStatus: RO\n"
    record = write_record(body, Message(0, "", SEEN, uid=1), DIALECTS["mboxrd"])
    assert b"\nX-Mailstore-Kept-Status: open\n" in record
    assert b"\nX-Mailstore-Kept-x-uid: 3\n" in record
    assert b"kept=3" in record
    assert [found for found, _, _ in read_all(record, DIALECTS["mboxrd"])] == [body]


def foreign(header: bytes, body: bytes = b"body\n") -> tuple[bytes, Marks]:
    raw = b"From joe@x Thu Nov  9 22:33:52 2023\nSubject: x\n" + header + b"\n" + body + b"\n"
    line_stop = raw.index(b"\n") + 1
    content = read_head(raw, line_stop, b"\n")
    assert not content.own
    stop = content_stop(raw, line_stop, DIALECTS["mboxrd"])
    return read_body(raw, content, stop, DIALECTS["mboxrd"], NONE), content.marks


PLAIN = b"Subject: x\n\nbody\n"


@pytest.mark.parametrize(
    ("header", "flags"),
    [
        (b"", RECENT),
        (b"Status: RO\n", SEEN),
        (b"Status: O\n", 0),
        (b"Status: R\n", SEEN | RECENT),
        (b"Status: RO\nX-Status: AFTD\n", SEEN | ANSWERED | FLAGGED | DRAFT | DELETED),
        (b"Status: ROAF\n", SEEN | ANSWERED | FLAGGED),
        (b"X-Status: D    \nStatus:    \n", DELETED | RECENT),
        (b"Status: U\n", RECENT),
        (b"X-Mozilla-Status: 0001\nX-Mozilla-Status2: 00000000\n", SEEN),
        (b"X-Mozilla-Status: 0007\n", SEEN | ANSWERED | FLAGGED),
        (b"X-Mozilla-Status: 0000\nX-Mozilla-Status2: 00010000\n", RECENT),
        (b"X-Mozilla-Status: 0000\nX-Mozilla-Status2: 00200000\n", DELETED),
    ],
)
def test_flags_of_other_programs(header: bytes, flags: int) -> None:
    body, marks = foreign(header)
    assert (body, marks.flags) == (PLAIN, flags)


def test_numbers_and_keywords_of_other_programs() -> None:
    body, marks = foreign(
        b"X-IMAPbase: 1700000000 0000000042 work $Forwarded\nStatus: RO\nX-Keywords: work $Forwarded                \n"
        b"X-UID: 17   \nContent-Length: 5\n"
    )
    assert body == PLAIN
    assert marks.base == Base(1_700_000_000, 42, ("work", "$Forwarded"))
    assert (marks.uid, marks.keywords, marks.length) == (17, {"work", "$Forwarded"}, 5)


def test_keywords_that_dovecot_folded() -> None:
    body, marks = foreign(b"X-Keywords: one two\n\tthree\n")
    assert (body, marks.keywords) == (PLAIN, {"one", "two", "three"})


def test_thunderbirds_tags_and_forwarded() -> None:
    body, marks = foreign(b"X-Mozilla-Status: 1001\nX-Mozilla-Keys: $label1 later" + b" " * 60 + b"\n")
    assert (body, marks.keywords, marks.expunged) == (PLAIN, {"$Forwarded", "$label1", "later"}, False)
    assert foreign(b"X-Mozilla-Status: 0009\n")[1].expunged


@pytest.mark.parametrize(
    "header",
    [
        b"Status: resolved\n",
        b"status: RO\n",
        b"STATUS: RO\n",
        b"Status : RO\n",
        b"X-UID: 12a\n",
        b"X-UID: 12345678901\n",
        b"X-Uid: 12\n",
        b"X-Keywords: not(an)atom\n",
        b"X-IMAPbase: 5\n",
        b"Content-Length: five\n",
        b"X-Mozilla-Status: 1\n",
        b"X-Status-Code: A\n",
    ],
)
def test_what_no_mailbox_program_wrote_is_the_senders(header: bytes) -> None:
    body, marks = foreign(header)
    assert body == b"Subject: x\n" + header + b"\nbody\n"
    assert marks == Marks()


def test_fields_in_the_body_are_text() -> None:
    assert foreign(b"", b"\nStatus: RO\nX-UID: 5\n")[0] == b"Subject: x\n\n\nStatus: RO\nX-UID: 5\n"


@given(st.binary(max_size=300), st.sampled_from(EOLS))
def test_any_bytes_read(raw: bytes, eol: bytes) -> None:
    raw = b"From joe@x Thu Nov  9 22:33:52 2023" + eol + raw
    start = raw.index(eol) + len(eol)
    dialect = DIALECTS["mboxrd"].with_eol(eol)
    content = read_head(raw, start, dialect.newline)
    read_body(raw, content, max(content_stop(raw, start, dialect), content.start), dialect, style_of(content, "one"))
