"""Conversions of the messages that a search chooses, and no more than a limit."""

from __future__ import annotations

from pathlib import Path

import pytest
from convert.kit import ON_DISK, fill, location, make, quiet
from convert.shortcuts import fresh

from mailstore import FolderPath, Store, open_store
from mailstore.convert import Conversion, FolderMapping, Options, Report, convert, plan, verify_stores
from mailstore.search import Search, parse_search
from mailstore.testing.observe import bodies

DAY = 86400


def chosen(text: str, **options: object) -> Options:
    return quiet(search=parse_search(text, 100 * DAY), **options)


def put(store: Store, folder: str, *numbers: int, **settings: object) -> None:
    for number in numbers:
        body = f"Subject: number {number}\n\n{'x' * number}\n".encode()
        store.folder(folder, create=True).append(body, internal_date=number * DAY, **settings)  # type: ignore[arg-type]


def numbers(store: Store, folder: str) -> list[int]:
    return [int(body.split()[2]) for body in bodies(store.folder(folder))]


def counts(report: Report) -> dict[str, tuple[int, int, int]]:
    return {str(one.folder): (one.copied, one.skipped, one.filtered) for one in report.folders if one.found}


@pytest.fixture
def old(quick_path: Path) -> Store:
    store = make("sqlite", quick_path, "from")
    put(store, "INBOX", 10, 20, 30, flags=["\\Seen"])
    put(store, "INBOX", 40, 50)
    put(store, "A", 15, 25, 35)
    return store


@pytest.mark.parametrize("kind", ON_DISK)
def test_only_what_is_chosen_is_copied(old: Store, kind: str, quick_path: Path) -> None:
    options = chosen("older:70d or larger:61")
    assert [(one.messages, one.filtered) for one in plan(old, open_store("memory:"), options).folders] == [
        (5, 1),
        (3, 1),
    ]
    with open_store(location(kind, quick_path, "to"), create=True) as new:
        report = convert(old, new, options)
        assert counts(report) == {"INBOX": (4, 0, 1), "A": (2, 0, 1)}
        assert (report.found, report.filtered, report.ok, report.verified) == (8, 2, True, True)
        assert (numbers(new, "INBOX"), numbers(new, "A")) == ([10, 20, 30, 50], [15, 25])
        assert verify_stores(old, new, options).same
        assert not verify_stores(old, new).same
        put(old, "INBOX", 12, 90)
        planned = plan(old, new, options)
        assert [(one.already, one.filtered, one.messages) for one in planned.folders] == [(4, 1, 7), (2, 1, 3)]
        assert counts(convert(old, new, options)) == {"INBOX": (2, 4, 1), "A": (0, 2, 1)}
        assert numbers(new, "INBOX") == [10, 20, 30, 50, 12, 90]


@pytest.mark.parametrize("kind", ON_DISK)
def test_what_was_left_out_comes_with_another_search(old: Store, kind: str, quick_path: Path) -> None:
    """Though nothing changed in the source since: its history must not be taken for seen."""
    with open_store(location(kind, quick_path, "to"), create=True) as new:
        for text, there in (
            ("smaller:35", [10]),
            ("not seen", [10, 40, 50]),
            ("not seen", [10, 40, 50]),
            ("subject:20", [10, 40, 50, 20]),
            ("all", [10, 40, 50, 20, 30]),
            ("uid:1", [10, 40, 50, 20, 30]),
        ):
            convert(old, new, chosen(text, folders=(FolderPath(("INBOX",)),)))
            assert numbers(new, "INBOX") == there


def test_what_is_there_is_followed_whether_it_would_be_chosen_or_not(old: Store, quick_path: Path) -> None:
    with make("sqlite", quick_path, "to") as new:
        options = chosen("not seen")
        convert(old, new, options)
        assert (numbers(new, "INBOX"), numbers(new, "A")) == ([40, 50], [15, 25, 35])
        old.folder("INBOX").add_flags([4], ["\\Seen"])
        old.folder("A").add_flags([1], ["\\Seen", "\\Flagged"])
        old.folder("A").move([2], old.folder("B", create=True))
        report = convert(old, new, options)
        assert (report.copied, report.updated, report.kept, report.filtered) == (0, 2, 0, 3)
        assert "\\Seen" in next(iter(new.folder("INBOX").messages())).flags
        assert (numbers(new, "A"), numbers(new, "B")) == ([15, 35], [25])
        old.folder("A").expunge([1], only_deleted=False)
        assert convert(old, new, chosen("not seen", force_delete=True)).deleted == 1
        assert (numbers(new, "INBOX"), numbers(new, "A")) == ([40, 50], [35])


