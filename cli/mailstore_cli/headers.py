"""From, Subject and Message-ID for display: forgiving, bounded, and never an error.

Mail is hostile and often wrong: raw 8-bit text, unknown charsets, encoded words cut in the middle of a character or
without their end. RFC 2047 is read here by one regular expression; neighbouring words of one charset are joined before
they are decoded, because many writers split a character between two of them.
"""

from __future__ import annotations

import binascii
import re
from typing import NamedTuple

LONGEST = 8192
"""Bytes of a field's value that are shown."""

_FIELD = re.compile(rb"^(from|subject|message-id)[ \t]*:[ \t]*([^\n]*(?:\n[ \t][^\n]*)*)", re.IGNORECASE | re.MULTILINE)
_WORD = re.compile(r"=\?([!-)+->@-~]{1,80}?)(?:\*[!->@-~]{0,80})?\?([bBqQ])\?([!->@-~ ]*)\?=")
_QUOTED = re.compile(rb"=([0-9a-fA-F]{2})")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]")
_NAME = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^"<]*?))\s*<([^>]*)>?')


class Shown(NamedTuple):
    """What a listing shows of a message's header, decoded; '' where there is no such field."""

    author: str = ""
    subject: str = ""
    message_id: str = ""


def shown(header: bytes) -> Shown:
    """Find the first From, Subject and Message-ID of a header block and decode them."""
    found: dict[bytes, str] = {}
    for match in _FIELD.finditer(header.replace(b"\r\n", b"\n").replace(b"\r", b"\n")):
        name = match[1].lower()
        if name not in found:
            found[name] = decode(match[2][:LONGEST])
            if len(found) == 3:
                break
    return Shown(found.get(b"from", ""), found.get(b"subject", ""), found.get(b"message-id", ""))


def decode(value: bytes) -> str:
    """Return a field's value as text: unfolded, encoded words decoded, other 8-bit text as UTF-8 or Latin-1."""
    raw = " ".join(_text(value, "utf-8").replace("\0", "\ufffd").split())
    if "=?" not in raw:
        return raw
    pieces: list[str] = []
    charset, pending, end = "", b"", 0
    for match in _WORD.finditer(raw):
        between = raw[end : match.start()]
        joined = not between.strip() and end > 0
        if not joined or match[1].lower() != charset:
            pieces.append(_text(pending, charset))
            pending = b""
        if not joined:
            pieces.append(between)
        charset = match[1].lower()
        pending += _unword(match[2], match[3].encode("ascii", "replace"))
        end = match.end()
    pieces += [_text(pending, charset), raw[end:]]
    return "".join(pieces)


def display_name(author: str) -> str:
    """Return the name in a From field, or its address where it has none."""
    match = _NAME.match(author)
    if match is None:
        return author
    name = re.sub(r"\\(.)", r"\1", match[1]) if match[1] is not None else match[2]
    return name.strip() or match[3] or author


def _unword(encoding: str, text: bytes) -> bytes:
    """Undo the B or Q encoding; what is broken yields what can be read of it."""
    if encoding in "qQ":
        return _QUOTED.sub(lambda match: bytes([int(match[1], 16)]), text.replace(b"_", b" "))
    letters = _NOT_BASE64.sub(b"", text)
    if len(letters) % 4 == 1:
        letters = letters[:-1]
    return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))


def _text(data: bytes, charset: str) -> str:
    """Decode with the charset named, else as UTF-8, else as Latin-1."""
    if not data:
        return ""
    for name in (charset, "utf-8"):
        try:
            text = data.decode(name)
        except (LookupError, ValueError):
            continue
        if isinstance(text, str):
            return text
    return data.decode("latin-1")
