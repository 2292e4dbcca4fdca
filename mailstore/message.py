"""A message of a folder, as its users see it."""

from __future__ import annotations

import builtins
import io
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, BinaryIO

from mailstore.body import BlobReader, header_block
from mailstore.errors import MailstoreError
from mailstore.model.flags import flag_names
from mailstore.model.info import CHUNK, Row
from mailstore.model.measure import digest_of

if TYPE_CHECKING:
    from mailstore.folder import Folder


class Message:
    """One message: what a listing said of it, and its bytes on demand.

    The facts are those of the moment of the listing; ask the folder again for newer ones. Fields that the listing
    was not asked for are None, except the bytes, the header and the digest, which are fetched when needed.
    """

    __slots__ = ("folder", "row")

    def __init__(self, folder: Folder, row: Row) -> None:
        self.folder = folder
        self.row = row

    def __repr__(self) -> str:
        return f"<Message {self.uid} of {self.folder.path}>"

    @property
    def uid(self) -> int:
        """The UID; 0 where ``error`` tells of something that is no message."""
        return self.row.uid

    @property
    def key(self) -> str:
        """The driver's own stable name for the message."""
        return self.row.key

    @property
    def modseq(self) -> int:
        """When it last changed (RFC 7162)."""
        return self.row.modseq

    @property
    def flags(self) -> frozenset[str]:
        r"""System flags by their IMAP names (``\Seen``), ``\Recent`` and keywords included."""
        return self.row.keywords.union(flag_names(self.row.flags))

    @property
    def keywords(self) -> frozenset[str]:
        """The keywords alone."""
        return self.row.keywords

    @property
    def internal_date(self) -> datetime | None:
        """When the message was received, in UTC."""
        return _date(self.row.internal_date)

    @property
    def saved_date(self) -> datetime | None:
        """When it entered this folder (RFC 8514), in UTC."""
        return _date(self.row.saved_date)

    @property
    def sender(self) -> str | None:
        """Envelope sender; '' is the null sender, None unknown."""
        return self.row.sender

    @property
    def uidl(self) -> str | None:
        """POP3 unique id."""
        return self.row.uidl

    @property
    def size(self) -> int | None:
        """Bytes as stored."""
        return self.row.size

    @property
    def crlf_size(self) -> int | None:
        """Bytes with CRLF line ends (IMAP RFC822.SIZE)."""
        return self.row.crlf_size

    @property
    def error(self) -> MailstoreError | None:
        """Why it could not be read, or None."""
        return self.row.error

    @property
    def notes(self) -> tuple[str, ...]:
        """What was odd about it and how it was read."""
        return self.row.notes

    @property
    def digest(self) -> builtins.bytes:
        """SHA-256 of the exact bytes; reads them where the listing did not bring it.

        Raises:
            NoSuchMessage, UnreadableMessage, MessageChanged: see open.
        """
        if self.row.digest is not None:
            return self.row.digest
        if self.row.body is not None:
            return digest_of(self.row.body)
        with closing(self.folder.open(self.uid)) as blob:
            return digest_of(blob)

    @property
    def guid(self) -> str:
        """The digest as 64 hex digits: the same content has the same GUID in every store (RFC 8474 EMAILID)."""
        return self.digest.hex()

    def open(self) -> BinaryIO:
        """Return the exact bytes as a seekable file object, read piece by piece; close it when done.

        Raises:
            NoSuchMessage: it is gone.
            UnreadableMessage: it is there and cannot be read.
            MessageChanged: while reading, it changed under the reader; list the folder again.
        """
        body = self.row.body
        if isinstance(body, builtins.bytes):
            return io.BytesIO(body)
        return io.BufferedReader(BlobReader(self.folder.open(self.uid)), CHUNK // 16)

    def bytes(self) -> builtins.bytes:
        """Return all of the exact bytes; see open for the errors."""
        if isinstance(self.row.body, builtins.bytes):
            return self.row.body
        with self.open() as file:
            return file.read()

    def read(self, offset: int, size: int) -> builtins.bytes:
        """Return ``size`` bytes from ``offset``, fewer at the end, without reading the rest; errors as for open."""
        with self.open() as file:
            file.seek(offset)
            return file.read(size)

    def header(self) -> builtins.bytes:
        """Return the header block with the empty line that ends it, without reading the body; errors as for open."""
        if self.row.header is not None:
            return self.row.header
        with closing(self.folder.open(self.uid)) as blob:
            return header_block(blob)


def _date(seconds: int | None) -> datetime | None:
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return datetime.min.replace(tzinfo=UTC) if seconds < 0 else datetime.max.replace(tzinfo=UTC, microsecond=0)
