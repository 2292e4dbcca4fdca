r"""The headers with which mailboxes keep flags, keywords and UIDs inside the messages, and our own one.

``Status``, ``X-Status``, ``X-Keywords``, ``X-UID``, ``X-IMAPbase`` and ``X-IMAP`` are c-client's and Dovecot's,
``Content-Length`` is System V's, ``X-Mozilla-Status``, ``X-Mozilla-Status2`` and ``X-Mozilla-Keys`` Thunderbird's. A
field is taken as metadata where its name is spelled exactly so and its value follows the grammar that the program
writes; anything else is the sender's and stays in the message.

We write one block directly behind the From_ line, padded so that flags and keywords can be changed in place::

    X-IMAPbase: 1795350436 0000000012 $Forwarded work          <padding>     (first message only)
    Status: RO
    X-Status: AFTD
    X-Keywords: $Forwarded work          <padding>
    X-UID: 12
    Content-Length: 345                                                      (mboxcl, mboxcl2)
    X-Mailstore: size=17 rd kept=1 saved=1795350436 ...                      (only where needed)

The ``X-Mailstore`` line, the sentinel, says what the others cannot; see ``Sentinel``.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import NamedTuple

from mailstore.formats.mbox.block import KEPT as KEPT
from mailstore.formats.mbox.block import NAMES as NAMES
from mailstore.formats.mbox.block import Sentinel, write_base, write_marks
from mailstore.model.flags import (
    ANSWERED,
    DELETED,
    DRAFT,
    FLAGGED,
    NO_KEYWORDS,
    RECENT,
    SEEN,
    is_keyword,
    unite_keywords,
)

UID_MAX = 0xFFFF_FFFF

RESERVED = {
    newline: re.compile(
        newline + rb"(?:Status|X-(?:Status|Keywords|UID|IMAP|IMAPbase|Mozilla-Status2?|Mozilla-Keys)|Content-Length):"
    )
    for newline in (b"\n", b"\r")
}
"""Finds, by newline, a reserved field behind a line end, whatever its value: a first look that most mail fails."""
FIRST_OF_NOTE = {
    newline: re.compile(
        newline + rb"(?=[SXC\r\n])(?:" + end + rb"|Status:|Content-Length:|"
        rb"X-(?:Status|Keywords|UID|IMAP|IMAPbase|Mozilla-Status2?|Mozilla-Keys|Mailstore):)"
    )
    for newline, end in ((b"\n", rb"\r?\n"), (b"\r", rb"\r"))
}
"""Finds what comes first in a header block, a reserved field (or our sentinel, which may stand alone) or the empty line
that ends it: one search for both."""
_NAMES = rb"(?:Status|X-(?:Status|Keywords|UID|IMAP|IMAPbase|Mozilla-Status2?|Mozilla-Keys)|Content-Length)"
_ENDS = {b"\n": rb"\r?\n", b"\r": rb"\r"}
_FIELD = {
    newline: re.compile(rb"(" + _NAMES + rb"):([^\r\n]*(?:" + end + rb"[ \t][^\r\n]*)*)(?:" + end + rb"|\Z)")
    for newline, end in _ENDS.items()
}
_SENDERS = {
    # Beginning with the newline, which is ten times as fast as looking behind; the first line is seen to apart.
    newline: re.compile(newline + rb"(?=" + KEPT + rb"|(?i:(?:" + _NAMES + rb"|X-Mailstore)[ \t]*:))")
    for newline in _ENDS
}
_KEPT = {newline: re.compile(newline + KEPT) for newline in _ENDS}

_ATOM = rb"[^\x00-\x20\x7f(){%*\"\\\]]+"
_GRAMMAR = {
    b"Status": re.compile(rb"[ \t]*[RODFATNU]{0,8}[ \t]*\Z"),
    b"X-Status": re.compile(rb"[ \t]*[A-Z]{0,12}[ \t]*\Z"),
    b"X-Keywords": re.compile(rb"\s*(?:" + _ATOM + rb"(?:\s+" + _ATOM + rb")*)?\s*\Z"),
    b"X-UID": re.compile(rb"[ \t]*\d{1,10}[ \t]*\Z"),
    b"X-IMAP": re.compile(rb"[ \t]*\d{1,10}[ \t]+\d{1,10}(?:\s+[^\x00-\x20\x7f]+)*\s*\Z"),
    b"X-IMAPbase": re.compile(rb"[ \t]*\d{1,10}[ \t]+\d{1,10}(?:\s+[^\x00-\x20\x7f]+)*\s*\Z"),
    b"Content-Length": re.compile(rb"[ \t]*\d{1,18}[ \t]*\Z"),
    b"X-Mozilla-Status": re.compile(rb"[ \t]*[0-9A-Fa-f]{4}[ \t]*\Z"),
    b"X-Mozilla-Status2": re.compile(rb"[ \t]*[0-9A-Fa-f]{8}[ \t]*\Z"),
    b"X-Mozilla-Keys": re.compile(rb"\s*(?:" + _ATOM + rb"(?:\s+" + _ATOM + rb")*)?\s*\Z"),
}

_LETTERS = {b"R": SEEN, b"A": ANSWERED, b"F": FLAGGED, b"T": DRAFT, b"D": DELETED}
_MOZILLA = ((0x0001, SEEN), (0x0002, ANSWERED), (0x0004, FLAGGED))
_MOZILLA_EXPUNGED, _MOZILLA_PARTIAL, _MOZILLA_FORWARDED = 0x0008, 0x0400, 0x1000
_MOZILLA_NEW, _MOZILLA_IMAP_DELETED, _MOZILLA_MDN_SENT = 0x10000, 0x200000, 0x800000
_MOZILLA_LABEL = 25
"""Status2: the lowest of three bits that held one of five labels before there were tags (Thunderbird 1.5)."""


_LETTERED = frozenset({b"Status", b"X-Status"})
_BLOCK_FLAGS: dict[tuple[bytes, bytes], int] = {}


class Base(NamedTuple):
    """What ``X-IMAPbase`` (or ``X-IMAP``) says of the folder."""

    uidvalidity: int
    uidlast: int
    """The last UID ever given."""
    keywords: tuple[str, ...] = ()
    pseudo: bool = False
    """It is ``X-IMAP``: the message holds the folder's counters and is not mail."""


