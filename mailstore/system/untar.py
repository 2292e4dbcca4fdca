"""Unpacking tar archives: what tarfile reads, as one stream, with what it takes for an end looked at twice.

tarfile ends in silence where a header is damaged, and where the file simply ends; only two blocks of zeros are the end
of a tar. It reads names of any length into memory, and keeps all headers; both are kept in bounds here.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator
from typing import IO, BinaryIO, Self, cast

from mailstore.system.unpacked import Damaged, Unpacked

_LONGEST = 1 << 20
"""Bytes of an extended header."""
_EXTENDED = frozenset(
    {tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK}
)
_CHUNK = 32 << 10
"""Bytes read at once: as much may be lost before the place where an archive is damaged."""
_BLOCK = 512
_KINDS = {
    tarfile.SYMTYPE: "a symbolic link, which is not followed",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
}


class _Header(tarfile.TarInfo):
    """A header; what was wrong with the last one that was none is noted in the class made for one archive."""

    ended = ""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str | None, errors: str) -> Self:
        """See TarInfo.frombuf."""
        try:
            header = super().frombuf(buf, encoding, errors)  # type: ignore[arg-type] # typeshed: the encoding may be None
        except tarfile.HeaderError as error:
            cls.ended = type(error).__name__
            raise
        if header.type in _EXTENDED and header.size > _LONGEST:
            cls.ended = "a name longer than can be"
            raise tarfile.HeaderError(cls.ended)
        return header


def is_tar(head: bytes) -> bool:
    """Tell whether a file that begins with ``head``, 512 bytes or more, is a tar archive, by its first header's sum."""
    try:
        tarfile.TarInfo.frombuf(head[:_BLOCK], "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def untar(stream: BinaryIO, target: Unpacked) -> None:
    """Unpack what ``stream`` holds into ``target``.

    Raises:
        Damaged: it ends too early, or what comes is no tar; what was read until then is there.
        StorageFull, NotAStore: see Unpacked.
        OSError: the system could not read or write.
    """

    class Header(_Header):
        """Of this archive alone."""

    source = cast("BinaryIO", _Stream(stream))  # it is only read
    try:
        archive = tarfile.open(  # noqa: SIM115 - it owns nothing
            fileobj=source, mode="r|", tarinfo=Header, encoding="utf-8", errors="surrogateescape", bufsize=_CHUNK
        )
        while (header := archive.next()) is not None:
            _take(archive, header, target)
            archive.members = []  # type: ignore[attr-defined] # else it keeps every header there is
    except (tarfile.TarError, EOFError, ValueError, RecursionError, ArithmeticError) as error:
        raise Damaged(str(error) or type(error).__name__) from error
    if Header.ended != "EOFHeaderError":
        raise Damaged("it ends without the mark of its end")


def sample_tar(stream: BinaryIO, size: int) -> Iterator[tuple[str, bytes]]:
    """Yield name and first bytes (``size`` of them) of each regular file, as far as the archive can be read."""
    try:
        with tarfile.open(
            fileobj=cast("BinaryIO", _Stream(stream)),
            mode="r|",
            tarinfo=_Header,
            encoding="utf-8",
            errors="surrogateescape",
        ) as archive:
            while (header := archive.next()) is not None:
                file = archive.extractfile(header) if header.isreg() else None
                if file is not None:
                    yield header.name, file.read(size)
                archive.members = []  # type: ignore[attr-defined] # as above
    except (Damaged, tarfile.TarError, EOFError, ValueError, RecursionError, ArithmeticError, OSError):
        return


def _take(archive: tarfile.TarFile, header: tarfile.TarInfo, target: Unpacked) -> None:
    if header.isdir():
        target.add_directory(header.name, _seconds(header))
    elif header.islnk():
        target.add_link(header.name, header.linkname)
    elif header.isreg():
        file = archive.extractfile(header)
        assert file is not None
        target.add_file(header.name, _chunks(file, header.size), _seconds(header))
    else:
        target.leave_out(header.name, _KINDS.get(header.type, "neither a file nor a directory"))


def _chunks(file: IO[bytes], size: int) -> Iterator[bytes]:
    done = 0
    while done < size:
        chunk = file.read(min(_CHUNK, size - done))
        if not chunk:
            raise Damaged("it ends in the middle of a file")
        done += len(chunk)
        yield chunk


def _seconds(header: tarfile.TarInfo) -> int:
    try:
        return int(header.mtime)
    except (ValueError, OverflowError):
        return 0


class _Stream:
    """A stream whose unpacker may raise anything: that is Damaged, unless the system said it."""

    def __init__(self, stream: BinaryIO) -> None:
        # an unpacker's read may gather much and lose it when it meets the damage
        self._read: Callable[[int], bytes] = getattr(stream, "read1", stream.read)

    def read(self, size: int) -> bytes:
        """Read on: some bytes, none only at the end."""
        try:
            return self._read(size)
        except Exception as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise Damaged(str(error) or type(error).__name__) from error
