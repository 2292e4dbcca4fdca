"""Writing one record of an mbox file: From_ line, our header block, the message, an empty line.

``mailstore.formats.mbox.record`` says how it is made up, and reads it. Loading this loads next to nothing: a delivery
starts a process for each mail.
"""

from __future__ import annotations

from mailstore.formats.mbox import dialect as quoting
from mailstore.formats.mbox.block import NO_SENTINEL, Sentinel, write_base, write_marks, write_sentinel
from mailstore.formats.mbox.dialect import ALL, NONE, ONE, Dialect
from mailstore.formats.mbox.separator import is_plain_date, is_plain_sender, write
from mailstore.model.flags import NO_KEYWORDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailstore.formats.mbox.metadata import Base

HEAD = 1 << 20
"""Bytes of a record in which metadata fields are looked for; beyond, a header block is left as it is."""

_SENDERS = (
    b"status",
    b"x-status",
    b"x-keywords",
    b"x-uid",
    b"x-imap",
    b"x-mailstore",
    b"x-mozilla-",
    b"content-length",
)
"""How lines begin, in lower case, that may be fields of the sender's which read as metadata."""

_NOTHING_MORE = (None, None, None, None, None)


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


class Message:
    """What goes into a record besides the message's bytes.

    Attributes:
        date: internal date, seconds since 1970 UTC.
        sender: envelope sender; '' is the null sender, None unknown.
        flags, keywords: of mailstore.model.flags.
        uid: 0: write no ``X-UID``.
        saved, uidl, key: None where there is none.
        base: for the first record of a file.
    """

    __slots__ = ("base", "date", "flags", "key", "keywords", "saved", "sender", "uid", "uidl")

    def __init__(
        self,
        date: int,
        sender: str | None,
        flags: int = 0,
        keywords: frozenset[str] = NO_KEYWORDS,
        uid: int = 0,
        saved: int | None = None,
        uidl: str | None = None,
        key: bytes | None = None,
        base: Base | None = None,
    ) -> None:
        self.date = date
        self.sender = sender
        self.flags = flags
        self.keywords = keywords
        self.uid = uid
        self.saved = saved
        self.uidl = uidl
        self.key = key
        self.base = base

    def with_base(self, base: Base) -> Message:
        """Return it as the first record of a file."""
        return Message(
            self.date,
            self.sender,
            self.flags,
            self.keywords,
            self.uid,
            self.saved,
            self.uidl,
            self.key,
            base,
        )


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


def _has_senders_line(head: bytes) -> bool:
    """Tell the same of the lines: whether one begins with such a word."""
    return any(head.startswith(word) or b"\n" + word in head or b"\r" + word in head for word in _SENDERS)


def _keep_senders(block: bytes, newline: bytes) -> tuple[bytes, int]:
    from mailstore.formats.mbox.metadata import keep_senders  # late: few messages have such fields

    return keep_senders(block, newline)


def facts(body: bytes, dialect: Dialect) -> tuple[Sentinel, int]:
    """Return what the sentinel must say so that ``body`` comes back exactly, and where its header block ends."""
    newline = dialect.newline
    end = head_stop(body, 0, len(body), newline)
    head = body[: min(end, HEAD)].lower()
    kept = 0
    if _has_senders_word(head) and _has_senders_line(head):
        kept = _keep_senders(body[: min(end, HEAD)], newline)[1]
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
        from mailstore.formats.mbox.from_line import may_separate  # late: few files are counted

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
        body = _keep_senders(body[:limit], newline)[0] + body[limit:]
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
        sentinel = sentinel.but(saved=more[0], uidl=more[1], key=more[2], date=date, sender=sender)
    return b"".join(
        (
            write(message.sender, message.date),
            eol,
            write_base(message.base, eol) if message.base is not None else b"",
            write_marks(message.flags, message.keywords, eol),
            b"X-UID: %d%s" % (message.uid, eol) if message.uid else b"",
            b"Content-Length: %d%s" % (length, eol) if length >= 0 else b"",
            write_sentinel(sentinel, eol),
        )
    )
