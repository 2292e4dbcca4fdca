from __future__ import annotations

import errno
import os
import sqlite3
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailstore.drivers.sidecar import Entry, FolderIndex, Found, Index, MemoryIndex, open_index, update
from mailstore.errors import CannotCreate, StoreBusy, UsageError
from mailstore.spi import Settings
from mailstore.system import fs

NONE: frozenset[str] = frozenset()
ODD = os.fsdecode(b"caf\xe9")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    directory = tmp_path / "store"
    directory.mkdir(mode=0o700)
    return directory


def opened(store: Path, **settings: object) -> Index:
    chosen = {"index": "beside", "lock_timeout": 10.0} | settings
    return open_index(Settings(**chosen), str(store / "index"), str(store))


def found(key: str, uid: int = 0, flags: int = 0, extra: str = "") -> Found:
    return Found(key, uid, flags, NONE, extra=extra)


def scan(known: FolderIndex, *messages: Found, uidvalidity: int = 42) -> None:
    known.reconcile(messages, uidvalidity=uidvalidity, uidnext=0, stamp="stamp")


def everything(known: FolderIndex) -> tuple[object, ...]:
    counters = (known.epoch, known.uidvalidity, known.uidnext, known.highest_modseq, known.stamp, known.forgotten)
    return (*counters, list(known.entries.items()), known.tombstones)


class TestRoundTrip:
    def test_all_is_there_again(self, store: Path) -> None:
        index = opened(store)
        known = index.load("INBOX")
        digest = bytes(range(32))
        messages = [
            Found("a", 3, 1, frozenset({"$Junk", "Work"}), 10**9, None, 100, 103, digest, "cur/a:2,S"),
            Found(ODD, 4, 0, NONE, -5, 7, 0, 0, None, ODD),
            Found("c", 9000, 32, NONE),
        ]
        known.reconcile(messages, uidvalidity=42, uidnext=9005, stamp=ODD)
        assert index.store("INBOX", known)
        known.drop(["c"], known.advance())
        assert index.store("INBOX", known)
        assert (index.persistent, index.trouble) == (True, "")
        index.close()
        index.close()
        again = opened(store)
        assert everything(again.load("INBOX")) == everything(known)
        assert not again.load("INBOX").pending
        again.close()

    def test_only_what_changed_is_written(self, store: Path) -> None:
        index = opened(store)
        known = index.load("INBOX")
        scan(known, *(found(f"k{n}", n) for n in range(1, 3001)))
        index.store("INBOX", known)
        with sqlite3.connect(store / "index") as plain:
            plain.execute("create table touched(number integer)")
            plain.execute("create trigger t after insert on block begin insert into touched values(new.number); end")
        known.put(known.entries["k2000"]._replace(flags=1, modseq=known.advance()))
        known.drop([f"k{n}" for n in range(2048, 3001)], known.advance())
        index.store("INBOX", known)
        index.close()
        with sqlite3.connect(store / "index") as plain:
            assert plain.execute("select number from touched").fetchall() == [(1,)]
            assert plain.execute("select number from block order by number").fetchall() == [(0,), (1,)]
            assert plain.execute("select count(*) from tombstone").fetchall() == [(953,)]
        plain.close()

    def test_nothing_is_written_where_nothing_changed(self, store: Path) -> None:
        index = opened(store)
        known = index.load("INBOX")
        scan(known, found("a", 1))
        assert index.store("INBOX", known)
        before = (store / "index").stat()
        scan(known, found("a", 1))
        assert index.store("INBOX", known)
        assert (store / "index").stat() == before
        assert index.current("INBOX", known)
        index.close()

    def test_a_new_uidvalidity_empties_it(self, store: Path) -> None:
        index = opened(store)
        known = index.load("INBOX")
        scan(known, found("a", 1), found("b", 2))
        index.store("INBOX", known)
        scan(known, found("b", 1), uidvalidity=43)
        index.store("INBOX", known)
        assert everything(index.load("INBOX")) == everything(known)
        index.close()

    def test_folders_are_apart(self, store: Path) -> None:
        index = opened(store)
        for folder in ("a", "b", ODD, "x' or 1=1 --"):
            known = index.load(folder)
            assert not known.entries
            scan(known, found(folder, 1))
            assert index.store(folder, known)
        assert [list(index.load(folder).entries) for folder in ("a", ODD)] == [["a"], [ODD]]
        index.close()


