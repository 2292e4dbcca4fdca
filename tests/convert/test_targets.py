"""Folders that the destination calls otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest
from convert.kit import ON_DISK, location, make, quiet

from mailstore import FolderPath, Store, UsageError, open_store
from mailstore.convert import Conversion, FolderMapping, convert, plan, verify_stores
from mailstore.testing.observe import bodies

A, B, C = (FolderPath((name,)) for name in "ABC")


def renaming(**names: str) -> FolderMapping:
    """Return what calls folders otherwise, and merges those of one name."""
    return FolderMapping(
        moves=tuple((FolderPath((old,)), FolderPath.parse(new)) for old, new in names.items()), collisions="merge"
    )


@pytest.fixture
def old(quick_path: Path) -> Store:
    """A source with one message in each of two folders, of the same bytes, and another in one of them."""
    store = make("sqlite", quick_path, "from")
    for path in ("A", "B"):
        store.folder(path, create=True).append(b"Subject: same\n\n")
    store.folder("B").append(b"Subject: other\n\n")
    store.subscribe("A")
    return store


@pytest.mark.parametrize("kind", ON_DISK)
def test_a_folder_goes_where_it_is_told(old: Store, kind: str, quick_path: Path) -> None:
    options = quiet(mapping=renaming(A="Old/A", B="A"))
    for copied in (3, 0):
        with open_store(location(kind, quick_path, "to"), create=True) as new:
            assert [(f.folder, f.target, f.already) for f in plan(old, new, options).folders][1:] == [
                (A, FolderPath(("Old", "A")), 0 if copied else 1),
                (B, A, 0 if copied else 2),
            ]
            report = convert(old, new, options)
            assert (report.copied, report.found, report.ok) == (copied, 3, True)
            assert [(f.folder, f.target) for f in report.folders][1:] == [(A, FolderPath(("Old", "A"))), (B, A)]
            assert bodies(new.folder("Old/A")) == [b"Subject: same\n\n"]
            assert bodies(new.folder("A")) == [b"Subject: same\n\n", b"Subject: other\n\n"]
            assert [info.path for info in new.folders() if info.subscribed] == [FolderPath(("Old", "A"))]
            assert "B" not in [str(info.path) for info in new.folders()]


@pytest.mark.parametrize("kind", ON_DISK)
def test_two_folders_go_into_one_where_both_are_told_to(old: Store, kind: str, quick_path: Path) -> None:
    options = quiet(mapping=renaming(A="C", B="C"))
    for copied in (3, 0):
        with open_store(location(kind, quick_path, "to"), create=True) as new:
            report = convert(old, new, options)
            assert (report.copied, report.found, report.ok) == (copied, 3, True)
            assert sorted(bodies(new.folder("C"))) == [
                b"Subject: other\n\n",
                b"Subject: same\n\n",
                b"Subject: same\n\n",
            ]


def test_one_of_two_in_a_folder_is_not_taken_for_the_other_when_looked_for(old: Store, quick_path: Path) -> None:
    """What the journal says of A has to be looked up anew; the message of the same bytes that came from B is B's."""
    options = quiet(mapping=renaming(A="C", B="C"))
    where = location("sqlite", quick_path, "to")
    with open_store(where, create=True) as new:
        convert(old, new, options)
        first = new.folder("C").rows()
        new.folder("C").expunge([next(iter(first)).uid], only_deleted=False)
    journal = next(quick_path.glob(".*.mstore-journal"))
    lines = journal.read_text().splitlines(keepends=True)
    at = next(n for n, line in enumerate(lines) if line.startswith("done"))
    journal.write_text("".join(lines[:at] + lines[at + 1 :]))
    with open_store(where) as new:
        assert convert(old, new, options).copied == 1
        assert sorted(bodies(new.folder("C"))) == [b"Subject: other\n\n", b"Subject: same\n\n", b"Subject: same\n\n"]


def test_no_folder_gets_into_another_unasked(old: Store) -> None:
    options = quiet(mapping=FolderMapping(moves=((A, B),)))
    with open_store("memory:") as new:
        assert [str(one) for one in plan(old, new, options).collisions] == ["B: from A and B"]
        with pytest.raises(UsageError, match="nothing was done: B: from A and B"):
            convert(old, new, options)
        with pytest.raises(UsageError, match="B: from A and B"):
            verify_stores(old, new, options)
        assert [info.path.is_inbox for info in new.folders()] == [True]


@pytest.mark.parametrize("kind", ON_DISK)
def test_merged_folders_go_on_with_what_is_new_in_each(old: Store, kind: str, quick_path: Path) -> None:
    """They alternate in the destination then; every message is there once, and the comparison finds them."""
    options = quiet(mapping=renaming(A="C", B="C"))
    with open_store(location(kind, quick_path, "to"), create=True) as new:
        for number in range(3):
            old.folder("A").append(b"Subject: again\n\n", flags=["\\Seen"] if number % 2 else [])
            old.folder("B").append(b"Subject: again\n\n", flags=[] if number % 2 else ["\\Seen"])
            report = convert(old, new, options)
            assert (report.copied, report.ok) == (2 if number else 5, True)
            assert {folder.uids_kept for folder in report.folders if folder.copied} == {False}
            assert verify_stores(old, new, options).differences == []
        assert len(bodies(new.folder("C"))) == 9
        new.folder("C").add_flags([next(iter(new.folder("C").rows())).uid], ["\\Flagged"])
        assert "flags" in {difference.what for difference in verify_stores(old, new, options).differences}


