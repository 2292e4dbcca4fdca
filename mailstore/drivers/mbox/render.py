"""Records of messages of any size as pieces to be written: small ones at once, large ones in two passes over a Blob.

The first pass finds what must be said before the message: whether its lines need quoting otherwise than the dialect
does, how many bytes the quoted body has. The second gives the pieces.
"""

from __future__ import annotations

from collections.abc import Iterator

from mailstore.formats.mbox import dialect as quoting
from mailstore.formats.mbox import metadata
from mailstore.formats.mbox.block import Sentinel
from mailstore.formats.mbox.compose import (
    HEAD,
    Message,
    head_needs_override,
    head_stop,
    needs_override,
    write_head,
    write_record,
)
from mailstore.formats.mbox.compose import facts as facts_of
from mailstore.formats.mbox.dialect import ALL, MARK, NONE, Dialect
from mailstore.model.info import CHUNK, Blob, Body

_PIECE = CHUNK
_LONGEST = CHUNK
"""Bytes of a line that are looked at as one."""


def record(body: Body, message: Message, dialect: Dialect) -> Iterator[bytes]:
    """Yield the pieces of a message's record."""
    if isinstance(body, bytes):
        yield write_record(body, message, dialect)
        return
    yield from _large(body, message, dialect)


def _large(body: Blob, message: Message, dialect: Dialect) -> Iterator[bytes]:
    newline, size = dialect.newline, body.size
    head = body.read_at(0, HEAD + 2)
    start = head[:HEAD]
    sentinel = facts_of(start, dialect)[0]
    end = head_stop(head, 0, len(head), newline)
    countable = end < len(head)
    if not countable:
        end = _find_end(body, newline)
        countable = 0 <= end < size
    lacks = body.read_at(size - 1, 1) != newline
    more = b"" if dialect.mmdf else b"-"  # what follows a piece may be a field
    override = head_needs_override(head[:end], dialect) or any(
        needs_override(piece + more, dialect, countable=countable) for piece in lines(body, newline)
    )
    asis = not override and dialect.quoting == NONE and not dialect.mmdf
    asis = asis and any(quoting.has_quoted(piece, newline) for piece in lines(body, newline))
    sentinel = sentinel.but(size=size if lacks else -1, rd=override, asis=asis)
    style = ALL if sentinel.rd else dialect.quoting
    length = -1
    if dialect.counted and countable:
        length = sum(map(len, _quoted(_behind(body, end), style, newline))) + (len(dialect.eol) if lacks else 0)
    yield (MARK + dialect.eol if dialect.mmdf else b"") + write_head(message, sentinel, dialect, length)
    yield from _body(body, start, sentinel, style, dialect)
    yield (dialect.eol if lacks else b"") + (MARK + dialect.eol if dialect.mmdf else dialect.eol)


def _body(body: Blob, start: bytes, sentinel: Sentinel, style: str, dialect: Dialect) -> Iterator[bytes]:
    if sentinel.kept:
        end = head_stop(start, 0, len(start), dialect.newline)
        body = _Prefixed(metadata.keep_senders(start[:end], dialect.newline)[0], body, end)
    if dialect.mmdf:
        pieces = lines(body, dialect.newline)
        yield from (map(quoting.mark, pieces) if sentinel.rd else pieces)
    else:
        yield from _quoted(body, style, dialect.newline)


def _quoted(body: Blob, style: str, newline: bytes) -> Iterator[bytes]:
    at_line = True
    for piece in lines(body, newline):
        # A piece that goes on in the middle of a line must not be quoted at its beginning.
        yield quoting.quote(piece, style, newline) if at_line else quoting.quote(b"." + piece, style, newline)[1:]
        at_line = piece[-1:] == newline


def lines(body: Blob, newline: bytes) -> Iterator[bytes]:
    """Yield the blob in pieces that begin at lines, as far as lines are not longer than memory is large."""
    data, at = b"", 0
    while at < body.size:
        piece = body.read_at(at, _PIECE)
        at += len(piece)
        data += piece
        cut = data.rfind(newline) + 1 if at < body.size else len(data)
        if not cut and len(data) < _LONGEST:
            continue
        cut = cut or len(data)
        yield data[:cut]
        data = data[cut:]


def _find_end(body: Blob, newline: bytes) -> int:
    """Return where the header block of a large message ends, or -1."""
    at, overlap = 0, b""
    while at < body.size:
        data = overlap + body.read_at(at, _PIECE)
        end = head_stop(b"." + data, 0, len(data) + 1, newline) - 1
        if end < len(data) or data[-2:] == newline * 2:
            return at - len(overlap) + end
        at += len(data) - len(overlap)
        overlap = data[-2:]
    return -1


class _Prefixed:
    """A Blob whose first bytes are others."""

    def __init__(self, head: bytes, body: Blob, skip: int) -> None:
        self._head, self._body, self._skip = head, body, skip
        self.size = len(head) + body.size - skip

    def read_at(self, offset: int, size: int) -> bytes:
        if offset >= len(self._head):
            return self._body.read_at(offset - len(self._head) + self._skip, size)
        return self._head[offset : offset + size]

    def close(self) -> None:
        """The body is closed by its owner."""


def _behind(body: Blob, start: int) -> Blob:
    return _Prefixed(b"", body, start)