@pytest.fixture(params=["memory", "beside"])
def index(request: pytest.FixtureRequest, store: Path) -> Iterator[Index]:
    made = opened(store, index=request.param)
    yield made
    made.close()


class TestFolders:
    def test_rename(self, index: Index) -> None:
        known = index.load("old")
        scan(known, found("a", 1))
        index.store("old", known)
        index.rename("old", "new")
        index.rename("old", "new")
        assert index.load("new").entries == known.entries
        assert index.load("new").epoch == known.epoch
        assert not index.load("old").entries

    def test_rename_over_another(self, index: Index) -> None:
        for folder in ("old", "new"):
            known = index.load(folder)
            scan(known, found(folder, 1))
            index.store(folder, known)
        index.rename("old", "new")
        assert list(index.load("new").entries) == ["old"]
        index.rename("new", "new")
        assert list(index.load("new").entries) == ["old"]

    def test_a_removed_folder_never_gets_its_uidvalidity_again(self, index: Index) -> None:
        known = index.load("f")
        scan(known, found("a", 1), uidvalidity=4_000_000_000)
        index.store("f", known)
        index.remove("f")
        index.remove("f")
        fresh = index.load("f")
        assert not fresh.entries
        assert fresh.epoch != known.epoch
        assert fresh.number() == 4_000_000_001


