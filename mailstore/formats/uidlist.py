"""``dovecot-uidlist``, versions 3 and 1: which UID each file of a Maildir has.

Version 3: a header ``3 V<uidvalidity> N<next uid> G<32 hex digits>`` with perhaps more fields, then a line a message,
``<uid> [<capital><value> ...] :<file name>``, by growing UID. Dovecot appends lines without raising N. It keeps header
fields and record fields it does not know, which is where our own live. Version 1, also Courier's ``courierimapuiddb``:
``1 <uidvalidity> <next uid>``, then ``<uid> <file name>``. Source: Dovecot's maildir-uidlist.c.

Record fields of Dovecot: S size, W size with CRLF, P POP3 UIDL, O POP3 order, G GUID. Ours: E envelope sender
``<address>``, D saved date, T internal date that no mtime can hold, X keywords that have no letter, L unique id
that P cannot hold.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import lt

MAX_UID = 0xFFFF_FFFE
MAX_UIDVALIDITY = 0xFFFF_FFFF

_PLAIN_LINES = re.compile(r"(?>[1-9][0-9]{0,9}(?> [A-Z][^ \n:]*)* :[^:/\n]+\n)*+")
_TAIL = 200  # bytes
_HEADER = re.compile(r"([0-9]) (.*)\Z")
_UNSAFE = re.compile(rb"[^!-~]|[%,]")
_QUOTED = re.compile(rb"%([0-9A-Fa-f]{2})")


@dataclass(slots=True)
class Uidlist:
    """A uidlist read.

    Attributes:
        version: 3 or 1.
        uidvalidity: never 0.
        uidnext: greater than every UID in it.
        guid: 32 hex digits, '' where there is none.
        extra: header fields we do not know, as written.
        uids: UID by base, in the order of the file, growing.
        fields: record fields by base, of those that have any.
        damaged: lines that could not be read and were passed over.
        length: bytes read; what a later append adds begins here.
        head: the header line as read.
        tail: the last of what was read, up to ``length``.
    """

    version: int
    uidvalidity: int
    uidnext: int
    guid: str = ""
    extra: str = ""
    uids: dict[str, int] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)
    damaged: int = 0
    length: int = 0
    head: bytes = b""
    tail: bytes = b""

    def extend(self, data: bytes) -> None:
        """Take in lines that were appended; a last line without its line end is left for the next time."""
        data = data[: data.rfind(b"\n") + 1]
        self.length += len(data)
        self.tail = (data if len(data) >= _TAIL else self.tail + data)[-_TAIL:]
        last = self.uidnext - 1 if self.uids else 0
        if self.uids:
            last = max(self.uids.values())
        text = os.fsdecode(data)
        if self.version == 3 and self._extend_plainly(text, last):
            return
        uids, fields, v3 = self.uids, self.fields, self.version == 3
        for line in text.split("\n"):
            if v3:
                head, found, name = line.partition(" :")
            else:
                head, found, name = line.partition(" ")
            if not found:
                self.damaged += bool(line)
                continue
            number, _, rest = head.partition(" ")
            base = name.partition(":")[0]
            if not (number.isdecimal() and number.isascii() and last < (uid := int(number[:11])) <= MAX_UID) or (
                not base or "/" in name
            ):
                self.damaged += 1
                continue
            if base in uids:  # moved away and back: the later line counts
                del uids[base]
                fields.pop(base, None)
            uids[base] = last = uid
            if rest:
                fields[base] = rest
        self.uidnext = max(self.uidnext, last + 1)

    def _extend_plainly(self, text: str, last: int) -> bool:
        """Take in lines without surprises at the speed of C; False, and nothing done, where there are any."""
        colons = text.count(":")
        if "/" in text or not text.count("\n") == text.count(" :") == colons:
            return False
        words = text.replace(" :", "\n").split("\n")
        bases, heads = words[1::2], words[:-1:2]
        with_fields: dict[str, str] = {}
        if not (joined := "".join(heads)).isdecimal() or not joined.isascii():
            if colons and _PLAIN_LINES.fullmatch(text) is None:
                return False
            # record fields behind some of the numbers
            parted = [head.partition(" ") for head in heads]
            heads = [head[0] for head in parted]
            with_fields = {base: head[2] for base, head in zip(bases, parted, strict=True) if head[2]}
        try:
            numbers = list(map(int, heads))
        except ValueError:  # an empty one, or more digits than a number can have
            return False
        added = dict(zip(bases, numbers, strict=True))
        growing = all(map(lt, [last, *numbers], numbers))
        if not growing or len(added) != len(bases) or not self.uids.keys().isdisjoint(added):
            return False
        if numbers and numbers[-1] > MAX_UID:
            return False
        self.uids.update(added)
        self.fields.update(with_fields)
        self.uidnext = max(self.uidnext, numbers[-1] + 1 if numbers else 1)
        return True


def parse(data: bytes) -> Uidlist | None:
    """Read a whole file; None where its header makes no sense (Dovecot would drop it)."""
    first, end, rest = data.partition(b"\n")
    match = _HEADER.match(os.fsdecode(first))
    if not end or match is None:
        return None
    found = _parse_v3(match[2]) if match[1] == "3" else _parse_v1(match[2]) if match[1] == "1" else None
    if found is not None:
        found.head = found.tail = first + end
        found.length = len(found.head)
        found.extend(rest)
    return found


def _number(text: str, greatest: int) -> int:
    """Return a decimal number, 0 where it is none or too great."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 10):
        return 0
    number = int(text)
    return number if number <= greatest else 0


