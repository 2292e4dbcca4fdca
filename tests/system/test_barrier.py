from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.syscalls import Recorder, open_descriptors

from mailstore.system import fs
from mailstore.system.barrier import FEW, Barrier


def written(directory: Path, count: int, barrier: Barrier) -> None:
    for number in range(count):
        fd = fs.create(str(directory / f"m{number}"))
        fs.write_all(fd, b"x")
        barrier.add(fd)


def test_few_files_are_synced_one_by_one(tmp_path: Path, recorder: Recorder) -> None:
    with Barrier([str(tmp_path)]) as barrier:
        written(tmp_path, 2, barrier)
        barrier.names(str(tmp_path))
        barrier.names(str(tmp_path))
        barrier.sync()
        assert recorder.names == ["open"] + ["open", "write"] * 2 + ["fsync"] * 2 + ["close"] * 2 + [
            "open",
            "fsync",
            "close",
        ]
        del recorder.log[:]
        barrier.sync()
        assert recorder.names == []
    assert recorder.names == ["close"]


def test_many_files_take_one_sync_of_the_file_system(tmp_path: Path, recorder: Recorder) -> None:
    before = open_descriptors()
    with Barrier([str(tmp_path), str(tmp_path)]) as barrier:
        written(tmp_path, FEW + 5, barrier)
        barrier.names(str(tmp_path))
        barrier.sync()
    assert "fsync" not in recorder.names
    assert recorder.names.count("syncfs") == 1
    assert recorder.names.count("close") == FEW + 5 + 2
    (_, (anchor_path, _)) = recorder.log[0]
    assert anchor_path == str(tmp_path), "the descriptor that is synced was opened before the first write"
    assert open_descriptors() == before


def test_exactly_few_is_few(tmp_path: Path, recorder: Recorder) -> None:
    with Barrier([str(tmp_path)]) as barrier:
        written(tmp_path, FEW, barrier)
        barrier.sync()
    assert recorder.names.count("fsync") == FEW
    assert "syncfs" not in recorder.names


def test_known_to_be_many(tmp_path: Path, recorder: Recorder) -> None:
    with Barrier([str(tmp_path)], many=True) as barrier:
        fs.create_file(str(tmp_path / "m"), b"x", 0)
        barrier.sync()
    assert recorder.names == ["open", "open", "write", "utime", "close", "syncfs", "close"]


def test_each_file_system_is_synced(tmp_path: Path, recorder: Recorder) -> None:
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system")
    with Barrier([str(tmp_path), str(other)], many=True) as barrier:
        barrier.sync()
    assert recorder.names.count("syncfs") == 2


@pytest.mark.parametrize("many", [False, True])
def test_a_failed_sync_is_an_error(tmp_path: Path, many: bool) -> None:
    before = open_descriptors()

    def refuse(fd: int) -> None:
        raise OSError(errno.EIO, "lost")

    with fs.replaced(fs.Calls(fsync=refuse, syncfs=refuse)):
        with Barrier([str(tmp_path)], many=many) as barrier:
            written(tmp_path, 1, barrier)
            with pytest.raises(OSError, match="lost"):
                barrier.sync()
        barrier.close()
    assert open_descriptors() == before


def test_a_missing_directory_leaks_nothing(tmp_path: Path) -> None:
    before = open_descriptors()
    with pytest.raises(FileNotFoundError):
        Barrier([str(tmp_path), str(tmp_path / "none")])
    assert open_descriptors() == before


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small ext4 file system in a file, mounted."""
    if os.geteuid() != 0 or not shutil.which("mkfs.ext4"):
        pytest.skip("a power cut is played on a loop device: needs root and mkfs.ext4")
    image, mounted = tmp_path / "disk", tmp_path / "mounted"
    with image.open("wb") as file:
        file.truncate(16 << 20)
    mounted.mkdir()
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    if subprocess.run(["mount", "-o", "loop", image, mounted], check=False, capture_output=True).returncode != 0:
        pytest.skip("loop devices cannot be mounted here")
    try:
        yield mounted
    finally:
        subprocess.run(["umount", mounted], check=True)


def after_power_cut(disk: Path) -> dict[str, bytes]:
    """Return the files of ``disk`` as they would be had the power gone now."""
    copy, mounted = disk.with_name("copy"), disk.with_name("after")
    shutil.copyfile(disk.with_name("disk"), copy)
    mounted.mkdir()
    subprocess.run(["mount", "-o", "loop", copy, mounted], check=True)
    try:
        return {path.name: path.read_bytes() for path in (mounted / "new").glob("*")}
    finally:
        subprocess.run(["umount", mounted], check=True)


@pytest.mark.parametrize("count", [3, FEW + 10])
def test_what_passed_both_barriers_survives_a_power_cut(disk: Path, count: int) -> None:
    for name in ("tmp", "new"):
        (disk / name).mkdir()
    subprocess.run(["sync", "-f", disk], check=True)
    with Barrier([str(disk)]) as barrier:
        for number in range(count):
            fd = fs.create(str(disk / "tmp" / f"m{number}"))
            fs.write_all(fd, b"body %d" % number)
            barrier.add(fd)
        barrier.sync()
        for number in range(count):
            fs.rename(str(disk / "tmp" / f"m{number}"), str(disk / "new" / f"m{number}"))
        barrier.names(str(disk / "new"))
        barrier.names(str(disk / "tmp"))
        barrier.sync()
    assert after_power_cut(disk) == {f"m{number}": b"body %d" % number for number in range(count)}
