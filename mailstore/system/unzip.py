"""Unpacking zip archives.

Names are UTF-8 where the archive says so or where they read as it, else in code page 437, as the format has it. Times
are those of the extended timestamps (UTC, exact), else the two-second local ones.
"""

from __future__ import annotations

import stat
import time
import zipfile
from collections.abc import Iterator
from contextlib import closing

from mailstore.errors import NotAStore
from mailstore.system import fs
from mailstore.system.cutzip import CutZip
from mailstore.system.unpacked import Damaged, Unpacked

MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
"""How a zip archive begins: with a file, or with nothing."""
_CHUNK = 1 << 20
_UTF8, _ENCRYPTED = 0x800, 0x1
_TIMESTAMP = 0x5455
"""The extra field in which Info-ZIP keeps a file's mtime."""


def unzip(path: str, target: Unpacked) -> None:
    """Unpack the archive at ``path`` into ``target``.

    Raises:
        NotAStore: everything in it is encrypted; and see Unpacked.
        Damaged: its directory, which is at the end, cannot be read; what could be read without it is there.
        StorageFull: see Unpacked.
        OSError: the system could not read or write.
    """
    with open(fs.open_source(path), "rb") as raw:
        try:
            archive = zipfile.ZipFile(raw)
        except (zipfile.BadZipFile, ValueError, ArithmeticError, NotImplementedError) as error:
            with closing(CutZip(path)) as cut:
                cut.unpack_to(target)
            raise Damaged(f"its directory, which is at its end, cannot be read ({error})") from error
        found = archive.infolist()
        files = [info for info in found if not info.is_dir()]
        if files and all(info.flag_bits & _ENCRYPTED for info in files):
            raise NotAStore(f"{fs.shown(path)}: it is encrypted; unpack it with its password first", path=path)
        target.expect(sum(info.file_size for info in files))
        for info in found:
            _take(archive, info, target)


def sample_zip(path: str, size: int) -> Iterator[tuple[str, bytes]]:
    """Yield name and first bytes (``size`` of them) of each file, as far as they can be read."""
    try:
        with open(fs.open_source(path), "rb") as raw, zipfile.ZipFile(raw) as archive:
            for info in archive.infolist():
                if not info.is_dir():
                    yield name_of(info), b"" if info.flag_bits & _ENCRYPTED else archive.open(info).read(size)
    except Exception:  # noqa: BLE001 - damaged data: the unpackers share no class
        return


def _take(archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Unpacked) -> None:
    name = name_of(info)
    mode = info.external_attr >> 16
    if info.is_dir():
        target.add_directory(name, mtime_of(info))
    elif info.flag_bits & _ENCRYPTED:
        target.leave_out(name, "it is encrypted", damaged=True)
    elif stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        target.leave_out(name, "a symbolic link, which is not followed" if stat.S_ISLNK(mode) else "a special file")
    else:
        before = len(target.omitted)
        try:
            target.add_file(name, _chunks(archive, info), mtime_of(info))
        except Damaged as error:
            if len(target.omitted) == before:
                target.leave_out(name, str(error), damaged=True)


def _chunks(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield a file's bytes; whatever the unpackers raise means damage, unless the system said it."""
    try:
        with archive.open(info) as file:
            while chunk := file.read(_CHUNK):
                yield chunk
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise Damaged(str(error) or type(error).__name__) from error


def name_of(info: zipfile.ZipInfo) -> str:
    """Return a file's name in the archive, undecodable bytes surrogate-escaped."""
    name = info.orig_filename.partition("\0")[0]
    if info.flag_bits & _UTF8:
        return name
    try:
        return name.encode("cp437").decode("utf-8")
    except UnicodeError:
        return name


def mtime_of(info: zipfile.ZipInfo) -> int:
    """Return when a file was last written, seconds since 1970 UTC."""
    extra = info.extra
    while len(extra) >= 4:
        kind, size = int.from_bytes(extra[:2], "little"), int.from_bytes(extra[2:4], "little")
        if kind == _TIMESTAMP and size >= 5 and extra[4] & 1:
            return int.from_bytes(extra[5:9], "little", signed=True)
        extra = extra[4 + size :]
    try:
        return int(time.mktime((*info.date_time, 0, 0, -1)))
    except (ValueError, OverflowError):
        return 0
