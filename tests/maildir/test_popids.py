"""POP3 unique ids: Courier's size list, and the field P of Dovecot's uidlist."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from support.maildirs import make, opened, put, rows

from mailstore.formats import courier
from mailstore.formats.courier import SizeList

LIST = (
    b"/3 8 1600000000\n1.a.h:2,S 20 4:1600000000:0\n2.b.h,S=18:2, 20 7:1600000000:1\n3.c.h:2, 20 5:0:0\n"
    b"4.d'h:2, 20 0:0:0\nnonsense\n/x 1 1:1\n"
)
IDS = {"1.a.h": "UID4-1600000000", "2.b.h,S=18": "UID7-1600000000", "3.c.h": "UID5", "4.d'h": "4.d+27h"}


def courier_box(root: Path) -> Path:
    box = make(root)
    for base in IDS:
        put(box, f"cur/{base}:2,")
    (box / "courierpop3dsizelist").write_bytes(LIST)
    return box


def ids(box: Path, options: str = "", **settings: object) -> dict[str, str | None]:
    with opened(box, options, **settings) as store:
        return {row.key: row.uidl for row in rows(store)}


def test_a_size_list_is_read() -> None:
    assert courier.parse_sizelist(LIST) == SizeList(8, 1600000000, {base: (uidl, 20) for base, uidl in IDS.items()})
    assert courier.parse_sizelist(b"") == SizeList()
    assert courier.parse_sizelist(b"/2 5\n1.a:2, 7 3\n") == SizeList(5, 0, {"1.a": ("UID3", 7)})
    assert courier.parse_sizelist(b"1.a:2, 7\n") == SizeList(messages={"1.a": ("1.a", 7)})


NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="/:"), min_size=1, max_size=20)
NUMBERS = st.integers(1, 9_999_999_999)
GIVEN = st.one_of(st.builds("UID{}-{}".format, NUMBERS, NUMBERS), st.builds("UID{}".format, NUMBERS), st.none())


@given(st.dictionaries(NAMES, st.tuples(GIVEN, st.integers(0, 1 << 40))), NUMBERS, NUMBERS)
def test_what_is_written_is_read(given: dict[str, tuple[str | None, int]], following: int, validity: int) -> None:
    messages = {base: (uidl or courier.uidl_of_name(base), size) for base, (uidl, size) in given.items()}
    listed = SizeList(following, validity, messages)
    assert courier.parse_sizelist(courier.render_sizelist(listed)) == listed


def test_couriers_ids_are_told_and_go_along_into_dovecots_record(tmp_path: Path) -> None:
    box = courier_box(tmp_path / "box")
    assert ids(box, readonly=True) == IDS
    assert ids(box) == IDS
    assert ids(box) == IDS
    assert " PUID4-1600000000 :1.a.h\n" in (box / "dovecot-uidlist").read_text()
    assert (box / "courierpop3dsizelist").read_bytes() == LIST


def test_couriers_ids_are_kept_where_courier_goes_on(tmp_path: Path) -> None:
    box = courier_box(tmp_path / "box")
    with opened(box, "?index=courier") as store:
        store.inbox.append(b"x\n", uidl="UID900-1700000000")
        store.inbox.append(b"y\n")
        uid = next(row.uid for row in rows(store) if row.key == "1.a.h")
        store.inbox.expunge([uid], only_deleted=False)
    found = courier.parse_sizelist((box / "courierpop3dsizelist").read_bytes())
    assert (found.following, found.validity) == (901, 1700000000)
    assert {base: uidl for base, (uidl, _) in found.messages.items() if base in IDS} == IDS
    assert len(found.messages) == 5
    after = ids(box, "?index=courier")
    assert sorted(filter(None, after.values())) == sorted([*list(IDS.values())[1:], "UID900-1700000000"])
    assert list(after.values()).count(None) == 1


def test_no_number_is_given_twice(tmp_path: Path) -> None:
    box = courier_box(tmp_path / "box")
    (box / "cur/2.b.h,S=18:2,").unlink()  # it had the last number
    with opened(box, "?index=courier") as store:
        store.inbox.append(b"x\n", uidl="UID1-1600000000")
    found = courier.parse_sizelist((box / "courierpop3dsizelist").read_bytes())
    assert (found.following, found.validity) == (8, 1600000000)


def test_sizes_that_nothing_tells_are_taken(tmp_path: Path) -> None:
    """Dovecot's Maildir becomes Courier's in place: names without ,W=."""
    box = make(tmp_path / "box")
    put(box, "cur/1.a.h:2,")
    (box / "dovecot-uidlist").write_text("3 V5 N2 G0123456789abcdef0123456789abcdef\n1 PUID3-9 :1.a.h\n")
    with opened(box, "?index=courier") as store:
        assert [row.uidl for row in rows(store)] == ["UID3-9"]
        store.inbox.append(b"x\n")
    assert courier.parse_sizelist((box / "courierpop3dsizelist").read_bytes()).messages == {"1.a.h": ("UID3-9", 21)}


def test_an_empty_field_is_the_files_name(tmp_path: Path) -> None:
    box = make(tmp_path / "box")
    put(box, "cur/1.a.h,S=19:2,S")
    (box / "dovecot-uidlist").write_text("3 V5 N2 G0123456789abcdef0123456789abcdef\n1 P :1.a.h,S=19\n")
    assert ids(box) == {"1.a.h,S=19": "1.a.h,S=19"}
