"""Which lines separate messages, and which dialect a file is in."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstore.drivers.mbox import scan
from mailstore.drivers.mbox.evidence import weighed
from mailstore.drivers.mbox.scan import Extent, Rules, scanner
from mailstore.formats.mbox.from_line import Zone
from mailstore.formats.mbox.opening import PROBE, Weighed, read_opening, weigh

LINE = b"From joe@x Thu Nov  9 22:33:52 2023\n"


def extents(data: bytes, start: int | None = None, *, counts: bool | None = None) -> list[Extent]:
    opening = read_opening(data[:PROBE])
    assert opening is not None

    def majority() -> bool:
        found = extents(data, counts=True)
        return weigh(Weighed(one.raw or b"", one.counted > 0) for one in found).counts

    rules = Rules(
        len(data),
        opening.eol[-1:],
        Zone(utc=True),
        opening.bare,
        majority if counts is None else lambda: counts,
        opening.patches,
    )
    begin = opening.start if start is None else start
    return list(scanner(lambda at, size: data[at : at + size], rules, begin, len(data), mmdf=opening.mmdf))


def records(data: bytes) -> list[bytes]:
    found = extents(data)
    assert [one.stop for one in found[:-1]] == [one.start for one in found[1:]]
    assert found[-1].stop == len(data)
    return [one.raw for one in found if one.raw is not None]


SEPARATES = {
    "empty line before, field after": b"\n\n" + LINE + b"Subject: b\n",
    "empty line before, empty header": b"\n\n" + LINE + b"\nbody\n",
    "empty line before, no header": b"\n\n" + LINE + b"just text\n",
    "no empty line, field after": b"\n" + LINE + b"Subject: b\n",
    "CRLF before": b"\r\n\r\n" + LINE + b"Subject: b\n",
    "unreadable date": b"\n\nFrom MAILER-DAEMON Fri Jan 1 00:0:00 2015\nReturn-Path: <>\n",
    "Thunderbird's bare line": b"\n\nFrom \nX-Mozilla-Status: 0001\n",
    "Thunderbird's dash": b"\n\nFrom - \nX-Mozilla-Status: 0001\n",
    "at the end": b"\n\n" + LINE,
    "at the end, cut short": b"\n\n" + LINE[:-1],
}
DOES_NOT = {
    "no date": b"\n\nFrom the beginning\nFrom now\n",
    "no date, looks like a field behind": b"\n\nFrom joe\nSubject: b\n",
    "no date, two words": b"\n\nFrom here on\nSubject: b\n",
    "a field with a space": b"\n\nFrom  : joe@x\nTo: y\n",
    "a date, but text around it": b"text\n" + LINE + b"text\n",
    "a clock, but text behind": b"\n\nFrom now on, at 12:30 we\nmeet\n",
    "quoted": b"\n\n>" + LINE + b"Subject: b\n",
    "indented": b"\n\n " + LINE + b"Subject: b\n",
    "in the middle of a line": b"\n\nx" + LINE + b"Subject: b\n",
}


@pytest.mark.parametrize("name", SEPARATES)
def test_separators(name: str) -> None:
    first, second = LINE + b"Subject: a\n\nbody", SEPARATES[name]
    ends = second[: second.index(b"From ")]
    assert records(first + second) == [first + ends, second[len(ends) :]]


@pytest.mark.parametrize("name", DOES_NOT)
def test_text(name: str) -> None:
    data = LINE + b"Subject: a\n\nbody" + DOES_NOT[name]
    assert records(data) == [data]


def test_a_file_without_dates() -> None:
    data = b"From joe\nSubject: a\n\nbody\n\nFrom jim\nSubject: b\n\nFrom here on\nSubject: c\n"
    assert len(records(data)) == 2


@pytest.mark.parametrize(
    ("head", "start"),
    [(LINE, 0), (b"\n\n" + LINE, 2), (b"\xef\xbb\xbf" + LINE, 3), (b"\r\n" + LINE, 2), (b"From \nA: b\n", 0)],
)
def test_openings(head: bytes, start: int) -> None:
    opening = read_opening(head)
    assert opening is not None
    assert opening.start == start


@pytest.mark.parametrize(
    "head",
    [b"", b"text\n", b"From: joe\n", b"From the desk of joe\n", b"From  : joe\n", b"\n\n", b"\x1f\x8b", b" " + LINE],
)
def test_no_openings(head: bytes) -> None:
    assert read_opening(head) is None


def counted(body: bytes, length: int | None = None) -> bytes:
    return LINE + b"Content-Length: %d\n\n" % (len(body) if length is None else length) + body + b"\n"


NESTED = b"text\n\n" + LINE + b"Subject: inner\n\nmore\n"


def test_a_right_length_reaches_over_what_looks_like_a_separator() -> None:
    data = counted(NESTED) + counted(b"b\n")
    assert records(data) == [counted(NESTED), counted(b"b\n")]
    assert [one.counted > 0 for one in extents(data)] == [True, True]


@pytest.mark.parametrize("length", [0, 3, 7, 1000, 10**17])
def test_a_wrong_length_is_passed_over(length: int) -> None:
    data = counted(b"four\n", length) + counted(b"b\n")
    assert records(data) == [counted(b"four\n", length), counted(b"b\n")]
    assert not extents(data)[0].counted


def test_one_forged_length_swallows_nothing() -> None:
    victim = LINE + b"Subject: victim\n\nbody\n\n"
    others = [LINE + b"Subject: %d\n\nbody\n\n" % n for n in range(3)]
    forged = counted(b"evil\n", 5 + 1 + len(victim) - 1)
    assert records(forged + victim + b"".join(others)) == [forged, victim, *others]


def test_a_length_to_a_body_without_a_last_line_end() -> None:
    data = counted(b"no line end", 11) + b"\n" + counted(b"b\n")
    assert next(one.counted for one in extents(data)) == data.index(b"no line end") + 11


def test_cr_files() -> None:
    data = (LINE + b"Subject: a\n\nFrom here\n\n" + LINE + b"Subject: b\n\nbody\n").replace(b"\n", b"\r")
    assert len(records(data)) == 2


def test_mmdf() -> None:
    mark = b"\x01\x01\x01\x01\n"
    data = mark + LINE + b"Subject: a\n\nbody\n" + mark + mark + b"Subject: b\n\n" + LINE + b"\n" + mark + mark + mark
    found = [one.raw for one in extents(data)]
    assert found == [LINE + b"Subject: a\n\nbody\n", b"Subject: b\n\n" + LINE + b"\n"]


@given(st.lists(st.integers(0, 40), min_size=1, max_size=30), st.integers(60, 300), st.booleans())
def test_windows_of_any_size_give_the_same(sizes: list[int], window: int, quoted: bool) -> None:
    data = b"".join(
        LINE + b"Subject: %d\n\n" % n + (b">From x\n" if quoted and n % 3 == 0 else b"y") * size + b"\n\n"
        for n, size in enumerate(sizes)
    )
    whole = [one[:2] for one in extents(data)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "WINDOW", window)
        patch.setattr(scan, "LIMIT", window * 2)
        patch.setattr(scan, "LINE", 50)
        assert [one[:2] for one in extents(data)] == whole


@given(st.binary(max_size=400), st.sampled_from([LINE, b"\x01\x01\x01\x01\n"]))
def test_every_byte_belongs_to_a_record(tail: bytes, head: bytes) -> None:
    found = extents(head + tail)
    if head == LINE:
        assert found[0].start == 0
        assert found[-1].stop == len(head + tail)
        assert all(before.stop == after.start for before, after in pairwise(found))


def dialect_of(data: bytes) -> str:
    opening = read_opening(data[:PROBE])
    assert opening is not None
    return weigh(weighed(extents(data), lambda at, size: data[at : at + size], b"\n")).dialect(opening).name


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (LINE + b"A: b\n\nbody\n", "mboxrd"),
        (LINE + b"A: b\n\n>>From here\n", "mboxrd"),
        (LINE + b"A: b\n\n> quoted\n>quoted\n>>From here\n>quoted\n", "mboxrd"),
        (LINE + b"A: b\n\n>quoted\n>From here\n>quoted\n", "mboxo"),
        (LINE + b"A: b\n\n>>quoted\n>>From here\n", "mboxo"),
        (counted(NESTED) + counted(b"b\n"), "mboxcl2"),
        (counted(b"b\n"), "mboxcl2"),
        (LINE + b"Content-Length: 2\nLines: 1\n\nb\n\n", "mboxcl"),
        (b"\x01\x01\x01\x01\nA: b\n\nbody\n\x01\x01\x01\x01\n", "mmdf"),
    ],
)
def test_dialects(data: bytes, name: str) -> None:
    assert dialect_of(data) == name
