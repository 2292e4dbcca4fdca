"""What is carried, what is merged, what is decided, and what is held back."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from convert.limited import limited
from sync.kit import Pair, contents, digest, message

from mailstore import CorruptStore, LossRefused, MessageTooLarge, NoSuchFolder, Store, StoreBusy, UsageError, open_store
from mailstore.model.flags import FLAGGED, SEEN
from mailstore.sync import Options, SyncReport, sync, sync_journal_path
from mailstore.sync.journal import Journal
from mailstore.testing.observe import tree

OTHER = {"memory": "sqlite", "mbox": "maildir", "sqlite": "maildir++", "maildir++": "mbox"}


@pytest.fixture(params=OTHER)
def pair(request: pytest.FixtureRequest, quick_path: Path) -> Pair:
    """Two stores of different kinds."""
    return Pair(quick_path, request.param, OTHER[request.param])


def uids(store: Store, folder: str = "INBOX") -> list[int]:
    return [row.uid for row in store.folder(folder).rows(0)]


def done(report: SyncReport, folder: str = "INBOX") -> tuple[tuple[int, ...], ...]:
    """Return what was copied, moved, flagged and deleted in the first store and in the second."""
    (entry,) = [entry for entry in report.folders if str(entry.folder) == folder]
    return tuple((one.copied, one.moved, one.flagged, one.deleted) for one in entry.done)


def clean(pair: Pair, **options: object) -> SyncReport:
    report = pair.sync(**options)
    assert (report.problems, report.verified) == ([], True)
    return report


def fill(pair: Pair, count: int = 3) -> None:
    """Put messages into the first store, and synchronise."""
    with pair.open(0) as store:
        for n in range(count):
            store.inbox.append(message(str(n)), flags=["\\Seen", "word"][: n % 3], internal_date=n)
    clean(pair)


def test_everything_travels_both_ways(pair: Pair) -> None:
    with pair.open(0) as store:
        store.inbox.append(message("a"), flags=["\\Answered", "$Forwarded"], internal_date=77, sender="a@b", uidl="u1")
        store.create("Lists/python")
        store.subscribe("Lists/python")
    with pair.open(1) as store:
        store.inbox.append(b"no header, no end", internal_date=99, sender="")
        store.create("Sent")
    report = clean(pair)
    assert done(report) == ((1, 0, 0, 0), (1, 0, 0, 0))
    for side in (0, 1):
        with pair.open(side) as store:
            found = {row.internal_date: (row.sender, row.uidl) for row in store.inbox.rows()}
            assert found == {77: ("a@b", "u1"), 99: ("", None)}
            infos = {str(info.path): info.subscribed for info in store.folders() if info.selectable}
            assert infos == {"INBOX": False, "Lists/python": True, "Sent": False}
    pair.same()
    again = clean(pair, swapped=True)
    assert not again.changed


def test_stores_that_hold_the_same_mail_already_are_paired_by_bytes(pair: Pair) -> None:
    same = b"Message-ID: <x@y>\n\nsame\n"
    other = b"Message-ID: <x@y>\n\nother\n"
    with pair.open(0) as store:
        for n in range(40):
            store.inbox.append(same, flags=["\\Seen"] if n % 2 else [])
        store.inbox.append(b"", internal_date=1)
        store.inbox.append(other, flags=["\\Flagged"])
    with pair.open(1) as store:
        for n in range(43):
            store.inbox.append(same, flags=["\\Seen"] if n < 22 else [])
        store.inbox.append(b"", internal_date=1)
    report = clean(pair)
    assert done(report)[0][0] == 3  # so many copies of one message as either had
    assert done(report)[1][0] == 1
    there = pair.same()["INBOX"]
    assert there.total() == 45
    assert sum(count for (_, flags, _), count in there.items() if flags & SEEN) == 22  # who agrees is paired first
    assert not clean(pair).changed


def test_marks_are_merged(pair: Pair) -> None:
    fill(pair)
    with pair.open(0) as store:
        store.inbox.add_flags(uids(store)[:1], ["\\Flagged", "mine"])
        store.inbox.remove_flags(uids(store)[1:2], ["\\Seen"])
    with pair.open(1) as store:
        store.inbox.add_flags(uids(store)[:2], ["\\Deleted", "yours"])
    report = clean(pair)
    assert report.conflicts == []
    assert done(report) == ((0, 0, 2, 0), (0, 0, 2, 0))
    with pair.open(1) as store:
        flags = [set(message.flags) - {"\\Recent"} for message in store.inbox]
    assert flags[:2] == [{"\\Flagged", "\\Deleted", "mine", "yours"}, {"\\Deleted", "yours"}]
    pair.same()


def test_a_move_is_a_move_there_too(pair: Pair) -> None:
    fill(pair)
    with pair.open(0) as store:
        store.create("Archive")
        store.inbox.move(uids(store)[:2], store.folder("Archive"))
        store.folder("Archive").add_flags(uids(store, "Archive"), ["\\Flagged"])
    with pair.open(1) as store:
        store.inbox.add_flags(uids(store)[:1], ["\\Draft"])
    report = clean(pair)
    assert done(report) == ((0, 0, 0, 0), (0, 0, 2, 0))  # marked, then moved
    assert done(report, "Archive") == ((0, 0, 1, 0), (0, 2, 0, 0))
    assert report.conflicts == []
    there = pair.same()
    assert [there[name].total() for name in ("INBOX", "Archive")] == [1, 2]
    assert all(flags & FLAGGED for _, flags, _ in there["Archive"])


def test_what_one_deleted_goes_and_what_the_other_marked_comes_back(pair: Pair) -> None:
    fill(pair)
    with pair.open(0) as store:
        store.inbox.expunge(uids(store)[:2], only_deleted=False)
    with pair.open(1) as store:
        store.inbox.add_flags(uids(store)[1:2], ["\\Flagged"])
        store.inbox.append(message("new"))
    report = clean(pair)
    assert done(report) == ((2, 0, 0, 0), (0, 0, 0, 1))
    assert [(one.what, one.digest) for one in report.conflicts] == [("deleted-and-changed", digest("1"))]
    assert {found for found, _, _ in pair.same()["INBOX"]} == {digest(text) for text in ("1", "2", "new")}
    with pair.open(0) as store:
        store.inbox.expunge(uids(store), only_deleted=False)
        store.inbox.append(message("last"))
    with pair.open(1) as store:
        store.inbox.expunge(uids(store)[:1], only_deleted=False)  # gone on both sides
    assert done(clean(pair)) == ((0, 0, 0, 0), (1, 0, 0, 2))
    assert pair.same() == {"INBOX": Counter({(digest("last"), 0, ()): 1})}


def test_moved_apart_stays_in_both(pair: Pair) -> None:
    fill(pair, 1)
    for side, name in enumerate(("Here", "There")):
        with pair.open(side) as store:
            store.inbox.move(uids(store), store.folder(name, create=True))
    report = clean(pair)
    assert [one.what for one in report.conflicts] == ["moved-apart"]
    assert {name: messages.total() for name, messages in pair.same().items()} == {"INBOX": 0, "Here": 1, "There": 1}


def test_folders_are_renamed_and_deleted(pair: Pair) -> None:
    with pair.open(0) as store:
        for name in ("old", "old/below", "empty"):
            store.create(name)
            if name != "empty":
                store.folder(name).append(message(name))
    clean(pair)
    with pair.open(1) as store:
        store.rename("old", "new")
        store.delete("empty")
    clean(pair)
    with pair.open(0) as store:
        assert sorted(str(info.path) for info in store.folders() if info.selectable) == ["INBOX", "new", "new/below"]
        assert [len(store.folder(name)) for name in ("new", "new/below")] == [1, 1]
    pair.same()
    assert not clean(pair).changed


def test_a_name_that_is_taken_over_there_joins_the_folders(pair: Pair) -> None:
    with pair.open(0) as store:
        store.create("old").append(message("old"))
    clean(pair)
    with pair.open(0) as store:
        store.rename("old", "new")
    with pair.open(1) as store:
        store.create("new").append(message("new"))
    clean(pair)
    assert {name: messages.total() for name, messages in pair.same().items()} == {"INBOX": 0, "new": 2}


def test_two_folders_that_exchanged_their_names(pair: Pair) -> None:
    with pair.open(0) as store:
        store.create("one").append(message("was one"))
        store.create("two").append(message("was two"))
    clean(pair)
    with pair.open(0) as store:
        for old, new in (("one", "aside"), ("two", "one"), ("aside", "two")):
            store.rename(old, new)
    with pair.open(1) as store:
        store.folder("one").add_flags(uids(store, "one"), ["\\Flagged"])
    clean(pair)
    expected = {"INBOX": Counter[object](), "one": Counter({(digest("was two"), 0, ()): 1})}
    assert pair.same() == expected | {"two": Counter({(digest("was one"), FLAGGED, ()): 1})}
    assert not clean(pair).changed


def test_two_folders_that_were_put_into_each_other(pair: Pair) -> None:
    with pair.open(0) as store:
        store.create("one").append(message("one"))
        store.create("two").append(message("two"))
    clean(pair)
    with pair.open(0) as store:
        store.rename("one", "two/one")
    with pair.open(1) as store:
        store.rename("two", "one/two")
    clean(pair)
    found = pair.same()
    assert sum(found.values(), Counter()) == Counter({(digest(text), 0, ()): 1 for text in ("one", "two")})
    assert {"one/two", "two/one"} <= set(found)
    assert not clean(pair).changed


def test_a_rename_to_a_name_that_only_holds_folders_there(pair: Pair) -> None:
    with pair.open(0) as store:
        store.create("three").append(message("three"))
    clean(pair)
    with pair.open(0) as store:
        store.create("one/two").append(message("two"))
    with pair.open(1) as store:
        store.rename("three", "one")
    clean(pair)
    assert {name: found.total() for name, found in pair.same().items()} == {"INBOX": 0, "one": 1, "one/two": 1}


def test_an_emptied_store_empties_no_other(pair: Pair) -> None:
    fill(pair)
    with pair.open(0) as store:
        store.inbox.expunge(uids(store), only_deleted=False)
    with pair.open(1) as store:
        store.inbox.append(message("new"))
    before = pair.contents(1)
    report = pair.sync()
    assert [problem.error for problem in report.problems] == ["emptied"]
    assert not report.ok
    assert not report.changed
    assert pair.contents(1) == before
    assert pair.contents(0)["INBOX"].total() == 0  # or the next run would take the new one for proof of life
    assert clean(pair, force_delete=True).ok
    assert pair.same() == {"INBOX": Counter({(digest("new"), 0, ()): 1})}


def test_a_lost_folder_takes_no_messages_along(pair: Pair) -> None:
    fill(pair, 2)
    with pair.open(0) as store:
        store.create("Work").append(message("work"))
    clean(pair)
    with pair.open(0) as store:
        store.delete("Work")
        store.inbox.append(message("more"))
    with pair.open(1) as store:
        store.folder("Work").append(message("while it was away"))
    for _ in range(2):
        report = pair.sync()
        assert [(problem.folder, problem.error) for problem in report.problems] == [("Work", "vanished")]
        assert pair.contents(1)["Work"].total() == 2
        assert "Work" not in pair.contents(0)
        assert pair.contents(1)["INBOX"].total() == 3  # the rest goes on
    report = pair.sync(force_delete=True)
    assert report.ok
    assert {found for found, _, _ in pair.same()["Work"]} == {digest("while it was away")}


def test_with_the_journal_moved_away_everything_comes_back(pair: Pair) -> None:
    fill(pair)
    with pair.open(0) as store:
        store.inbox.expunge(uids(store), only_deleted=False)
    os.rename(pair.journal, pair.journal + ".old")
    clean(pair)
    assert pair.same()["INBOX"].total() == 3


def test_a_dry_run_tells_and_does_nothing(pair: Pair, quick_path: Path) -> None:
    fill(pair)
    with pair.open(0) as store:
        store.inbox.expunge(uids(store)[:1], only_deleted=False)
        store.create("More").append(message("more"))
    before = tree(quick_path)
    report = pair.sync(dry_run=True)
    assert tree(quick_path) == before
    assert (report.planned, report.changed, report.verified) == (True, True, None)
    assert done(report) == ((0, 0, 0, 0), (0, 0, 0, 1))
    assert done(report, "More") == ((0, 0, 0, 0), (1, 0, 0, 0))
    assert [entry.actions for entry in report.folders if entry.actions] == [["created in second"]]
    assert done(clean(pair)) == ((0, 0, 0, 0), (0, 0, 0, 1))


def test_only_what_was_chosen(pair: Pair) -> None:
    with pair.open(0) as store:
        for name in ("Keep", "Trash"):
            store.create(name).append(message(name))
            store.subscribe(name)
    clean(pair, exclude=("Trash",))
    assert set(pair.contents(1)) == {"INBOX", "Keep"}
    assert not clean(pair, exclude=("Trash",)).changed
    clean(pair)
    with pair.open(0) as store:
        store.unsubscribe("Trash")
    clean(pair, exclude=("Trash",))
    with pair.open(1) as store:
        assert [str(info.path) for info in store.folders() if info.subscribed] == ["Keep", "Trash"]
    clean(pair)
    with pair.open(1) as store:
        assert [str(info.path) for info in store.folders() if info.subscribed] == ["Keep"]
    with pytest.raises(NoSuchFolder):
        pair.sync(folders=(store.inbox.path.child("none"),))


def test_special_uses_are_merged(quick_path: Path) -> None:
    pair = Pair(quick_path, "sqlite", "maildir")
    with pair.open(0) as store:
        store.create("Gesendet", special_use="\\Sent")
        store.create("Spam")
    clean(pair)
    with pair.open(0) as store:
        store.set_special_use("Spam", "\\Junk")
    with pair.open(1) as store:
        store.set_special_use("Gesendet", "\\Archive")
        store.set_special_use("Spam", "\\Trash")
    report = clean(pair)
    assert [(one.folder, one.what) for one in report.conflicts] == [("Spam", "special-use")]
    for side in (0, 1):
        with pair.open(side) as store:
            uses = {str(info.path): info.special_use for info in store.folders()}
            assert uses == {"INBOX": None, "Gesendet": "\\Archive", "Spam": "\\Junk"}


def test_a_lost_index_costs_time_and_deletes_nothing_unasked(quick_path: Path) -> None:
    pair = Pair(quick_path, "maildir", "mbox")
    fill(pair, 4)
    with pair.open(0) as store:
        store.inbox.expunge(uids(store)[:1], only_deleted=False)
    for name in list(quick_path.rglob("*mailstore*")) + list(quick_path.rglob("dovecot-uidlist")):
        if name.is_file():
            name.unlink()
    assert [one.error for one in pair.sync().problems] == ["vanished"]  # it may have been lost with the index
    assert done(clean(pair, force_delete=True)) == ((0, 0, 0, 0), (0, 0, 0, 1))
    assert pair.same()["INBOX"].total() == 3


def test_one_at_a_time_and_the_right_journal(quick_path: Path) -> None:
    pair = Pair(quick_path, "maildir", "sqlite")
    fill(pair)
    with (
        open_store("memory:") as other,
        open_store(pair.locations[0]) as store,
        pytest.raises(CorruptStore, match="is the journal of"),
    ):
        sync(store, other, Options(journal=pair.journal))
    (quick_path / "text").write_text("no database, by any measure\n" * 99)
    with pytest.raises(CorruptStore, match="damaged, or is none"):
        Pair.sync(_with_journal(pair, quick_path / "text"))
    with open_store(pair.locations[0]) as store, pytest.raises(UsageError):
        sync(store, store)


def _with_journal(pair: Pair, path: Path) -> Pair:
    pair.journal = str(path)
    return pair


def test_the_journal_lies_beside_the_second_store_or_where_it_is(quick_path: Path) -> None:
    with (
        open_store(f"sqlite:{quick_path}/a.db", create=True) as one,
        open_store(f"maildir:{quick_path}/b", create=True) as other,
    ):
        assert sync(one, other).ok
        assert sync(other, one).ok
        places = [sync_journal_path(one.location, other.location), sync_journal_path(other.location, one.location)]
    found = sorted(str(path) for path in quick_path.rglob("*mstore-sync*"))
    assert len(found) == 1
    assert places == found * 2
    assert os.path.dirname(found[0]) == f"{quick_path}/b"
    assert os.stat(found[0]).st_mode & 0o777 == 0o600


def test_a_second_run_at_the_same_time_is_refused(quick_path: Path) -> None:
    path = str(quick_path / "journal")
    with Journal(path, ["a", "b"]), pytest.raises(StoreBusy, match="another synchronisation"):
        Journal(path, ["b", "a"])


def test_while_something_cannot_be_read_nothing_is_deleted(quick_path: Path) -> None:
    pair = Pair(quick_path, "maildir", "sqlite")
    fill(pair)
    with pair.open(0) as store:
        store.inbox.expunge(uids(store)[:1], only_deleted=False)
        store.create("Other").append(message("other"))
    broken = quick_path / "a-maildir" / "Other" / "cur" / "1.2.3:2,S"
    broken.symlink_to("nowhere")  # it may be what is gone from INBOX
    report = pair.sync()
    assert [(problem.folder, problem.error) for problem in report.problems] == [("Other", "UnreadableMessage")]
    assert [pair.contents(1)[name].total() for name in ("INBOX", "Other")] == [3, 1]  # the rest goes on
    broken.unlink()
    assert done(clean(pair)) == ((0, 0, 0, 0), (0, 0, 0, 1))
    pair.same()


def test_what_a_store_cannot_hold_is_refused_or_let_go(quick_path: Path) -> None:
    second, _ = limited(flags=SEEN | FLAGGED)
    journal = str(quick_path / "journal")
    with open_store(f"maildir:{quick_path}/a", create=True) as first, second:
        first.inbox.append(message("marked"), flags=["\\Seen", "\\Draft"])
        with pytest.raises(LossRefused):
            sync(first, second, Options(journal=journal))
        assert len(second.inbox) == 0
        options = Options(journal=journal, allow_loss=frozenset({"flags"}))
        report = sync(first, second, options)
        assert (report.problems, report.verified) == ([], True)
        assert [loss.name for loss in report.losses[1]] == ["flags"]
        second.inbox.add_flags([1], ["\\Flagged"])
        assert sync(first, second, options).verified is True
        assert set(first.inbox.get(1).flags) - {"\\Recent"} == {"\\Seen", "\\Draft", "\\Flagged"}
        assert not sync(first, second, options).changed


def test_a_message_that_is_refused_is_set_aside_and_tried_again(quick_path: Path) -> None:
    second, driver = limited()
    options = Options(journal=str(quick_path / "journal"), rejected=str(quick_path / "rejected"))
    with open_store(f"maildir:{quick_path}/a", create=True) as first, second:
        for text in ("good", "bad", "also good"):
            first.inbox.append(message(text))
        large = MessageTooLarge("it is too large")
        driver.refuse_staging = lambda arrival: large if arrival.body == message("bad") else None
        for _ in range(2):
            report = sync(first, second, options)
            assert [problem.error for problem in report.problems] == ["MessageTooLarge"]
            assert Path(report.problems[0].set_aside).read_bytes() == message("bad")
            assert len(second.inbox) == 2
        driver.refuse_staging = lambda _: None
        driver.refuse_commit = lambda append: large if append.staged.size == len(message("bad")) else None
        report = sync(first, second, options)
        assert [problem.error for problem in report.problems] == ["MessageTooLarge"]
        driver.refuse_commit = lambda _: None
        assert sync(first, second, options).ok
        assert contents(first) == contents(second)


def test_what_is_not_as_it_should_be_is_found(quick_path: Path) -> None:
    second, driver = limited()
    with open_store(f"maildir:{quick_path}/a", create=True) as first, second:
        first.inbox.append(message("whole"))
        driver.spoil = lambda row: row if row.body is None else row._replace(body=b"torn")
        report = sync(first, second, Options(journal=str(quick_path / "journal")))
        assert (report.verified, [problem.error for problem in report.problems]) == (False, ["digest"])
