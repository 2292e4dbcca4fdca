"""Text that came with mail or from a disk, made harmless for a line, a page or a label; and what headers say."""

from __future__ import annotations

import re
from unicodedata import category

from mailstore.formats.headers import first
from mailstore.formats.words import legible

_ADDRESS = re.compile(r"<([^<>\s@]{1,64}@[^<>\s@]{1,255})>")
_BARE = re.compile(r"[^\s<>()\",;:]{1,64}@[^\s<>()\",;:]{1,255}")


def harmless(text: str) -> str:
    r"""Return ``text`` with controls, bidirectional overrides, bytes that are no UTF-8 spelled ``\xHH``, ``\uHHHH``."""
    return text if text.isprintable() else "".join(map(_spelled, text))


def _spelled(one: str) -> str:
    code = ord(one)
    if one.isprintable() or category(one) == "Zs":  # a space of any width
        return one
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8
        code -= 0xDC00
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def subject_of(header: bytes) -> str:
    """Return the Subject of a header block for people; '' where there is none."""
    return legible(first(header, b"subject") or b"", 200)


def author_of(header: bytes) -> str:
    """Return the address in the From of a header block, its domain in lower case; what stands there if it is none."""
    said = legible(first(header, b"from") or b"", 400)
    addresses = _ADDRESS.findall(said)[-1:] or _BARE.findall(said)[:1]  # a name before it may look like one
    if not addresses:
        return said[:100]
    local, at, domain = addresses[0].rpartition("@")
    return f"{local}{at}{domain.lower()}"
