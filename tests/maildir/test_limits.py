"""Numbers, names and keywords at the edge of what the records of a Maildir can hold."""

import os
from pathlib import Path

import pytest
from support.maildirs import make, names, opened, put, rows, shown

from mailstore import Store, UsageError
from mailstore.model.changes import Append, SetState
from mailstore.model.info import Arrival, Meta
from mailstore.model.names import INBOX, FolderPath

GUID = "0123456789abcdef0123456789abcdef"
LAST = 4294967294


def uids(store: Store) -> list[int]:
    return [row.uid for row in rows(store, want=0)]


def with_uidnext(root: Path, uidnext: int) -> Path:
    box = make(root)
    put(box, "cur/1.a.h:2,S", b"one\n")
    put(box, "cur/2.b.h:2,", b"two\n")
    (box / "dovecot-uidlist").write_text(f"3 V77 N{uidnext} G{GUID}\n5 :1.a.h\n9 E<a@b> :2.b.h\n")
    return box


def test_appends_after_the_last_uid_number_the_folder_anew(tmp_path: Path) -> None:
    box = with_uidnext(tmp_path / "box", LAST)
    with opened(box) as store:
        assert store.inbox.append(b"x\n").uid == LAST
        assert (uids(store), store.inbox.state().uidvalidity) == ([5, 9, LAST], 77)
        appended = store.inbox.append(b"y\n")
        assert (appended.uid, uids(store)) == (4, [1, 2, 3, 4])
        assert appended.uidvalidity == store.inbox.state().uidvalidity > 77
    with opened(box) as store:
        assert [row.body for row in rows(store)] == [b"one\n", b"two\n", b"x\n", b"y\n"]
        assert store.inbox.get(2).sender == "a@b"
        assert store.inbox.state().uidvalidity == appended.uidvalidity


def test_mail_that_finds_no_uid_left_numbers_the_folder_anew(tmp_path: Path) -> None:
    box = with_uidnext(tmp_path / "box", LAST + 1)
    put(box, "new/3.c.h", b"three\n")
    with opened(box) as store:
        assert uids(store) == [1, 2, 3]
        assert store.inbox.state().uidvalidity > 77


def test_a_move_that_finds_no_uid_left(tmp_path: Path) -> None:
    box = with_uidnext(tmp_path / "box", LAST + 1)
    with opened(box) as store:
        other = store.create("A")
        other.append(b"x\n", flags=["\\Seen"])
        assert other.move([1], store.inbox).pairs == ((1, 3),)
        assert uids(store) == [1, 2, 3]


@pytest.mark.parametrize("hint", [LAST, LAST + 1, 1 << 33, 1 << 70])
def test_hints_that_would_use_the_uids_up_are_passed_over(tmp_path: Path, hint: int) -> None:
    with opened(make(tmp_path / "box")) as store:
        assert store.inbox.append(b"x\n", uid=hint).uid == 1
        assert store.inbox.append(b"y\n", uid=LAST - 10).uid == LAST - 10
        assert store.inbox.append(b"z\n").uid == LAST - 9


def test_hints_of_a_fresh_folder_that_would_use_the_uids_up_are_passed_over(tmp_path: Path) -> None:
    with opened(make(tmp_path / "box")) as store:
        fresh = store.fresh_folders.fresh(FolderPath(("A",)))  # type: ignore[union-attr]
        assert fresh is not None
        receipts = fresh.add([Arrival(b"x\n", Meta(0), None, LAST), Arrival(b"y\n", Meta(0), None, 1 << 40)])
        assert fresh.publish(receipts, SetState(FolderPath(("A",)), 1 << 40, 1 << 40, 1 << 70)) == [1, 2]
        store.folder("A").append(b"z\n")
        assert [row.body for row in rows(store, "A")] == [b"x\n", b"y\n", b"z\n"]


@pytest.mark.parametrize("uidvalidity", [0, -1, 1 << 32])
def test_a_uidvalidity_that_cannot_be_is_not_adopted(tmp_path: Path, uidvalidity: int) -> None:
    with opened(make(tmp_path / "box")) as store:
        before = store.inbox.state().uidvalidity
        (outcome,) = store.commit([SetState(INBOX, uidvalidity, 5, 5)])
        assert (outcome.status, outcome.uidvalidity) == ("unchanged", before)
        assert store.inbox.append(b"x\n").uid == 1


def test_counters_that_cannot_be_are_adopted_as_far_as_they_can(tmp_path: Path) -> None:
    with opened(make(tmp_path / "box")) as store:
        store.commit([SetState(INBOX, 5, 1 << 40, 1 << 70)])
        assert store.inbox.state().uidnext == LAST + 1
        store.inbox.append(b"x\n")
        store.inbox.append(b"y\n")
        assert [row.body for row in rows(store)] == [b"x\n", b"y\n"]


def test_mbsyncs_uids_that_cannot_be_are_given_anew(tmp_path: Path) -> None:
    box = make(tmp_path / "box")
    put(box, "cur/1.a.h,U=9999999999:2,S")
    put(box, "cur/2.b.h,U=7:2,S")
    (box / ".uidvalidity").write_text("99\n9999999999\n")
    with opened(box) as store:
        assert len(uids(store)) == 2
        assert max(uids(store)) <= LAST


