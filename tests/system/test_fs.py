from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from support.syscalls import Crash, Recorder, open_descriptors, stops

from mailstore.errors import CannotCreate, ReadOnlyStore, StorageFailure, StorageFull, StoreError
from mailstore.system import fs


def listing(directory: Path) -> list[str]:
    return sorted(os.listdir(directory))


class TestCreateFile:
    def test_contents_time_and_mode(self, tmp_path: Path) -> None:
        fs.create_file(str(tmp_path / "m"), b"From: a\n\nb\n", 1_000_000_000, 0o640)
        found = (tmp_path / "m").stat()
        assert (tmp_path / "m").read_bytes() == b"From: a\n\nb\n"
        assert (found.st_mtime_ns, stat.S_IMODE(found.st_mode)) == (10**18, 0o640)

    def test_is_four_calls(self, tmp_path: Path, recorder: Recorder) -> None:
        fs.create_file(str(tmp_path / "m"), b"x", -86400)
        assert recorder.names == ["open", "write", "utime", "close"]
        assert (tmp_path / "m").stat().st_mtime == -86400

    def test_relative_to_a_directory_and_synced(self, tmp_path: Path, recorder: Recorder) -> None:
        fd = fs.open_directory(str(tmp_path))
        fs.create_file("m", b"x", 5, dir_fd=fd, sync=True)
        os.close(fd)
        assert recorder.names == ["open", "open", "write", "utime", "fsync", "close"]
        assert (tmp_path / "m").read_bytes() == b"x"

    def test_short_writes_are_finished(self, tmp_path: Path) -> None:
        table = fs.Calls(write=lambda fd, data: os.write(fd, data[:3]))
        with fs.replaced(table):
            fs.create_file(str(tmp_path / "m"), b"0123456789", 0)
        assert (tmp_path / "m").read_bytes() == b"0123456789"

    @pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
    def test_a_failure_leaves_nothing(self, tmp_path: Path, number: int) -> None:
        before = open_descriptors()
        path = str(tmp_path / "m")
        count = 0
        for at, _ in stops(lambda: fs.create_file(path, b"x", 0, sync=True), OSError(number, "no")):
            assert listing(tmp_path) == [], f"call {at}"
            count += 1
        assert count == 5
        assert listing(tmp_path) == ["m"]
        assert open_descriptors() == before

    def test_refuses_what_is_there(self, tmp_path: Path) -> None:
        (tmp_path / "m").write_bytes(b"old")
        (tmp_path / "dangling").symlink_to(tmp_path / "elsewhere")
        for name in ("m", "dangling"):
            with pytest.raises(FileExistsError):
                fs.create_file(str(tmp_path / name), b"new", 0)
        assert (tmp_path / "m").read_bytes() == b"old"
        assert listing(tmp_path) == ["dangling", "m"]


class TestWriting:
    def test_short_writes(self, tmp_path: Path) -> None:
        table = fs.Calls(
            write=lambda fd, data: os.write(fd, data[:2]), pwrite=lambda fd, data, at: os.pwrite(fd, data[:2], at)
        )
        with fs.replaced(table):
            fd = fs.create(str(tmp_path / "m"))
            assert fs.copy_body(fd, [b"abcde", b"", b"fg"]) == 7
            fs.pwrite_all(fd, b"XYZ", 5)
            fs.truncate(fd, 7)
            fs.close(fd)
        assert (tmp_path / "m").read_bytes() == b"abcdeXY"

    def test_open_update_appends(self, tmp_path: Path) -> None:
        (tmp_path / "m").write_bytes(b"one\n")
        fd = fs.open_update(str(tmp_path / "m"), append=True)
        fs.write_all(fd, b"two\n")
        fs.close(fd)
        assert (tmp_path / "m").read_bytes() == b"one\ntwo\n"
        (tmp_path / "link").symlink_to("m")
        with pytest.raises(OSError, match="symbolic"):
            fs.open_update(str(tmp_path / "link"))
        fs.close(fs.open_update(str(tmp_path / "link"), nofollow=False))

    def test_times(self, tmp_path: Path) -> None:
        (tmp_path / "m").write_bytes(b"")
        (tmp_path / "link").symlink_to("m")
        fs.set_times(str(tmp_path / "m"), 7)
        fs.set_times(str(tmp_path / "link"), 9)
        assert ((tmp_path / "m").stat().st_mtime, (tmp_path / "link").lstat().st_mtime) == (7, 9)
        fd = fs.open_update(str(tmp_path / "m"))
        fs.set_times(fd, 8)
        assert (tmp_path / "m").stat().st_mtime == 8
        fs.touch(fd)
        assert (tmp_path / "m").stat().st_mtime > 8
        fs.close(fd)