class TestConcurrency:
    def test_the_slower_one_is_told(self, store: Path) -> None:
        one, two = opened(store), opened(store)
        first, second = one.load("f"), two.load("f")
        scan(first, found("a"))
        scan(second, found("b"))
        assert one.store("f", first)
        assert not two.store("f", second)
        assert not two.current("f", second)
        fresh = two.load("f")
        assert list(fresh.entries) == ["a"]
        scan(fresh, found("a"), found("b"))
        assert two.store("f", fresh)
        assert two.current("f", fresh)
        assert not one.current("f", first)
        assert one.load("f").entries["b"].uid == 2
        one.close()
        two.close()

    def test_a_removed_folder_does_not_come_back(self, store: Path) -> None:
        one, two = opened(store), opened(store)
        known = one.load("f")
        scan(known, found("a"))
        one.store("f", known)
        two.remove("f")
        scan(known, found("a"), found("b"))
        assert not one.store("f", known)
        assert not one.load("f").entries
        one.close()
        two.close()

    def test_no_uid_is_given_twice(self, store: Path) -> None:
        """Processes that all number messages at once, each its own, and never see each other's but in the index."""
        source = """
        import sys
        from mailstore.drivers.sidecar import Entry, open_index, update
        from mailstore.spi import Settings
        store, name = sys.argv[1:]
        index = open_index(Settings(index="beside"), store + "/index", store)
        for number in range(15):
            def add(known):
                known.number()
                known.put(Entry(known.uidnext, f"{name}{number}", False, known.advance(), 0, frozenset()))
            update(index, "f", add)
        assert index.persistent, index.trouble
        """
        children = [
            subprocess.Popen([sys.executable, "-c", textwrap.dedent(source), store, name]) for name in ("a", "b", "c")
        ]
        assert [child.wait() for child in children] == [0, 0, 0]
        known = opened(store).load("f")
        assert sorted(known.entries) == sorted(f"{name}{number}" for name in "abc" for number in range(15))
        assert [entry.uid for entry in known.entries.values()] == list(range(1, 46))

    def test_a_lock_that_does_not_end(self, store: Path) -> None:
        index = opened(store, lock_timeout=0.05)
        known = index.load("f")
        scan(known, found("a"))
        # another process: locks do not hold between two SQLite libraries in one
        source = (
            "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); c.execute('begin exclusive')"
        )
        source += "; print('held', flush=True); sys.stdin.read()"
        with subprocess.Popen(
            [sys.executable, "-c", source, store / "index"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == b"held\n"
            with pytest.raises(StoreBusy):
                index.store("f", known)
            other.communicate()
        assert index.store("f", known)
        assert index.persistent
        index.close()

    def test_a_forked_child_opens_its_own(self, store: Path) -> None:
        source = """
        import os, sys
        from mailstore.drivers.sidecar import Found, open_index
        from mailstore.spi import Settings
        index = open_index(Settings(index="beside"), sys.argv[1] + "/index", sys.argv[1])
        known = index.load("f")
        known.reconcile([Found("a", 1, 0, frozenset())], uidvalidity=42, uidnext=2, stamp="")
        assert index.store("f", known)
        child = os.fork()
        if child == 0:
            known.put(known.entries["a"]._replace(flags=1, modseq=known.advance()))
            os._exit(0 if index.store("f", known) else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert index.load("f").entries["a"].flags == 1
        index.close()
        """
        subprocess.run([sys.executable, "-c", textwrap.dedent(source), store], check=True)


class TestBadFiles:
    def filled(self, store: Path) -> FolderIndex:
        index = opened(store)
        known = index.load("f")
        scan(known, found("a", 1), found("b", 2))
        index.store("f", known)
        index.close()
        return known

    @pytest.mark.parametrize("damage", ["header", "middle", "truncated", "garbage", "schema", "value", "version"])
    def test_a_damaged_index_is_made_anew(self, store: Path, damage: str) -> None:
        before = self.filled(store)
        path = store / "index"
        data = bytearray(path.read_bytes())
        if damage == "header":
            data[:100] = b"x" * 100
            path.write_bytes(data)
        elif damage == "middle":
            data[4096:] = b"\xa5" * (len(data) - 4096)
            path.write_bytes(data)
        elif damage == "truncated":
            path.write_bytes(data[: len(data) // 2])
        elif damage == "garbage":
            path.write_bytes(b"From a@b\n\nmail?\n")
        else:
            with sqlite3.connect(path) as plain:
                plain.execute(
                    {
                        "schema": "drop table block",
                        "value": "update block set uids=x'00'",
                        "version": "pragma user_version=99",
                    }[damage]
                )
            plain.close()
        index = opened(store)
        known = index.load("f")
        assert not known.entries
        assert known.epoch != before.epoch
        assert index.persistent
        assert "made anew" in index.trouble
        assert str(path) in index.trouble
        scan(known, found("a", 1))
        assert index.store("f", known)
        index.close()
        again = opened(store)
        assert list(again.load("f").entries) == ["a"]
        assert again.trouble == ""
        again.close()
        assert sorted(os.listdir(store)) == ["index"]

    def test_damage_that_shows_while_it_is_open(self, store: Path) -> None:
        index = opened(store)
        known = index.load("f")
        scan(known, found("a", 1))
        assert index.store("f", known)
        (store / "index").write_bytes(b"x" * 8192)
        scan(known, found("a", 1, 1))
        assert not index.store("f", known)
        fresh = index.load("f")
        scan(fresh, found("a", 1, 1))
        assert index.store("f", fresh)
        assert index.persistent
        index.close()

    def test_an_index_that_was_removed_while_open(self, store: Path) -> None:
        index = opened(store)
        known = index.load("f")
        scan(known, found("a", 1))
        index.store("f", known)
        (store / "index").unlink()
        assert not index.current("f", known)
        assert not index.load("f").entries
        index.close()

    def test_at_a_named_place_foreign_files_are_left_alone(self, store: Path) -> None:
        path = store / "precious.db"
        with sqlite3.connect(path) as plain:
            plain.execute("create table mail(body)")
        plain.close()
        for content in (path.read_bytes(), b"From me\n\n"):
            path.write_bytes(content)
            index = opened(store, index=str(path))
            known = index.load("f")
            scan(known, found("a", 1))
            assert index.store("f", known)
            assert (index.persistent, index.load("f")) == (False, known)
            assert "left alone" in index.trouble
            index.close()
            assert path.read_bytes() == content
        assert sorted(os.listdir(store)) == ["precious.db"]

    @pytest.mark.parametrize("place", ["link", "dangling", "directory"])
    def test_a_symlink_or_directory_in_the_way(self, store: Path, place: str) -> None:
        target = store / "target"
        if place == "directory":
            (store / "index").mkdir()
        else:
            if place == "link":
                target.write_bytes(b"")
            (store / "index").symlink_to(target)
        index = opened(store)
        known = index.load("f")
        scan(known, found("a", 1))
        assert index.store("f", known)
        assert not index.persistent
        assert index.trouble
        index.close()
        assert target.exists() == (place == "link")
        if place == "link":
            assert target.read_bytes() == b""

    def test_no_room(self, store: Path) -> None:
        def refuse(*_: object, **__: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        index = opened(store)
        with fs.replaced(fs.Calls(open=refuse)):
            known = index.load("f")
        scan(known, found("a", 1))
        assert index.store("f", known)
        assert "No space left" in index.trouble
        assert not index.persistent
        assert list(index.load("f").entries) == ["a"]

    def test_a_full_disk_while_writing(self, store: Path) -> None:
        index = opened(store)
        known = index.load("f")
        scan(known, *(found(f"k{number}" * 50, number) for number in range(1, 3000)))
        connection = index._connection
        pages = connection.execute("pragma page_count").get
        connection.execute(f"pragma max_page_count={pages + 2}")
        assert index.store("f", known)
        assert not index.persistent
        assert "full" in index.trouble
        assert index.load("f") is known
        index.close()

    def test_it_is_private(self, store: Path) -> None:
        self.filled(store)
        assert stat.S_IMODE((store / "index").stat().st_mode) == 0o600

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files for others")
    def test_what_root_makes_is_the_owners(self, store: Path) -> None:
        os.chown(store, 1234, 5678)
        self.filled(store)
        found = (store / "index").stat()
        assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (1234, 5678, 0o600)

    def test_a_killed_writer_leaves_old_or_new(self, store: Path) -> None:
        source = """
        import sys
        from mailstore.drivers.sidecar import Found, open_index, update
        from mailstore.spi import Settings
        index = open_index(Settings(index="beside"), sys.argv[1] + "/index", sys.argv[1])
        for flags in range(10**9):
            found = [Found(f"key{n}", n, flags % 32, frozenset(), size=flags) for n in range(1, 3000)]
            update(index, "f", lambda known: known.reconcile(found, uidvalidity=42, uidnext=0, stamp=str(flags)))
            print(flags, flush=True)
        """
        for _ in range(4):
            child = subprocess.Popen(
                [sys.executable, "-c", textwrap.dedent(source), store], stdout=subprocess.PIPE, text=True
            )
            assert child.stdout is not None
            assert child.stdout.readline() == "0\n"
            last = int(child.stdout.readline())
            child.kill()
            last = max([last, *map(int, child.stdout.read().split("\n")[:-1])])
            child.wait()
            child.stdout.close()
            index = opened(store)
            known = index.load("f")
            index.close()
            assert index.trouble == ""
            assert known.stamp in (str(last), str(last + 1))
            assert {entry.size for entry in known.entries.values()} == {int(known.stamp)}

    def test_a_symlink_on_the_way_is_the_owners(self, store: Path, tmp_path: Path) -> None:
        (tmp_path / "other").symlink_to(store)
        index = opened(tmp_path / "other")
        index.load("f")
        assert index.persistent
        index.close()


class TestPlaces:
    @pytest.fixture(autouse=True)
    def state(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
        return tmp_path / "state"

    def use(self, index: Index) -> None:
        known = index.load("f")
        scan(known, found("a", 1))
        assert index.store("f", known)
        index.close()

    def files(self, directory: Path) -> list[str]:
        return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())

    @pytest.mark.parametrize("how", ["auto", "beside"])
    def test_beside(self, store: Path, how: str, state: Path) -> None:
        self.use(opened(store, index=how))
        assert (self.files(store), self.files(state)) == (["index"], [])

    @pytest.mark.parametrize("mode", [0o1777, 0o2775, 0o777])
    def test_not_beside_a_shared_spool(self, store: Path, state: Path, mode: int) -> None:
        store.chmod(mode)
        self.use(opened(store, index="auto"))
        assert self.files(store) == []
        assert len(self.files(state)) == 1
        assert stat.S_IMODE((state / "mailstore" / "index").stat().st_mode) == 0o700

    def test_state(self, store: Path, state: Path) -> None:
        self.use(opened(store, index="state"))
        self.use(open_index(Settings(index="state"), None, "/another/store"))
        assert len(self.files(state)) == 2
        again = opened(store, index="state")
        assert list(again.load("f").entries) == ["a"]
        again.close()

    def test_a_named_place(self, store: Path, state: Path) -> None:
        self.use(opened(store, index=str(store / "here")))
        assert (self.files(store), self.files(state)) == (["here"], [])

    def test_a_relative_state_home_is_ignored(
        self, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("XDG_STATE_HOME", "relative")
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        monkeypatch.chdir(tmp_path)
        self.use(opened(store, index="state"))
        assert not (tmp_path / "relative").exists()
        assert len(self.files(tmp_path / "home" / ".local" / "state")) == 1

    def test_read_only_writes_nothing(self, store: Path, state: Path) -> None:
        for how in ("auto", "beside", "state", str(store / "here")):
            index = opened(store, index=how, readonly=True)
            self.use(index)
            assert not index.persistent
        assert (self.files(store), self.files(state)) == ([], [])

    def test_read_only_begins_with_what_is_there(self, store: Path) -> None:
        self.use(opened(store))
        store.chmod(0o500)
        before = ((store / "index").stat(), store.stat(), (store / "index").read_bytes())
        index = opened(store, readonly=True)
        known = index.load("f")
        assert list(known.entries) == ["a"]
        known.put(Entry(2, "b", True, known.advance(), 0, NONE))
        assert index.store("f", known)
        assert list(index.load("f").entries) == ["a", "b"]
        index.close()
        after = ((store / "index").stat(), store.stat(), (store / "index").read_bytes())
        assert after == before
        assert opened(store, readonly=True).load("f").entries.keys() == {"a"}

    def test_read_only_with_a_bad_file(self, store: Path) -> None:
        (store / "index").write_bytes(b"garbage")
        index = opened(store, readonly=True)
        assert not index.load("f").entries
        assert "going on without it" in index.trouble
        assert (store / "index").read_bytes() == b"garbage"

    def test_no_place(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "file").write_bytes(b"")
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
        index = open_index(Settings(), None, "/store")
        assert isinstance(index, MemoryIndex)
        assert "kept in memory" in index.trouble
        with pytest.raises(CannotCreate):
            open_index(Settings(index="state"), None, "/store")

    def test_what_makes_no_sense(self, store: Path) -> None:
        with pytest.raises(UsageError, match="index=somewhere"):
            opened(store, index="somewhere")
        with pytest.raises(CannotCreate):
            open_index(Settings(index="beside"), None, str(store))

    def test_memory_is_memory(self, store: Path) -> None:
        index = opened(store, index="memory")
        self.use(index)
        assert not index.persistent
        assert os.listdir(store) == []
        assert list(update(index, "f", lambda known: None).entries) == ["a"]


class TestBatch:
    def test_all_is_written_at_its_end(self, store: Path) -> None:
        index, other = opened(store), opened(store)
        with index.batch() as outrun:
            for folder in ("f", "g"):
                known = index.load(folder)
                scan(known, found("a"))
                assert index.store(folder, known)
                assert index.current(folder, known)
                assert not other.load(folder).entries
        assert outrun == set()
        assert [list(other.load(folder).entries) for folder in ("f", "g")] == [["a"], ["a"]]

    def test_what_another_stored_meanwhile_stays(self, store: Path) -> None:
        index, other = opened(store), opened(store)
        with index.batch() as outrun:
            known = {folder: index.load(folder) for folder in ("f", "g")}
            for folder in known:
                scan(known[folder], found("ours"))
                assert index.store(folder, known[folder])
            update(other, "f", lambda theirs: scan(theirs, found("theirs")))
        assert outrun == {"f"}
        assert not index.current("f", known["f"])
        assert index.current("g", known["g"])
        assert [list(index.load(folder).entries) for folder in ("f", "g")] == [["theirs"], ["ours"]]

    def test_where_it_is_broken_off_nothing_is_written(self, store: Path) -> None:
        index = opened(store)
        known = index.load("f")
        scan(known, found("a"))

        def broken_off() -> None:
            with index.batch():
                assert index.store("f", known)
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            broken_off()
        assert not index.current("f", known)
        assert not index.load("f").entries