@pytest.mark.parametrize("uidl", ["a b", "a\nb", "", " :x", "%41", "a:b", "\udcff", "é", "x"])
def test_any_uidl_is_kept(tmp_path: Path, uidl: str) -> None:
    box = make(tmp_path / "box")
    with opened(box) as store:
        store.inbox.append(b"x\n", uidl=uidl)
        store.inbox.append(b"y\n", flags=["\\Seen"])
        copied = store.inbox.copy([1], store.create("A")).pairs
    with opened(box) as store:
        assert [(row.uid, row.uidl, row.body) for row in rows(store)] == [(1, uidl, b"x\n"), (2, None, b"y\n")]
        assert [(copied, row.uidl) for row in rows(store, "A")] == [(((1, 1),), uidl)]


@pytest.mark.parametrize("family", ["dovecot", "courier"])
@pytest.mark.parametrize("keyword", ["\udcff", "a\xa0b", "a\u2028b", "é", "a,b", "k" * 3000])
def test_any_keyword_is_kept(tmp_path: Path, family: str, keyword: str) -> None:
    box = make(tmp_path / "box")
    with opened(box, f"?index={family}") as store:
        store.inbox.append(b"x\n", keywords=[keyword])
        store.inbox.append(b"y\n", keywords=["Other"])
        store.inbox.add_flags([2], [keyword])
        fresh = store.fresh_folders.fresh(FolderPath(("A",)))  # type: ignore[union-attr]
        assert fresh is not None
        fresh.publish(fresh.add([Arrival(b"x\n", Meta(0, frozenset((keyword,))), None, 0)]), None)
    with opened(box, f"?index={family}", index="memory") as store:
        assert [row.keywords for row in rows(store)] == [{keyword}, {keyword, "Other"}]
        assert [row.keywords for row in rows(store, "A")] == [{keyword}]


def test_letters_without_a_name_are_not_given_to_another_keyword(tmp_path: Path) -> None:
    box = make(tmp_path / "box")
    put(box, "cur/1.a.h:2,Sa")
    put(box, "new/2.b.h:2,c")
    put(box, "cur/3.c.h:2,S")
    with opened(box) as store:
        store.inbox.add_flags([3], ["Foo"])
        assert shown(store) == {1: ("\\Seen",), 2: ("\\Recent",), 3: ("\\Seen", "Foo")}
    assert names(box) == ["cur/1.a.h:2,Sa", "cur/3.c.h:2,Sd", "new/2.b.h:2,c"]
    with opened(box) as store:
        store.inbox.append(b"x\n", flags=["\\Seen"], keywords=["Bar"])
        assert shown(store) == {1: ("\\Seen",), 2: ("\\Recent",), 3: ("\\Seen", "Foo"), 4: ("\\Seen", "Bar")}
    assert (box / "dovecot-keywords").read_text() == "3 Foo\n4 Bar\n"


def test_keywords_stand_in_the_record_where_all_letters_are_in_names(tmp_path: Path) -> None:
    box = make(tmp_path / "box")
    put(box, "cur/1.a.h:2,Sabcdefghijklmnopqrstuvwxyz")
    put(box, "cur/2.b.h:2,S")
    with opened(box) as store:
        store.inbox.add_flags([2], ["Foo"])
    with opened(box) as store:
        assert shown(store) == {1: ("\\Seen",), 2: ("\\Seen", "Foo")}
    assert names(box) == ["cur/1.a.h:2,Sabcdefghijklmnopqrstuvwxyz", "cur/2.b.h:2,S"]


def test_dates_that_no_store_can_hold_are_refused(tmp_path: Path) -> None:
    with opened(make(tmp_path / "box")) as store:
        for date in (1 << 63, -(1 << 63) - 1, 1 << 70):
            with pytest.raises(UsageError):
                store.inbox.append(b"x\n", internal_date=date)
            with pytest.raises(UsageError):
                store.inbox.append(b"x\n", saved_date=date)
        assert uids(store) == []
        assert os.listdir(store.location.path + "/tmp") == []


def test_dates_of_a_damaged_record_are_passed_over(tmp_path: Path) -> None:
    box = make(tmp_path / "box")
    put(box, "cur/1.a.h:2,S", mtime=1_000_000_000)
    (box / "dovecot-uidlist").write_text(f"3 V77 N6 G{GUID}\n5 T99999999999999999999 D99999999999999999999 :1.a.h\n")
    with opened(box) as store:
        (row,) = rows(store)
        assert row.internal_date == 1_000_000_000
        assert abs(row.saved_date or 0) < 1 << 40
        store.inbox.copy([5], store.create("A"))
        assert [row.internal_date for row in rows(store, "A")] == [1_000_000_000]


def test_one_staged_message_in_two_appends_of_a_full_folder(tmp_path: Path) -> None:
    box = with_uidnext(tmp_path / "box", LAST)
    with opened(box) as store:
        (staged,) = store.stage([Arrival(b"x\n", Meta(0), None, 0)])
        outcomes = store.commit([Append(INBOX, staged), Append(INBOX, staged)])
        assert [outcome.uids for outcome in outcomes] == [(3,), (4,)]
        assert uids(store) == [1, 2, 3, 4]
