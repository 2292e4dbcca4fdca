"""What a rerun carries of a source that changed, and what it leaves as the destination's user made it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from convert.histories import contents
from convert.kit import ON_DISK, location, make, quiet, seen

from mailstore import Arrival, FolderPath, SetState, Store, open_store
from mailstore.convert import Conversion, FolderMapping, Report, convert, look, plan
from mailstore.convert.journal import Journal
from mailstore.model.info import Meta
from mailstore.testing.observe import bodies

INBOX, WORK = FolderPath(("INBOX",)), FolderPath(("Work",))


@pytest.fixture(params=ON_DISK)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def old(quick_path: Path) -> Iterator[Store]:
    """A source with four messages in each of two folders, UIDs 2, 4, 6, 8."""
    with make("sqlite", quick_path, "from") as store:
        for path in ("INBOX", "Work"):
            for n in range(1, 5):
                store.folder(path, create=True).append(f"Subject: {path} {n}\n\n".encode(), uid=n * 2, flags=["\\Seen"])
        yield store


def run(old: Store, kind: str, quick_path: Path, **options: Any) -> Report:
    """Convert in a session of its own."""
    with open_store(location(kind, quick_path, "to"), create=True, folders=True) as new:
        return convert(old, new, quiet(journal=str(quick_path / "journal"), **options))


def there(kind: str, quick_path: Path) -> Store:
    return open_store(location(kind, quick_path, "to"))


def counts(report: Report) -> dict[str, int]:
    """Return what is not 0."""
    return {name: count for name, count in report.counts().items() if count}


def marks(store: Store, path: str) -> dict[int, set[str]]:
    return {message.uid: set(message.flags) - {"\\Recent"} for message in store.folder(path)}


def test_flags_are_carried_three_ways(old: Store, kind: str, quick_path: Path) -> None:
    old.inbox.add_flags([2, 4], ["\\Flagged", "word"])
    run(old, kind, quick_path)
    with there(kind, quick_path) as new:
        new.inbox.add_flags([2], ["\\Answered", "mine"])
        new.inbox.remove_flags([2, 4], ["\\Flagged"])
        new.inbox.remove_flags([6], ["\\Seen"])
    old.inbox.remove_flags([2], ["\\Seen", "word"])
    old.inbox.add_flags([2, 4], ["theirs"])
    old.inbox.add_flags([8], ["\\Draft"])
    with there(kind, quick_path) as new:
        assert plan(old, new, quiet(journal=str(quick_path / "journal"))).updated == 3
    assert counts(run(old, kind, quick_path)) == {"found": 8, "skipped": 8, "updated": 3}
    with there(kind, quick_path) as new:
        assert marks(new, "INBOX") == {
            2: {"\\Answered", "mine", "theirs"},
            4: {"\\Seen", "word", "theirs"},
            6: set(),
            8: {"\\Seen", "\\Draft"},
        }
    assert counts(run(old, kind, quick_path)) == {"found": 8, "skipped": 8}


def test_a_moved_message_is_moved_with_what_was_done_to_it_there(old: Store, kind: str, quick_path: Path) -> None:
    run(old, kind, quick_path)
    with there(kind, quick_path) as new:
        new.inbox.add_flags([4], ["mine"])
        new.inbox.expunge([6], only_deleted=False)
    old.inbox.move([4, 6], old.folder("Work"))
    old.folder("Work").append(b"Subject: new\n\n")
    old.inbox.move([8], old.folder("Work"))
    old.folder("Work").add_flags([9], ["\\Flagged"])
    report = run(old, kind, quick_path)
    assert counts(report) == {"found": 9, "copied": 1, "moved": 2, "skipped": 6, "updated": 1}
    assert report.ok
    with there(kind, quick_path) as new:
        assert bodies(new.inbox) == [b"Subject: INBOX 1\n\n"]
        assert bodies(new.folder("Work"))[4:] == [b"Subject: INBOX 2\n\n", b"Subject: new\n\n", b"Subject: INBOX 4\n\n"]
        # 10 is INBOX 3, which was deleted there: the numbering is the source's all the same
        assert marks(new, "Work") == {
            **{uid: {"\\Seen"} for uid in (2, 4, 6, 8)},
            9: {"\\Seen", "\\Flagged", "mine"},
            11: set(),
            12: {"\\Seen"},
        }
    assert counts(run(old, kind, quick_path)) == {"found": 9, "skipped": 9}


def test_a_renamed_folder_keeps_its_uids(old: Store, kind: str, quick_path: Path) -> None:
    old.create("Work/below").append(b"Subject: below\n\n", uid=5)
    run(old, kind, quick_path)
    with there(kind, quick_path) as new:
        before = seen(new)
        new.folder("Work").append(b"Subject: mine\n\n")
    old.rename("Work", "Play")
    report = run(old, kind, quick_path)
    assert counts(report) == {"found": 9, "skipped": 9}
    assert [(str(one.folder), str(one.renamed_from)) for one in report.folders if one.renamed_from] == [
        ("Play", "Work"),
        ("Play/below", "Work/below"),
    ]
    with there(kind, quick_path) as new:
        after = seen(new)
        assert sorted(after) == ["INBOX", "Play", "Play/below"]
        assert after["Play"][0] == before["Work"][0]
        assert [*after["Play"][2]][:4] == [2, 4, 6, 8]
        assert after["Play/below"] == before["Work/below"]


@pytest.mark.parametrize("source", ["mbox", "maildir"])
def test_without_ids_a_folder_is_known_by_what_it_holds(source: str, quick_path: Path) -> None:
    with make(source, quick_path, "from") as old:
        for path in ("A", "B"):
            for n in range(3):
                old.folder(path, create=True).append(f"Subject: {path} {n}\n\n".encode())
    with open_store(location(source, quick_path, "from"), readonly=True) as old:
        run(old, "sqlite", quick_path)
    with open_store(location(source, quick_path, "from")) as old:
        old.rename("A", "C")
        old.rename("B", "D")
        old.folder("D").append(b"Subject: D\n\n")
        old.create("E").append(b"Subject: E\n\n")
    with open_store(location(source, quick_path, "from"), readonly=True) as old:
        report = run(old, "sqlite", quick_path)
        assert counts(report) == {"found": 8, "copied": 2, "skipped": 6}
        assert report.renamed == 2
        with there("sqlite", quick_path) as new:
            assert contents(new) == contents(old)


def test_a_folder_whose_new_name_is_taken_is_joined(old: Store, kind: str, quick_path: Path) -> None:
    run(old, kind, quick_path)
    with there(kind, quick_path) as new:
        new.create("Play").append(b"Subject: mine\n\n")
    old.rename("Work", "Play")
    assert counts(run(old, kind, quick_path)) == {"found": 8, "skipped": 4, "moved": 4}
    with there(kind, quick_path) as new:
        assert bodies(new.folder("Play")) == [b"Subject: mine\n\n", *(b"Subject: Work %d\n\n" % n for n in range(1, 5))]
        assert bodies(new.folder("Work")) == []


def test_folders_go_elsewhere_when_the_mapping_says_so(old: Store, kind: str, quick_path: Path) -> None:
    run(old, kind, quick_path)
    report = run(old, kind, quick_path, mapping=FolderMapping(moves=((WORK, FolderPath(("Old", "Work"))),)))
    assert counts(report) == {"found": 8, "skipped": 8}
    assert report.renamed == 1
    with there(kind, quick_path) as new:
        assert bodies(new.folder("Old/Work")) == bodies(old.folder("Work"))
        assert list(seen(new)["Old/Work"][2]) == [2, 4, 6, 8]


def test_what_others_put_into_a_folder_goes_nowhere(old: Store, kind: str, quick_path: Path) -> None:
    """Only what came from the folder is moved, when its way parts from another folder's or from mail of another."""
    together = FolderMapping(moves=((WORK, INBOX),), collisions="merge")
    assert counts(run(old, kind, quick_path, mapping=together)) == {"found": 8, "copied": 8}
    report = run(old, kind, quick_path)
    assert (counts(report), report.renamed) == ({"found": 8, "moved": 4, "skipped": 4}, 0)
    with there(kind, quick_path) as new:
        assert contents(new) == contents(old)
        new.create("Own")
        new.folder("Own").append(b"Subject: mine\n\n")
    own = FolderMapping(moves=((WORK, FolderPath(("Own",))),))
    assert counts(run(old, kind, quick_path, mapping=own)) == {"found": 8, "moved": 4, "skipped": 4}
    assert counts(run(old, kind, quick_path)) == {"found": 8, "moved": 4, "skipped": 4}
    with there(kind, quick_path) as new:
        assert bodies(new.folder("Own")) == [b"Subject: mine\n\n"]
        assert contents(new) == {**contents(old), "Own": contents(new)["Own"]}


