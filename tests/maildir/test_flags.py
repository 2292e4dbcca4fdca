import os
from pathlib import Path

import pytest
from support.maildirs import make, names, opened, put, rows, shown

from mailstore.drivers.maildir import update
from mailstore.model.changes import Expunge, SetFlags
from mailstore.model.flags import DELETED, FLAGGED, SEEN
from mailstore.model.info import Arrival, Meta
from mailstore.model.names import INBOX
from mailstore.system import fs


def test_letters_are_flags_and_keywords(tmp_path: Path) -> None:
    box = make(tmp_path / "box")
    put(box, "cur/1.a.h:2,DFPRSTac")
    put(box, "new/2.b.h:2,F")
    put(box, "cur/3.c.h:2,z")
    (box / "dovecot-keywords").write_text("0 $Junk\n2 Work\n")
    with opened(box, readonly=True) as store:
        assert shown(store) == {
            1: ("\\Seen", "\\Answered", "\\Flagged", "\\Draft", "\\Deleted", "$Forwarded", "$Junk", "Work"),
            2: ("\\Flagged", "\\Recent"),
            3: (),
        }
        (noted,) = [row.notes for row in rows(store) if row.uid == 3]
        assert noted == ("keyword letter z has no name in dovecot-keywords; it stays in the file name",)


def test_what_is_not_ours_in_a_suffix_stays(tmp_path: Path) -> None:
    box = make(tmp_path / "box")
    put(box, "cur/1.a.h,S=18:2,SXYz,K=1,odd")
    with opened(box) as store:
        store.inbox.add_flags([1], ["\\Flagged", "$Forwarded"])
        assert names(box) == ["cur/1.a.h,S=18:2,FPSXYaz,K=1,odd"]
        store.inbox.set_flags([1], [])
        assert names(box) == ["cur/1.a.h,S=18:2,XYz,K=1,odd"]
    assert (box / "dovecot-keywords").read_text() == "0 $Forwarded\n"


@pytest.mark.parametrize("separator", [";", "!"])
def test_the_stores_separator_is_kept(tmp_path: Path, separator: str) -> None:
    box = make(tmp_path / "box")
    put(box, f"cur/1.a.h{separator}2,S")
    put(box, "new/2.b.h")
    with opened(box) as store:
        assert shown(store) == {1: ("\\Seen",), 2: ("\\Recent",)}
        store.inbox.add_flags([2], ["\\Flagged"])
        store.inbox.append(b"x\n", flags=["\\Draft"])
        assert sorted(name.rpartition("2,")[0][-1] + name.rpartition("2,")[2] for name in names(box)) == sorted(
            separator + letter for letter in "SFD"
        )
    with opened(box, f"?separator={separator}", readonly=True) as store:
        assert len(shown(store)) == 3


def test_a_flag_change_takes_mail_from_new_to_cur_and_a_listing_does_not(tmp_path: Path) -> None:
    box = make(tmp_path / "box")
    put(box, "new/1.a.h")
    put(box, "new/2.b.h:2,S")
    with opened(box) as store:
        assert shown(store) == {1: ("\\Recent",), 2: ("\\Seen", "\\Recent")}
        assert names(box) == ["new/1.a.h", "new/2.b.h:2,S"]
        store.inbox.add_flags([1], ["\\Seen"])
        assert names(box) == ["cur/1.a.h:2,S", "new/2.b.h:2,S"]
        assert shown(store) == {1: ("\\Seen",), 2: ("\\Seen", "\\Recent")}


def test_more_keywords_than_letters(tmp_path: Path) -> None:
    words = [f"k{number:02}" for number in range(40)]
    with opened(tmp_path / "box", create=True) as store:
        for word in words:
            store.inbox.append(b"x\n", keywords=[word])
        store.inbox.append(b"y\n", keywords=words)
        store.inbox.add_flags([1], ["k39", "a,b", "ü"])
        store.inbox.remove_flags([30], ["K29"])
        expected = {uid: (word, "\\Recent") for uid, word in enumerate(words, 1)}
    with opened(tmp_path / "box") as store:
        found = shown(store)
        assert found[41] == ("\\Recent", *words)
        assert found[1] == ("a,b", "k00", "k39", "ü")
        assert found[30] == ()
        assert {uid: found[uid][::-1] for uid in range(2, 30)} == {uid: expected[uid] for uid in range(2, 30)}
        moved = store.create("B")
        store.inbox.move([41, 39], moved)
        assert shown(store, "B") == {1: ("k38",), 2: tuple(words)}
    assert len((tmp_path / "box/dovecot-keywords").read_text().splitlines()) == 26