@pytest.mark.parametrize(("source", "kind"), [("maildir", "sqlite"), ("mbox", "maildir++"), ("sqlite", "mbox")])
def test_everything_chosen_is_everything(source: str, kind: str, quick_path: Path) -> None:
    with make(source, quick_path, "from") as old, make(kind, quick_path, "to") as new:
        fill(old)
        report = convert(old, new, chosen("all", allow_loss=frozenset({"special-use"})))
        assert (report.ok, report.filtered) == (True, 0)
        assert verify_stores(old, new).differences == []


@pytest.mark.parametrize("limit", [1, 3, 4, 100])
@pytest.mark.parametrize("kind", ON_DISK)
def test_a_limit_takes_some_at_a_time_and_keeps_uids(old: Store, kind: str, limit: int, quick_path: Path) -> None:
    options = quiet(limit=limit)
    with open_store(location(kind, quick_path, "to"), create=True) as new:
        left = 8
        while left:
            assert plan(old, new, options).filtered == max(0, left - limit)
            report = convert(old, new, options)
            assert (report.copied, report.filtered, report.ok) == (min(limit, left), max(0, left - limit), True)
            assert report.found == 8
            left -= report.copied
        assert convert(old, new, options).copied == 0
        comparison = verify_stores(old, new)
        assert (comparison.differences, comparison.uids) == ([], "same")
        assert [new.folder(name).state().uidnext for name in ("INBOX", "A")] == [6, 4]


def test_a_limit_counts_what_is_chosen(old: Store, quick_path: Path) -> None:
    with make("sqlite", quick_path, "to") as new:
        options = chosen("not seen", limit=3)
        assert counts(convert(old, new, options)) == {"INBOX": (2, 0, 3), "A": (1, 0, 2)}
        assert counts(convert(old, new, options)) == {"INBOX": (0, 2, 3), "A": (2, 1, 0)}


def test_merged_folders_share_a_limit(old: Store, quick_path: Path) -> None:
    mapping = FolderMapping(moves=((FolderPath(("A",)), FolderPath(("INBOX",))),), collisions="merge")
    with make("sqlite", quick_path, "to") as new:
        for there in ([10, 20, 30], [10, 20, 30, 40, 50, 15], [10, 20, 30, 40, 50, 15, 25, 35]):
            convert(old, new, quiet(limit=3, mapping=mapping))
            assert numbers(new, "INBOX") == there
        assert verify_stores(old, new, quiet(mapping=mapping)).same


def test_each_pass_has_its_limit(old: Store) -> None:
    with open_store("memory:") as new, Conversion(old, new, quiet(limit=5)) as conversion:
        assert (conversion.carry().copied, conversion.carry().copied) == (5, 3)


@pytest.mark.parametrize("search", [None, parse_search("from:nobody")])
def test_what_cannot_be_read_is_not_chosen_away(search: Search | None, quick_path: Path) -> None:
    with make("maildir++", quick_path, "from") as old:
        put(old, "INBOX", 1, 2)
    path = next(path for path in quick_path.rglob("*") if path.is_file() and path.parent.name in ("new", "cur"))
    path.unlink()
    path.mkdir()
    with open_store(location("maildir++", quick_path, "from"), readonly=True) as old, open_store("memory:") as new:
        report = convert(old, new, quiet(search=search))
        assert (report.failed, report.found) == (1, 2)
        assert report.problems[0].reason.endswith("a directory, not a message")


@pytest.mark.parametrize("processes", [1, 2])
def test_shortcuts_leave_out_the_same(processes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailstore.convert.fresh.WORTH_FORKING", 100)
    monkeypatch.setattr("mailstore.convert.reading.WORTH_FORKING", 100)
    with fresh()[0] as old, fresh()[0] as new:
        put(old, "INBOX", *range(1, 91))
        options = Options(processes=processes, search=parse_search("larger:50 or subject:7"))
        report = convert(old, new, options)
        wanted = [n for n in range(1, 91) if "7" in str(n) or len(f"Subject: number {n}\n\n{'x' * n}\n") > 50]
        assert numbers(new, "INBOX") == wanted
        assert (report.copied, report.filtered) == (len(wanted), 90 - len(wanted))
        assert verify_stores(old, new, options).same