# -- deleting


def test_nothing_is_deleted_unasked(old: Store, kind: str, quick_path: Path) -> None:
    run(old, kind, quick_path)
    old.inbox.expunge([4], only_deleted=False)
    old.delete("Work")
    for _ in range(2):
        report = run(old, kind, quick_path)
        assert counts(report) == {"found": 3, "skipped": 3, "kept": 5}
        assert report.ok
    assert counts(run(old, kind, quick_path, force_delete=True)) == {"found": 3, "skipped": 3, "deleted": 5}
    with there(kind, quick_path) as new:
        assert contents(new) == contents(old)


def test_what_was_changed_there_is_not_deleted(old: Store, kind: str, quick_path: Path) -> None:
    run(old, kind, quick_path)
    with there(kind, quick_path) as new:
        new.inbox.add_flags([2], ["\\Flagged"])
        new.inbox.add_flags([4], ["mine"])
        new.inbox.add_flags([6], ["\\Deleted"])
        new.inbox.append(b"Subject: mine\n\n", uid=20)
    old.inbox.expunge([2, 4, 6, 8], only_deleted=False)
    for changes in ({"deleted": 2, "kept": 2}, {"kept": 2}):
        report = run(old, kind, quick_path, force_delete=True)
        assert counts(report) == {"found": 4, "skipped": 4, **changes}
        assert report.ok
    with there(kind, quick_path) as new:
        assert list(marks(new, "INBOX")) == [2, 4, 20]


