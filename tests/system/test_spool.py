from __future__ import annotations

import errno
import io
import os
from pathlib import Path
from typing import BinaryIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.syscalls import open_descriptors

from mailstore.errors import MessageChanged
from mailstore.model.info import Blob, body_chunks
from mailstore.system import fs
from mailstore.system.spool import FileBlob, Spool, spool


class Trickle(io.RawIOBase):
    """A pipe that gives a byte at a time."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, size: int = -1, /) -> bytes:
        piece, self._data = self._data[:1], self._data[1:]
        return piece


@given(st.binary(max_size=40), st.integers(1, 20), st.integers(0, 50), st.integers(0, 50))
def test_spool_gives_back_what_came(data: bytes, limit: int, offset: int, size: int) -> None:
    got = spool(io.BytesIO(data), limit)
    if len(data) <= limit:
        assert got == data
    else:
        assert isinstance(got, Spool)
        assert isinstance(got, Blob)
        assert got.size == len(data)
        assert got.read_at(offset, size) == data[offset : offset + size]
        assert b"".join(body_chunks(got)) == data
        got.close()


def test_a_slow_source() -> None:
    assert spool(cast("BinaryIO", Trickle(b"abc")), 3) == b"abc"
    got = spool(cast("BinaryIO", Trickle(b"abcd")), 3)
    assert isinstance(got, Spool)
    assert got.read_at(0, 9) == b"abcd"
    got.close()


def test_nobody_sees_it_and_it_goes(tmp_path: Path) -> None:
    before = open_descriptors()
    target = Spool(str(tmp_path))
    target.append([b"ab", b"c"])
    assert (target.size, target.read_at(1, 5), os.listdir(tmp_path)) == (3, b"bc", [])
    target.close()
    target.close()
    assert open_descriptors() == before
    Spool(str(tmp_path))
    assert open_descriptors() == before


def without_nameless(path: str, flags: int, mode: int) -> int:
    """Open a file on a file system that makes none without a name."""
    if flags & os.O_TMPFILE == os.O_TMPFILE:
        raise OSError(errno.EOPNOTSUPP, "no")
    return os.open(path, flags, mode)


def test_without_nameless_files(tmp_path: Path) -> None:
    with fs.replaced(fs.Calls(open=without_nameless)):
        target = Spool(str(tmp_path))
    target.append([b"x"])
    assert (target.read_at(0, 1), os.listdir(tmp_path)) == (b"x", [])


def test_a_name_that_stays(tmp_path: Path) -> None:
    """Without nameless files, and the name cannot be taken away: that is the error, and nothing is left open."""
    before = open_descriptors()

    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, "broken")

    with fs.replaced(fs.Calls(open=without_nameless, unlink=refuse)), pytest.raises(OSError, match="broken"):
        Spool(str(tmp_path))
    assert open_descriptors() == before


def test_a_full_disk_leaves_nothing_open() -> None:
    before = open_descriptors()

    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSPC, "full")

    with fs.replaced(fs.Calls(pwrite=refuse)), pytest.raises(OSError, match="full"):
        spool(io.BytesIO(b"abc"), 1)
    assert open_descriptors() == before


def test_a_range_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"0123456789")
    blob = FileBlob(str(tmp_path / "f"), 2, 5)
    assert (blob.size, blob.read_at(0, 99), blob.read_at(3, 1), blob.read_at(5, 1)) == (5, b"23456", b"5", b"")
    (tmp_path / "f").write_bytes(b"0123")
    with pytest.raises(MessageChanged):
        blob.read_at(0, 5)
    assert blob.read_at(0, 2) == b"23"
    blob.close()
    rest = FileBlob(str(tmp_path / "f"), 1)
    assert rest.size == 3
    rest.close()
    assert FileBlob(str(tmp_path / "f"), 9).size == 0


def test_a_shared_descriptor_stays_open(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"0123456789")
    fd = fs.open_source(str(tmp_path / "f"))
    blob = FileBlob(fd, 0, 2, own=False)
    blob.close()
    blob.close()
    other = FileBlob(fd, 4, 2, own=False)
    del other
    assert os.pread(fd, 2, 4) == b"45"
    os.close(fd)
