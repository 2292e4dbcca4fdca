"""What the system says of a disk: room, inodes, quotas."""

import os
import struct
from pathlib import Path

from mailstore.quota import Disk, DiskQuota, disk_of
from mailstore.system.diskquota import read_answer


def test_a_disk_tells_its_room(tmp_path: Path) -> None:
    disk = disk_of(str(tmp_path))
    assert disk is not None
    found = os.statvfs(tmp_path)
    assert disk.total_bytes == found.f_blocks * found.f_frsize
    assert 0 < disk.free_bytes <= disk.total_bytes
    assert (disk.total_inodes is None) == (found.f_files == 0)


def test_what_is_not_there_has_no_disk(tmp_path: Path) -> None:
    assert disk_of(str(tmp_path / "nothing")) is None


def answer(hard: int, soft: int, used: int, inodes_hard: int = 0, inodes_soft: int = 0, inodes: int = 0) -> bytes:
    return struct.pack("=8QI4x", hard, soft, used, inodes_hard, inodes_soft, inodes, 0, 0, 0x3F)


def test_the_lower_limit_counts_and_none_is_none() -> None:
    assert read_answer("user", 7, answer(200, 100, 5000, 9, 0, 3)) == DiskQuota("user", 7, 5000, 102400, 3, 9)
    assert read_answer("group", 7, answer(0, 0, 5000)) == DiskQuota("group", 7, 5000, None, 0, None)


def test_the_tightest_quota_is_the_one_with_the_least_room() -> None:
    wide = DiskQuota("user", 1, 500, 10_000, 0, None)
    tight = DiskQuota("project", 3, 2_000, 2_100, 0, None)
    none = DiskQuota("group", 2, 500, None, 0, None)
    disk = Disk(1, 1, None, None, (wide, none, tight))
    assert (disk.tightest, disk.quota_limit, disk.quota_used) == (tight, 2_100, 2_000)
    assert Disk(1, 1, None, None, (none,)).tightest is None
    assert Disk(1, 1, None, None).quota_limit is None
