import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.maildirs import age, make, names, opened, put, rows

from mailstore import FolderPath, Token
from mailstore.drivers.maildir.view import in_order_of_delivery
from mailstore.formats.maildirname import delivery_order
from mailstore.model.changes import SetState

GUID = "0123456789abcdef0123456789abcdef"


def uids(store, folder: str = "INBOX") -> dict[str, int]:
    return {row.key: row.uid for row in rows(store, folder, 0)}


def test_uidlist_of_dovecot_counts_and_goes_on(tmp_path: Path) -> None:
    box = make(tmp_path / "box")
    for name in ("cur/1.M1P1.h,S=18:2,S", "cur/2.M2P1.h:2,", "new/3.M10P1.h", "new/3.M9P1.h"):
        put(box, name)
    (box / "dovecot-uidlist").write_text(
        f"3 V1234567890 N1 G{GUID} Qkeep\n5 W19 :1.M1P1.h,S=18:2,\n6 :gone.h\n9 Zour :2.M2P1.h\n"
    )
    with opened(box) as store:
        assert uids(store) == {"1.M1P1.h,S=18": 5, "2.M2P1.h": 9, "3.M9P1.h": 10, "3.M10P1.h": 11}
        assert all(row.recorded for row in rows(store))
        state = store.inbox.state()
        assert (state.uidvalidity, state.uidnext, state.messages, state.recent) == (1234567890, 12, 4, 2)
        assert store.folders()[0].id == GUID
        assert store.inbox.append(b"x\n").uid == 12
    text = (box / "dovecot-uidlist").read_text()
    assert text.startswith(
        f"3 V1234567890 N1 G{GUID} Qkeep\n5 W19 :1.M1P1.h,S=18:2,\n6 :gone.h\n9 Zour :2.M2P1.h\n10 :3.M9P1.h\n"
    )
    assert names(box)[-2:] == ["new/3.M10P1.h", "new/3.M9P1.h"]


def test_uids_are_provisional_where_nothing_may_be_written(tmp_path: Path) -> None:
    box = make(tmp_path / "box")
    put(box, "cur/2.M2P1.h:2,")
    put(box, "cur/1.M1P1.h:2,S")
    before = sorted(os.listdir(box))
    with opened(box, readonly=True) as store:
        assert [(row.uid, row.key, row.recorded) for row in rows(store, want=0)] == [
            (1, "1.M1P1.h", False), (2, "2.M2P1.h", False)
        ]  # fmt: skip
    assert sorted(os.listdir(box)) == before


def test_new_mail_in_a_read_only_store_comes_after_the_recorded(tmp_path: Path) -> None:
    box = make(tmp_path / "box")
    put(box, "cur/2.M2P1.h:2,")
    put(box, "new/1.M1P1.h")
    (box / "dovecot-uidlist").write_text(f"3 V77 N9 G{GUID}\n4 :2.M2P1.h\n")
    with opened(box, readonly=True) as store:
        assert [(row.uid, row.recorded) for row in rows(store, want=0)] == [(4, True), (9, False)]
        put(box, "new/0.M1P1.h")
        assert [(row.uid, row.recorded) for row in rows(store, want=0)] == [(4, True), (9, False), (10, False)]


def test_version_1_and_couriers_file_are_adopted(tmp_path: Path) -> None:
    for name, text in (("dovecot-uidlist", "1 99 7\n3 1.a.h\n"), ("courierimapuiddb", "1 99 7\n3 1.a.h\n")):
        box = make(tmp_path / name)
        put(box, "cur/1.a.h:2,S")
        put(box, "cur/2.b.h:2,S")
        (box / name).write_text(text)
        with opened(box) as store:
            assert uids(store) == {"1.a.h": 3, "2.b.h": 7}
            assert store.inbox.state().uidvalidity == 99
        first, *lines = (box / "dovecot-uidlist").read_text().splitlines()
        assert first.startswith("3 V99 N7 G")
        assert lines == ["3 :1.a.h", "7 :2.b.h"]


def test_mbsyncs_uids_are_adopted(tmp_path: Path) -> None:
    box = make(tmp_path / "box")
    for name in ("cur/9.R1.h,U=4:2,S", "cur/1.R2.h,U=12:2,S", "cur/5.R3.h,U=12:2,S", "new/7.R4.h"):
        put(box, name)
    (box / ".uidvalidity").write_text("1234567\n15\n")
    with opened(box, readonly=True) as store:
        assert [(r.key[0], r.uid, r.recorded) for r in rows(store, want=0)] == [
            ("9", 4, True), ("1", 12, True), ("5", 16, False), ("7", 17, False)
        ]  # fmt: skip
    with opened(box) as store:
        assert {key[0]: uid for key, uid in uids(store).items()} == {"9": 4, "1": 12, "5": 16, "7": 17}
        assert store.inbox.state().uidvalidity == 1234567
    with opened(box) as store:
        assert {key[0]: uid for key, uid in uids(store).items()} == {"9": 4, "1": 12, "5": 16, "7": 17}