class TestOpenSource:
    def test_leaves_the_access_time(self, tmp_path: Path) -> None:
        (tmp_path / "m").write_bytes(b"x")
        os.utime(tmp_path / "m", (1, 2))
        fd = fs.open_source(str(tmp_path / "m"))
        assert os.read(fd, 9) == b"x"
        os.close(fd)
        assert (tmp_path / "m").stat().st_atime == 1

    def test_a_fifo_does_not_hang(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "f")
        fd = fs.open_source(str(tmp_path / "f"))
        assert stat.S_ISFIFO(os.fstat(fd).st_mode)
        os.close(fd)

    def test_symlinks_only_where_wanted(self, tmp_path: Path) -> None:
        (tmp_path / "m").write_bytes(b"x")
        (tmp_path / "link").symlink_to("m")
        os.close(fs.open_source(str(tmp_path / "link")))
        with pytest.raises(OSError) as caught:
            fs.open_source(str(tmp_path / "link"), nofollow=True)
        assert caught.value.errno == errno.ELOOP


class TestReplaceFile:
    def test_new_file_is_private(self, tmp_path: Path) -> None:
        fs.replace_file(str(tmp_path / "f"), b"data")
        assert (tmp_path / "f").read_bytes() == b"data"
        assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o600

    def test_keeps_the_mode_or_sets_it(self, tmp_path: Path) -> None:
        (tmp_path / "f").write_bytes(b"old")
        (tmp_path / "f").chmod(0o664)
        fs.replace_file(str(tmp_path / "f"), b"new")
        assert ((tmp_path / "f").read_bytes(), stat.S_IMODE((tmp_path / "f").stat().st_mode)) == (b"new", 0o664)
        fs.replace_file(str(tmp_path / "f"), b"newer", 0o400)
        assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o400

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
    def test_keeps_owner_and_group(self, tmp_path: Path) -> None:
        (tmp_path / "f").write_bytes(b"old")
        os.chown(tmp_path / "f", 1234, 5678)
        fs.replace_file(str(tmp_path / "f"), b"new")
        found = (tmp_path / "f").stat()
        assert (found.st_uid, found.st_gid) == (1234, 5678)

    def test_a_symlink_is_replaced(self, tmp_path: Path) -> None:
        (tmp_path / "other").write_bytes(b"precious")
        (tmp_path / "f").symlink_to("other")
        fs.replace_file(str(tmp_path / "f"), b"new")
        assert not (tmp_path / "f").is_symlink()
        assert (tmp_path / "other").read_bytes() == b"precious"

    def test_barriers_are_in_order(self, tmp_path: Path, recorder: Recorder) -> None:
        fs.replace_file(str(tmp_path / "f"), b"data")
        assert recorder.names == ["open", "write", "fsync", "close", "rename", "open", "fsync", "close"]

    def test_a_crash_anywhere_leaves_old_or_new(self, tmp_path: Path) -> None:
        path = tmp_path / "f"
        path.write_bytes(b"old")
        seen = []
        for _, _made in stops(lambda: fs.replace_file(str(path), b"new"), Crash()):
            seen.append(path.read_bytes())
            path.write_bytes(b"old")
        assert set(seen) == {b"old", b"new"}
        assert all(name == "f" or name.startswith(fs.TEMPORARY) for name in listing(tmp_path))

    def test_a_failure_anywhere_leaves_no_temporary(self, tmp_path: Path) -> None:
        path = tmp_path / "f"
        path.write_bytes(b"old")
        before = open_descriptors()
        for at, made in stops(lambda: fs.replace_file(str(path), b"new"), OSError(errno.ENOSPC, "full")):
            assert listing(tmp_path) == ["f"], f"call {at}"
            renamed = "rename" in made.names[: at - 1]
            assert path.read_bytes() == (b"new" if renamed else b"old")
            path.write_bytes(b"old")
        assert open_descriptors() == before