def test_an_emptied_folder_empties_no_other(old: Store, kind: str, quick_path: Path) -> None:
    run(old, kind, quick_path)
    old.inbox.expunge([2, 4, 6, 8], only_deleted=False)
    old.delete("Work")
    report = run(old, kind, quick_path, delete=True)
    assert counts(report) == {"kept": 8}
    assert [(one.folder, one.error) for one in report.problems] == [
        ("INBOX", "DeletionRefused"),
        ("Work", "DeletionRefused"),
    ]
    assert "--force-delete" in report.problems[0].reason
    with there(kind, quick_path) as new:
        assert sum(len(new.folder(path)) for path in ("INBOX", "Work")) == 8
    report = run(old, kind, quick_path, force_delete=True)
    assert (counts(report), report.removed, report.ok) == ({"deleted": 8}, 1, True)
    with there(kind, quick_path) as new:
        assert contents(new) == {"INBOX": Counter()}


def test_most_of_a_folder_goes_only_by_force(quick_path: Path) -> None:
    with make("sqlite", quick_path, "from") as old:
        uids = [old.inbox.append(f"Subject: {n}\n\n".encode()).uid for n in range(30)]
        run(old, "sqlite", quick_path)
        old.inbox.expunge(uids[:15], only_deleted=False)
        assert counts(run(old, "sqlite", quick_path, delete=True)) == {"found": 15, "skipped": 15, "deleted": 15}
        old.inbox.expunge(uids[15:24], only_deleted=False)
        assert counts(run(old, "sqlite", quick_path, delete=True)) == {"found": 6, "skipped": 6, "deleted": 9}
        for n in range(30, 40):
            uids.append(old.inbox.append(f"Subject: {n}\n\n".encode()).uid)
        run(old, "sqlite", quick_path)
        old.inbox.expunge(uids[24:35], only_deleted=False)
        report = run(old, "sqlite", quick_path, delete=True)
        assert counts(report) == {"found": 5, "skipped": 5, "kept": 11}
        assert "(11 of 16)" in report.problems[0].reason


