"""Deliveries to an mbox: appends without UIDs, which look at the file's beginning and end only."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from mailstore import Store, open_store
from mailstore.errors import NotAStore
from mailstore.formats.mbox.dialect import DIALECTS
from mailstore.formats.mbox.record import Message, write_record
from mailstore.model.changes import Append, Outcome
from mailstore.model.info import BODY, META, Arrival, Meta, Row, body_chunks
from mailstore.model.names import INBOX

DATED = b"From joe@example.org Thu Nov  9 22:33:52 2023"
LINE = DATED + b"\n"
ONE = b"Subject: one\n\nbody\n"
NESTED = b"Subject: two\n\n" + LINE + b"A: b\n\ntext\n"


def rows(store: Store) -> list[Row]:
    return list(store.inbox.rows(META | BODY))


def texts(store: Store) -> list[bytes]:
    return [b"".join(body_chunks(row.body)) for row in rows(store) if row.body is not None]


NO_META = Meta()


def deliver(store: Store, bodies: Sequence[bytes], meta: Meta = NO_META) -> list[Outcome]:
    staged = store.stage([Arrival(body, meta) for body in bodies])
    return store.commit([Append(INBOX, one) for one in staged], need_uids=False)


def anew(path: Path) -> list[bytes]:
    """Return what a reader finds who knows nothing of the file."""
    with open_store(f"mbox:{path}", readonly=True) as store:
        return texts(store)


# --- what is read and written


def test_little_is_read_and_no_index_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "box"
    path.write_bytes((LINE + ONE + b"x" * 1000 + b"\n\n") * 10_000)
    size, count, pread = path.stat().st_size, 0, os.pread

    def counting(fd: int, wanted: int, offset: int) -> bytes:
        nonlocal count
        data = pread(fd, wanted, offset)
        count += len(data)
        return data

    monkeypatch.setattr(os, "pread", counting)
    with open_store(f"mbox:{path}") as store:
        assert deliver(store, [ONE, NESTED]) == [Outcome("done"), Outcome("done")]
        assert size > 10 << 20
        assert count < 300_000
        assert sorted(os.listdir(tmp_path))[1:] == ["box"]  # and the journal, while the store is open
    assert os.listdir(tmp_path) == ["box"]
    assert anew(path)[10_000:] == [ONE, NESTED]


def test_a_record_has_no_uid_and_the_next_reader_gives_one(tmp_path: Path) -> None:
    path = tmp_path / "box"
    with open_store(f"mbox:{path}", create=True) as store:
        first = store.inbox.append(ONE)
        before = path.read_bytes()
        deliver(store, [NESTED], Meta(sender="joe@example.org", internal_date=1_700_000_000))
        assert path.read_bytes() == before + (
            b"From joe@example.org Tue Nov 14 22:13:20 2023\nStatus: O \nX-Status:     \nX-Keywords:"
            + b" " * 49
            + b"\nSubject: two\n\n>"
            + NESTED[14:]
            + b"\n"
        )
        assert [(row.uid, row.recorded) for row in rows(store)] == [(first.uid, True), (first.uid + 1, False)]
        assert [(row.internal_date, row.sender) for row in rows(store)][1] == (1_700_000_000, "joe@example.org")


def test_an_empty_file_is_numbered_as_before(tmp_path: Path) -> None:
    with open_store(f"mbox:{tmp_path}/box", create=True) as store:
        assert [one.status for one in deliver(store, [ONE])] == ["done"]
        assert (tmp_path / "box").read_bytes().startswith(b"From - ")
        assert b"\nX-UID: 1\n" in (tmp_path / "box").read_bytes()


@pytest.mark.parametrize("arrival", [Arrival(ONE, Meta(), b"k" * 16), Arrival(ONE, Meta(keywords=frozenset({"work"})))])
def test_what_asks_something_of_the_folder_is_no_plain_delivery(tmp_path: Path, arrival: Arrival) -> None:
    path = tmp_path / "box"
    with open_store(f"mbox:{path}", create=True) as store:
        store.inbox.append(ONE)
        [staged] = store.stage([arrival])
        [outcome] = store.commit([Append(INBOX, staged)], need_uids=False)
        assert (outcome.status, outcome.uids) == ("done", ())
        assert b"\nX-UID: 2\n" in path.read_bytes()


def test_what_is_no_mbox_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "box"
    path.write_bytes(LINE + ONE + b"\n")
    with open_store(f"mbox:{path}") as store:
        path.write_bytes(b"something else\n")
        with pytest.raises(NotAStore):
            deliver(store, [ONE])
    assert path.read_bytes() == b"something else\n"


def test_the_pinned_dialect_is_written(tmp_path: Path) -> None:
    """What was found by reading everything outweighs what the beginning says."""
    path = tmp_path / "box"
    counted = LINE + b"Content-Length: 6\n\ntext\n\n\n"
    path.write_bytes(LINE + b"\n" + b"x" * 70_000 + b"\n\n" + counted * 3)
    with open_store(f"mbox:{path}") as store:
        assert "dialect mboxcl2" in " ".join(store.evidence)
        deliver(store, [b"A: b\n\nFrom here on\n"])
    assert path.read_bytes().endswith(b"\nContent-Length: 13\nA: b\n\nFrom here on\n\n")


def test_a_count_is_looked_up_beyond_the_beginning(tmp_path: Path) -> None:
    path = tmp_path / "box"
    path.write_bytes(LINE + b"Content-Length: 70001\n\n" + b"x" * 70_000 + b"\n\n" + LINE + ONE + b"\n")
    with open_store(f"mbox:{path}") as store:
        deliver(store, [b"A: b\n\nFrom here on\n"])
    assert path.read_bytes().endswith(b"\nContent-Length: 13\nA: b\n\nFrom here on\n\n")


# --- nothing that was there is read otherwise


@pytest.mark.parametrize(
    ("there", "bodies"),
    [
        # Behind a beginning without counts, half of the messages are counted: more without a count would outvote those.
        (
            LINE + b"\n" + b"x" * 70_000 + b"\n\n" + LINE + b"Content-Length: %d\n\n" % len(NESTED) + NESTED + b"\n",
            [ONE] * 3,
        ),
        # Behind a counted beginning, few are: more that are counted would make believe a forged length.
        (
            LINE
            + b"Content-Length: 70001\n\n"
            + b"x" * 70_000
            + b"\n\n"
            + LINE
            + b"Content-Length: %d\n\n" % len(ONE + b"\n" + LINE + ONE)
            + (ONE + b"\n" + LINE) * 6
            + ONE
            + b"\n",
            [ONE] * 8,
        ),
        # A reply of ours quotes a From line as mboxo would leave it; another program's file is mboxrd.
        (LINE + b"A: b\n\n>>From x\n\n", [b"A: b\n\n> said\nFrom x\n> more\n"] * 2),
    ],
)
def test_deliveries_do_not_turn_the_scales(tmp_path: Path, there: bytes, bodies: list[bytes]) -> None:
    path = tmp_path / "box"
    path.write_bytes(there)
    before = anew(path)
    for body in bodies:
        with open_store(f"mbox:{path}", index="memory") as store:
            deliver(store, [body])
    assert anew(path) == before + bodies


def test_a_delivery_needs_nobody_to_believe_its_count(tmp_path: Path) -> None:
    """In a counted file too: what others deliver without a count may make it one where none is believed."""
    path = tmp_path / "box"
    path.write_bytes(LINE + b"Content-Length: 5\n\ntext\n\n")
    bodies = [NESTED, b"A: b\n\n>From x\n\nFrom -\nA: b\n", b"A: b\n\nFrom then on\n"]
    with open_store(f"mbox:{path}") as store:
        deliver(store, bodies)
    assert path.read_bytes().count(b"\nContent-Length: ") == 4
    assert path.read_bytes().endswith(b"\nFrom then on\n\n")
    with path.open("ab") as file:
        file.write((LINE + ONE + b"\n") * 6)
    assert anew(path) == [b"\ntext\n", *bodies, *[ONE] * 6]


def test_our_numbered_messages_say_nothing_of_others_quoting(tmp_path: Path) -> None:
    path = tmp_path / "box"
    head = LINE + b"X-IMAPbase: 1700000000 0000000001\nX-UID: 1\nContent-Length: 8\n\n"
    path.write_bytes(head + b">From x\n\n")
    before = anew(path)
    body = b"Lines: 4\n\nb\n"
    with open_store(f"mbox:{path}", index="memory") as store:
        store.inbox.append(body)
    assert anew(path) == [*before, body] == [b"\n>From x\n", body]


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_a_message_without_its_empty_line_stays_as_it_was(tmp_path: Path, end: bytes) -> None:
    """Also where a program put it into a CRLF file with the other line ends."""
    path = tmp_path / "box"
    path.write_bytes((LINE + ONE + b"\n").replace(b"\n", b"\r\n") + DATED + end + b"A: b\r\n\r\nbody\r\n")
    before = anew(path)
    with open_store(f"mbox:{path}") as store:
        deliver(store, [ONE])
        store.inbox.append(NESTED)
    assert anew(path) == [*before, ONE, NESTED]


def test_a_torn_mmdf_message_gets_its_closing_mark(tmp_path: Path) -> None:
    mark = b"\x01\x01\x01\x01\n"
    path = tmp_path / "box"
    path.write_bytes(mark + LINE + ONE + mark + mark + LINE + b"A: b\n\nto")
    with open_store(f"mbox:{path}") as store:
        deliver(store, [ONE])
    assert path.read_bytes().count(mark) == 6
    assert anew(path) == [ONE, b"A: b\n\nto\n", ONE]


# --- any file, any deliveries

_LINES = st.sampled_from(
    [
        DATED,
        b">" + DATED,
        b"From here",
        b">From here",
        b">>From here",
        b"From -",
        b"From joe 10:00:00",
        b"> quoted",
        b">> quoted",
        b"A: b",
        b"Content-Length: 30",
        b"Lines: 3",
        b"Status: RO",
        b"X-UID: 7",
        b"text",
        b"",
        b"",
        b"\x01\x01\x01\x01",
        b" folded",
    ]
)
_TEXT = st.lists(_LINES, max_size=12).map(b"\n".join)
_BODY = st.one_of(
    _TEXT,
    _TEXT.map(lambda text: b"Subject: x\n\n" + text + b"\n"),
    _TEXT.map(lambda text: (b"Subject: x\n\n" + text + b"\n").replace(b"\n", b"\r\n")),
    st.binary(max_size=60),
)
_FILLER = st.sampled_from([0, 0, 0, 10, 2_000, 200_000, 65_536 - 120, 65_536 - 50])


class Foreign(NamedTuple):
    """A record of another program's."""

    header: list[bytes]
    text: bytes
    filler: int
    counted: bool
    forged: int