def test_uids_are_kept_under_another_name(old: Store, quick_path: Path) -> None:
    options = quiet(mapping=FolderMapping(moves=((A, B),), collisions="rename"))
    with open_store(location("maildir", quick_path, "to"), create=True) as new:
        report = convert(old, new, options)
        assert [(str(folder.target), folder.uids_kept) for folder in report.folders] == [
            ("INBOX", None),
            ("B (A)", True),
            ("B", True),
        ]
        comparison = verify_stores(old, new, options)
        assert (comparison.same, comparison.uids) == (True, "same")


def test_special_uses_and_subscriptions_go_along(quick_path: Path) -> None:
    with (
        make("sqlite", quick_path, "from") as old,
        make("sqlite", quick_path, "to") as new,
    ):
        for name in ("Gesendete Objekte", "Papierkorb/alt", "Papierkorb", "Postausgang"):
            old.folder(name, create=True).append(name.encode() + b"\n")
            old.subscribe(name)
        old.subscribe("Papierkorb/weg")
        old.set_special_use("Postausgang", "\\Drafts")
        new.folder("Sent Items", create=True)
        options = quiet(mapping=FolderMapping(automap=True, prefix=None))
        assert convert(old, new, options).ok
        found = {str(info.path): (info.special_use, info.subscribed) for info in new.folders()}
        assert found == {
            "INBOX": (None, False),
            "Drafts": ("\\Drafts", True),
            "Sent Items": ("\\Sent", True),
            "Trash": ("\\Trash", True),
            "Trash/alt": (None, True),
            "Trash/weg": (None, True),
        }
        assert verify_stores(old, new, options).differences == []
        assert convert(old, new, options).copied == 0


def test_everything_below_a_folder(old: Store) -> None:
    old.inbox.append(b"Subject: inbox\n\n")
    options = quiet(mapping=FolderMapping(prefix=FolderPath(("joe",))))
    with open_store("memory:") as new:
        assert convert(old, new, options).ok
        assert verify_stores(old, new, options).same
        assert bodies(new.folder("joe/INBOX")) == [b"Subject: inbox\n\n"]
        assert bodies(new.inbox) == []
        new.inbox.append(b"Subject: other\n\n")
        assert [(d.folder, d.what) for d in verify_stores(old, new, options).differences] == [
            ("INBOX", "only-in-second")
        ]


def test_an_empty_inbox_is_no_obstacle(old: Store) -> None:
    options = quiet(mapping=FolderMapping(moves=((A, FolderPath(("INBOX",))),)))
    with open_store("memory:") as new:
        assert convert(old, new, options).copied == 3
        assert bodies(new.inbox) == [b"Subject: same\n\n"]
        assert verify_stores(old, new, options).same
        old.inbox.append(b"Subject: late\n\n")
        with pytest.raises(UsageError, match="INBOX: from INBOX and A"):
            convert(old, new, options)


def test_what_is_left_out_is_not_missed_under_its_new_name(old: Store) -> None:
    options = quiet(mapping=renaming(A="X"))
    with open_store("memory:") as new:
        convert(old, new, options)
        chosen = quiet(mapping=renaming(A="X"), exclude=("A",))
        new.folder("X").append(b"Subject: more\n\n")
        assert verify_stores(old, new, chosen).same
        assert not verify_stores(old, new, options).same


def test_a_pass_over_chosen_folders(old: Store) -> None:
    with open_store("memory:") as new, Conversion(old, new, quiet()) as conversion:
        report = conversion.carry([B, C])
        assert [(folder.folder, folder.copied) for folder in report.folders] == [(B, 2)]
        old.folder("B").append(b"Subject: new\n\n")
        assert (conversion.carry([A]).copied, conversion.carry([B]).copied, conversion.carry().copied) == (1, 1, 0)


@pytest.mark.parametrize("kind", ["mbox", "maildir", "sqlite"])
def test_rules_that_change_from_run_to_run(old: Store, kind: str, quick_path: Path) -> None:
    """Folders go where the rules of the day say: renamed, or message by message, and nothing is left behind."""
    for _ in range(2):
        old.folder("B").append(b"Subject: same\n\n")
    days = (
        {"A": "A"},
        {"A": "D"},
        {"A": "B"},
        {"A": "D"},
        {"A": "D", "B": "D"},
        {"A": "B"},
        {"A": "A"},
        {"A": "E", "B": "A"},
    )
    with open_store(location(kind, quick_path, "to"), create=True) as new:
        for names in days:
            options = quiet(mapping=renaming(**names))
            report = convert(old, new, options)
            assert (report.ok, report.found, report.kept, report.failed) == (True, 5, 0, 0), names
            there = {str(info.path): len(bodies(new.folder(info.path))) for info in new.folders() if info.selectable}
            wanted = {names.get("A", "A"): 1}
            wanted[names.get("B", "B")] = wanted.get(names.get("B", "B"), 0) + 4
            assert {name: count for name, count in there.items() if count} == wanted, names
