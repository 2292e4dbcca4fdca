from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.syscalls import Recorder, open_descriptors

from mailstore.system import barrier, clock, fs
from mailstore.system.barrier import FEW, MANY, sync_directories, sync_files


def written(directory: Path, count: int) -> list[str]:
    paths = [str(directory / f"m{number}") for number in range(count)]
    for number, path in enumerate(paths):
        fs.create_file(path, b"body %d" % number, 0)
    return paths


def made(directory: Path, count: int) -> list[str]:
    paths = [directory / f"d{number}" for number in range(count)]
    for path in paths:
        path.mkdir()
    return list(map(str, paths))


@pytest.fixture
def anchor(tmp_path: Path) -> Iterator[int]:
    fd = fs.open_directory(str(tmp_path))
    yield fd
    os.close(fd)


@pytest.mark.parametrize("count", [0, 2, FEW])
def test_few_files_are_synced_one_by_one(tmp_path: Path, anchor: int, recorder: Recorder, count: int) -> None:
    before = open_descriptors()
    paths = written(tmp_path, count)
    del recorder.log[:]
    assert sync_files(paths, anchor) is False
    assert recorder.names == ["fsync", "close"] * count
    assert open_descriptors() == before


def test_many_files_take_one_sync_of_the_file_system(tmp_path: Path, anchor: int, recorder: Recorder) -> None:
    paths = written(tmp_path, FEW + 1)
    del recorder.log[:]
    assert sync_files(paths, anchor) is True
    assert recorder.log == [("syncfs", (anchor,))]


@pytest.mark.parametrize("count", [1, FEW])
def test_few_directories_are_synced_one_by_one(tmp_path: Path, anchor: int, recorder: Recorder, count: int) -> None:
    directories = made(tmp_path, count)
    del recorder.log[:]
    sync_directories(directories, anchor)
    assert recorder.names == ["open", "fsync", "close"] * count


def test_many_directories_take_one_sync_and_those_elsewhere_their_own(
    tmp_path: Path, anchor: int, recorder: Recorder
) -> None:
    directories = made(tmp_path, FEW)
    if os.stat("/dev/shm").st_dev == tmp_path.stat().st_dev:
        pytest.skip("/dev/shm is no file system of its own")
    del recorder.log[:]
    sync_directories([*directories, str(tmp_path), "/dev/shm"], anchor)
    assert recorder.names == ["syncfs", "open", "fsync", "close"]
    assert recorder.log[1][1][0] == "/dev/shm"


def test_after_a_slow_sync_of_the_file_system_only_many_files_take_another(
    tmp_path: Path, anchor: int, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else is filling the file system: a batch does not wait for that again for a while."""
    times = [100.0]
    monkeypatch.setattr(barrier, "_avoided_until", 0.0)
    monkeypatch.setattr(clock, "monotonic", lambda: times[0])
    paths = written(tmp_path, MANY)
    real = fs.calls.syncfs

    def slow(fd: int) -> None:
        times[0] += 1.0
        real(fd)

    monkeypatch.setattr(fs.calls, "syncfs", slow)
    assert sync_files(paths[: FEW + 1], anchor) is True
    assert sync_files(paths[: MANY - 1], anchor) is False
    assert sync_files(paths, anchor) is True
    times[0] += 60
    assert sync_files(paths[: FEW + 1], anchor) is True


@pytest.mark.parametrize("count", [1, FEW + 1])
def test_a_failed_sync_is_an_error(tmp_path: Path, anchor: int, count: int) -> None:
    def refuse(fd: int) -> None:
        raise OSError(errno.EIO, "lost")

    before = open_descriptors()
    paths = written(tmp_path, count)
    with fs.replaced(fs.Calls(fsync=refuse, syncfs=refuse)), pytest.raises(OSError, match="lost"):
        sync_files(paths, anchor)
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
    anchor = fs.open_directory(str(disk))
    paths = written(disk / "tmp", count)
    sync_files(paths, anchor)
    for path in paths:
        fs.rename(path, path.replace("/tmp/m", "/new/m"))
    fs.sync_directory(str(disk / "new"))
    os.close(anchor)
    assert after_power_cut(disk) == {f"m{number}": b"body %d" % number for number in range(count)}