@pytest.mark.parametrize("asked", [True, False])
def test_another_store_in_its_place_deletes_nothing(asked: bool, quick_path: Path) -> None:
    """What is copied of it does not make up for what is missing, neither now nor later."""
    source = quick_path / "from"

    def write(numbers: range) -> None:
        source.write_bytes(b"".join(b"From a@b Thu Jan  1 00:00:00 2020\nSubject: %d\n\n\n" % n for n in numbers))

    write(range(8))
    with open_store(f"mbox:{source}", readonly=True) as old:
        run(old, "maildir", quick_path)
    write(range(100, 120))
    with open_store(f"mbox:{source}", readonly=True) as old:
        report = run(old, "maildir", quick_path, delete=asked)
        assert counts(report) == {"found": 20, "copied": 20, "kept": 8}
        assert report.ok is not asked
    write(range(101, 120))
    with open_store(f"mbox:{source}", readonly=True) as old:
        report = run(old, "maildir", quick_path, delete=True)
        assert counts(report) == {"found": 19, "skipped": 19, "deleted": 1, "kept": 8}
        assert [one.error for one in report.problems] == ["DeletionRefused"]
    write(range(6))  # the old one is back
    with open_store(f"mbox:{source}", readonly=True) as old:
        run(old, "maildir", quick_path)
        assert counts(run(old, "maildir", quick_path, force_delete=True)) == {"found": 6, "skipped": 6, "deleted": 21}
        with there("maildir", quick_path) as new:
            assert contents(new) == contents(old)


def test_a_folder_that_cannot_be_read_is_not_gone(quick_path: Path) -> None:
    """Not even by force: a file that was damaged is no folder any more, and what was carried may be all there is."""
    source, record = quick_path / "from", b"From a@b Thu Jan  1 00:00:00 2020\nSubject: x\n\n\n"
    source.mkdir()
    for name in "ABC":
        (source / name).write_bytes(record * 2)
    with open_store(f"mbox:{source}", readonly=True) as old:
        assert counts(run(old, "maildir", quick_path)) == {"found": 6, "copied": 6}
    (source / "A").write_bytes(b"\0" * 10 + record)
    (source / "B").unlink()
    with open_store(f"mbox:{source}", readonly=True) as old:
        with there("maildir", quick_path) as new:
            planned = plan(old, new, quiet(journal=str(quick_path / "journal")))
            assert [(one.folder, one.error) for one in planned.problems] == [("A", "FolderUnreadable")]
        report = run(old, "maildir", quick_path, force_delete=True)
        assert [(one.folder, one.error) for one in report.problems] == [("A", "FolderUnreadable")]
        assert counts(report) == {"found": 2, "skipped": 2, "deleted": 2}
    (source / "A").write_bytes(record * 2)
    with open_store(f"mbox:{source}", readonly=True) as old:
        report = run(old, "maildir", quick_path, force_delete=True)
        assert (counts(report), report.ok) == ({"found": 4, "skipped": 4}, True)


def test_a_folder_of_the_destinations_own_is_not_deleted(old: Store, kind: str, quick_path: Path) -> None:
    with open_store(location(kind, quick_path, "to"), create=True, folders=True) as new:
        new.create("Work")
    run(old, kind, quick_path)
    old.delete("Work")
    report = run(old, kind, quick_path, force_delete=True)
    assert (counts(report), report.removed) == ({"found": 4, "skipped": 4, "deleted": 4}, 0)
    with there(kind, quick_path) as new:
        assert len(new.folder("Work")) == 0


# -- what is the same


@pytest.mark.parametrize("source", ON_DISK)
def test_a_thousand_identical_messages_stay_a_thousand(source: str, quick_path: Path) -> None:
    body = b"the same, without a header"
    with make(source, quick_path, "from") as old:
        old.inbox.append_many([Arrival(body, Meta(n % 4)) for n in range(1000)])
        old.create("Other")
    with open_store(location(source, quick_path, "from"), readonly=True) as old:
        assert counts(run(old, "sqlite", quick_path)) == {"found": 1000, "copied": 1000}
        assert counts(run(old, "sqlite", quick_path)) == {"found": 1000, "skipped": 1000}
    with open_store(location(source, quick_path, "from")) as old:
        uids = [row.uid for row in old.inbox.rows(0)]
        old.inbox.expunge(uids[::10], only_deleted=False)
        old.inbox.move(uids[1:200:10], old.folder("Other"))
        old.inbox.add_flags(uids[2::10], ["\\Answered"])
        old.inbox.append_many([Arrival(body, Meta(n)) for n in range(5)])
    with open_store(location(source, quick_path, "from"), readonly=True) as old:
        report = run(old, "sqlite", quick_path, delete=True)
        # which of those gone was moved, which deleted and which came back, nobody can tell; their number is what counts
        assert (report.found, report.copied + report.moved, report.moved + report.deleted) == (905, 20, 115)
        with there("sqlite", quick_path) as new:
            assert contents(new) == contents(old)
        assert counts(run(old, "sqlite", quick_path, delete=True)) == {"found": 905, "skipped": 905}


