"""One record of an mbox file: From_ line, our header block, the message, an empty line. Reading and writing.

The promise is ``read(write(message)) == message`` for any bytes, and that mail in other programs' records comes out
as it came in: what a mailbox program added is taken out again, and nothing else.

A record is written so:

1. the From_ line (RFC 4155);
2. the metadata block (``mailstore.formats.mbox.metadata``), before the message's own header, so that it can be found,
   changed and removed without looking at the message;
3. the message, ``From `` lines quoted as the dialect does, fields of the sender's that would read as metadata renamed;
4. a line end where the message lacks one, and the empty line that belongs to the separator.

Everything that reading takes away is a run of bytes (our block, a metadata field, a ``>``, a prefix): a record too
large for memory is read as its file range less those *holes*.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from mailstore.formats.mbox import dialect as quoting
from mailstore.formats.mbox import metadata
from mailstore.formats.mbox.block import NO_SENTINEL, Sentinel
from mailstore.formats.mbox.compose import HEAD as HEAD
from mailstore.formats.mbox.compose import Message as Message
from mailstore.formats.mbox.compose import empty_line as empty_line
from mailstore.formats.mbox.compose import head_stop as head_stop
from mailstore.formats.mbox.compose import write_record as write_record
from mailstore.formats.mbox.dialect import ALL, NONE, Dialect
from mailstore.formats.mbox.from_line import FromLine, Kind
from mailstore.formats.mbox.metadata import Field, Marks
from mailstore.model.flags import NO_KEYWORDS

OURS = frozenset({b"Status:", b"X-IMAPb", b"X-Mails"})
"""How a header block of ours begins; others begin with what the sender or a relay wrote."""

NO_FIELDS: list[Field] = []
NO_MARKS = Marks()


class Content(NamedTuple):
    """Where a record's message is, and what was said beside it."""

    start: int
    """Offset of the message's first byte in the record."""
    fields: list[Field]
    """Metadata fields within the message's header, outside our block; they are no part of it."""
    marks: Marks
    sentinel: Sentinel
    own: bool
    """We wrote the record: its date is UTC."""


def read_head(raw: bytes, start: int, newline: bytes, *, plain: bool = False) -> Content:
    """Read the metadata of a record whose From_ line ends at ``start`` (past its line end).

    ``plain`` says that no reserved field is in its header block: most mail of other programs.
    """
    if plain:
        return Content(start, NO_FIELDS, NO_MARKS, NO_SENTINEL, own=False)
    stop = len(raw)
    marks, sentinel, own = None, NO_SENTINEL, False
    if raw[start : start + 7] in OURS:
        block = metadata.BLOCK[newline].match(raw, start, stop)
        if block is not None:
            marks, sentinel, own = _read_block(block)
            start = block.end()
        elif (lone := metadata.LONE_SENTINEL[newline].match(raw, start, stop)) is not None:
            sentinel, own = metadata.read_sentinel(lone[1]), True
            start = lone.end()
    limit = min(stop, start + HEAD)
    end = head_stop(raw, start, limit, newline)
    fields = NO_FIELDS
    if not start or metadata.RESERVED[newline].search(raw, start - 1, end):  # no line end stands before the first byte
        fields = metadata.find_fields(raw, start, end, newline)
        found = metadata.read_fields(fields)
        marks = found if marks is None else _joined(marks, found, {field.name for field in fields})
    return Content(start, fields, marks or NO_MARKS, sentinel, own)


def _read_block(block: re.Match[bytes]) -> tuple[Marks, Sentinel, bool]:
    uidvalidity, uidlast, words, status, x_status, keywords, uid, length, sentinel = block.groups()
    base = None
    if uidvalidity is not None:
        base = metadata.read_base(b"%s %s %s" % (uidvalidity, uidlast, words))
    flags = metadata.read_letters(status, x_status)
    marks = Marks(
        flags,
        NO_KEYWORDS if keywords.isspace() or not keywords else frozenset(metadata.read_keywords(keywords)),
        int(uid or 0),
        base,
        int(length) if length is not None else -1,
    )
    return marks, (metadata.read_sentinel(sentinel) if sentinel is not None else NO_SENTINEL), True


def _joined(marks: Marks, more: Marks, names: set[bytes]) -> Marks:
    """Add to our block's marks what another program wrote elsewhere in the header."""
    return marks._replace(
        flags=marks.flags | (more.flags if names & {b"Status", b"X-Status", b"X-Mozilla-Status"} else 0),
        keywords=marks.keywords | more.keywords,
        uid=marks.uid or more.uid,
        base=marks.base or more.base,
        length=marks.length if marks.length >= 0 else more.length,
        expunged=more.expunged,
        partial=more.partial,
    )


def content_stop(raw: bytes, line_stop: int, dialect: Dialect) -> int:
    """Return where a record's message ends: before the empty line that belongs to the separator, if it is there.

    ``line_stop`` is the offset past the From_ line; its line end tells what an empty line looks like.
    """
    stop, newline = len(raw), dialect.newline
    if dialect.mmdf:
        return stop
    if newline == b"\n" and raw[line_stop - 2 : line_stop] == b"\r\n" and raw[-3:] == b"\n\r\n":
        return max(stop - 2, line_stop)
    if raw[-2:] == newline * 2:
        return max(stop - 1, line_stop)
    return stop


def style_of(content: Content, foreign: str) -> str:
    """Return how a record's From lines are quoted: ours say so themselves, others are written as ``foreign``."""
    if content.own:
        return NONE if content.sentinel.asis else ALL
    return foreign


def read_body(raw: bytes, content: Content, stop: int, dialect: Dialect, style: str) -> bytes:
    """Return the message of a record that is wholly in memory; ``style`` is how its From lines are quoted."""
    at = content.start
    if content.fields:
        pieces = []
        for field in content.fields:
            pieces.append(raw[at : field.start])
            at = field.stop
        pieces.append(raw[at:stop])
        body = b"".join(pieces)
    else:
        body = raw[at:stop]
    sentinel = content.sentinel
    if dialect.mmdf:
        if sentinel.rd:
            body = quoting.unmark(body)
    elif style != NONE:
        body = quoting.unquote(body, style, dialect.newline)
    if sentinel is not NO_SENTINEL:
        if sentinel.kept:
            body = metadata.restore_senders(body, sentinel.kept, dialect.newline)
        if sentinel.size >= 0 and body[sentinel.size :] in (b"\n", b"\r\n", b"\r"):
            body = body[: sentinel.size]
    return body


def says_all_itself(raw: bytes, line_stop: int, newline: bytes) -> bool:
    """Tell whether a record is one that we added without a UID.

    Written in ``Dialect.alone``, it reads the same whatever the file's dialect is, and so says nothing of that either.
    """
    if raw[line_stop : line_stop + 7] != b"Status:":
        return False
    block = metadata.BLOCK[newline].match(raw, line_stop)
    return block is not None and block[7] is None


def message_of(line: FromLine, content: Content) -> tuple[int | None, str | None]:
    """Return (internal date or None, sender) of a record, the sentinel's where it has them."""
    sentinel = content.sentinel
    date = sentinel.date if sentinel.date is not None else (line.date if line.kind == Kind.DATED else None)
    return date, (sentinel.sender if sentinel.sender is not None else line.sender)
