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
from mailstore.formats.mbox.dialect import ALL, NONE, ONE, Dialect
from mailstore.formats.mbox.from_line import FromLine, Kind, is_plain_date, is_plain_sender, may_separate, write
from mailstore.formats.mbox.metadata import NO_SENTINEL, Base, Field, Marks, Sentinel
from mailstore.model.flags import NO_KEYWORDS

HEAD = 1 << 20
"""Bytes of a record in which metadata fields are looked for; beyond, a header block is left as it is."""

OURS = frozenset({b"Status:", b"X-IMAPb", b"X-Mails"})
"""How a header block of ours begins; others begin with what the sender or a relay wrote."""

_SENDERS_HINT = re.compile(
    rb"[\r\n](?:status|x-(?:status|keywords|uid|imap|mailstore|mozilla-)|content-length)", re.DOTALL
)


_NOTHING_MORE = (None, None, None, None, None)

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


def head_stop(data: bytes, start: int, stop: int, newline: bytes) -> int:
    """Return where the header block that begins at ``start`` ends, its empty line included; ``stop`` if it has none."""
    first = data[start : start + 1]
    if first == newline:
        return start + 1
    if first == b"\r" and newline == b"\n" and data[start + 1 : start + 2] == b"\n":
        return start + 2
    return empty_line(data, start, stop, newline) or stop


def empty_line(data: bytes, start: int, stop: int, newline: bytes) -> int:
    """Return the offset past the first empty line behind a line in ``[start, stop)``; 0 if there is none."""
    end = data.find(newline * 2, start, stop)
    if newline == b"\n":
        limit = stop if end < 0 else end + 1
        # A second search only where it can find something: single bytes are found ten times as fast.
        if data.find(b"\r", start, limit) >= 0 and (dressed := data.find(b"\n\r\n", start, limit)) >= 0:
            return dressed + 3
    return end + 2 if end >= 0 else 0


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


class Message(NamedTuple):
    """What goes into a record besides the message's bytes."""

    date: int
    """Internal date, seconds since 1970 UTC."""
    sender: str | None
    flags: int = 0
    keywords: frozenset[str] = NO_KEYWORDS
    uid: int = 0
    """0: write no ``X-UID``."""
    saved: int | None = None
    uidl: str | None = None
    key: bytes | None = None
    base: Base | None = None
    """For the first record of a file."""


def _has_senders_word(head: bytes) -> bool:
    """Tell whether a word of a reserved field is in a lower-case header block: a first look that most mail fails."""
    return (
        b"status" in head
        or b"x-uid" in head
        or b"x-imap" in head
        or b"x-keywords" in head
        or b"x-mailstore" in head
        or b"x-mozilla-" in head
        or b"content-length" in head
    )


def facts(body: bytes, dialect: Dialect) -> tuple[Sentinel, int]:
    """Return what the sentinel must say so that ``body`` comes back exactly, and where its header block ends."""
    newline = dialect.newline
    end = head_stop(body, 0, len(body), newline)
    head = body[: min(end, HEAD)].lower()
    kept = 0
    if _has_senders_word(head) and (_SENDERS_HINT.search(head) or _SENDERS_HINT.match(b"\n" + head[:32])):
        kept = metadata.keep_senders(body[: min(end, HEAD)], newline)[1]
    lacks = bool(body) and body[-1:] != newline
    countable = end < len(body) or body[-2:] == newline * 2
    rd = needs_override(body, dialect, countable=countable) or head_needs_override(body[:end], dialect)
    asis = not rd and dialect.quoting == NONE and not dialect.mmdf and quoting.has_quoted(body, newline)
    guard = body[:1] in (b" ", b"\t")
    if not (lacks or rd or asis or kept or guard):
        return NO_SENTINEL, end
    return Sentinel(size=len(body) if lacks else -1, rd=rd, asis=asis, kept=kept, guard=guard), end


def needs_override(body: bytes, dialect: Dialect, *, countable: bool) -> bool:
    """Tell whether the dialect alone would not bring ``body`` back."""
    if dialect.mmdf:
        return quoting.has_mark(body)
    if dialect.quoting == ALL or b"From " not in body:
        return False
    if dialect.quoting == ONE:
        return quoting.has_quoted(body, dialect.newline)
    if dialect.counted and countable:
        return not dialect.nested and may_separate(body, dialect.newline)
    return quoting.has_from(body, dialect.newline)


def head_needs_override(head: bytes, dialect: Dialect) -> bool:
    """Tell the same of a header block: no Content-Length speaks for a line ``From `` in it."""
    return dialect.counted and dialect.quoting == NONE and quoting.has_from(head, dialect.newline)


def write_record(body: bytes, message: Message, dialect: Dialect) -> bytes:
    """Return the whole record of a message."""
    sentinel, end = facts(body, dialect)
    newline = dialect.newline
    if sentinel.kept:
        limit = min(end, HEAD)
        body = metadata.keep_senders(body[:limit], newline)[0] + body[limit:]
    style = ALL if sentinel.rd else dialect.quoting
    if dialect.mmdf:
        body = quoting.mark(body) if sentinel.rd else body
    elif style != NONE:
        body = quoting.quote(body, style, newline)
    if sentinel.size >= 0:
        body += dialect.eol
    length = -1
    if dialect.counted:
        stop = head_stop(body, 0, len(body), newline)
        if body[stop - 1 : stop] == newline and (stop < len(body) or body[-2:] == newline * 2 or body == newline):
            length = len(body) - stop
    head = write_head(message, sentinel, dialect, length)
    if dialect.mmdf:
        return b"".join((quoting.MARK, dialect.eol, head, body, quoting.MARK, dialect.eol))
    return b"".join((head, body, dialect.eol))


def write_head(message: Message, sentinel: Sentinel, dialect: Dialect, length: int = -1) -> bytes:
    """Return the From_ line and the metadata block; ``length`` is the Content-Length, -1 for none."""
    eol = dialect.eol
    date = None if is_plain_date(message.date) else message.date
    sender = None if message.sender is None or is_plain_sender(message.sender) else message.sender
    more = (message.saved, message.uidl, message.key, date, sender)
    if more != _NOTHING_MORE:
        sentinel = sentinel._replace(saved=more[0], uidl=more[1], key=more[2], date=date, sender=sender)
    return b"".join(
        (
            write(message.sender, message.date),
            eol,
            metadata.write_base(message.base, eol) if message.base is not None else b"",
            metadata.write_marks(message.flags, message.keywords, eol),
            b"X-UID: %d%s" % (message.uid, eol) if message.uid else b"",
            b"Content-Length: %d%s" % (length, eol) if length >= 0 else b"",
            metadata.write_sentinel(sentinel, eol),
        )
    )


def message_of(line: FromLine, content: Content) -> tuple[int | None, str | None]:
    """Return (internal date or None, sender) of a record, the sentinel's where it has them."""
    sentinel = content.sentinel
    date = sentinel.date if sentinel.date is not None else (line.date if line.kind == Kind.DATED else None)
    return date, (sentinel.sender if sentinel.sender is not None else line.sender)
