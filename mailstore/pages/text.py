"""Text that came with mail or from a disk, made harmless for a line, a page or a label."""

from __future__ import annotations

from html import escape
from unicodedata import category


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


def text(value: str) -> str:
    """Return text from anywhere fit for a page of HTML."""
    return escape(harmless(value))
