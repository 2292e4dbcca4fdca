"""From_ lines: every form of a date, senders, and what is no From_ line."""

import calendar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstore.formats.mbox.from_line import (
    GREATEST,
    FromLine,
    Kind,
    Zone,
    header_date,
    is_plain_date,
    is_plain_sender,
    write,
)

UTC = Zone(utc=True)


def at(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> int:
    return calendar.timegm((year, month, day, hour, minute, second))


FORMS = {
    "joe@x Thu Nov  9 22:33:52 2023": at(2023, 11, 9, 22, 33, 52),
    "joe@x  Thu Nov 09 22:33:52 2023": at(2023, 11, 9, 22, 33, 52),
    "joe@x Thu Nov 9 22:33:52 2023": at(2023, 11, 9, 22, 33, 52),
    "joe@x Thu Nov  9 22:33 2023": at(2023, 11, 9, 22, 33),
    "joe@x Thu Nov  9 22:33:52 PST 2023": at(2023, 11, 10, 6, 33, 52),
    "joe@x Thu Nov  9 22:33:52 -0700 2023": at(2023, 11, 10, 5, 33, 52),
    "joe@x Thu Nov  9 22:33:52 2023 PST": at(2023, 11, 10, 6, 33, 52),
    "joe@x Thu Nov  9 22:33:52 2023 -0700": at(2023, 11, 10, 5, 33, 52),
    "joe@x Thu Nov  9 01:02:03 2023 +0530": at(2023, 11, 8, 19, 32, 3),
    "joe@x Thu Nov  9 22:33 EST 2023": at(2023, 11, 10, 3, 33),
    "joe@x Thu Nov  9 22:33:52 2023 remote from host.example": at(2023, 11, 9, 22, 33, 52),
    "joe@x Thu Nov  9 22:33:52 2023 +0100 remote from host": at(2023, 11, 9, 21, 33, 52),
    "joe@x Thu, 9 Nov 2002 22:33:52": at(2002, 11, 9, 22, 33, 52),
    "joe@x Thu, 9 Nov 2002 22:33:52 +0200": at(2002, 11, 9, 20, 33, 52),
    "joe@x Thu ??? 00 12:34:56 1999": at(1999, 1, 1, 12, 34, 56),
    "joe@x Thu Nov  0 12:34:56 1999": at(1999, 11, 1, 12, 34, 56),
    "joe@x Thu Nov  9 22:33:52 70": at(1970, 11, 9, 22, 33, 52),
    "joe@x Thu Nov  9 22:33:52 69": at(2069, 11, 9, 22, 33, 52),
    "joe@x Sat Aug  1 10:00:00 CET DST 1998": at(1998, 8, 1, 8, 0, 0),
    "joe@x Thu Nov  9 22:33:52 2023 +0200 CEST": at(2023, 11, 9, 20, 33, 52),
    "joe@x Thu Nov  9 22:33:52 XYZ 2023": at(2023, 11, 9, 22, 33, 52),
    "123456789012345678@xxx Thu Jun 01 12:34:56 +0000 2017": at(2017, 6, 1, 12, 34, 56),
    "- Thu Jun 01 12:34:56 2017": at(2017, 6, 1, 12, 34, 56),
    "Thu Jun 01 12:34:56 2017": at(2017, 6, 1, 12, 34, 56),
    "joe@x thu jun 01 12:34:56 2017": at(2017, 6, 1, 12, 34, 56),
}


@pytest.mark.parametrize("form", FORMS)
def test_dates(form: str) -> None:
    line = UTC.parse(b"From " + form.encode())
    assert (line.kind, line.date) == (Kind.DATED, FORMS[form])
    assert UTC.parse(b"From " + form.encode()) == line


@pytest.mark.parametrize(
    ("text", "sender"),
    [
        ("joe@example.org", "joe@example.org"),
        ('"x y z"@dom', '"x y z"@dom'),
        ("user at example.org", "user at example.org"),
        ("MAILER-DAEMON", ""),
        ("MAILER_DAEMON", ""),
        ("<>", ""),
        ("-", None),
        ("???@???", None),
        ("1234567890123456789@xxx", None),
        ("jö@exämple", "jö@exämple"),
    ],
)
def test_senders(text: str, sender: str | None) -> None:
    line = UTC.parse(f"From {text} Thu Nov  9 22:33:52 2023".encode())
    assert line == FromLine(Kind.DATED, sender, at(2023, 11, 9, 22, 33, 52))
    assert UTC.parse(f"From {text}  Thu Nov 09 22:33:52 2023".encode()) == line


def test_sender_of_no_utf8_survives() -> None:
    sender = UTC.parse(b"From j\xf6@x Thu Nov  9 22:33:52 2023").sender
    assert sender == "j\udcf6@x"
    assert UTC.parse(write(sender, 0)).sender == sender


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b"From the beginning", Kind.TEXT),
        (b"From my point of view my current approach is working", Kind.TEXT),
        (b"From  : John Doe <jdoe@x>", Kind.TEXT),
        (b"From: joe@x", Kind.TEXT),
        (b">From joe@x Thu Nov  9 22:33:52 2023", Kind.TEXT),
        (b"From now on, Thu Nov  9 22:33:52 2023, we", Kind.CLOCK),
        (b"From MAILER-DAEMON Fri Jan 1 00:0:00 2015", Kind.CLOCK),
        (b"From joe@x Thu Foo  9 22:33:52 2023", Kind.CLOCK),
        (b"From joe@x Thu Nov 32 22:33:52 2023", Kind.CLOCK),
        (b"From ", Kind.BARE),
        (b"From - ", Kind.BARE),
        (b"From lib", Kind.BARE),
    ],
)
def test_other_lines(line: bytes, kind: Kind) -> None:
    found = UTC.parse(line)
    assert (found.kind, found.date) == (kind, None)


