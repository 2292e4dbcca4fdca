import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstore.formats import uidlist
from mailstore.formats.uidlist import parse

GUID = "0123456789abcdef0123456789abcdef"
BASES = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="/:"), min_size=1, max_size=20)
VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=8)


def test_version_3_with_a_stale_next_uid() -> None:
    found = parse(f"3 V1795354195 N1 G{GUID} Pxyz\n1 :a,S=5\n2 W7 Zq :b:2,S\n7 :c\n".encode())
    assert found is not None
    assert (found.version, found.uidvalidity, found.uidnext) == (3, 1795354195, 8)
    assert (found.guid, found.extra) == (GUID, "Pxyz")
    assert found.uids == {"a,S=5": 1, "b": 2, "c": 7}
    assert found.fields == {"b": "W7 Zq"}
    assert found.damaged == 0


def test_version_1() -> None:
    found = parse(b"1 1795354195 9\n3 a\n5 b:2,S\n")
    assert found is not None
    assert (found.uidvalidity, found.uidnext, found.uids) == (1795354195, 9, {"a": 3, "b": 5})


@pytest.mark.parametrize(
    "data",
    [b"", b"3 V1 N1", b"\n", b"2 1 1\n", b"3 V0 N1\n", b"3 V1\n", b"3 N1\n", b"1 5\n", b"1 5 x\n", b"3 Vx N1\n",
     b"1 99999999999 1\n", b"\xff\xfe\n", b"4 V1 N1\n"],
)  # fmt: skip
def test_headers_that_make_no_sense(data: bytes) -> None:
    assert parse(data) is None


def test_bad_lines_are_passed_over_and_counted() -> None:
    found = parse(
        b"3 V1 N1\n5 :a\n4 :less\n5 :same\nx :y\n6 :in/dir\n0 :zero\n 8 :blank\n7 :z\n99999999999 :big\n9 :\n\n"
    )
    assert found is not None
    assert found.uids == {"a": 5, "z": 7}
    assert found.damaged == 8


def test_last_line_without_its_end_is_left_for_the_next_time() -> None:
    found = parse(b"3 V1 N1\n5 :a\n6 :b")
    assert found is not None
    assert found.uids == {"a": 5}
    assert found.length == len(b"3 V1 N1\n5 :a\n")
    found.extend(b"6 :bcd\n7 :e\n")
    assert found.uids == {"a": 5, "bcd": 6, "e": 7}
    assert found.uidnext == 8


def test_a_name_that_comes_twice_has_the_later_uid() -> None:
    found = parse(b"3 V1 N1\n5 Pold :a\n6 :b\n7 :a\n")
    assert found is not None
    assert found.uids == {"b": 6, "a": 7}
    assert list(found.uids) == ["b", "a"]
    assert found.fields == {}


@given(st.dictionaries(BASES, st.tuples(st.integers(1, 50), st.lists(st.tuples(st.sampled_from("SWPOGEDTX"), VALUES)))))
def test_round_trip(messages: dict[str, tuple[int, list[tuple[str, str]]]]) -> None:
    lines, uid = [], 0
    for base, (step, fields) in messages.items():
        uid += step
        lines.append((uid, base, " ".join(key + value for key, value in fields)))
    data = uidlist.render_header(7, uid + 3, GUID, "Q1") + uidlist.render_lines(lines)
    found = parse(data)
    assert found is not None
    assert (found.uidvalidity, found.uidnext, found.guid, found.extra) == (7, uid + 3, GUID, "Q1")
    readable = [line for line in lines if " :" not in line[2]]
    assert readable != lines or found.uids == {base: uid for uid, base, _ in lines}
    assert readable != lines or found.fields == {base: fields for _, base, fields in lines if fields}
    assert readable != lines or found.damaged == 0


@given(
    st.lists(
        st.sampled_from([b"1 :a\n", b"2 :b:2,S\n", b"3 Pz :c\n", b"4 :d\n", b"x\n", b"3 :/\n", b"9 :e\n", b" :f\n"])
    )
)
def test_in_one_piece_or_line_by_line(lines: list[bytes]) -> None:
    whole = parse(b"3 V1 N1\n" + b"".join(lines))
    pieces = parse(b"3 V1 N1\n")
    assert whole is not None
    assert pieces is not None
    for line in lines:
        pieces.extend(line)
    assert (whole.uids, whole.fields, whole.uidnext) == (pieces.uids, pieces.fields, pieces.uidnext)
    assert (whole.damaged, whole.length) == (pieces.damaged, pieces.length)


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    found = parse(b"3 V5 N5\n" + data)
    assert found is not None
    uids = list(found.uids.values())
    assert uids == sorted(set(uids))
    assert found.uidnext > max(uids, default=0)


@given(st.text(st.characters(exclude_categories=("Cs",))), st.binary(max_size=9))
def test_quoted_values(text: str, undecodable: bytes) -> None:
    text += os.fsdecode(undecodable)
    value = uidlist.quote(text)
    assert value.isascii()
    assert not set(value) & set(" ,\n\r\t\0")
    assert os.fsencode(uidlist.unquote(value)) == os.fsencode(text)


def test_version_1_as_courier_writes_it() -> None:
    assert uidlist.render_v1(5, 9, [(3, "a"), (8, "b")]) == b"1 5 9\n3 a\n8 b\n"