class TestNames:
    def refuse(self, *_: Any) -> None:
        raise OSError(errno.EINVAL, "not here")

    @pytest.mark.parametrize("native", [True, False])
    def test_rename_noreplace(self, tmp_path: Path, native: bool) -> None:
        with fs.replaced(fs.Calls() if native else fs.Calls(rename_noreplace=self.refuse)):
            (tmp_path / "a").write_bytes(b"a")
            (tmp_path / "b").write_bytes(b"b")
            with pytest.raises(FileExistsError):
                fs.rename_noreplace(str(tmp_path / "a"), str(tmp_path / "b"))
            assert ((tmp_path / "a").read_bytes(), (tmp_path / "b").read_bytes()) == (b"a", b"b")
            fs.rename_noreplace(str(tmp_path / "a"), str(tmp_path / "c"))
            assert listing(tmp_path) == ["b", "c"]
            (tmp_path / "d").mkdir()
            (tmp_path / "e").mkdir()
            with pytest.raises(FileExistsError):
                fs.rename_noreplace(str(tmp_path / "d"), str(tmp_path / "e"))
            fs.rename_noreplace(str(tmp_path / "d"), str(tmp_path / "g"))
            assert listing(tmp_path) == ["b", "c", "e", "g"]
            with pytest.raises(FileNotFoundError):
                fs.rename_noreplace(str(tmp_path / "none"), str(tmp_path / "h"))

    def test_names_that_are_no_unicode(self, tmp_path: Path) -> None:
        odd = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe")
        fs.create_file(odd, b"x", 0)
        fs.rename_noreplace(odd, odd + "2")
        assert os.listdir(os.fsencode(tmp_path)) == [b"\xff\xfe2"]

    def test_unlink_missing(self, tmp_path: Path) -> None:
        fs.unlink(str(tmp_path / "none"), missing_ok=True)
        with pytest.raises(FileNotFoundError):
            fs.unlink(str(tmp_path / "none"))

    def test_link_does_not_follow(self, tmp_path: Path) -> None:
        (tmp_path / "m").write_bytes(b"x")
        (tmp_path / "link").symlink_to("m")
        fs.link(str(tmp_path / "link"), str(tmp_path / "second"))
        assert (tmp_path / "second").is_symlink()

    def test_make_directories(self, tmp_path: Path) -> None:
        fs.make_directories(str(tmp_path / "a" / "b"))
        fs.make_directories(str(tmp_path / "a" / "b"))
        assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700
        (tmp_path / "f").write_bytes(b"")
        with pytest.raises(NotADirectoryError):
            fs.make_directories(str(tmp_path / "f"))

    def test_remove_tree_follows_nothing(self, tmp_path: Path) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "precious").write_bytes(b"x")
        tree = tmp_path / "tree"
        (tree / "a" / "b").mkdir(parents=True)
        (tree / "a" / "m").write_bytes(b"")
        (tree / "a" / "b" / "link").symlink_to(outside)
        fs.remove_tree(str(tree))
        fs.remove_tree(str(tree))
        assert listing(tmp_path) == ["outside"]
        (tmp_path / "link").symlink_to(outside)
        fs.remove_tree(str(tmp_path / "link"))
        (tmp_path / "file").write_bytes(b"")
        fs.remove_tree(str(tmp_path / "file"))
        assert (listing(tmp_path), listing(outside)) == (["outside"], ["precious"])


class TestErrors:
    @pytest.mark.parametrize(
        ("number", "denied", "kind"),
        [
            (errno.ENOSPC, ReadOnlyStore, StorageFull),
            (errno.EDQUOT, CannotCreate, StorageFull),
            (errno.EFBIG, ReadOnlyStore, StorageFull),
            (errno.EROFS, ReadOnlyStore, ReadOnlyStore),
            (errno.EACCES, CannotCreate, CannotCreate),
            (errno.EPERM, StorageFailure, StorageFailure),
            (errno.ENOTDIR, CannotCreate, CannotCreate),
            (errno.ENOTDIR, ReadOnlyStore, StorageFailure),
            (errno.EEXIST, CannotCreate, CannotCreate),
            (errno.EIO, CannotCreate, StorageFailure),
        ],
    )
    def test_translation(self, number: int, denied: type[StoreError], kind: type[StoreError]) -> None:
        with pytest.raises(kind) as caught, fs.errors("/a/b", denied):
            raise OSError(number, os.strerror(number))
        assert type(caught.value) is kind
        assert caught.value.path == "/a/b"
        assert str(caught.value).startswith(f"/a/b: {os.strerror(number)}")

    def test_others_pass(self) -> None:
        with pytest.raises(ValueError, match="mine"), fs.errors("/a"):
            raise ValueError("mine")
        with fs.errors("/a"):
            pass

    def test_hostile_paths_stay_on_one_line(self) -> None:
        assert fs.shown("/a/ü b") == "/a/ü b"
        assert fs.shown("/a\n\x1b[31m\udcff") == "/a\\n\\x1b[31m\\udcff"


def test_sync_filesystem(tmp_path: Path) -> None:
    fd = fs.open_directory(str(tmp_path))
    fs.sync_filesystem(fd)
    os.close(fd)
    with pytest.raises(OSError) as caught:
        fs.sync_filesystem(fd)
    assert caught.value.errno == errno.EBADF


def test_imitate_grants_no_other_group_what_the_old_one_had(tmp_path: Path) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(errno.EPERM, "no")

    (tmp_path / "f").write_bytes(b"")
    found = (tmp_path / "f").stat()
    like = os.stat_result((stat.S_IFREG | 0o664, 1, 1, 1, found.st_uid + 1, found.st_gid + 1, 0, 0, 0, 0))
    fd = fs.open_update(str(tmp_path / "f"))
    with fs.replaced(fs.Calls(fchown=refuse)):
        fs.imitate(fd, like)
    assert stat.S_IMODE(os.fstat(fd).st_mode) == 0o604
    fs.close(fd)
