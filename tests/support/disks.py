"""File systems of our own to limit and to cut the power of: ext4 and btrfs in files (``privilege`` has the tmpfs).

The problem. A copy of a mounted image that is read while it is written mixes blocks of different moments: a later write
may be in it and an earlier one not, which no disk does that keeps to its flushes. What such a copy shows is neither the
store's doing nor the file system's.

The solution. Images that are to be copied lie on a btrfs, itself in a file, where a copy is a clone: one system call
that holds the image's lock, so that it shows one moment. What the mounted file system keeps in memory is not in it.

Whatever is mounted here is unmounted at the end of the block; its loop device goes with it.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from support.peers import UTC, need, refuse

_FICLONE = 0x40049409


def need_root(what: str) -> None:
    """Skip the test where we are not root; fail instead where MAILSTORE_REQUIRE_PEERS=1."""
    if os.geteuid() != 0:
        refuse(f"{what} needs root")


def run(*command: str | Path) -> None:
    """Run a program of the system; fails the test where it fails."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, env=UTC, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, command))}: {done.stderr.strip()}"


@contextmanager
def mounted(image: Path, at: Path, *options: str) -> Iterator[Path]:
    """Mount the file system in the file ``image`` at ``at`` for the block."""
    need("mount")
    need_root("mounting an image")
    at.mkdir(exist_ok=True)
    words = ["mount", "-o", ",".join(("loop", *options)), str(image), str(at)]
    done = subprocess.run(words, capture_output=True, text=True, env=UTC, check=False)
    if done.returncode:
        refuse(f"cannot mount a loop device: {done.stderr.strip()}")
    try:
        yield at
    finally:
        unmount(at)


def unmount(at: Path) -> None:
    """Unmount; where a process that was killed still ends, the kernel does it after that."""
    if subprocess.run(["umount", str(at)], capture_output=True, env=UTC, check=False).returncode:
        run("umount", "-l", at)


def image(at: Path, megabytes: int, make: Sequence[str]) -> Path:
    """Make a file of that size (its holes take no room) with a file system in it."""
    need(make[0])
    with at.open("wb") as file:
        file.truncate(megabytes << 20)
    run(*make, at)
    return at


@contextmanager
def ext4(image_file: Path, at: Path, *options: str, megabytes: int = 64, make: Sequence[str] = ()) -> Iterator[Path]:
    """Make an ext4 in ``image_file`` and mount it at ``at`` for the block."""
    with mounted(image(image_file, megabytes, ("mkfs.ext4", "-q", *make)), at, *options):
        yield at


@contextmanager
def clones(directory: Path, megabytes: int = 1024) -> Iterator[Path]:
    """Mount a btrfs in ``directory``, for images that ``clone`` copies."""
    made = image(directory / "clones.btrfs", megabytes, ("mkfs.btrfs", "-q"))
    with mounted(made, directory / "clones", "nodatasum", "noatime") as at:
        yield at


def clone(source: Path, target: Path) -> Path:
    """Copy a file of a ``clones`` directory as it is at one moment."""
    with source.open("rb") as old, target.open("wb") as new:
        fcntl.ioctl(new, _FICLONE, old.fileno())
    return target


@contextmanager
def limited(directory: Path, limit: str) -> Iterator[Path]:
    """Mount a btrfs with a subvolume whose quota group is limited (``2M``); yield the subvolume."""
    need("btrfs")
    made = image(directory / "quota.btrfs", 256, ("mkfs.btrfs", "-q"))
    with mounted(made, directory / "quota") as at:
        run("btrfs", "quota", "enable", at)
        run("btrfs", "subvolume", "create", at / "user")
        limit_to(at / "user", limit)
        yield at / "user"


def limit_to(subvolume: Path, limit: str) -> None:
    """Change the limit of a subvolume's quota group; ``none`` lifts it."""
    run("btrfs", "qgroup", "limit", limit, subvolume)


def eat(at: Path, leave: int = 0) -> None:
    """Fill a file system, or what the user has of it, up to about ``leave`` bytes; again to fill what is left."""
    reserve = at / "filler-reserve"
    if leave:
        reserve.write_bytes(b"\0" * leave)
    with (at / "filler").open("ab", buffering=0) as file:
        for piece in (1 << 20, 1 << 12, 1):
            try:
                while file.write(b"\0" * piece) == piece:
                    pass
            except OSError:
                continue
    reserve.unlink(missing_ok=True)
    run("sync", "-f", at)


def eat_inodes(at: Path, leave: int = 0) -> None:
    """Use up all inodes but ``leave``."""
    for number in range(os.statvfs(at).f_ffree - leave):
        (at / f"filler{number}-{leave}").touch()