def test_an_mbox_that_mutt_has_rewritten_holds_the_same_messages(quick_path: Path) -> None:
    """It puts Status, Content-Length and Lines behind the header of each, keeps the flags there, and takes some out."""
    source, line = quick_path / "from", b"From a@b Thu Jan  1 00:00:00 2020\n"
    head = [b"Subject: %d\n" % (number % 7) for number in range(14)]
    large = b"x" * 70 + b"\n"

    def write(name: str, records: list[bytes]) -> None:
        (quick_path / name).write_bytes(b"".join(line + record + b"\n" for record in records))

    def rewritten(first: int, last: int) -> list[bytes]:
        return [h + b"Status: RO\nContent-Length: 213000\nLines: 3000\n\n" + large * 3000 for h in head[first:last]]

    source.mkdir()
    write("from/A", [h + b"\n" + large * 3000 for h in head])
    write("from/B", [])
    with open_store(f"mbox:{source}", readonly=True) as old:
        assert counts(run(old, "maildir", quick_path)) == {"found": 14, "copied": 14}
    write("from/A", rewritten(2, 12))
    write("from/B", rewritten(0, 2))
    for changes in ({"moved": 2, "skipped": 10, "updated": 12, "deleted": 2}, {"skipped": 12}):
        with open_store(f"mbox:{source}", readonly=True) as old:
            assert counts(run(old, "maildir", quick_path, delete=True)) == {"found": 12, **changes}
    with there("maildir", quick_path) as new:
        assert Counter(bodies(new.folder("A"))) == Counter(h + b"\n" + large * 3000 for h in head[2:12])
        assert list(marks(new, "B").values()) == [{"\\Seen"}] * 2


def test_a_folder_in_the_place_of_another_is_another(quick_path: Path) -> None:
    """Keys and sizes are those noted, the bytes are not: UIDVALIDITY and UIDs were the same in both."""
    for swapped in (False, True):
        names = ("B", "A") if swapped else ("A", "B")
        with open_store(f"mbox:{quick_path}/from{swapped}?layout=sbd", create=True, folders=True) as old:
            for name, other in zip("AB", names, strict=True):
                old.create(name)
                old.commit([SetState(FolderPath((name,)), 77)])
                for n in range(3):
                    old.folder(name).append(f"Subject: {other} {n}\n\n".encode(), uid=n + 1)
    first = (quick_path / "fromFalse").rename(quick_path / "from")
    with open_store(f"mbox:{first}?layout=sbd", readonly=True) as old:
        run(old, "sqlite", quick_path)
    first.rename(quick_path / "before")
    (quick_path / "fromTrue").rename(quick_path / "from")
    with open_store(f"mbox:{first}?layout=sbd", readonly=True) as old:
        report = run(old, "sqlite", quick_path, delete=True)
        assert counts(report) == {"found": 6, "moved": 6}
        with there("sqlite", quick_path) as new:
            assert contents(new) == contents(old)


