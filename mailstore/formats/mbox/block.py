"""The block of fields that we write behind a From_ line. ``mailstore.formats.mbox.metadata`` says what is in it.

Loading this loads nothing but the flags: a delivery starts a process for each mail.
"""

from __future__ import annotations

from mailstore.model.flags import ANSWERED, DELETED, DRAFT, FLAGGED, RECENT, SEEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mailstore.formats.mbox.metadata import Base

PADDING = 48
"""Spaces behind a message's keywords, for those to come (Dovecot pads by 50)."""
BASE_PADDING = 160
"""Spaces behind the folder's keywords in ``X-IMAPbase``."""
KEPT = b"X-Mailstore-Kept-"
"""Put before a field of the sender's that would be taken as metadata; ``kept=`` in the sentinel counts them."""

NAMES = frozenset(
    {"status", "x-status", "x-keywords", "x-uid", "x-imap", "x-imapbase", "content-length", "x-mailstore"}
    | {"x-mozilla-status", "x-mozilla-status2", "x-mozilla-keys"}
)
"""The fields above in lower case: what a delivery takes out of a message, since other programs believe a sender's."""


def write_base(base: Base, eol: bytes, padding: int = BASE_PADDING) -> bytes:
    """Return the ``X-IMAPbase`` line."""
    words = b"".join(b" " + word.encode() for word in base.keywords)
    return b"X-IMAPbase: %d %010d%s%s%s" % (base.uidvalidity, base.uidlast, words, b" " * padding, eol)


_X_STATUS = ((b"A", ANSWERED), (b"F", FLAGGED), (b"T", DRAFT), (b"D", DELETED))
_flag_lines: dict[tuple[int, bytes], bytes] = {}


def write_marks(flags: int, keywords: frozenset[str], eol: bytes, padding: int = PADDING) -> bytes:
    """Return the lines from ``Status`` to ``X-Keywords``, padded."""
    lines = _flag_lines.get((flags & 63, eol)) or _write_flags(flags & 63, eol)
    if not keywords and padding == PADDING:
        return lines + _NO_KEYWORDS + eol
    words = b"".join(b" " + word.encode() for word in sorted(keywords))
    return lines + words + b" " * (padding + (not keywords)) + eol


_NO_KEYWORDS = b" " * (PADDING + 1)


def _write_flags(flags: int, eol: bytes) -> bytes:
    """Return, and keep, the lines up to ``X-Keywords:``."""
    status = (b"R" if flags & SEEN else b"") + (b"" if flags & RECENT else b"O")
    letters = b"".join(letter for letter, bit in _X_STATUS if flags & bit)
    lines = _flag_lines[flags, eol] = b"Status: %-2s%sX-Status: %-4s%sX-Keywords:" % (status, eol, letters, eol)
    return lines


class Sentinel:
    """What ``X-Mailstore:`` says; words ``name=value`` or ``name``, unknown ones are passed over.

    Attributes:
        size: bytes of a message that does not end in a line end (one was added); -1 otherwise.
        rd: this record is quoted as in mboxrd though the file's dialect is another (in MMDF: 0x01 lines got a space).
        asis: it is not quoted though it looks so. Ours without either read the same by mboxo's rule and by mboxrd's.
        kept: how many fields of the sender's were renamed.
        guard: the message begins with a blank and would continue our last line.
        saved: saved date, seconds since 1970 UTC.
        date: internal date where the From_ line cannot say it.
        sender: envelope sender where the From_ line cannot say it.
        uidl: POP3 unique id.
        key: idempotency key.
    """

    __slots__ = ("asis", "date", "guard", "kept", "key", "rd", "saved", "sender", "size", "uidl")

    def __init__(
        self,
        *,
        size: int = -1,
        rd: bool = False,
        asis: bool = False,
        kept: int = 0,
        guard: bool = False,
        saved: int | None = None,
        date: int | None = None,
        sender: str | None = None,
        uidl: str | None = None,
        key: bytes | None = None,
    ) -> None:
        self.size = size
        self.rd = rd
        self.asis = asis
        self.kept = kept
        self.guard = guard
        self.saved = saved
        self.date = date
        self.sender = sender
        self.uidl = uidl
        self.key = key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sentinel) and all(getattr(self, name) == getattr(other, name) for name in _WORDS)

    def __hash__(self) -> int:
        return hash(tuple(getattr(self, name) for name in _WORDS))

    def but(self, **words: Any) -> Sentinel:
        """Return it with other ``words``."""
        return Sentinel(**{name: getattr(self, name) for name in _WORDS} | words)


_WORDS = Sentinel.__slots__
NO_SENTINEL = Sentinel()


def _escape(text: str) -> bytes:
    """Return what may stand in a word: any byte but visible ones, and ``%``, as ``%XX``."""
    raw = text.encode("utf-8", "surrogateescape")
    return b"".join(b"%c" % byte if 0x21 <= byte <= 0x7E and byte != 0x25 else b"%%%02X" % byte for byte in raw)


def write_sentinel(sentinel: Sentinel, eol: bytes) -> bytes:
    """Return the ``X-Mailstore`` line, or nothing where it would say nothing."""
    if sentinel is NO_SENTINEL or sentinel == NO_SENTINEL:
        return b""
    words = [b"X-Mailstore:"]
    if sentinel.size >= 0:
        words.append(b"size=%d" % sentinel.size)
    if sentinel.rd:
        words.append(b"rd")
    if sentinel.asis:
        words.append(b"asis")
    if sentinel.kept:
        words.append(b"kept=%d" % sentinel.kept)
    if sentinel.guard:
        words.append(b"guard")
    if sentinel.saved is not None:
        words.append(b"saved=%d" % sentinel.saved)
    if sentinel.date is not None:
        words.append(b"date=%d" % sentinel.date)
    if sentinel.sender is not None:
        words.append(b"sender=" + _escape(sentinel.sender))
    if sentinel.uidl is not None:
        words.append(b"uidl=" + _escape(sentinel.uidl))
    if sentinel.key is not None:
        words.append(b"key=" + sentinel.key.hex().encode())
    return b" ".join(words) + eol