def test_local_time(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        local = Zone(utc=False)
        assert local.parse(b"From joe Thu Nov  9 22:33:52 2023").date == at(2023, 11, 10, 3, 33, 52)
        assert local.parse(b"From joe Thu Nov  9 22:33:59 2023").date == at(2023, 11, 10, 3, 33, 59)
        assert local.parse(b"From joe Sun Jul  9 22:33:52 2023").date == at(2023, 7, 10, 2, 33, 52)
        assert local.parse(b"From joe Sun Jul  9 22:33:52 2023 +0000").date == at(2023, 7, 9, 22, 33, 52)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_written_as_rfc_4155_says() -> None:
    assert write("joe@example.org", at(2023, 11, 9, 2, 3, 4)) == b"From joe@example.org Thu Nov  9 02:03:04 2023"
    assert write("", 0) == b"From MAILER-DAEMON Thu Jan  1 00:00:00 1970"
    assert write(None, 0) == b"From - Thu Jan  1 00:00:00 1970"
    assert write("a b\nc", 0) == b"From a-b-c Thu Jan  1 00:00:00 1970"


@given(st.integers(0, GREATEST), st.sampled_from(["joe@example.org", "", None, "ü@x", "x%y"]))
def test_written_lines_are_read_back(date: int, sender: str | None) -> None:
    assert Zone(utc=True).parse(write(sender, date)) == FromLine(Kind.DATED, sender, date)


@given(st.one_of(st.none(), st.text(max_size=30)), st.integers(-(1 << 40), 1 << 50))
def test_any_line_separates_and_plain_ones_say_all(sender: str | None, date: int) -> None:
    if sender is not None and any(0xD800 <= ord(c) < 0xDC80 or 0xDCFF < ord(c) < 0xE000 for c in sender):
        return
    line = write(sender, date)
    found = UTC.parse(line)
    assert found.kind == Kind.DATED
    assert b"\n" not in line
    assert b"\r" not in line
    if is_plain_sender(sender):
        assert found.sender == sender
    if is_plain_date(date):
        assert found.date == date


@given(st.binary(max_size=80))
def test_any_bytes_parse(tail: bytes) -> None:
    assert UTC.parse(b"From " + tail).kind in Kind


@pytest.mark.parametrize(
    ("value", "date"),
    [
        (b"Thu, 9 Nov 2023 22:33:52 +0100", at(2023, 11, 9, 21, 33, 52)),
        (b"9 Nov 23 22:33 EST", at(2023, 11, 10, 3, 33)),
        (b"from a by b; Thu, 9 Nov 2023 22:33:52 -0000 (GMT)", at(2023, 11, 9, 22, 33, 52)),
        (b"9-Nov-2023 22:33:52 GMT", at(2023, 11, 9, 22, 33, 52)),
        (b"yesterday", None),
        (b"32 Nov 2023 22:33:52 GMT", None),
    ],
)
def test_header_dates(value: bytes, date: int | None) -> None:
    assert header_date(value, UTC) == date
