"""``.emlx`` files: whole, with wrong counts, cut off, and of any bytes."""

from __future__ import annotations

import plistlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.foreign import emlx as write

from mailstore.formats import emlx
from mailstore.model.flags import ANSWERED, DELETED, DRAFT, FLAGGED, RECENT, SEEN

BODY = b"Subject: x\n\nbody\n"


def read(data: bytes) -> tuple[bytes, emlx.Told, tuple[str, ...]]:
    frame = emlx.find_message(lambda offset, size: data[offset : offset + size], len(data))
    told = emlx.read_list(data[frame.list_at :])
    assert 0 <= frame.start <= frame.start + frame.size <= frame.list_at <= len(data)
    return data[frame.start : frame.start + frame.size], told, (frame.note, told.note)


@pytest.mark.parametrize("binary", [False, True])
def test_whole(binary: bool) -> None:
    body, told, notes = read(write(BODY, 1 | 1 << 8, 1_581_123_200, binary=binary))
    assert (body, told.flags, told.keywords, told.received) == (BODY, SEEN, {"$Forwarded"}, 1_581_123_200)
    assert notes == ("", "")


def test_every_bit() -> None:
    assert read(write(BODY, (1 << 40) - 1))[1][:2] == (
        SEEN | DELETED | ANSWERED | FLAGGED | RECENT | DRAFT,
        {"$Forwarded", "Redirected", "$Junk", "$NotJunk"},
    )
    others = (1 << 40) - 1 - sum(1 << bit for bit in (0, 1, 2, 4, 5, 6, 8, 9, 24, 25))
    assert read(write(BODY, others))[1][:2] == (0, frozenset())
    assert read(write(BODY, 8_590_195_713))[1][:2] == (SEEN, frozenset())


@pytest.mark.parametrize("count", [0, 5, len(BODY) - 1, len(BODY) + 1, len(BODY) + 50, 10**9])
def test_a_wrong_count(count: int) -> None:
    """The property list tells where the message ends."""
    whole = write(BODY, 1)
    body, told, notes = read(b"%d\n" % count + whole[whole.index(b"\n") + 1 :])
    assert (body, told.flags) == (BODY, SEEN)
    assert "byte count" in notes[0] or "cut off" in notes[0]


def test_no_count() -> None:
    body, told, notes = read(BODY + write(b"", 4)[11:])
    assert (body, told.flags, notes[0]) == (BODY, ANSWERED, "the file does not begin with a byte count")


def test_cut_off() -> None:
    body, told, notes = read(b"500\n" + BODY)
    assert (body, told.flags) == (BODY, 0)
    assert notes == (
        "the file is cut off: it says 500 bytes, 17 follow",
        "the property list is missing: no flags, no date",
    )


def test_no_list_at_all() -> None:
    assert read(b"17\n" + BODY) == (BODY, emlx.read_list(b""), ("", "the property list is missing: no flags, no date"))


def test_what_follows_is_no_list() -> None:
    """Then all of it is the message: nothing that may be mail is dropped."""
    body, _, notes = read(b"5\n" + BODY)
    assert body == BODY
    assert notes[0] == "the file has a wrong byte count: it says 5 bytes, 17 follow"


def test_a_message_that_quotes_a_list() -> None:
    body = BODY + plistlib.dumps({"flags": 63})
    assert read(write(body, 1))[:2] == (body, emlx.Told(SEEN, frozenset(), 1_600_000_000))


BOMB = b"""<?xml version="1.0"?>
<!DOCTYPE plist [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<plist version="1.0"><dict><key>flags</key><integer>1</integer><key>x</key><string>&b;</string></dict></plist>
"""


@pytest.mark.parametrize(
    "text",
    [
        BOMB,
        b"<plist>" + b"<array>" * 50_000,
        b"bplist00" + b"\xff" * 100,
        plistlib.dumps([1, 2]),
        b"<?xml version='1.0'?><plist><dict><key>flags</key></dict></plist>",
        b"\0\0garbage",
    ],
)
def test_hostile_lists(text: bytes) -> None:
    assert emlx.read_list(text) == emlx.Told(note="the property list is damaged: no flags, no date")


def test_a_list_that_is_too_large() -> None:
    assert "too large" in emlx.read_list(b"<" + b"x" * (emlx.LARGEST_LIST + 1)).note


@pytest.mark.parametrize(
    ("value", "date"), [("1581123200", 1581123200), (1.5e9, 1500000000), ("x", None), (-1, None), (1 << 60, None)]
)
def test_dates(value: object, date: int | None) -> None:
    assert emlx.read_list(plistlib.dumps({"flags": "1", "date-received": value})) == emlx.Told(SEEN, received=date)


@given(st.binary(max_size=200), st.integers(0, 1 << 40), st.integers(0, 1 << 33), st.booleans())
def test_round_trip(body: bytes, flags: int, received: int, binary: bool) -> None:
    found, told, notes = read(write(body, flags, received, binary=binary))
    assert (found, told.received, bool(told.flags & SEEN), notes) == (body, received, bool(flags & 1), ("", ""))


@given(
    st.one_of(
        st.binary(max_size=200),
        st.builds(lambda count, rest: b"%d\n" % count + rest, st.integers(0, 300), st.binary(max_size=300)),
    )
)
def test_nothing_is_raised(data: bytes) -> None:
    read(data)
