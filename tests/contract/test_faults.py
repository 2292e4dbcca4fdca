"""The fault file system kills, tears, fails and follows as it says; else the crash clauses would prove nothing."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from mailstore.system import fs
from mailstore.testing.barriers import Barriers
from mailstore.testing.faults import ChildFailed, Plan, in_child


def write(path: Path) -> None:
    fs.replace_file(str(path), b"0123456789")


POINTS = ["open", "write", "fsync", "rename", "fsync"]


def test_points_are_counted(tmp_path: Path) -> None:
    plan = Plan()
    with plan.at_work():
        write(tmp_path / "x")
    assert plan.seen == POINTS
    write(tmp_path / "y")
    assert plan.seen == POINTS


@pytest.mark.parametrize(("at", "left"), [(1, []), (2, [b""]), (3, [b"0123456789"]), (4, [b"0123456789"]), (5, "x")])
def test_killed_before_the_call(tmp_path: Path, at: int, left: object) -> None:
    def work() -> None:
        with Plan(at, "kill").at_work():
            write(tmp_path / "x")

    assert in_child(work) is None
    if left == "x":
        assert [entry.name for entry in tmp_path.iterdir()] == ["x"]
    else:
        assert [entry.read_bytes() for entry in tmp_path.iterdir()] == left
        assert not (tmp_path / "x").exists()


def test_torn_write(tmp_path: Path) -> None:
    def work() -> None:
        with Plan(2, "tear").at_work():
            write(tmp_path / "x")

    assert in_child(work) is None
    assert [entry.read_bytes() for entry in tmp_path.iterdir()] == [b"01234"]


def test_not_killed(tmp_path: Path) -> None:
    def work() -> list[str]:
        plan = Plan(99, "kill")
        with plan.at_work():
            write(tmp_path / "x")
        return plan.seen

    assert in_child(work) == POINTS


def test_a_failing_child_is_told(tmp_path: Path) -> None:
    def work() -> None:
        raise ValueError("seen from outside")

    with pytest.raises(ChildFailed, match="seen from outside"):
        in_child(work)


@pytest.mark.parametrize("at", range(1, 6))
def test_one_call_fails(tmp_path: Path, at: int) -> None:
    with Plan(at, "fail").at_work() as plan, pytest.raises(OSError, match="Input/output") as caught:
        write(tmp_path / "x")
    assert caught.value.errno == errno.EIO
    assert plan.seen[at - 1] == POINTS[at - 1]
    assert (tmp_path / "x").exists() == (at == 5)


def test_no_space_lasts(tmp_path: Path) -> None:
    with Plan(2, "full").at_work():
        for _ in range(3):
            with pytest.raises(OSError, match="No space"):
                write(tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def sqlite_work(path: Path, plan: Plan) -> Callable[[], list[str]]:
    def work() -> list[str]:
        connection = apsw.Connection(str(path))
        connection.execute("create table if not exists mail (body)")
        with plan.at_work():
            try:
                connection.execute("insert into mail values (zeroblob(20000))")
            except apsw.Error as error:
                return [type(error).__name__]
        return plan.seen

    return work


def test_sqlite_points(tmp_path: Path) -> None:
    seen = in_child(sqlite_work(tmp_path / "x.db", Plan()))
    assert seen.count("sqlite sync") >= 2
    assert seen.count("sqlite write") > 5
    for at, point in enumerate(seen, 1):
        for how in ("kill", "tear") if point == "sqlite write" else ("kill",):
            path = tmp_path / f"{how}-{at}.db"
            sqlite_work(path, Plan())()
            assert in_child(sqlite_work(path, Plan(at, how))) is None
            connection = apsw.Connection(str(path))
            (row,) = connection.execute(
                "select count(*), (select integrity_check from pragma_integrity_check) from mail"
            )
            assert row in ((1, "ok"), (2, "ok")), (how, at, point)
            connection.close()


def test_sqlite_errors(tmp_path: Path) -> None:
    seen = in_child(sqlite_work(tmp_path / "x.db", Plan()))
    at = seen.index("sqlite write") + 1
    assert in_child(sqlite_work(tmp_path / "x.db", Plan(at, "full"))) == ["FullError"]
    assert in_child(sqlite_work(tmp_path / "x.db", Plan(at, "fail"))) == ["IOError"]


# --- barriers


def followed(work: Callable[[], None]) -> list[str]:
    barriers, plan = Barriers(), Plan()
    plan.follow = barriers.follow
    with plan.at_work():
        work()
    return [line.rsplit("/", 1)[-1] for line in barriers.finish()]


def test_publish_routine_keeps_both_barriers(tmp_path: Path) -> None:
    assert followed(lambda: write(tmp_path / "x")) == []


def test_named_before_synced(tmp_path: Path) -> None:
    def work() -> None:
        fd = fs.create(str(tmp_path / ".mailstore-x"))
        fs.write_all(fd, b"x")
        fs.rename(str(tmp_path / ".mailstore-x"), str(tmp_path / "x"))
        fs.sync_file(fd)
        fs.close(fd)
        fs.sync_directory(str(tmp_path))

    assert followed(work) == ["x: named before its contents were on disk"]


def test_linked_before_synced(tmp_path: Path) -> None:
    def work() -> None:
        (tmp_path / "tmp").mkdir()
        fs.create_file(str(tmp_path / "tmp" / "x"), b"x", 0)
        fs.link(str(tmp_path / "tmp" / "x"), str(tmp_path / "x"))
        fs.unlink(str(tmp_path / "tmp" / "x"))
        fs.sync_directory(str(tmp_path))

    assert followed(work) == [
        "x: named before its contents were on disk",
        "x: contents not on disk at the end",
    ]


def test_directory_not_synced(tmp_path: Path) -> None:
    def work() -> None:
        fs.create_file(str(tmp_path / "x"), b"x", 0, sync=True)

    assert followed(work) == ["x: name not on disk at the end"]


def test_contents_not_synced(tmp_path: Path) -> None:
    def work() -> None:
        fs.create_file(str(tmp_path / "x"), b"x", 0)
        fs.sync_directory(str(tmp_path))

    assert followed(work) == ["x: contents not on disk at the end"]


def test_one_sync_for_all(tmp_path: Path) -> None:
    def work() -> None:
        hidden = str(tmp_path / ".mailstore-folder")
        fs.mkdir(hidden)
        for name in ("a", "b"):
            fs.create_file(f"{hidden}/{name}", b"x", 0)
        fd = fs.open_directory(hidden)
        fs.sync_filesystem(fd)
        fs.close(fd)
        fs.rename(hidden, str(tmp_path / "folder"))
        fs.sync_directory(str(tmp_path))

    assert followed(work) == []


def test_directory_named_before_its_contents(tmp_path: Path) -> None:
    def work() -> None:
        hidden = str(tmp_path / ".mailstore-folder")
        fs.mkdir(hidden)
        fs.create_file(f"{hidden}/a", b"x", 0)
        fs.rename(hidden, str(tmp_path / "folder"))
        fd = fs.open_directory(hidden.replace(".mailstore-", ""))
        fs.sync_filesystem(fd)
        fs.close(fd)

    assert followed(work) == ["a: its directory named before its contents were on disk"]


def test_temporary_and_lock_files_do_not_count(tmp_path: Path) -> None:
    def work() -> None:
        for name in (".mailstore-x", "box.lock"):
            fs.create_file(str(tmp_path / name), b"x", 0)
        fd = os.open(tmp_path, os.O_RDONLY)
        os.close(fd)
        fs.create_file(str(tmp_path / "gone"), b"x", 0, sync=True)
        fs.unlink(str(tmp_path / "gone"))

    assert followed(work) == []


@pytest.mark.parametrize(("level", "broken"), [("full", 0), ("normal", 1)])
def test_sqlite_that_does_not_sync(tmp_path: Path, level: str, broken: int) -> None:
    """A commit in WAL mode is on disk when it returns only with ``synchronous=full``."""

    def work() -> list[str]:
        connection = apsw.Connection(str(tmp_path / "x.db"))
        for statement in ("pragma journal_mode=wal", f"pragma synchronous={level}", "create table mail (body)"):
            connection.execute(statement)

        def insert() -> None:
            connection.execute("insert into mail values (1)")

        return followed(insert)

    assert in_child(work) == ["x.db-wal: contents not on disk at the end"] * broken
