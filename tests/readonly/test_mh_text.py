"""The text files of MH: what they say, and that nothing they hold is an error."""

import struct

from hypothesis import given
from hypothesis import strategies as st
from support.foreign import ranges

from mailstore.formats import mh, sylpheed
from mailstore.model.flags import ANSWERED, DELETED, FLAGGED, SEEN

SEQUENCES = b"""unseen: 3-5 9
cur: 7
flagged: 1 3
replied: 2
forwarded: 4
Work: 1-2
 4-6
two words: 5
"""


def test_what_sequences_say() -> None:
    sequences = mh.Sequences(mh.parse_sequences(SEQUENCES))
    assert {number: sequences.marks(number) for number in range(1, 8)} == {
        1: (SEEN | FLAGGED, {"Work"}),
        2: (SEEN | ANSWERED, {"Work"}),
        3: (FLAGGED, frozenset()),
        4: (0, {"$Forwarded", "Work"}),
        5: (0, {"Work"}),
        6: (SEEN, {"Work"}),
        7: (SEEN, frozenset()),
    }
    assert [list(sequences.odd(number)) for number in (4, 5)] == [[], ["two words"]]


def test_names_of_the_profile() -> None:
    ranges_of = mh.parse_sequences(b"new: 1\nunseen: 2\npseq: 3\n")
    sequences = mh.Sequences(ranges_of, unseen=("new", "unseen"), ignored=("pseq",))
    assert [sequences.marks(number) for number in (1, 2, 3)] == [
        (0, frozenset()),
        (0, frozenset()),
        (SEEN, frozenset()),
    ]


def test_odd_ranges() -> None:
    assert mh.parse_ranges(b"5-3 0 0-4 x 1- -2 7,8 3 1-2 2-4 18446744073709551616-1 6") == ((1, 4), (6, 6))
    assert mh.parse_ranges(b"9" * 5000) == ()
    assert mh.parse_ranges(b"") == ()


def test_private_sequences() -> None:
    text = b"Current-Folder: inbox\natr-work-/home/joe/Mail/in-box: 1-3\natr-x: 1\n"
    assert mh.parse_private(text) == [("work", "/home/joe/Mail/in-box", ((1, 3),))]
    assert mh.parse_profile(b"Path: Mail\nPath: Other\nUnseen-Sequence: a b\n") == {
        "path": "Mail",
        "unseen-sequence": "a b",
    }


def test_names_of_files() -> None:
    assert [name for name in ("1", "10", "01", "0", "x1", "1x", "", "\u0661", "9999999999") if mh.is_message(name)] == [
        "1",
        "10",
    ]
    assert [name for name in (",1", "#12", ",x", ",", ",,1") if mh.is_removed(name)] == [",1", "#12"]


def test_marks_of_sylpheed_and_claws() -> None:
    """In both byte orders; the later entry stands, half an entry at the end does not."""
    entries = [(1, 0), (2, 0b111111), (1, 1 << 13 | 2 << 7), (7, 2)]
    for order in "<>":
        data = struct.pack(f"{order}9I", 2, *(word for entry in entries for word in entry)) + b"\1\0\0"
        assert sylpheed.parse_marks(data) == {1: 1 << 13 | 2 << 7, 2: 0b111111, 7: 2}
    assert sylpheed.read_mark(1 << 13 | 2 << 7) == (SEEN, ["$Junk", "colorlabel-red"])
    assert sylpheed.read_mark(0b111111) == (FLAGGED | DELETED | ANSWERED, ["$Forwarded"])
    assert sylpheed.parse_marks(b"\3\0\0\0" + bytes(8)) == sylpheed.parse_marks(b"") == {}


def test_marks_and_sequences_together() -> None:
    sequences = mh.Sequences(mh.parse_sequences(b"unseen: 1 3\nflagged: 1\nwork: 2\n"), bits={1: 0, 2: 1 << 1})
    assert [sequences.marks(number) for number in (1, 2, 3, 4)] == [
        (SEEN | FLAGGED, frozenset()),
        (0, {"work"}),
        (0, frozenset()),
        (SEEN, frozenset()),
    ]


@given(st.dictionaries(st.integers(1, 1 << 31), st.integers(0, (1 << 32) - 1), max_size=9), st.sampled_from("<>"))
def test_marks_round_trip(wanted: dict[int, int], order: str) -> None:
    words = [2, *(word for entry in wanted.items() for word in entry)]
    assert sylpheed.parse_marks(struct.pack(f"{order}{len(words)}I", *words)) == wanted


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.sets(st.integers(1, 60)), max_size=5))
def test_round_trip(wanted: dict[str, set[int]]) -> None:
    text = "".join(f"{name}: {ranges(sorted(numbers))}\n" for name, numbers in wanted.items())
    found = mh.parse_sequences(text.encode())
    assert {name: {n for low, high in runs for n in range(low, high + 1)} for name, runs in found.items()} == wanted


@given(st.binary(max_size=300))
def test_nothing_is_raised(data: bytes) -> None:
    for runs in mh.parse_sequences(data).values():
        assert list(runs) == sorted(runs)
        assert all(0 < low <= high for low, high in runs)
    mh.Sequences(mh.parse_sequences(data)).marks(1)
    mh.parse_private(data)
    mh.parse_profile(data)
    for bits in sylpheed.parse_marks(b"\2\0\0\0" + data).values():
        sylpheed.read_mark(bits)
