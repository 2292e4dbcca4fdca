"""Which folders are taken, and what the caller hears on the way."""

from __future__ import annotations

from pathlib import Path

import pytest
from convert.kit import quiet

from mailstore import FolderPath, Location, Store, open_store
from mailstore.convert import Options, Progress, convert, plan


@pytest.fixture
def old() -> Store:
    store = open_store("memory:")
    store.inbox.append(b"Subject: 1\n\n")
    for name in ("Work", "Work/2026", "Work/2027", "Trash", "trash"):
        store.create(name).append(b"Subject: x\n\n")
    store.subscribe("Work/2026")
    store.subscribe("Trash")
    return store


CASES = [
    ({}, ["INBOX", "Trash", "Work", "Work/2026", "Work/2027", "trash"]),
    ({"folders": (FolderPath(("Work",)),)}, ["Work"]),
    ({"folders": (FolderPath(("inbox",)), FolderPath(("Work", "2026")))}, ["INBOX", "Work/2026"]),
    ({"include": ("Work*",)}, ["Work", "Work/2026", "Work/2027"]),
    ({"include": ("Work/*", "INBOX")}, ["INBOX", "Work/2026", "Work/2027"]),
    ({"exclude": ("Trash", "Work/202[67]")}, ["INBOX", "Work", "trash"]),
    ({"include": ("Work*",), "exclude": ("*2026",)}, ["Work", "Work/2027"]),
    ({"folders": (FolderPath(("Work",)),), "exclude": ("Work",)}, []),
]


@pytest.mark.parametrize(("options", "expected"), CASES)
def test_folders_are_selected(old: Store, options: dict[str, object], expected: list[str]) -> None:
    new = open_store("memory:")
    wanted = quiet(**options)
    assert [str(folder.folder) for folder in plan(old, new, wanted).folders] == expected
    report = convert(old, new, wanted)
    assert [str(folder.folder) for folder in report.folders] == expected
    assert [str(info.path) for info in new.folders() if info.selectable and len(new.folder(info.path))] == expected


def test_subscriptions_of_other_folders_stay_behind(old: Store) -> None:
    new = open_store("memory:")
    convert(old, new, quiet(exclude=("Trash",)))
    assert [str(info.path) for info in new.folders() if info.subscribed] == ["Work/2026"]


def test_progress_only_grows(old: Store) -> None:
    heard: list[Progress] = []
    convert(old, open_store("memory:"), quiet(), heard.append)
    copied = [one for one in heard if one.phase == "copy"]
    compared = [one for one in heard if one.phase == "verify"]
    for phase in (copied, compared):
        assert [one.messages for one in phase] == [1, 2, 3, 4, 5, 6]
        assert [one.size for one in phase] == [12, 24, 36, 48, 60, 72]
    assert str(copied[0].folder) == "INBOX"


def test_a_plan_makes_nothing(old: Store, tmp_path: Path) -> None:
    found = plan(old, Location("sqlite", str(tmp_path / "new.db")))
    assert (found.messages, found.size, found.losses) == (6, 72, ())
    assert list(tmp_path.iterdir()) == []
    assert found.to_dict()["destination"] == f"sqlite:{tmp_path}/new.db"


def test_a_plan_of_a_store_that_is_there_leaves_it_as_it_is(old: Store, tmp_path: Path) -> None:
    where = Location("sqlite", str(tmp_path / "new.db"))
    with open_store(str(where), create=True) as new:
        convert(old, new, quiet())
    before = {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in tmp_path.iterdir()}
    assert plan(old, where).already == 6
    assert {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in tmp_path.iterdir()} == before


def test_a_report_is_plain_values(old: Store) -> None:
    report = convert(old, open_store("memory:"), quiet(folders=(FolderPath(("Work",)),))).to_dict()
    seconds = report.pop("seconds")
    assert isinstance(seconds, float)
    counts = dict.fromkeys(("moved", "skipped", "failed", "filtered", "updated", "deleted", "kept"), 0)
    counts |= {"found": 1, "copied": 1}
    assert report == {
        "source": "memory:",
        "destination": "memory:",
        "folders": [
            {
                "folder": "Work",
                "target": "Work",
                "renamed_from": None,
                "removed": False,
                "messages": counts,
                "bytes": 12,
                "uids": "kept",
            }
        ],
        "messages": counts,
        "bytes": 12,
        "losses": [],
        "problems": [],
        "verified": True,
        "notes": [],
        "left_out": [],
        "journal": "",
    }


def test_one_process_is_one_process() -> None:
    assert Options(processes=1).workers == 1
    assert Options(processes=3).workers == 3
    assert 1 <= Options().workers <= 4
