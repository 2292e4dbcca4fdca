"""Conversions that are split by date or folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from convert.kit import make, quiet

from mailstore import FolderPath, Store, UsageError, open_store
from mailstore.convert import FolderMapping, convert, open_destination, split, verify_stores
from mailstore.model.names import INBOX
from mailstore.search import parse_search
from mailstore.testing.observe import bodies

JAN_2019, FEB_2019, JAN_2020 = 1_546_300_800, 1_551_398_399, 1_577_836_800
OPTIONS = {"allow_loss": frozenset({"folders", "subscriptions", "special-use"})}


@pytest.fixture
def old(quick_path: Path) -> Store:
    store = make("sqlite", quick_path, "from")
    for folder, date in (("INBOX", JAN_2019), ("INBOX", JAN_2020), ("A.b", FEB_2019), ("A.b/c?d=e", JAN_2020 - 1)):
        store.folder(folder, create=True).append(f"Subject: {folder} {date}\n\n".encode(), internal_date=date)
    return store


def run(old: Store, template: str, *by: str, **options: object) -> dict[str, list[bytes]]:
    """Convert all parts, and return what each has in its INBOX by the file's name."""
    found = {}
    for part in split(old, template, quiet(**OPTIONS | options), by):
        with open_destination(part.location) as new:
            assert convert(old, new, part.options).ok
        with open_store(part.location, readonly=True) as new:
            assert verify_stores(old, new, part.options).differences == []
            found[part.location.rpartition("/")[2]] = bodies(new.inbox)
    return found


MERGED = FolderMapping(moves=((FolderPath(("A.b",)), INBOX),), collisions="merge")


@pytest.mark.parametrize("suffix", ["", ".zst"])
def test_by_year_and_month(old: Store, suffix: str, quick_path: Path) -> None:
    chosen = {"folders": (INBOX, FolderPath(("A.b",))), "mapping": MERGED}
    years = {
        f"2019.mbox{suffix}": [b"Subject: INBOX 1546300800\n\n", b"Subject: A.b 1551398399\n\n"],
        f"2020.mbox{suffix}": [b"Subject: INBOX 1577836800\n\n"],
    }
    template = f"mbox:{quick_path}/{{year}}.mbox{suffix}"
    assert run(old, template, "year", **chosen) == run(old, template, "year", **chosen) == years
    months = run(old, f"mbox:{quick_path}/{{month}}.mbox{suffix}", "month", **chosen)
    assert list(months) == [f"2019-01.mbox{suffix}", f"2019-02.mbox{suffix}", f"2020-01.mbox{suffix}"]
    late = {"search": parse_search("since:2020"), **chosen}
    assert list(run(old, f"mbox:{quick_path}/late-{{year}}.mbox", "year", **late)) == ["late-2020.mbox"]


def test_by_folder(old: Store, quick_path: Path) -> None:
    found = run(old, f"mbox:{quick_path}/{{folder}}.mbox.gz", "folder")
    assert found == {
        "INBOX.mbox.gz": [b"Subject: INBOX 1546300800\n\n", b"Subject: INBOX 1577836800\n\n"],
        "A^2eb.mbox.gz": [b"Subject: A.b 1551398399\n\n"],
        "A^2eb.c^3fd=e.mbox.gz": [b"Subject: A.b/c?d=e 1577836799\n\n"],
    }
    assert {path.name for path in quick_path.iterdir() if not path.name.startswith(("from-", "."))} == set(found)


def test_folders_are_called_as_the_mapping_calls_them_and_keep_their_uids(old: Store, quick_path: Path) -> None:
    mapping = FolderMapping(separator=".", prefix=FolderPath(("joe",)))
    parts = split(old, f"mbox:{quick_path}/{{folder}}.mbox", quiet(mapping=mapping, **OPTIONS), ["folder"])
    assert [part.location.rpartition("/")[2] for part in parts] == [
        "joe.INBOX.mbox",
        "joe.A.b.mbox",
        "joe.A.b.c^3fd=e.mbox",
    ]
    with open_destination(parts[1].location) as new:
        assert convert(old, new, parts[1].options).folders[0].uids_kept


def test_by_folder_and_year_into_trees(old: Store, quick_path: Path) -> None:
    parts = split(old, f"maildir:{quick_path}/{{year}}-{{folder}}", quiet(), ["folder", "year"])
    copied = 0
    for part in parts:
        with open_destination(part.location, folders=True) as new:
            copied += convert(old, new, part.options).copied
    assert (len(parts), copied) == (6, 4)


def test_dates_that_no_calendar_has_are_in_one_part(quick_path: Path) -> None:
    with make("sqlite", quick_path, "from") as old:
        dates = (-(10**14), -62_135_596_801, 0, 253_370_764_800, 10**14)
        for date in dates:
            old.inbox.append(f"Subject: {date}\n\n".encode(), internal_date=date)
        found = run(old, f"sqlite:{quick_path}/{{month}}.db", "month")
        assert {name: len(inside) for name, inside in found.items()} == {"0001.db": 2, "1970-01.db": 1, "9998.db": 2}


@pytest.mark.parametrize(
    ("template", "by"),
    [
        ("mbox:/x/a.mbox", ["year"]),
        ("mbox:/x/{year}.mbox", []),
        ("mbox:/x/{year}.mbox", ["month"]),
        ("mbox:/x/{year}{month}.mbox", ["year", "month"]),
        ("mbox:/x/{folder}.mbox", ["year"]),
    ],
)
def test_a_template_that_does_not_fit_is_refused(old: Store, template: str, by: list[str]) -> None:
    with pytest.raises(UsageError):
        split(old, template, quiet(), by)


def test_folders_that_would_come_together_are_refused(old: Store) -> None:
    mapping = FolderMapping(moves=((FolderPath(("A.b",)), INBOX),))
    with pytest.raises(UsageError, match="would come together"):
        split(old, "mbox:/x/{folder}.mbox", quiet(mapping=mapping), ["folder"])


def test_a_name_that_would_lead_elsewhere_does_not(quick_path: Path) -> None:
    with make("memory", quick_path, "from") as old:
        for name in (("..",), ("a/b",), ("..", "..", "x"), ("{year}",), ("n" * 500,), ("~root",)):
            old.create(FolderPath(name))
        parts = split(old, f"mbox:{quick_path}/{{folder}}", quiet(), ["folder"])
        files = [part.location.removeprefix(f"mbox:{quick_path}/") for part in parts]
        assert files[0] == "INBOX"
        assert len(set(files)) == 7
        assert all("/" not in file and len(file) <= 150 and not file.startswith((".", "~")) for file in files)
