from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstore.drivers.sidecar import Entry
from mailstore.drivers.sidecar.blocks import Block, pack, unpack

NONE: frozenset[str] = frozenset()
INT64 = st.integers(-(1 << 63) + 1, (1 << 63) - 1)
TEXT = (
    st.binary(max_size=8)
    .filter(lambda data: b"\0" not in data)
    .map(lambda data: data.decode("utf-8", "surrogateescape"))
)
ENTRIES = st.lists(
    st.builds(
        Entry,
        st.integers(1, (1 << 32) - 1),
        TEXT,
        st.booleans(),
        st.integers(0, (1 << 63) - 1),
        st.integers(0, 63),
        st.frozensets(st.sampled_from(["$Junk", "a", "B", "ü"])),
        st.none() | INT64,
        st.none() | INT64,
        st.none() | INT64,
        st.none() | INT64,
        st.none() | st.binary(min_size=32, max_size=32).filter(any),
        TEXT,
    ),
    min_size=1,
    max_size=5,
)


@given(ENTRIES)
def test_round_trip(entries: list[Entry]) -> None:
    back = list(unpack(pack(entries)))
    assert back == [(entry.key, entry) for entry in entries]
    assert all(type(entry) is Entry and type(entry.recorded) is bool for _, entry in back)


def test_what_nobody_has_costs_nothing() -> None:
    block = pack([Entry(1, "a", True, 1, 0, NONE), Entry(2, "b", True, 1, 0, NONE)])
    assert block[5:] == (None,) * 7


@pytest.mark.parametrize(
    "entry",
    [
        Entry(1, "a\0b", True, 1, 0, NONE),
        Entry(1, "a", True, 1, 0, NONE, extra="a\0b"),
        Entry(1, "a", True, 1, 0, NONE, digest=b"short"),
        Entry(1, "a", True, 1, 999, NONE),
    ],
)
def test_what_cannot_be_stored_is_refused(entry: Entry) -> None:
    with pytest.raises(ValueError, match=r"NUL|32 bytes|range"):
        pack([entry, Entry(2, "b", True, 1, 0, NONE)])


@pytest.mark.parametrize(
    "field",
    [
        {"uids": b"1234567"},
        {"uids": bytes(8)},
        {"keys": b"a"},
        {"keys": b"\xff\0b"[:1] + b"\0b\0c"},
        {"recorded": b"\1"},
        {"sizes": bytes(8)},
        {"digests": bytes(33)},
        {"keywords": b"a"},
        {"extras": b"x"},
    ],
)
def test_damage_is_noticed(field: dict[str, bytes]) -> None:
    block = pack([Entry(1, "a", True, 1, 0, NONE), Entry(2, "b", True, 1, 0, NONE)])._replace(**field)
    with pytest.raises(ValueError, match=r"field|multiple"):
        list(unpack(block))


@given(st.tuples(*(st.binary(max_size=24) for _ in Block._fields)))
def test_garbage_is_refused_or_read_but_never_worse(fields: tuple[bytes, ...]) -> None:
    try:
        entries = list(unpack(Block(*fields)))
    except ValueError:
        return
    assert len(entries) == len(fields[2])