class Field(NamedTuple):
    """One metadata field of a header block."""

    name: bytes
    value: bytes
    start: int
    stop: int
    """Offset just past its line end."""


class Marks(NamedTuple):
    """What metadata fields say of one message."""

    flags: int = RECENT
    keywords: frozenset[str] = NO_KEYWORDS
    uid: int = 0
    base: Base | None = None
    length: int = -1
    """Content-Length, or -1."""
    expunged: bool = False
    """Thunderbird deleted it and has not compacted the file since."""
    partial: bool = False
    """Thunderbird has fetched only its beginning from the POP3 server."""


_STATUS_LINES = {
    newline: re.compile(
        newline
        + rb"Status:([ \t]*[RODFATNU]{0,8}[ \t]*)(?:"
        + end
        + rb"X-Status:([ \t]*[A-Z]{0,12}[ \t]*))?"
        + end
        + rb"(?![ \t])"
    )
    for newline, end in _ENDS.items()
}


def status_lines(data: bytes, start: int, stop: int, newline: bytes) -> tuple[int, int, int] | None:
    """Return (offset, offset past, flags) of ``Status`` and ``X-Status`` where a header block holds no other metadata.

    ``start`` is where the block begins, behind a line end. None where anything else is to be said of it: the most
    frequent mail of mutt and its kin takes this short way, all other mail is looked at field by field.
    """
    first = RESERVED[newline].search(data, start - 1, stop)
    found = _STATUS_LINES[newline].match(data, first.start(), stop) if first is not None else None
    if found is None or RESERVED[newline].search(data, found.end() - 1, stop) is not None:
        return None
    return found.start() + 1, found.end(), read_letters(found[1], found[2] or b"")


def find_fields(data: bytes, start: int, stop: int, newline: bytes) -> list[Field]:
    """Return the metadata fields of the header block ``data[start:stop]``, in order; only those of right grammar."""
    places = [start, *(found.start() + 1 for found in RESERVED[newline].finditer(data, start, stop))]
    return [
        Field(match[1], match[2], match.start(), match.end())
        for match in (_FIELD[newline].match(data, place, stop) for place in places)
        if match is not None and _GRAMMAR[match[1]].match(match[2])
    ]