def _parse_v1(header: str) -> Uidlist | None:
    words = header.split()
    if len(words) != 2:
        return None
    validity, uidnext = _number(words[0], 0xFFFF_FFFF), _number(words[1], 0xFFFF_FFFF)
    return Uidlist(1, validity, uidnext) if validity and uidnext else None


def _parse_v3(header: str) -> Uidlist | None:
    validity = uidnext = 0
    guid, extra = "", []
    for word in header.split(" "):
        key, value = word[:1], word[1:]
        if key == "V":
            validity = _number(value, 0xFFFF_FFFF)
        elif key == "N":
            uidnext = _number(value, 0xFFFF_FFFF)
        elif key == "G" and re.fullmatch(r"[0-9a-f]{32}", value):
            guid = value
        elif word:
            extra.append(word)
    return Uidlist(3, validity, uidnext, guid, " ".join(extra)) if validity and uidnext else None


def render_header(uidvalidity: int, uidnext: int, guid: str, extra: str = "") -> bytes:
    """Return the header line of version 3."""
    words = [f"3 V{uidvalidity} N{uidnext}"]
    if guid:
        words.append(f"G{guid}")
    if extra:
        words.append(extra)
    return os.fsencode(" ".join(words) + "\n")


def render_lines(lines: Iterable[tuple[int, str, str]]) -> bytes:
    """Return lines of version 3 for (uid, base, fields)."""
    return os.fsencode(
        "".join([f"{uid} {fields} :{name}\n" if fields else f"{uid} :{name}\n" for uid, name, fields in lines])
    )


def render_v1(uidvalidity: int, uidnext: int, lines: Iterable[tuple[int, str]]) -> bytes:
    """Return a whole file of version 1 (courierimapuiddb)."""
    text = "".join([f"{uid} {name}\n" for uid, name in lines])
    return os.fsencode(f"1 {uidvalidity} {uidnext}\n{text}")


def parse_fields(text: str) -> dict[str, str]:
    """Read record fields into value by key; of two with one key the later counts."""
    return {word[0]: word[1:] for word in text.split(" ") if word}


def render_fields(fields: dict[str, str]) -> str:
    """Return record fields as written."""
    return " ".join(key + value for key, value in fields.items())


def quote(text: str) -> str:
    """Return ``text`` fit for a field's value: blanks, controls, ``%``, ``,`` and non-ASCII bytes as ``%XX``."""
    data = text.encode("utf-8", "surrogateescape")
    return _UNSAFE.sub(lambda match: b"%%%02X" % match[0][0], data).decode("ascii")


def unquote(value: str) -> str:
    """Read what ``quote`` wrote; bytes that are no UTF-8 are surrogate-escaped."""
    data = value.encode("utf-8", "surrogateescape")
    return _QUOTED.sub(lambda match: bytes((int(match[1], 16),)), data).decode("utf-8", "surrogateescape")