def test_a_message_renamed_by_another_program_at_the_last_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = make(tmp_path / "box")
    put(box, "cur/1.a.h:2,S")
    with opened(box) as store:
        assert shown(store) == {1: ("\\Seen",)}
        real, renamed = fs.rename, []

        def rename(source: str, target: str) -> None:
            if not renamed:
                renamed.append(source)
                os.rename(source, box / "cur/1.a.h:2,RS")
            real(source, target)

        monkeypatch.setattr(update.fs, "rename", rename)
        result = store.inbox.add_flags([1], ["\\Flagged"])
        assert result.changed == (1,)
        assert names(box) == ["cur/1.a.h:2,FRS"]
        assert shown(store) == {1: ("\\Seen", "\\Answered", "\\Flagged")}


def test_an_expunge_does_not_take_what_is_not_deleted_any_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = make(tmp_path / "box")
    put(box, "cur/1.a.h:2,T")
    with opened(box) as store:
        assert shown(store) == {1: ("\\Deleted",)}
        real, renamed = fs.unlink, []

        def unlink(path: str, missing_ok: bool = False) -> None:
            if not renamed and "/cur/" in path:
                renamed.append(path)
                os.rename(path, box / "cur/1.a.h:2,S")
            real(path, missing_ok)

        monkeypatch.setattr(update.fs, "unlink", unlink)
        (outcome,) = store.commit([Expunge(INBOX, (1,), only_deleted=True)])
        assert (outcome.status, outcome.uids, outcome.refused) == ("done", (), (1,))
        assert names(box) == ["cur/1.a.h:2,S"]


def test_an_expunged_message_does_not_come_back_under_its_other_name(tmp_path: Path) -> None:
    box = make(tmp_path / "box")
    put(box, "new/1.a.h")
    os.link(box / "new/1.a.h", box / "cur/1.a.h:2,T")
    with opened(box) as store:
        assert shown(store) == {1: ("\\Deleted",)}
        assert store.inbox.expunge() == (1,)
        assert names(box) == []


def test_two_files_of_one_base_are_told_apart_without_losing_one(tmp_path: Path) -> None:
    box = make(tmp_path / "box")
    put(box, "cur/1.a.h:2,S", b"one\n")
    put(box, "cur/1.a.h:2,FS", b"two\n")
    with opened(box, readonly=True) as store:
        assert sorted((row.body, row.flags) for row in rows(store)) == [(b"one\n", SEEN), (b"two\n", SEEN | FLAGGED)]
    assert names(box) == ["cur/1.a.h:2,FS", "cur/1.a.h:2,S"]
    with opened(box) as store:
        assert sorted((row.body, row.flags) for row in rows(store)) == [(b"one\n", SEEN), (b"two\n", SEEN | FLAGGED)]
        assert sorted(shown(store)) == [1, 2]
        keys = {row.key for row in rows(store)}
        assert len(keys) == 2
        assert sum(key == "1.a.h" for key in keys) == 1
    with opened(box) as store:
        assert {row.key for row in rows(store)} == keys


def test_a_prefix_of_a_failed_commit_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(tmp_path / "box", create=True) as store:
        for _ in range(3):
            store.inbox.append(b"x\n", flags=["\\Seen"])
        real, calls = fs.rename, []

        def rename(source: str, target: str) -> None:
            calls.append(source)
            if len(calls) == 2:
                raise OSError(5, "Input/output error")
            real(source, target)

        monkeypatch.setattr(update.fs, "rename", rename)
        outcomes = store.commit([SetFlags(INBOX, (uid,), "add", DELETED) for uid in (1, 2, 3)])
        assert [outcome.status for outcome in outcomes] == ["done", "failed", "failed"]
        monkeypatch.undo()
        assert shown(store) == {1: ("\\Seen", "\\Deleted"), 2: ("\\Seen",), 3: ("\\Seen",)}


def test_flags_of_a_message_come_from_its_meta(tmp_path: Path) -> None:
    with opened(tmp_path / "box", create=True) as store:
        staged = store.stage([Arrival(b"x\n", Meta(flags=SEEN, keywords=frozenset({"Work"})))])
        store.discard(staged)
        store.discard(staged)
        assert os.listdir(tmp_path / "box/tmp") == []