def test_a_finished_source_with_a_history_is_not_listed(
    old: Store, quick_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(old, "sqlite", quick_path)
    monkeypatch.setattr(look, "_compare_listing", None)
    assert counts(run(old, "sqlite", quick_path)) == {"found": 8, "skipped": 8}
    old.inbox.append(b"Subject: new\n\n")
    old.inbox.expunge([2], only_deleted=False)
    assert counts(run(old, "sqlite", quick_path, delete=True)) == {"found": 8, "copied": 1, "skipped": 7, "deleted": 1}


def test_keys_in_another_order_are_found(quick_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A listing that stands in quite another order than it did is no other mail."""
    monkeypatch.setattr(look, "_AHEAD", 2)
    with open_store("memory:") as old:
        for n in range(9):
            old.inbox.append(f"Subject: {n}\n\n".encode())
        run(old, "sqlite", quick_path)
        record = old.driver.folder(INBOX)
        real = type(record).changes

        def changes(self: Any, since: Any, want: int) -> Any:
            delta = real(self, None, want)
            rows = [row for batch in delta.batches for row in batch]
            return replace(delta, batches=iter([rows[5:] + rows[3:5] + rows[:3]]))

        monkeypatch.setattr(type(record), "changes", changes)
        assert counts(run(old, "sqlite", quick_path, delete=True)) == {"found": 9, "skipped": 9}


def test_a_file_without_uids_is_known_by_its_digests(quick_path: Path) -> None:
    """Its parts know no keys that last: the n-th of equal messages is the n-th, and nothing is noted again."""
    with open_store(f"mbox:{quick_path}/from", create=True) as old:
        pass
    text = [f"From a@b Thu Jan  1 00:00:00 2024\nSubject: {n % 5}\n\nx{n % 7}\n\n" for n in range(40)]
    (quick_path / "from").write_text("".join(text))
    journal = quick_path / "journal"
    for expected in ({"copied": 40}, {"skipped": 40}, {"skipped": 40}):
        with open_store(f"mbox:{quick_path}/from", readonly=True) as old:
            assert counts(run(old, "sqlite", quick_path)) == {"found": 40, **expected}
        assert "again" not in journal.read_text()
    del text[3], text[20]
    (quick_path / "from").write_text("".join(text + text[:2]))
    with open_store(f"mbox:{quick_path}/from", readonly=True) as old:
        report = run(old, "sqlite", quick_path, delete=True)
        assert counts(report) == {"found": 40, "copied": 2, "skipped": 38, "deleted": 2}
        with there("sqlite", quick_path) as new:
            assert contents(new) == contents(old)


def test_new_numbers_are_noted_before_a_history_is_believed(quick_path: Path) -> None:
    """An index that is lost gives other UIDs to a Maildir's messages; what vanishes then is told by those."""
    where = f"maildir:{quick_path}/from?layout=fs"
    with open_store(where, create=True) as old:
        uids = [old.inbox.append(f"Subject: {n}\n\n".encode()).uid for n in range(5)]
        run(old, "sqlite", quick_path)
        old.inbox.expunge(uids[:2], only_deleted=False)
    for name in ("dovecot-uidlist", "courierimapuiddb"):
        (quick_path / "from" / name).unlink(missing_ok=True)
    for index in quick_path.rglob(".mstore*"):
        index.unlink()
    for deleted in (2, 0):
        with open_store(where) as old:
            assert counts(run(old, "sqlite", quick_path, delete=True)).get("deleted", 0) == deleted
    with open_store(where) as old:
        old.inbox.expunge([next(iter(old.inbox.rows())).uid], only_deleted=False)
        assert run(old, "sqlite", quick_path, delete=True).deleted == 1
        with there("sqlite", quick_path) as new:
            assert contents(new) == contents(old)


# -- passes


def test_a_move_seen_in_two_passes_is_one(old: Store) -> None:
    with open_store("memory:") as new, Conversion(old, new, quiet()) as conversion:
        conversion.carry()
        old.inbox.move([2], old.folder("Work"))
        assert counts(conversion.carry([INBOX])) == {"found": 3, "skipped": 3, "kept": 1}
        assert counts(conversion.carry([WORK])) == {"found": 5, "skipped": 4, "moved": 1}
        assert contents(new) == contents(old)
        assert counts(conversion.carry()) == {"found": 8, "skipped": 8}


def test_a_flag_taken_back_after_a_kill_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run died between the commit of a flag and its note, and the source took the flag back since."""
    with (
        open_store(f"maildir:{tmp_path}/old", create=True) as old,
        open_store(f"sqlite:{tmp_path}/new.db", create=True) as new,
    ):
        uid = old.inbox.append(b"Subject: x\n\n").uid
        convert(old, new, quiet())
        old.inbox.add_flags([uid], ["Work", "\\Flagged"])
        with monkeypatch.context() as patch:
            patch.setattr(Journal, "marks", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                convert(old, new, quiet())
        assert next(iter(new.inbox)).flags >= {"Work", "\\Flagged"}
        old.inbox.remove_flags([uid], ["Work"])
        new.inbox.add_flags([next(iter(new.inbox)).uid], ["mine"])
        assert convert(old, new, quiet()).ok
        assert next(iter(new.inbox)).flags - {"\\Recent"} == {"\\Flagged", "mine"}
