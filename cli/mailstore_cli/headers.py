"""From, Subject and Message-ID for display: forgiving, bounded, and never an error."""

from __future__ import annotations

import re
from typing import NamedTuple

from mailstore.search import decode_header

_FIELD = re.compile(rb"^(from|subject|message-id)[ \t]*:[ \t]*([^\n]*(?:\n[ \t][^\n]*)*)", re.IGNORECASE | re.MULTILINE)
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
            found[name] = decode_header(match[2])
            if len(found) == 3:
                break
    return Shown(found.get(b"from", ""), found.get(b"subject", ""), found.get(b"message-id", ""))


def display_name(author: str) -> str:
    """Return the name in a From field, or its address where it has none."""
    match = _NAME.match(author)
    if match is None:
        return author
    name = re.sub(r"\\(.)", r"\1", match[1]) if match[1] is not None else match[2]
    return name.strip() or match[3] or author