@pytest.mark.parametrize("damage", [b"", b"\0" * 100, b"3 V0 N0\n", b"rubbish\n"])
def test_a_damaged_uidlist_is_written_anew(tmp_path: Path, damage: bytes) -> None:
    box = make(tmp_path / "box")
    put(box, "cur/1.a.h:2,S")
    (box / "dovecot-uidlist").write_bytes(damage)
    with opened(box) as store:
        assert uids(store) == {"1.a.h": 1}
    assert (box / "dovecot-uidlist").read_text().splitlines()[1:] == ["1 :1.a.h"]


def test_a_lost_uidlist_is_restored_from_the_index(tmp_path: Path) -> None:
    with opened(tmp_path / "box", create=True) as store:
        for _ in range(3):
            store.inbox.append(b"x\n")
        store.commit([SetState(FolderPath(("INBOX",)), store.inbox.state().uidvalidity, 50)])
        before, state = uids(store), store.inbox.state()
    (tmp_path / "box/dovecot-uidlist").unlink()
    with opened(tmp_path / "box") as store:
        assert uids(store) == before
        assert store.inbox.state().uidvalidity == state.uidvalidity
        assert store.inbox.append(b"y\n").uid == 50


def test_a_torn_uidlist_is_not_appended_to(tmp_path: Path) -> None:
    box = make(tmp_path / "box")
    for name in ("cur/1.a.h:2,S", "cur/2.b.h:2,S", "cur/3.c.h:2,S"):
        put(box, name)
    (box / "dovecot-uidlist").write_text(f"3 V77 N1 G{GUID}\n4 :1.a.h\n6 :2.b")
    with opened(box) as store:
        assert uids(store) == {"1.a.h": 4, "2.b.h": 5, "3.c.h": 6}
    assert (box / "dovecot-uidlist").read_text().splitlines()[1:] == ["4 :1.a.h", "5 :2.b.h", "6 :3.c.h"]


def test_two_processes_append_to_one_uidlist(tmp_path: Path) -> None:
    with opened(tmp_path / "box", create=True) as one, opened(tmp_path / "box") as other:
        given = [(one, other)[n % 2].inbox.append(b"%d\n" % n).uid for n in range(6)]
        assert given == [1, 2, 3, 4, 5, 6]
        assert uids(one) == uids(other)
        assert [row.body for row in rows(other)] == [b"%d\n" % n for n in range(6)]


def test_a_folder_made_anew_gets_a_greater_uidvalidity(tmp_path: Path) -> None:
    with opened(tmp_path / "box", create=True) as store:
        folder = store.create("A")
        store.commit([SetState(folder.path, 4_000_000_000)])
        assert folder.state().uidvalidity == 4_000_000_000
        store.delete("A")
        assert store.create("A").state().uidvalidity == 4_000_000_001
    assert (tmp_path / "box/dovecot-uidvalidity").read_text() == f"{4_000_000_001:08x}"
    assert (tmp_path / f"box/dovecot-uidvalidity.{4_000_000_001:08x}").stat().st_size == 0


def test_uidvalidity_file_of_dovecot_is_respected(tmp_path: Path) -> None:
    box = make(tmp_path / "box")
    (box / "dovecot-uidvalidity").write_text("f0000000")
    (box / "dovecot-uidvalidity.f0000005").touch()
    with opened(box) as store:
        assert store.create("A").state().uidvalidity == 0xF0000006


def test_nothing_is_scanned_while_nothing_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = tmp_path / "box"
    with opened(box, create=True) as store:
        store.inbox.append(b"x\n", flags=["\\Seen"])
        age(box / "new", box / "cur")
        assert len(rows(store, want=0)) == 1
    listed = []
    real = os.listdir
    with opened(box) as store:
        monkeypatch.setattr(os, "listdir", lambda path: (listed.append(path), real(path))[1])
        assert [(row.uid, row.flags) for row in rows(store, want=0)] == [(1, 1)]
        assert not [path for path in listed if str(path).endswith(("new", "cur"))]
        put(box, "cur/2.b.h:2,F")
        assert [(row.uid, row.flags) for row in rows(store, want=0)] == [(1, 1), (2, 4)]


def test_changes_since_a_token_survive_a_reopening(tmp_path: Path) -> None:
    box = tmp_path / "box"
    with opened(box, create=True) as store:
        for _ in range(3):
            store.inbox.append(b"x\n")
        token = store.inbox.changes().token
        assert isinstance(token, Token)
    seen = sorted((box / "new").iterdir())
    os.rename(seen[0], box / "cur" / (seen[0].name + ":2,S"))
    seen[1].unlink()
    with opened(box) as store:
        delta = store.inbox.changes(token, 0)
        changed = [(row.uid, row.flags) for batch in delta.batches for row in batch]
        assert (delta.full, delta.vanished, changed) == (False, (2,), [(1, 1)])


@given(
    st.lists(
        st.builds(
            "{}.{}{}P{}.h".format,
            st.integers(1_000_000_000, 1_000_000_003) | st.integers(0, 20),
            st.sampled_from(["M", "V", "", "M0"]),
            st.integers(0, 1_100_000),
            st.integers(1, 2),
        )
        | st.text("0123456789.M\n", min_size=1, max_size=16),
        unique=True,
        max_size=12,
    )
)
def test_order_of_delivery_at_speed(bases: list[str]) -> None:
    assert in_order_of_delivery(bases) == sorted(bases, key=delivery_order)
