"""The model of a disk loses what no sync covered, and nothing else; else the power cuts would prove nothing."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from mailstore.system import fs
from mailstore.testing.disk import Disk
from mailstore.testing.faults import END, Plan, in_child
from mailstore.testing.observe import tree

Tree = dict[str, bytes]
OLD, NEW = b"old" * 1000, b"new" * 1000


@pytest.fixture
def top(tmp_path: Path) -> Path:
    top = tmp_path / "top"
    top.mkdir()
    return top


def contents(top: Path) -> Tree:
    return {name: data for name, (_, _, data) in tree(top).items() if (top / name).is_file()}


def outcomes(
    top: Path, work: Callable[[], object], prepare: Callable[[], object] = lambda: None
) -> list[tuple[str, Tree]]:
    """Return the kind of each outcome of a cut at the end of the work, and the files that it leaves."""
    found: list[tuple[str, Tree]] = []
    while True:

        def run(number: int = len(found)) -> list[str]:
            for entry in top.iterdir():
                entry.unlink() if entry.is_file() else fs.remove_tree(str(entry))
            prepare()
            disk, plan = Disk(str(top)), Plan(END, "kill")
            plan.follow = disk.follow
            with plan.at_work():
                work()
                kinds = [kind for kind, _ in disk.prints()]
                if number == len(kinds):
                    return kinds
                plan.dying = lambda: disk.cut(number)
                plan.end()
            raise AssertionError("not killed")

        kinds = in_child(run)
        fs.remove_tree(f"{top}.kept")
        if kinds is not None:
            return [(kind, left) for kind, (_, left) in zip(kinds, found, strict=True)]
        found.append(("", contents(top)))


def possible(top: Path, work: Callable[[], object], prepare: Callable[[], object] = lambda: None) -> list[Tree]:
    """Return the different outcomes, in order."""
    found: list[Tree] = []
    for _, left in outcomes(top, work, prepare):
        if left not in found:
            found.append(left)
    return found


def test_synced_file_and_name_stay(top: Path) -> None:
    assert possible(top, lambda: fs.replace_file(str(top / "x"), NEW)) == [{"x": NEW}]


def test_name_without_its_sync(top: Path) -> None:
    assert possible(top, lambda: fs.create_file(str(top / "x"), NEW, 0, sync=True)) == [{}, {"x": NEW}]


def test_contents_without_their_sync(top: Path) -> None:
    def work() -> None:
        fs.create_file(str(top / "x"), NEW, 0)
        fs.sync_directory(str(top))

    assert possible(top, work) == [{"x": b""}, {"x": b"\0" * 3000}, {"x": NEW[:2560]}, {"x": NEW}]


def test_writes_come_in_any_order(top: Path) -> None:
    def work() -> None:
        fd = fs.open_update(str(top / "x"))
        fs.pwrite_all(fd, b"A", 0)
        fs.pwrite_all(fd, b"B", 1)
        fs.pwrite_all(fd, b"C", 3)
        fs.close(fd)

    found = possible(top, work, lambda: (top / "x").write_bytes(b"ab"))
    assert [left["x"] for left in found] == [b"ab", b"ab\0\0", b"Ab", b"AB", b"ab\0C", b"AB\0C"]


def test_truncation_may_be_lost(top: Path) -> None:
    def work() -> None:
        fd = fs.open_update(str(top / "x"))
        fs.truncate(fd, 2)
        fs.close(fd)

    found = possible(top, work, lambda: (top / "x").write_bytes(b"abc"))
    assert [left["x"] for left in found] == [b"abc", b"ab"]


def test_unlinked_name_may_come_back(top: Path) -> None:
    found = possible(top, lambda: fs.unlink(str(top / "x")), lambda: (top / "x").write_bytes(OLD))
    assert found == [{"x": OLD}, {}]


def test_unlinked_and_synced_is_gone(top: Path) -> None:
    def work() -> None:
        fs.unlink(str(top / "x"))
        fs.sync_directory(str(top))

    assert possible(top, work, lambda: (top / "x").write_bytes(OLD)) == [{}]


def test_a_name_that_came_and_went_never_was(top: Path) -> None:
    def work() -> None:
        fs.create_file(str(top / "x"), NEW, 0, sync=True)
        fs.unlink(str(top / "x"))

    assert possible(top, work) == [{}]


def two_directories(top: Path) -> None:
    for name in ("a", "b"):
        (top / name).mkdir()
    (top / "a" / "x").write_bytes(OLD)


def test_a_rename_is_never_half_lost(top: Path) -> None:
    """In both places at worst."""
    found = possible(top, lambda: fs.rename(f"{top}/a/x", f"{top}/b/y"), lambda: two_directories(top))
    assert found == [{"a/x": OLD}, {"b/y": OLD}, {"a/x": OLD, "b/y": OLD}]


def test_link_and_unlink_are(top: Path) -> None:
    """Two changes that no sync parts may come in any order: the file may be nowhere."""

    def work() -> None:
        fs.link(f"{top}/a/x", f"{top}/b/y")
        fs.unlink(f"{top}/a/x")

    found = possible(top, work, lambda: two_directories(top))
    assert {} in found
    assert len(found) == 4


@pytest.mark.parametrize(("synced", "left"), [("a", [{"b/y": OLD}]), ("b", [{"a/x": OLD, "b/y": OLD}, {"b/y": OLD}])])
def test_rename_with_one_directory_synced(top: Path, synced: str, left: list[Tree]) -> None:
    def work() -> None:
        fs.rename(f"{top}/a/x", f"{top}/b/y")
        fs.sync_directory(f"{top}/{synced}")

    assert possible(top, work, lambda: two_directories(top)) == left


def test_rename_over_another_file(top: Path) -> None:
    def prepare() -> None:
        (top / "x").write_bytes(OLD)
        (top / "y").write_bytes(NEW)

    found = possible(top, lambda: fs.rename(f"{top}/y", f"{top}/x"), prepare)
    assert found == [{"x": OLD, "y": NEW}, {"x": NEW}, {"x": NEW, "y": NEW}]


def test_a_directory_is_in_one_place(top: Path) -> None:
    found = possible(top, lambda: fs.rename(f"{top}/a", f"{top}/b/c"), lambda: two_directories(top))
    assert found == [{"a/x": OLD}, {"b/c/x": OLD}]


def test_a_new_directory_without_its_names(top: Path) -> None:
    def work() -> None:
        fs.mkdir(f"{top}/d")
        fs.create_file(f"{top}/d/x", NEW, 0, sync=True)
        fs.sync_directory(str(top))

    found = outcomes(top, work)
    assert {str(left) for _, left in found} == {str({}), str({"d/x": NEW})}


def test_a_removed_directory_may_come_back(top: Path) -> None:
    found = possible(top, lambda: fs.remove_tree(f"{top}/a"), lambda: two_directories(top))
    assert {"a/x": OLD} in found
    assert {} in found


def test_one_sync_for_all(top: Path) -> None:
    def work() -> None:
        fs.mkdir(f"{top}/d")
        fs.create_file(f"{top}/d/x", NEW, 0)
        fd = fs.open_directory(str(top))
        fs.sync_filesystem(fd)
        fs.close(fd)

    assert possible(top, work) == [{"d/x": NEW}]


def test_files_keep_their_inodes(top: Path) -> None:
    (top / "x").write_bytes(OLD)
    inode = (top / "x").stat().st_ino

    def work() -> None:
        disk, plan = Disk(str(top)), Plan(END, "kill")
        plan.follow, plan.dying = disk.follow, lambda: disk.cut(0)
        with plan.at_work():
            fs.replace_file(str(top / "y"), NEW)
            fs.rename(str(top / "y"), str(top / "x"))
            plan.end()

    assert in_child(work) is None
    assert (top / "x").stat().st_ino == inode
    assert contents(top) == {"x": OLD, "y": NEW}


def test_after_a_failed_sync_a_second_one_saves_nothing(top: Path) -> None:
    def work() -> None:
        fd = fs.create(str(top / "x"))
        fs.write_all(fd, NEW)
        with Plan(1, "fail").at_work() as inner:
            inner.follow = following[-1]
            with pytest.raises(OSError, match="Input/output") as caught:
                fs.sync_file(fd)
        assert caught.value.errno == errno.EIO
        fs.sync_file(fd)
        fs.sync_directory(str(top))
        fs.close(fd)

    following: list[Callable[..., None]] = []
    real = Disk.follow

    def follow(self: Disk, *arguments: object) -> None:
        following[:] = [self.follow]
        real(self, *arguments)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Disk, "follow", follow)
        found = possible(top, work)
    assert {"x": b""} in found


@pytest.mark.parametrize(("level", "left"), [("extra", {3}), ("off", {2, 3})])
@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_sqlite(top: Path, mode: str, level: str, left: set[int]) -> None:
    """What SQLite acknowledged stays where it syncs, and may be gone where it does not."""
    path = str(top / "x.db")

    def connect() -> apsw.Connection:
        connection = apsw.Connection(path)
        connection.execute(f"pragma journal_mode={mode}")
        connection.execute(f"pragma synchronous={level}")
        return connection

    counts = set()
    for number in range(12):

        def work(number: int = number) -> bool:
            connection = connect()
            connection.execute("create table if not exists mail (body); insert into mail values (1), (2)")
            connection.close()
            connection = connect()
            disk, plan = Disk(str(top)), Plan(END, "kill")
            plan.follow, plan.dying = disk.follow, lambda: disk.cut(number)
            with plan.at_work():
                connection.execute("insert into mail values (zeroblob(9000))")
                plan.end()
            return True

        assert in_child(work) is None
        connection = apsw.Connection(path)
        try:
            counts.add(connection.execute("select count(*) from mail").get)
            assert connection.execute("pragma integrity_check").get == "ok"
        except apsw.Error:
            counts.add(-1)
        connection.close()
        for name in os.listdir(top):
            os.unlink(top / name)
        fs.remove_tree(f"{top}.kept")
    assert counts - {-1} <= left if level == "off" else counts == left
    assert level != "off" or counts != {3}