_FOREIGN = st.builds(
    Foreign,
    st.lists(st.sampled_from([b"A: b", b"Status: RO", b"Lines: 2", b"X-UID: 3"]), max_size=3),
    _TEXT,
    _FILLER,
    st.booleans(),
    st.sampled_from([0, 0, 0, 20, 90]),
)


def foreign(one: Foreign, eol: bytes, *, base: bool) -> bytes:
    text = (b"y" * 70 + b"\n") * (one.filler // 71) + one.text + b"\n"
    text = text.replace(b"\n", eol).replace(b"\x01", b".")
    header = [DATED, *([b"X-IMAPbase: 1700000000 0000000009"] if base else []), *one.header]
    if one.counted or one.forged:
        header.append(b"Content-Length: %d" % (one.forged or len(text)))
    return eol.join([*header, b"", b""]) + text + eol


_EOLS = st.sampled_from([b"\n", b"\n", b"\r\n", b"\r"])
_BASES = st.booleans()
_PSEUDO = (
    LINE
    + b"Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\nX-IMAP: 1700000000 0000000009\nStatus: RO\n\nx\n\n"
)


@st.composite
def _files(draw: st.DrawFn) -> bytes:
    kind = draw(st.sampled_from(["foreign", "foreign", "foreign", "ours", "mmdf", "pseudo"]))
    eol = draw(_EOLS)
    if kind == "pseudo":
        return _PSEUDO
    if kind == "mmdf":
        mark = b"\x01\x01\x01\x01\n"
        texts = draw(st.lists(_TEXT, min_size=1, max_size=4))
        return b"".join(mark + LINE + text.replace(b"\x01", b".") + b"\n" + mark for text in texts)
    if kind == "ours":
        dialect = DIALECTS[draw(st.sampled_from(["mboxo", "mboxrd", "mboxcl", "mboxcl2", "rfc4155"]))].with_eol(eol)
        return b"".join(
            write_record(body, Message(1_700_000_000, None), dialect)
            for body in draw(st.lists(_BODY, min_size=1, max_size=4))
        )
    base = draw(_BASES)
    records = draw(st.lists(_FOREIGN, min_size=1, max_size=5))
    return b"".join(foreign(one, eol, base=base and at == 0) for at, one in enumerate(records))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    there=_files(),
    deliveries=st.lists(st.lists(_BODY, min_size=1, max_size=3), min_size=1, max_size=4),
)
@example(there=_PSEUDO, deliveries=[[ONE], [NESTED, b""]])
def test_any_deliveries_to_any_file(there: bytes, deliveries: list[list[bytes]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "box"
        path.write_bytes(there)
        before = anew(path)
        with open_store(f"mbox:{path}") as witness:
            numbers = [(row.uid, row.recorded) for row in rows(witness) if row.recorded]
            for bodies in deliveries:
                with open_store(f"mbox:{path}", index="memory") as store:
                    assert {one.status for one in deliver(store, bodies)} == {"done"}
            expected = before + [body for bodies in deliveries for body in bodies]
            assert path.read_bytes().startswith(there)
            assert anew(path) == expected
            assert texts(witness) == expected
            assert [(row.uid, row.recorded) for row in rows(witness) if row.recorded] == numbers
            deliver(witness, [NESTED])
            assert texts(witness) == [*expected, NESTED]
        assert anew(path) == [*expected, NESTED]


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(there=_files(), cut=st.integers(1, 40), bodies=st.lists(_BODY, min_size=1, max_size=3))
def test_any_deliveries_behind_a_torn_tail(there: bytes, cut: int, bodies: list[bytes]) -> None:
    """Of the message that was torn the line ends may differ, and nothing else is read otherwise."""
    there = there[: max(len(there) - cut, len(LINE) + 5)]
    # Half a From_ line or metadata field is text, until it gets its line end.
    assume(not re.split(rb"[\r\n]", there)[-1].startswith((b"From ", b"X-", b"Status", b"Content-")))
    # The torn line's end makes a count right again that speaks of it: then all is read as it was once meant.
    assume(b"Content-Length:" not in there or there.endswith(b"\n"))
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "box"
        path.write_bytes(there)
        before = anew(path)
        for body in bodies:
            with open_store(f"mbox:{path}", index="memory") as store:
                deliver(store, [body])
        after = anew(path)
        assert path.read_bytes().startswith(there)
        assert after[len(before) :] == bodies
        assert after[: len(before[:-1])] == before[:-1]
        for torn, gained in zip(before[-1:], after[len(before[:-1]) :], strict=False):
            assert gained.rstrip(b"\r\n") == torn.rstrip(b"\r\n")
