"""The journal's format, and what a crash can leave of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstore import CannotCreate, CorruptStore, FolderPath, StoreBusy
from mailstore.convert import journal as journal_module
from mailstore.convert.identity import pair_identity
from mailstore.convert.journal import Journal, journal_path, read_ways
from mailstore.convert.merge import Marks
from mailstore.convert.notes import format_uids, marks_text, parse_marks, parse_uids
from mailstore.convert.record import ABSENT, DROPPED, FolderRecord, Noted, Origin, Way
from mailstore.model.changes import Token
from mailstore.model.flags import ANSWERED, FLAGGED, SEEN
from mailstore.spi import Location

A, B = (Way(path, path) for path in (FolderPath(("A",)), FolderPath(("B\t\n%é\udcff/x", "y"))))
C = Way(FolderPath(("C",)), FolderPath(("A",)))
D = Way(FolderPath(("D",)), FolderPath(("D",)))
ONE = Noted("key 1", 10, 3, Marks(), b"\1" * 32, b"\1" * 32)
TWO = Noted("k\té\udc80%", 20, 0, Marks(FLAGGED | SEEN, frozenset({"b", "$A x"})), b"\2" * 32, b"\3" * 32)


def places(record: FolderRecord) -> list[int]:
    return list(record.places)


def unresolved(record: FolderRecord) -> tuple[object, ...] | None:
    intent = record.unresolved
    return None if intent is None else (intent.messages, intent.uidvalidity, intent.uidnext)


def test_a_journal_is_this_text(tmp_path: Path) -> None:
    path = str(tmp_path / "journal")
    with Journal(path, "mbox:/tmp/old mail") as journal:
        journal.made(A)
        journal.intend(A, [ONE, TWO], 17, 5)
        journal.done(A, 18, [5, 6])
        journal.verified(A)
        journal.intend(B, [ONE], 0, 1)
        journal.done(B, 9, [0])
        journal.marks(A, [0], Marks(ANSWERED))
        journal.state(A, "absent", [0, 1])
        journal.state(A, "present", [0])
        journal.again(A, 0, "other", 10, 7)
        journal.uids(A)
        journal.seen(A, Token("e 1", 4, 99), "id")
        journal.intend(C, [ONE], 18, 7, Origin(A, [1]))
        journal.done(C, 18, [7])
        journal.passed(C, [ONE], Origin(A, [0]))
        journal.rename(B, D)
        journal.renamed(D)
        journal.forget(A)
    assert Path(path).read_text() == (
        "mailstore journal 1\n"
        "source\tmbox:/tmp/old mail\n"
        "folder\tA\n"
        "made\n"
        f"message\tkey 1\t10\t3\t-\t{'01' * 32}\n"
        f"message\tk%09%C3%A9%ED%B2%80%25\t20\t0\tFS $A%20x b\t{'02' * 32}\t{'03' * 32}\n"
        "intent\t2\t17\t5\n"
        "done\t18\t5:6\n"
        "verified\n"
        "folder\tB%09%0A%25%C3%A9%ED%B3%BF\\/x/y\n"
        f"message\tkey 1\t10\t3\t-\t{'01' * 32}\n"
        "intent\t1\t0\t1\n"
        "nothing\n"
        "folder\tA\n"
        "marks\t1\tR\n"
        "absent\t1:2\n"
        "present\t1\n"
        "again\tother\t10\t7\t1\n"
        "uids\t7,0\n"
        "seen\t4\te 1\t99\n"
        "id\tid\n"
        "folder\tC\tA\n"
        f"message\tkey 1\t10\t3\t-\t{'01' * 32}\n"
        "from\t2\tA\n"
        "intent\t1\t18\t7\n"
        "done\t18\t7\n"
        f"message\tkey 1\t10\t3\t-\t{'01' * 32}\n"
        "from\t1\tA\n"
        "passed\t1\n"
        "folder\tB%09%0A%25%C3%A9%ED%B3%BF\\/x/y\n"
        "rename\tD\n"
        "renamed\n"
        "folder\tA\n"
        "forget\n"
    )


def facts(record: FolderRecord) -> tuple[object, ...]:
    """Return all that is to be read again."""
    return (
        [
            (record.noted(number, "", 0), record.places[number], record.states[number], record.identities[number])
            for number in range(len(record))
            if record.states[number] != DROPPED
        ],
        record.uidvalidity,
        record.token,
        record.folder_id,
        record.made,
        record.renaming,
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
        assert places(record) == [9]
        assert record.noted(0, TWO.key, TWO.size) == TWO
        assert journal.noted(record, 0) == TWO
        assert record.verified == 1
        assert record.uidvalidity == 18
        assert unresolved(record) == ([ONE], 18, 10)
        journal.done(B, 18, [12])
        journal.marks(B, [1], Marks(ANSWERED, frozenset({"x"})))
        journal.again(B, 1, "new key", 11, 8)
        journal.seen(B, Token("e", 5, 6), "id")
        assert journal.noted(record, 1) == Noted(
            "new key", 11, 8, Marks(ANSWERED, frozenset({"x"})), ONE.digest, ONE.stored
        )
    assert facts(read_ways(path, "s")[B]) == facts(record)


def test_a_move_takes_a_message_from_one_folder_to_another(tmp_path: Path) -> None:
    path = str(tmp_path / "journal")
    with Journal(path, "s") as journal:
        journal.intend(A, [ONE, TWO], 17, 5)
        journal.done(A, 17, [5, 6])
        journal.intend(B, [TWO, ONE], 18, 1, Origin(A, [1, 0]))
        assert journal.record(B).unresolved is not None
        journal.done(B, 18, [1, 0])
        assert (places(journal.record(B)), list(journal.record(A).states)) == ([1], [0, DROPPED])
    ways = read_ways(path, "s")
    assert (places(ways[B]), list(ways[A].states)) == ([1], [0, DROPPED])


def test_a_renamed_folder_takes_all_with_it(tmp_path: Path) -> None:
    path = str(tmp_path / "journal")
    with Journal(path, "s") as journal:
        journal.intend(A, [ONE], 17, 5)
        journal.done(A, 17, [5])
        journal.rename(A, D)
    with Journal(path, "s") as journal:
        assert (list(journal.ways), journal.record(D).renaming, places(journal.record(D))) == ([D], A.target, [5])
        journal.renamed(D)
        assert journal.record(D).renaming is None


def test_a_journal_is_written_anew_when_most_of_it_is_outdated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "COMPACT_FROM", 30)
    path = tmp_path / "journal"
    with Journal(str(path), "other") as journal:
        journal.intend(A, [ONE], 3, 3)
        journal.done(A, 3, [33])
    with Journal(str(path), "s") as journal:
        journal.made(A)
        journal.intend(A, [ONE, TWO, ONE, TWO, ONE], 17, 5)
        journal.done(A, 17, [5, 6, 7, 8, 9])
        journal.verified(A)
        journal.intend(A, [TWO], 17, 10)
        journal.done(A, 17, [10])
        journal.again(A, 3, "again", 5, 77)
        journal.passed(C, [ONE], Origin(A, [4]))
        journal.state(A, "dropped", [1])
        journal.state(A, "absent", [2])
        journal.seen(A, Token("e", 5, 6), "id")
        before = path.read_bytes()
        for bit in range(40):
            journal.marks(A, [0], Marks(1 << bit % 5))
        expected = {way: facts(record) for way, record in journal.ways.items()}
        assert len(path.read_bytes()) > len(before)
        journal.compact()
        assert len(path.read_bytes()) < len(before)
        assert {way: facts(record) for way, record in journal.ways.items()} == expected
        assert journal.record(A).verified == 3
        with pytest.raises(StoreBusy):
            Journal(str(path), "s", lock_timeout=0)
        journal.intend(A, [ONE], 17, 11)
        journal.done(A, 17, [11])
    ways = read_ways(str(path), "s")
    assert places(ways[A]) == [5, 7, 8, 10, 11]
    assert list(ways[A].states) == [0, ABSENT, 0, 0, 0]
    assert places(read_ways(str(path), "other")[A]) == [33]
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_sources_are_kept_apart(tmp_path: Path) -> None:
    path = str(tmp_path / "journal")
    for source, uid in (("s", 1), ("t", 2), ("s", 3)):
        with Journal(path, source) as journal:
            journal.intend(A, [ONE], 5, uid)
            journal.done(A, 5, [uid])
    assert places(read_ways(path, "s")[A]) == [1, 3]
    assert places(read_ways(path, "t")[A]) == [2]
    assert read_ways(path, "u") == {}


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
                    assert places(record) == [5, 6]
                elif length > whole.index(b"done"):
                    assert unresolved(record) == ([ONE, TWO], 17, 5)
                elif length < whole.index(b"intent") + len(b"intent\t2\t17\t5\n"):
                    assert (places(record), record.unresolved) == ([], None)
                journal.intend(A, [TWO], 17, 7)
                journal.done(A, 17, [7])
            assert places(read_ways(str(path), "s")[A])[-1] == 7


@pytest.mark.parametrize(
    "text",
    [
        "From a@b Thu Jan  1 00:00:00 1970\n",
        "mailstore journal 2\n",
        "mailstore journal 1\nnonsense\n",
        "mailstore journal 1\nsource\ts\nfolder\tA\nintent\t3\t1\t1\n",
        "mailstore journal 1\nsource\ts\nfolder\tA\ndone\t3\t1\n",
        "mailstore journal 1\nsource\ts\nfolder\tA\nmessage\tk\t1\t1\t-\txyz\nintent\t1\t1\t1\n",
        "mailstore journal 1\nsource\ts\nfolder\tA\nmessage\tk\t1\t1\t-\t0102\nintent\t1\t1\t1\n",
        "mailstore journal 1\nsource\ts\nfolder\tA\nmarks\t1\tS\n",
        "mailstore journal 1\nsource\ts\nfolder\tA\nabsent\t0\n",
        "mailstore journal 1\nsource\ts\nfolder\tA\nabsent\t1:99999999999999\n",
        "mailstore journal 1\nsource\ts\nfolder\tA\ndone\t1\t1:99999999999999\n",
        "mailstore journal 1\nsource\ts\nfolder\tA\nfrom\t1\tB\n",
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
        assert places(journal.record(A)) == [4]


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
    assert (parse_uids(text, len(uids)) if uids else []) == uids


def test_uids_are_written_in_runs() -> None:
    assert format_uids([0, 1, 2, 3, 0, 0, 7, 9, 10, 4]) == "0,1:3,0,0,7,9:10,4"


@given(st.integers(0, 31), st.frozensets(st.text(min_size=1, max_size=5), max_size=4))
def test_marks_are_written_and_read(flags: int, keywords: frozenset[str]) -> None:
    text = marks_text(flags, keywords)
    assert "\t" not in text
    assert parse_marks(text) == Marks(flags, keywords)
