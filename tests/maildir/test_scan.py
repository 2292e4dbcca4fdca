import os
from pathlib import Path

import pytest
from support.maildirs import make, put

from mailstore.drivers.maildir import scan as module
from mailstore.drivers.maildir.scan import scan


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make(tmp_path / "box")


def test_new_and_cur(folder: Path) -> None:
    put(folder, "new/1.a.h")
    put(folder, "cur/2.b.h:2,S")
    put(folder, "cur/3.c.h")
    put(folder, "cur/4.d.h;2,F")
    put(folder, "cur/.hidden")
    found = scan(str(folder))
    assert found.names == {
        "1.a.h": "new/1.a.h",
        "2.b.h": "cur/2.b.h:2,S",
        "3.c.h": "cur/3.c.h",
        "4.d.h": "cur/4.d.h;2,F",
    }
    assert (found.twins, found.doubles, found.strange) == ({}, [], [])


def test_young_directories_are_not_trusted(folder: Path) -> None:
    put(folder, "cur/2.b.h:2,S")
    assert scan(str(folder)).stamp is None
    for part in ("new", "cur"):
        os.utime(folder / part, (10**9, 10**9))
    assert scan(str(folder)).stamp == (10**18, 10**18)


@pytest.mark.parametrize("seen", [[], ["2.b.h:2,S"], ["2.b.h:2,S", "2.b.h:2,FS"], ["2.b.h:2,FS"]])
def test_a_file_renamed_while_the_directory_is_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch, seen: list[str]
) -> None:
    put(folder, "cur/2.b.h:2,S")
    put(folder, "cur/9.z.h:2,")
    real, passes = os.listdir, []

    def listdir(path: str) -> list[str]:
        if path.endswith("cur") and not passes:
            passes.append(path)
            os.rename(folder / "cur/2.b.h:2,S", folder / "cur/2.b.h:2,FS")
            return [*seen, "9.z.h:2,"]
        return real(path)

    monkeypatch.setattr(module.os, "listdir", listdir)
    found = scan(str(folder))
    assert found.names == {"2.b.h": "cur/2.b.h:2,FS", "9.z.h": "cur/9.z.h:2,"}
    assert (found.twins, found.doubles) == ({}, [])


def test_a_file_that_moves_to_cur_between_both_listings(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(folder, "new/1.a.h")
    real, moved = os.listdir, []

    def listdir(path: str) -> list[str]:
        listed = real(path)
        if path.endswith("new") and not moved:
            moved.append(path)
            os.rename(folder / "new/1.a.h", folder / "cur/1.a.h:2,S")
        return listed

    monkeypatch.setattr(module.os, "listdir", listdir)
    found = scan(str(folder))
    assert found.names == {"1.a.h": "cur/1.a.h:2,S"}
    assert (found.twins, found.doubles) == ({}, [])


def test_a_directory_that_never_rests(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(folder, "cur/1.a.h:2,")
    real, serial = os.listdir, iter(range(10**6))
    put(folder, "cur/0.x.h:2,")

    def listdir(path: str) -> list[str]:
        listed = real(path)
        if path.endswith("cur"):
            number = next(serial)
            os.rename(folder / f"cur/{number}.x.h:2,", folder / f"cur/{number + 1}.x.h:2,")
            listed = [name for name in listed if number % 2 or "a.h" not in name]
        return listed

    monkeypatch.setattr(module.os, "listdir", listdir)
    found = scan(str(folder))
    assert found.names["1.a.h"] == "cur/1.a.h:2,"
    assert all((folder / name).exists() for name in found.names.values())
    assert found.stamp is None


def test_the_same_file_under_two_names_is_one_message(folder: Path) -> None:
    put(folder, "new/1.a.h")
    os.link(folder / "new/1.a.h", folder / "cur/1.a.h:2,S")
    found = scan(str(folder))
    assert found.names == {"1.a.h": "cur/1.a.h:2,S"}
    assert found.twins == {"1.a.h": ["new/1.a.h"]}
    assert found.doubles == []


def test_two_files_of_one_base_are_two_messages(folder: Path) -> None:
    put(folder, "cur/1.a.h:2,S", b"one")
    put(folder, "cur/1.a.h:2,FS", b"two")
    found = scan(str(folder))
    assert len(found.names) == len(found.doubles) == 1
    assert {*found.names.values(), *found.doubles} == {"cur/1.a.h:2,S", "cur/1.a.h:2,FS"}


def test_directories_are_set_apart(folder: Path) -> None:
    put(folder, "cur/1.a.h:2,S")
    (folder / "cur/2.b.h:2,S").mkdir()
    (folder / "new/sub").mkdir()
    (folder / "new/.nfs").mkdir()
    found = scan(str(folder))
    assert found.names == {"1.a.h": "cur/1.a.h:2,S"}
    assert sorted(found.strange) == ["cur/2.b.h:2,S", "new/sub"]


def test_missing_directories_are_empty(tmp_path: Path) -> None:
    (tmp_path / "cur").mkdir()
    put(tmp_path, "cur/1.a.h")
    assert scan(str(tmp_path)).names == {"1.a.h": "cur/1.a.h"}