def read_fields(fields: list[Field]) -> Marks:
    """Return what ``fields`` say together."""
    values: dict[bytes, bytes] = {}
    for name, value, _, _ in fields:
        values.setdefault(name, value)
    status, x_status = values.get(b"Status", b""), values.get(b"X-Status", b"")
    flags = read_letters(status, x_status)
    if values.keys() <= _LETTERED:
        return Marks(flags)
    keywords = read_keywords(values.get(b"X-Keywords", b"") + b" " + values.get(b"X-Mozilla-Keys", b""))
    mozilla = int(values.get(b"X-Mozilla-Status", b"0"), 16)
    flags |= sum(bit for mask, bit in _MOZILLA if mozilla & mask)
    if mozilla & _MOZILLA_FORWARDED:
        keywords.append("$Forwarded")
    more = int(values.get(b"X-Mozilla-Status2", b"0"), 16)
    if more & _MOZILLA_MDN_SENT:
        keywords.append("$MDNSent")
    if 0 < (label := more >> _MOZILLA_LABEL & 7) < 6:
        keywords.append(f"$label{label}")
    if more & _MOZILLA_IMAP_DELETED:
        flags |= DELETED
    if b"X-Mozilla-Status" in values and b"O" not in status + x_status:
        flags &= ~RECENT
    if more & _MOZILLA_NEW:
        flags |= RECENT
    base = values.get(b"X-IMAPbase", values.get(b"X-IMAP"))
    return Marks(
        flags,
        unite_keywords(NO_KEYWORDS, keywords) if keywords else NO_KEYWORDS,
        int(values.get(b"X-UID", b"0")),
        None if base is None else read_base(base, pseudo=b"X-IMAPbase" not in values),
        int(values.get(b"Content-Length", b"-1")),
        bool(mozilla & _MOZILLA_EXPUNGED),
        bool(mozilla & _MOZILLA_PARTIAL),
    )


def read_letters(status: bytes, x_status: bytes) -> int:
    """Return the flags of the values of ``Status`` and ``X-Status``."""
    flags = _BLOCK_FLAGS.get((status, x_status))
    if flags is None:
        letters = status + x_status
        flags = sum(bit for letter, bit in _LETTERS.items() if letter in letters) | (0 if b"O" in letters else RECENT)
        if len(_BLOCK_FLAGS) < 1000:
            _BLOCK_FLAGS[status, x_status] = flags
    return flags


def read_keywords(value: bytes) -> list[str]:
    """Return the keywords of a blank-separated list; what is no IMAP atom is left out."""
    return [word for word in value.decode("utf-8", "replace").split() if is_keyword(word)]


def read_base(value: bytes, *, pseudo: bool = False) -> Base | None:
    """Read ``uidvalidity uidlast keywords``; None where the numbers are none a mailbox can have."""
    words = value.split(None, 2)
    uidvalidity, uidlast = int(words[0]), int(words[1])
    if not 0 < uidvalidity <= UID_MAX or uidlast >= UID_MAX:
        return None
    return Base(uidvalidity, uidlast, tuple(read_keywords(words[2])) if len(words) > 2 else (), pseudo)


# --- the block we write ----------------------------------------------------------------------------------------------

BLOCK = {
    newline: re.compile(
        rb"(?:X-IMAPbase:[ ](\d{1,10})[ ](\d{1,10})([^\r\n]*)" + end + rb")?"
        rb"(?:Status:([ RO]*)" + end + rb"X-Status:([ AFTD]*)" + end + rb"X-Keywords:([^\r\n]*)" + end + rb""
        rb"(?:X-UID:[ ](\d{1,10})[ ]*" + end + rb")?(?:Content-Length:[ ](\d{1,18})[ ]*" + end + rb")?)"
        rb"(?:X-Mailstore:([^\r\n]*)" + end + rb")?"
    )
    for newline, end in _ENDS.items()
}
"""Our block, or what another program that changed flags left of it: groups are uidvalidity, uidlast, folder's
keywords, Status, X-Status, keywords, UID, length, sentinel."""
LONE_SENTINEL = {newline: re.compile(rb"X-Mailstore:([^\r\n]*)" + end) for newline, end in _ENDS.items()}
"""All that is left of it where a program took the known headers out (mutt, Python)."""


