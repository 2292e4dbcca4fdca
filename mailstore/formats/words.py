"""Encoded words (RFC 2047) for people to read: forgiving, and never an error."""

from __future__ import annotations

_ENCODED_WORD = r"=\?([\w.:-]+)(?:\*[\w-]*)?\?([bBqQ])\?([^?]*)\?="
_CONTROLS = r"[\s\x00-\x1f\x7f-\x9f\ud800-\udfff]+"
_BETWEEN_WORDS = r"(?<=\?=)\s+(?==\?)"


def decode_words(text: str) -> str:
    """Return ``text`` with its encoded words decoded; white space between two of them goes.

    An unknown charset is taken for Latin-1; of a broken encoding stays what can be read.
    """
    import re  # late, as below: it is half a delivery to load, and many headers are plain

    text = re.sub(_BETWEEN_WORDS, "", text)
    pieces: list[str] = []
    word, charset, at = b"", "", 0
    for match in re.finditer(_ENCODED_WORD, text, re.ASCII):
        if match.start() > at or match[1] != charset:
            pieces += [_decode_bytes(word, charset), text[at : match.start()]]
            word, charset = b"", match[1]
        # halves of a character may stand in words of their own: bytes are gathered before they are decoded
        word += _word_bytes(match[2], match[3])
        at = match.end()
    return "".join([*pieces, _decode_bytes(word, charset), text[at:]])


def legible(raw: bytes, longest: int = 500) -> str:
    """Return a header field's value for people: words decoded, folds and controls one space, at most ``longest`` long.

    8-bit text is UTF-8, or else Latin-1.
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    text = text.strip()
    if "=?" in text:
        text = decode_words(text)
    if not text.isprintable():
        import re

        text = re.sub(_CONTROLS, " ", text).strip()
    return text[:longest]


def _word_bytes(encoding: str, content: str) -> bytes:
    import binascii  # late: many headers are plain

    raw = content.encode("utf-8", "replace")
    if encoding in "qQ":
        return binascii.a2b_qp(raw, header=True)
    raw = raw.rstrip(b"=")
    try:
        return binascii.a2b_base64(raw + b"=" * (-len(raw) % 4))
    except binascii.Error:
        return raw


def _decode_bytes(word: bytes, charset: str) -> str:
    try:
        return word.decode(charset or "ascii", "replace")
    except (LookupError, ValueError):
        return word.decode("latin-1")
