"""File systems whose files have another device for ``stat`` than for the kernel's list of locks: btrfs, overlays."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.disks import limited, need_root, unmount
from support.holding import held, running
from support.peers import refuse
from support.played import Played

from mailstore.doctor import inspect_locks
from mailstore.doctor.kernel import look

pytestmark = [pytest.mark.root, pytest.mark.interop]


@contextmanager
def overlaid(directory: Path) -> Iterator[Path]:
    """Mount an overlay whose lower and upper layer are directories of ours."""
    need_root("mounting an overlay")
    for name in ("lower", "upper", "work", "merged"):
        (directory / name).mkdir()
    options = f"lowerdir={directory}/lower,upperdir={directory}/upper,workdir={directory}/work"
    words = ["mount", "-t", "overlay", "overlay", "-o", options, str(directory / "merged")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        refuse(f"cannot mount an overlay: {done.stderr.strip()}")
    try:
        yield directory / "merged"
    finally:
        unmount(directory / "merged")


@pytest.mark.parametrize("kind", ["fcntl-write", "ofd-write", "flock-read"])
def test_btrfs(tmp_path: Path, kind: str) -> None:
    with limited(tmp_path, "none") as subvolume:
        box = subvolume / "box"
        box.touch()
        assert_seen(box, kind, "btrfs")


@pytest.mark.parametrize("kind", ["fcntl-write", "ofd-write", "flock-read"])
def test_an_overlay(tmp_path: Path, kind: str) -> None:
    with overlaid(tmp_path) as merged:
        box = merged / "box"
        box.touch()
        assert_seen(box, kind, "overlay")


def assert_seen(box: Path, kind: str, filesystem: str) -> None:
    """Holder and waiter of a lock are found, and the file system."""
    waiter = (
        "import fcntl, sys; f = open(sys.argv[1], 'r+b'); print(flush=True)\n"
        f"fcntl.{'flock' if kind.startswith('flock') else 'lockf'}(f, fcntl.LOCK_EX)"
    )
    with held(kind, box) as process, running([sys.executable, "-c", waiter, str(box)]) as second:
        assert second.stdout is not None
        assert second.stdout.readline()
        for _ in range(1000):
            report = inspect_locks(f"mbox:{box}", Played())
            if len(report.locks) > 1:
                break
        assert report.place.filesystem == filesystem
        found = [(lock.waiting, [one.pid for one in lock.processes]) for lock in report.locks]
        assert found == [(False, [process.pid]), (True, [second.pid])]
    named = look(str(box))
    assert named is not None
    assert named.identity[1] == os.stat(box).st_ino
