"""What stands in ``maildirsize``, whoever wrote it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailstore.formats.maildirsize import GREATEST, MOST, Sums, parse, parse_limits, render, render_line

amounts = st.integers(0, GREATEST)
signed = st.integers(-(1 << 40), 1 << 40)
PADDED, PLAIN = b"%12d %12d\n", b"%d %d\n"


def facts(sums: Sums) -> tuple[tuple[int, int] | None, int, int, int, bool]:
    return sums.limits, sums.size, sums.count, sums.lines, sums.sound


@given(st.tuples(amounts, amounts), amounts, amounts)
def test_what_is_written_is_read(limits: tuple[int, int], size: int, count: int) -> None:
    assert facts(parse(render(limits, size, count))) == (limits, size, count, 1, True)


@given(st.lists(st.tuples(signed, signed, st.sampled_from((PADDED, PLAIN))), min_size=1, max_size=60))
def test_lines_of_all_writers_add_up(lines: list[tuple[int, int, bytes]]) -> None:
    text = b"".join(form % (size, count) for size, count, form in lines)
    size, count = sum(line[0] for line in lines), sum(line[1] for line in lines)
    assert facts(parse(b"500S\n" + text)) == ((500, 0), size, count, len(lines), size >= 0 and count >= 0)


@given(st.binary(max_size=MOST))
@example(b"1_0S\n1 1\n")
@example(b"\n" + b"9" * 5000 + b" 1\n")
def test_nothing_is_an_error(data: bytes) -> None:
    sums = parse(data)
    if sums.sound:
        assert sums.limits is not None
        assert 0 <= sums.size <= GREATEST
        assert 0 <= sums.count <= GREATEST
        assert sums.lines == data.count(b"\n") - 1
        assert sums.lines > 0


@given(st.integers(0, 1 << 40), st.integers(0, 1 << 40), st.integers(1, 26))
def test_a_line_that_was_cut_off_does_not_count(size: int, count: int, cut: int) -> None:
    whole = render((7, 7), size, count)
    torn = whole + render_line(100, 1)[:-cut]
    assert facts(parse(torn)) == ((7, 7), size, count, 1, True)
    mended = parse(torn + render_line(5, 1))  # the next writer's line hangs on what is left of it
    assert mended.sound == (torn[len(whole) :].strip() == b"")


@pytest.mark.parametrize(
    ("line", "limits"),
    [
        (b"1000S", (1000, 0)),
        (b"1000S,5C", (1000, 5)),
        (b"5C,1000S", (1000, 5)),
        (b"5C", (0, 5)),
        (b"0S", (0, 0)),
        (b"0S,0C", (0, 0)),
        (b"", (0, 0)),
        (b"1000S\r", (1000, 0)),
        (b"007S", (7, 0)),
        (b"0000000000000000000000000000000007S", (7, 0)),
        (b"3X,1000S", (1000, 0)),
        (b"99999999999999999999999S", (GREATEST, 0)),
        (b"9223372036854775807S,9223372036854775808C", (GREATEST, GREATEST)),
        (b"1000", None),
        (b"S", None),
        (b"-5S", None),
        (b"1GS", None),
        (b"1000S,", None),
        (b"1000S 5C", None),
        (b"NOQUOTA", None),
        (b"           5            1", None),
        (b"1000\0S", None),
        (b"1e3S", None),
        ("\u0661S".encode(), None),
    ],
)
def test_limits(line: bytes, limits: tuple[int, int] | None) -> None:
    assert parse_limits(line) == limits


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", (None, 0, 0, 0, False)),
        (b"\n", ((0, 0), 0, 0, 0, False)),
        (b"\n50 1\n", ((0, 0), 50, 1, 1, True)),
        (b"1000S", ((1000, 0), 0, 0, 0, False)),
        (b"1000S\n", ((1000, 0), 0, 0, 0, False)),
        (b"1000S\n50 1\n", ((1000, 0), 50, 1, 1, True)),
        (b"1000S\n50 1\n-60 -1\n", ((1000, 0), -10, 0, 2, False)),
        (b"1000S\n50 1\n-10 -2\n", ((1000, 0), 40, -1, 2, False)),
        (b"1000S\n50 1\nhello\n", ((1000, 0), 50, 1, 2, False)),
        (b"1000S\n50 1\n50 1 1\n", ((1000, 0), 50, 1, 2, False)),
        (b"1000S\n50 1\n\n", ((1000, 0), 50, 1, 2, False)),
        (b"1000S\n+50 1\n", ((1000, 0), 0, 0, 1, False)),
        (b"1000S\n50 1\n\0\0\0\0", ((1000, 0), 50, 1, 1, False)),
        (b"\0" * 40, (None, 0, 0, 0, False)),
        (b"50 1\n60 1\n", (None, 60, 1, 1, False)),
        (b"1000S\n%d 1\n" % (1 << 63), ((1000, 0), 1 << 63, 1, 1, False)),
    ],
)
def test_sums(data: bytes, expected: tuple[tuple[int, int] | None, int, int, int, bool]) -> None:
    assert facts(parse(data)) == expected


def test_a_file_of_the_greatest_size_is_made_anew() -> None:
    head = b"1000S\n"
    lines = render_line(1, 1) * 200
    assert parse((head + lines)[: MOST - 1]).sound
    assert parse((head + lines)[:MOST]).limits == (1000, 0)
    assert not parse((head + lines)[:MOST]).sound


def test_lines_are_courier_s() -> None:
    assert render_line(1234, 1) == b"        1234            1\n"
    assert render_line(-1234, -1) == b"       -1234           -1\n"
    assert len(render_line(1, 1)) == 26
    assert render((1000, 5), 0, 0) == b"1000S,5C\n" + render_line(0, 0)
    assert render((0, 5), 0, 0) == b"5C\n" + render_line(0, 0)
    assert render((0, 0), 0, 0) == b"0S\n" + render_line(0, 0)


def test_equal_to_the_limit_is_allowed() -> None:
    sums = parse(b"1000S,3C\n400 2\n")
    assert sums.fits(600, 1)
    assert not sums.fits(601, 1)
    assert not sums.fits(1, 2)
    assert parse(b"0S,0C\n400 2\n").fits(GREATEST, 9)
    assert parse(b"0S,0C\n-400 2\n").fits(1, 1)
    assert not parse(b"1000S\n-400 2\n").fits(1, 1)
    assert not parse(b"many\n400 2\n").fits(1, 1)


def test_when_a_refusal_is_final() -> None:
    one, two = parse(b"10S\n5 1\n"), parse(b"10S\n5 1\n0 0\n")
    assert one.settled(0)
    assert one.settled(899.9)
    assert not one.settled(900)
    assert not one.settled(-1)
    assert not two.settled(0)
    assert not parse(b"10S\n-5 1\n").settled(0)


def test_loading_it_loads_nothing() -> None:
    code = (
        "import sys; before = set(sys.modules); import mailstore.formats.maildirsize; print(*set(sys.modules) - before)"
    )
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    assert loaded <= {"__future__", "mailstore", "mailstore.formats", "mailstore.formats.maildirsize"}
