"""What headers say, for people."""

from __future__ import annotations

import re

from mailstore.formats.headers import first
from mailstore.formats.words import decode_header

_ADDRESS = re.compile(r"<([^<>\s@]{1,64}@[^<>\s@]{1,255})>")
_BARE = re.compile(r"[^\s<>()\",;:]{1,64}@[^\s<>()\",;:]{1,255}")


def subject_of(header: bytes) -> str:
    """Return the Subject of a header block for people; '' where there is none."""
    return decode_header(first(header, b"subject") or b"", 200)


def author_of(header: bytes) -> str:
    """Return the address in the From of a header block, its domain in lower case; what stands there if it is none."""
    said = decode_header(first(header, b"from") or b"", 400)
    addresses = _ADDRESS.findall(said)[-1:] or _BARE.findall(said)[:1]  # a name before it may look like one
    if not addresses:
        return said[:100]
    local, at, domain = addresses[0].rpartition("@")
    return f"{local}{at}{domain.lower()}"
