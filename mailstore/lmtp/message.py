"""One message that came in by LMTP: its bytes as they are stored, and the trace header of this hop."""

from __future__ import annotations

import re
import threading
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, cast

from mailstore.delivery import Incoming
from mailstore.delivery.stored import identity
from mailstore.formats.delivered import address, split_from_line
from mailstore.model.caps import Capabilities
from mailstore.model.flags import RECENT
from mailstore.model.info import CHUNK, Arrival, Blob, Body, Meta
from mailstore.system.spool import Spool

if TYPE_CHECKING:
    from typing import BinaryIO

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_NOT_PLAIN = re.compile(r"[\0- ()\x7f]")


class Collector:
    """Takes a message in as it streams: up to 1 MiB in memory, a larger one in a temporary file.

    Attributes:
        size: bytes so far.
    """

    __slots__ = ("_pieces", "_spool", "size")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._spool: Spool | None = None
        self.size = 0

    def add(self, piece: bytes) -> bool:
        """Take a piece; True when ``flush`` should be called before the next (it writes to the disk)."""
        self._pieces.append(piece)
        self.size += len(piece)
        return self.size > CHUNK and (self._spool is None or len(self._pieces) > 4)

    def flush(self) -> None:
        """Write what is held to the temporary file.

        Raises:
            OSError: it could not be written; what there is of it is gone.
        """
        try:
            if self._spool is None:
                self._spool = Spool()
            self._spool.append(self._pieces)
        except BaseException:
            self.close()
            raise
        self._pieces.clear()

    @property
    def is_large(self) -> bool:
        """Whether the rest has to be flushed before ``content``."""
        return self.size > CHUNK

    def content(self) -> bytes | Spool:
        """Return the whole message; ``flush`` comes before where it is large."""
        return b"".join(self._pieces) if self._spool is None else self._spool

    def close(self) -> None:
        """Let go of what was taken in; may be called twice."""
        self._pieces.clear()
        spool, self._spool = self._spool, None
        if spool is not None:
            spool.close()


class Message:
    """A message on its way into one or several stores. Several threads may ask for arrivals at once.

    Args:
        content: as it came, lines ended by LF.
        sender: envelope sender, '' the null sender.
        recipient: goes into Delivered-To; None where there are several recipients: they would see of each other, and
            their copies could not be one file.
        trace: the Received field, with its line end.
        date: internal date, seconds since 1970 UTC.
        once: None, ``message-id`` or ``content``: do not store what an account holds already.
    """

    def __init__(
        self, content: bytes | Spool, *, sender: str, recipient: str | None, trace: bytes, date: int, once: str | None
    ) -> None:
        self.size = len(content) if isinstance(content, bytes) else content.size
        self._content = content
        self._sender = sender
        self._recipient = recipient
        self._trace = trace
        self._date = date
        self.once = once
        self._bodies: dict[frozenset[str], Body] = {}
        self._lock = threading.Lock()

    def arrival(self, capabilities: Capabilities) -> Arrival:
        """Return the message as a store with ``capabilities`` takes it.

        Raises:
            StorageFull, StorageFailure: a large one could not be written to a temporary file.
        """
        with self._lock:
            body = self._bodies.get(capabilities.reserved_headers)
            if body is None:
                body = self._incoming().body(capabilities.reserved_headers)
                self._bodies[capabilities.reserved_headers] = body
        sender = address(self._sender) if capabilities.unlocked_sender else None
        meta = Meta(RECENT, internal_date=self._date, sender=sender)
        return Arrival(body, meta, None if self.once is None else identity(body, self.once))

    def _incoming(self) -> Incoming:
        if isinstance(self._content, bytes):
            _, content = split_from_line(self._content)
            return Incoming(self._trace + content, sender=self._sender, recipient=self._recipient)
        stream = cast("BinaryIO", _Reader(self._trace, self._content))
        return Incoming(stream, sender=self._sender, recipient=self._recipient)

    def close(self) -> None:
        """Release temporary files; may be called twice."""
        for body in (self._content, *self._bodies.values()):
            if not isinstance(body, bytes):
                with suppress(OSError):
                    body.close()


class _Reader:
    """What Incoming reads of a large message: the trace header, then the blob without a From_ line in front."""

    def __init__(self, trace: bytes, blob: Blob) -> None:
        self._blob = blob
        head = blob.read_at(0, 1 << 16)
        self._at = len(head) - len(split_from_line(head)[1])
        self._first = trace

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes; none only at the end."""
        if self._first:
            piece, self._first = self._first, b""
            return piece
        piece = self._blob.read_at(self._at, size)
        self._at += len(piece)
        return piece


def received(*, client: str, peer: str, hostname: str, serial: str, recipient: str | None, date: int) -> bytes:
    """Return the Received field of this hop (RFC 5321 section 4.4) with its line end, folded as Dovecot folds it.

    Args:
        client: what it said of itself in LHLO.
        peer: its network address; '' over a UNIX socket.
        hostname: of this server.
        serial: identifies the message in this server's log.
        recipient: where it is the only one; None for none or several.
        date: seconds since 1970 UTC.
    """
    at = f" ([{_plain(peer)}])" if peer else ""
    to = f"\n\tfor <{_plain(recipient)}>" if recipient else ""
    text = f"Received: from {_plain(client)}{at}\n\tby {hostname} with LMTP\n\tid {serial}{to}; {rfc5322_date(date)}\n"
    return text.encode("utf-8", "surrogateescape")


def _plain(text: str) -> str:
    """Return ``text`` without what could end a field or a comment."""
    return _NOT_PLAIN.sub("", text)[:255]


@lru_cache(maxsize=4)
def rfc5322_date(seconds: int) -> str:
    """Return a date as header fields have it, in UTC, whatever the locale."""
    from time import gmtime

    at = gmtime(seconds)
    day = f"{_DAYS[at.tm_wday]}, {at.tm_mday:02d} {_MONTHS[at.tm_mon - 1]} {at.tm_year:04d}"
    return f"{day} {at.tm_hour:02d}:{at.tm_min:02d}:{at.tm_sec:02d} +0000"