def fit_marks(flags: int, keywords: frozenset[str], room: bytes, eol: bytes) -> bytes | None:
    """Return the lines from ``Status`` to ``X-Keywords`` exactly as long as ``room``, or None where they are longer."""
    least = write_marks(flags, keywords, eol, 0)
    spare = len(room) - len(least)
    return None if spare < 0 else least[: -len(eol)] + b" " * spare + eol


def fit_base(base: Base, room: bytes, eol: bytes) -> bytes | None:
    """Return the ``X-IMAPbase`` or ``X-IMAP`` line exactly as long as ``room``, or None where it is longer."""
    least = room[: room.index(b":")] + write_base(base, eol, 0)[len(b"X-IMAPbase") :]
    spare = len(room) - len(least)
    return None if spare < 0 else least[: -len(eol)] + b" " * spare + eol


def find_base(raw: bytes, start: int, newline: bytes) -> tuple[int, int] | None:
    """Return where the ``X-IMAPbase`` or ``X-IMAP`` line of the header block at ``start`` is, if it is one line."""
    found = re.compile(rb"(?<=" + newline + rb")X-IMAP(?:base)?:[^\r\n]*" + _ENDS[newline] + rb"(?![ \t])").search(
        raw, start
    )
    return None if found is None else found.span()


def find_marks(raw: bytes, start: int, fields: list[Field], newline: bytes) -> tuple[int, int] | None:
    """Return where Status, X-Status and X-Keywords stand, if they are neighbours and nothing else says flags.

    ``fields`` are the metadata fields outside our block, ``start`` is where the header block begins.
    """
    block = BLOCK[newline].match(raw, start)
    mine = [field for field in fields if field.name in _SAYS_FLAGS]
    if block is not None:
        return None if mine else (block.start(4) - len(b"Status:"), raw.index(newline, block.end(6)) + 1)
    if not mine or any(field.name.startswith(b"X-Mozilla") for field in mine):
        return None
    if any(before.stop != after.start for before, after in pairwise(mine)):
        return None
    return mine[0].start, mine[-1].stop


_SAYS_FLAGS = frozenset({b"Status", b"X-Status", b"X-Keywords", b"X-Mozilla-Status", b"X-Mozilla-Keys"})


def keep_senders(block: bytes, newline: bytes) -> tuple[bytes, int]:
    """Rename the sender's fields that would read as metadata; returns the block and how many there were."""
    kept, count = _SENDERS[newline].subn(newline + KEPT, newline + block)
    return kept[1:], count


def restore_senders(data: bytes, count: int, newline: bytes) -> bytes:
    """Take back what ``keep_senders`` did to the first ``count`` lines."""
    return _KEPT[newline].sub(newline, newline + data, count=count)[1:]


def kept_lines(data: bytes, count: int, newline: bytes) -> list[int]:
    """Return where the first ``count`` renamed lines begin."""
    return [found.start() for found, _ in zip(_KEPT[newline].finditer(newline + data), range(count), strict=False)]


# --- the sentinel ----------------------------------------------------------------------------------------------------


_PERCENT = re.compile(rb"%([0-9A-F]{2})")
_NUMBER = re.compile(rb"-?\d{1,20}\Z")


def _unescape(value: bytes) -> str:
    return _PERCENT.sub(lambda match: bytes((int(match[1], 16),)), value).decode("utf-8", "surrogateescape")


def read_sentinel(value: bytes) -> Sentinel:
    """Read what stands behind ``X-Mailstore:``; words that make no sense are passed over."""
    words = {name: value for name, _, value in (word.partition(b"=") for word in value.split(b" "))}
    number = {
        name: int(words[name]) for name in (b"size", b"kept", b"saved", b"date") if _NUMBER.match(words.get(name, b""))
    }
    key = words.get(b"key", b"")
    return Sentinel(
        size=number.get(b"size", -1),
        rd=b"rd" in words,
        asis=b"asis" in words,
        kept=max(number.get(b"kept", 0), 0),
        guard=b"guard" in words,
        saved=number.get(b"saved"),
        date=number.get(b"date"),
        sender=_unescape(words[b"sender"]) if b"sender" in words else None,
        uidl=_unescape(words[b"uidl"]) if b"uidl" in words else None,
        key=bytes.fromhex(key.decode()) if re.fullmatch(rb"[0-9a-f]{2,64}", key) and len(key) % 2 == 0 else None,
    )
