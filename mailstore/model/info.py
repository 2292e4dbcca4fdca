"""What is known of a message: what travels with it (Meta), what a listing says of it (Row), its bytes (Body)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol, runtime_checkable

from mailstore.errors import MailstoreError
from mailstore.model.flags import NO_KEYWORDS

CHUNK = 1 << 20
"""Bytes: a body up to this size travels as ``bytes``, a larger one as a ``Blob`` read in pieces of this size."""


@runtime_checkable
class Blob(Protocol):
    """A large message's exact bytes, read where and when needed. Stable while open; ``close`` may be called twice."""

    @property
    def size(self) -> int:
        """Length in bytes."""
        ...

    def read_at(self, offset: int, size: int) -> bytes:
        """Return up to ``size`` bytes from ``offset``; fewer only at the end.

        Raises:
            MessageChanged: the bytes can no longer be told to be those of this message.
        """
        ...

    def close(self) -> None:
        """Release what the blob holds open."""
        ...


Body = bytes | Blob


def body_size(body: Body) -> int:
    """Return the length of ``body`` in bytes."""
    return len(body) if isinstance(body, bytes) else body.size


def body_chunks(body: Body) -> Iterator[bytes]:
    """Yield the bytes of ``body`` in order, in pieces of at most CHUNK bytes (a ``bytes`` body in one piece)."""
    if isinstance(body, bytes):
        yield body
        return
    at = 0
    while at < body.size:
        piece = body.read_at(at, CHUNK)
        yield piece
        at += len(piece)


class Meta(NamedTuple):
    """What travels with a message into a folder. Whatever is not here is lost on the way."""

    flags: int = 0
    """Bits of mailstore.model.flags."""
    keywords: frozenset[str] = NO_KEYWORDS
    internal_date: int | None = None
    """IMAP INTERNALDATE: the instant of reception, whole seconds since 1970 UTC; None: the moment of the commit."""
    saved_date: int | None = None
    """RFC 8514: when the message entered this folder, seconds since 1970 UTC; None: the moment of the commit."""
    sender: str | None = None
    """Envelope sender: '' is the null sender <>, None unknown; bytes that are no UTF-8 are surrogate-escaped."""
    uidl: str | None = None
    """POP3 unique id where it is not derived from the UID (RFC 1939: 1 to 70 characters 0x21-0x7E)."""


class Arrival(NamedTuple):
    """A message on its way in."""

    body: Body
    meta: Meta = Meta()
    key: bytes | None = None
    """16-byte idempotency key: committing a key that is stored already changes nothing and answers ``known``."""
    uid: int = 0
    """A UID hint (0: none), honoured where it is not below the folder's UIDNEXT."""


# Fields of a Row that a caller asks for; what is not asked for may be None and costs nothing.
INTERNAL_DATE = 1
SAVED_DATE = 2
SENDER = 4
UIDL = 8
SIZE = 16
CRLF_SIZE = 32
DIGEST = 64
HEADER = 128
BODY = 256
META = INTERNAL_DATE | SAVED_DATE | SENDER | UIDL
"""All that Meta carries besides flags and keywords, which every row has."""


class Row(NamedTuple):
    """One message of a listing. The first six fields are always set; the others where asked for."""

    uid: int
    """0 where ``error`` tells of something that is no message."""
    key: str
    """Driver-native and stable: a Maildir base name, X-UID or ordinal and digest in an mbox, a row id."""
    recorded: bool
    """The UID stands in the format's own record; else it is provisional and means nothing elsewhere."""
    modseq: int
    flags: int
    keywords: frozenset[str]
    internal_date: int | None = None
    saved_date: int | None = None
    sender: str | None = None
    uidl: str | None = None
    size: int | None = None
    """Bytes as stored."""
    crlf_size: int | None = None
    """Bytes with every bare LF counted as CRLF: IMAP RFC822.SIZE."""
    digest: bytes | None = None
    """SHA-256 of the exact bytes."""
    header: bytes | None = None
    """The header block with the empty line that ends it, or the whole message where there is none."""
    body: Body | None = None
    """The exact bytes."""
    error: MailstoreError | None = None
    """Why this message could not be (wholly) read; the rest of the listing goes on."""
    notes: tuple[str, ...] = ()
    """What was odd and how it was read, for a report: 'date taken from Received:'."""

    @property
    def meta(self) -> Meta:
        r"""What an append elsewhere takes along; ``\Recent`` included."""
        return Meta(self.flags, self.keywords, self.internal_date, self.saved_date, self.sender, self.uidl)
