"""The journal's format, and what a crash can leave of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstore import CannotCreate, CorruptStore, FolderPath, StoreBusy
from mailstore.convert.identity import pair_identity
from mailstore.convert.journal import (
    Entry,
    Journal,
    Way,
    format_uids,
    journal_path,
    parse_uids,
    read_records,
)
from mailstore.spi import Location

A, B = (Way(path, path) for path in (FolderPath(("A",)), FolderPath(("B\t\n%é\udcff/x", "y"))))
C = Way(FolderPath(("C",)), FolderPath(("A",)))
ONE = Entry("key 1", b"\1" * 32, b"\1" * 32)
TWO = Entry("k\té\udc80%", b"\2" * 32, b"\3" * 32)


def test_a_journal_is_this_text(tmp_path: Path) -> None:
    path = str(tmp_path / "journal")
    with Journal(path, "mbox:/tmp/old mail") as journal:
        journal.intend(A, [ONE, TWO], 17, 5)
        journal.done(A, 18, [5, 6])
        journal.verified(A)
        journal.intend(B, [ONE], 0, 1)
        journal.done(B, 9, [0])
        journal.forget(A)
        journal.forget(C)
    assert Path(path).read_text() == (
        "mailstore journal 1\n"
        "source\tmbox:/tmp/old mail\n"
        "folder\tA\n"
        f"message\tkey 1\t{'01' * 32}\n"
        f"message\tk%09%C3%A9%ED%B2%80%25\t{'02' * 32}\t{'03' * 32}\n"
        "intent\t2\t17\t5\n"
        "done\t18\t5:6\n"
        "verified\n"
        "folder\tB%09%0A%25%C3%A9%ED%B3%BF\\/x/y\n"
        f"message\tkey 1\t{'01' * 32}\n"
        "intent\t1\t0\t1\n"
        "nothing\n"
        "folder\tA\n"
        "forget\n"
        "folder\tC\tA\n"
        "forget\n"
    )


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = str(tmp_path / "journal")
    with Journal(path, "s") as journal:
        journal.intend(B, [ONE, TWO], 17, 5)
        journal.done(B, 18, [0, 9])
        journal.verified(B)
        journal.intend(B, [ONE], 18, 10)
    with Journal(path, "s") as journal:
        record = journal.record(B)
        assert record.entries == [TWO._replace(uid=9)]
        assert record.verified == 1
        assert record.uidvalidity == 18
        assert record.unresolved is not None
        assert record.unresolved == ([ONE], 18, 10)
        journal.done(B, 18, [12])
        assert record.entries[1] == ONE._replace(uid=12)
    assert read_records(path, "s")[str(B)] == record


def test_sources_are_kept_apart(tmp_path: Path) -> None:
    path = str(tmp_path / "journal")
    for source, uid in (("s", 1), ("t", 2), ("s", 3)):
        with Journal(path, source) as journal:
            journal.intend(A, [ONE], 5, uid)
            journal.done(A, 5, [uid])
    assert [entry.uid for entry in read_records(path, "s")["A"].entries] == [1, 3]
    assert [entry.uid for entry in read_records(path, "t")["A"].entries] == [2]
    assert read_records(path, "u") == {}


def test_any_torn_end_is_a_journal_that_forgot_its_last_lines(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Journal(str(path), "s") as journal:
        journal.intend(A, [ONE, TWO], 17, 5)
        journal.done(A, 17, [5, 6])
    whole = path.read_bytes()
    for length in range(len(whole) + 1):
        for tail in (b"", b"\0" * 20):
            path.write_bytes(whole[:length] + tail)
            with Journal(str(path), "s") as journal:
                record = journal.record(A)
                if length == len(whole):
                    assert [entry.uid for entry in record.entries] == [5, 6]
                elif length > whole.index(b"done"):
                    assert record.unresolved == ([ONE, TWO], 17, 5)
                elif length < whole.index(b"intent") + len(b"intent\t2\t17\t5\n"):
                    assert (record.entries, record.unresolved) == ([], None)
                journal.intend(A, [TWO], 17, 7)
                journal.done(A, 17, [7])
            assert [entry.uid for entry in read_records(str(path), "s")["A"].entries][-1] == 7


@pytest.mark.parametrize(
    "text",
    [
        "From a@b Thu Jan  1 00:00:00 1970\n",
        "mailstore journal 2\n",
        "mailstore journal 1\nnonsense\n",
        "mailstore journal 1\nsource\ts\nfolder\tA\nintent\t3\t1\t1\n",
        "mailstore journal 1\nsource\ts\nfolder\tA\ndone\t3\t1\n",
        "mailstore journal 1\nsource\ts\nfolder\tA\nmessage\tk\txyz\nintent\t1\t1\t1\n",
        "mailstore journal 1\nsource\ts\nfolder\tA\nmessage\tk\n",
        "mailstore journal 1\nsource\ts\nfolder\n",
    ],
)
def test_what_is_no_journal_is_left_alone(text: str, tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_text(text)
    with pytest.raises(CorruptStore, match="journal"):
        Journal(str(path), "s")
    assert path.read_text() == text


def test_two_conversions_do_not_write_one_journal(tmp_path: Path) -> None:
    path = str(tmp_path / "journal")
    with Journal(path, "s"), pytest.raises(StoreBusy):
        Journal(path, "s", lock_timeout=0)
    Journal(path, "s", lock_timeout=0).__exit__()


def test_no_place_for_a_journal(tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    for path in ("missing/journal", "directory"):
        with pytest.raises(CannotCreate, match="--journal"):
            Journal(str(tmp_path / path), "s")


def test_a_journal_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Journal(str(path), "s"):
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_journal_is_not_written_through_a_symlink(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    os.symlink(victim, tmp_path / "journal")
    with pytest.raises(Exception, match="journal"):
        Journal(str(tmp_path / "journal"), "s")
    assert victim.read_text() == "precious"


def test_without_a_place_it_is_kept_for_the_run() -> None:
    with Journal(None, "s") as journal:
        journal.intend(A, [ONE], 1, 1)
        journal.done(A, 1, [4])
        assert journal.record(A).entries == [ONE._replace(uid=4)]


def test_where_a_journal_lies(tmp_path: Path) -> None:
    (tmp_path / "Maildir").mkdir()
    assert journal_path(Location("maildir", str(tmp_path / "Maildir"))) == str(
        tmp_path / "Maildir/..mstore-journal.lock"
    )
    assert journal_path(Location("mbox", str(tmp_path / "x.mbox"))) == str(tmp_path / ".x.mbox.mstore-journal")
    assert journal_path(Location("memory", "x")) is None


def test_a_source_is_named_by_where_its_mail_really_is(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("real")
    there = Location("y", "/there", {"layout": "fs"})
    for path in ("link", "real", "x/../link"):
        source = Location("x", f"{tmp_path}/{path}", {"layout": "fs", "account": "a"})
        assert pair_identity(source, there) == f"x:{tmp_path}/real?account=a"
    assert pair_identity(Location("memory", "link"), there) == "memory:link"


def test_accounts_of_the_destination_are_kept_apart() -> None:
    source = Location("x", "/here", {"inbox": "/var/mail/joe"})
    assert (
        pair_identity(source, Location("y", "/there", {"account": "a"})) == "x:/here?inbox=/var/mail/joe -> ?account=a"
    )


@given(st.lists(st.integers(0, 50)))
def test_uids_are_written_and_read(uids: list[int]) -> None:
    text = format_uids(uids)
    assert (parse_uids(text) if uids else []) == uids


def test_uids_are_written_in_runs() -> None:
    assert format_uids([0, 1, 2, 3, 0, 0, 7, 9, 10, 4]) == "0,1:3,0,0,7,9:10,4"
