"""Header fields as text for people: encoded words (RFC 2047) and raw 8-bit text; forgiving, and never an error.

Mail is hostile and often wrong: unknown charsets, encoded words cut in the middle of a character or without their end.
Neighbouring words of one charset are joined before they are decoded, as many writers split a character between two.
"""

from __future__ import annotations

LONGEST = 8192
"""Characters of a field that are given back where nobody says otherwise."""

_ENCODED_WORD = r"=\?([!-)+->@-~]{1,80}?)(?:\*[!->@-~]{0,80})?\?([bBqQ])\?([!->@-~ ]*)\?="
_QUOTED = rb"=([0-9a-fA-F]{2})"
_NOT_BASE64 = rb"[^A-Za-z0-9+/]"
_CONTROLS = r"[\s\x00-\x1f\x7f-\x9f\ud800-\udfff]+"


def decode_header(raw: bytes, longest: int = LONGEST) -> str:
    """Return a header field's value for people: words decoded, folds and controls one blank, ``longest`` long at most.

    8-bit text is UTF-8, or else Latin-1; an encoded word whose charset is unknown or does not fit likewise.
    """
    text = _text(raw[: 4 * longest], "utf-8").strip()
    if "=?" in text:
        text = _decode_words(text)
    if not text.isprintable():
        import re  # late, as below: it is half a delivery to load, and many headers are plain

        text = re.sub(_CONTROLS, " ", text).strip()
    return text[:longest]


def _decode_words(text: str) -> str:
    import re

    pieces: list[str] = []
    charset, pending, end = "", b"", 0
    for match in re.finditer(_ENCODED_WORD, text):
        between = text[end : match.start()]
        joined = not between.strip() and end > 0
        if not joined or match[1].lower() != charset:
            pieces.append(_text(pending, charset))
            pending = b""
        if not joined:
            pieces.append(between)
        charset = match[1].lower()
        pending += _unword(match[2], match[3].encode("ascii", "replace"))
        end = match.end()
    return "".join([*pieces, _text(pending, charset), text[end:]])


def _unword(encoding: str, text: bytes) -> bytes:
    """Undo the B or Q encoding; what is broken yields what can be read of it."""
    import binascii
    import re

    if encoding in "qQ":
        return re.sub(_QUOTED, lambda match: bytes([int(match[1], 16)]), text.replace(b"_", b" "))
    letters = re.sub(_NOT_BASE64, b"", text)
    if len(letters) % 4 == 1:
        letters = letters[:-1]
    return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))


def _text(data: bytes, charset: str) -> str:
    """Decode with the charset named, else as UTF-8, else as Latin-1."""
    for name in (charset, "utf-8"):
        try:
            text = data.decode(name)
        except (LookupError, ValueError):
            continue
        if isinstance(text, str):
            return text
    return data.decode("latin-1")
