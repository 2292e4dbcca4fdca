"""Folders that the destination calls otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest
from convert.kit import ON_DISK, location, make, quiet

from mailstore import FolderPath, Store, UsageError, open_store
from mailstore.convert import Conversion, Targets, convert, plan
from mailstore.testing.observe import bodies

A, B, C = (FolderPath((name,)) for name in "ABC")


def renaming(**names: str) -> Targets:
    """Return what calls folders otherwise."""
    paths = {FolderPath((old,)): FolderPath.parse(new) for old, new in names.items()}
    return lambda infos: {info.path: paths[info.path] for info in infos if info.path in paths}


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
    options = quiet(targets=renaming(A="Old/A", B="A"))
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
    options = quiet(targets=renaming(A="C", B="C"))
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
    options = quiet(targets=renaming(A="C", B="C"))
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
    with open_store("memory:") as new:
        with pytest.raises(UsageError, match="A would get into B"):
            convert(old, new, quiet(targets=renaming(A="B")))
        assert [info.path.is_inbox for info in new.folders()] == [True]


def test_a_pass_over_chosen_folders(old: Store) -> None:
    with open_store("memory:") as new, Conversion(old, new, quiet()) as conversion:
        report = conversion.carry([B, C])
        assert [(folder.folder, folder.copied) for folder in report.folders] == [(B, 2)]
        old.folder("B").append(b"Subject: new\n\n")
        assert (conversion.carry([A]).copied, conversion.carry([B]).copied, conversion.carry().copied) == (1, 1, 0)
