r"""The field ``X-Gmail-Labels``, and how a label is spelled where no free text can stand.

The field is a list with commas; a label that holds one stands in double quotes. Other than ASCII makes the *whole* list
encoded words (RFC 2047), commas and quotes included, so it is decoded before it is split::

    X-Gmail-Labels: Inbox,"Smith, Jones",Work/2023,Opened
    X-Gmail-Labels: =?UTF-8?Q?Archiv=C3=A9s,Ouvert,Cat=C3=A9gorie=C2=A0:_E-mails_?=
     =?UTF-8?Q?personnels?=

As a keyword (an IMAP atom) a blank is ``_`` and every byte that an atom cannot have, ``_`` and ``^`` are ``^xx``.
"""

from __future__ import annotations

import re

from mailstore.formats.words import decode_header
from mailstore.model.names import FolderPath

FIELD = re.compile(rb"[\r\n]X-Gmail-Labels:([^\r\n]*(?:\r?[\r\n][ \t][^\r\n]*)*)", re.IGNORECASE)
"""Finds the field behind a line end; group 1 is its value, folded as it is."""
_BEGINNING = re.compile(
    rb"From \d{10,20}@xxx [^\r\n]*\r?\n(?:[!-9;-~]+:[^\r\n]*\r?\n(?:[ \t][^\r\n]*\r?\n)*)*?"
    rb"X-G(?:M-THRID|mail-Labels):"
)
_FOLD = re.compile(rb"\r?[\r\n][ \t]+")
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$&'+,-./:;<=>?@[`|}~")
_ESCAPED = re.compile(rb"\^([0-9a-f]{2})")


def begins_takeout(head: bytes) -> bool:
    """Tell whether a file begins as Takeout's do: with Google's id for a sender, and one of Google's fields."""
    return _BEGINNING.match(head) is not None


def read_labels(value: bytes) -> tuple[str, ...]:
    """Return the labels of a field's value in their order, each once; whatever the bytes are, nothing is raised."""
    raw = _FOLD.sub(b" ", value)
    text = decode_header(raw, len(raw))
    return tuple(dict.fromkeys(label for label in map(str.strip, _split(text)) if label))


def _split(text: str) -> list[str]:
    """Split at commas outside of double quotes; a quote within quotes is doubled, or has a backslash before it."""
    labels: list[str] = []
    pieces: list[str] = []
    quoted, at = False, 0
    while at < len(text):
        character = text[at]
        if quoted and text[at : at + 2] in ('""', '\\"', "\\\\"):
            pieces.append(text[at + 1])
            at += 1
        elif character == '"' and (quoted or not "".join(pieces).strip()):
            quoted = not quoted
        elif character == "," and not quoted:
            labels.append("".join(pieces))
            pieces = []
        else:
            pieces.append(character)
        at += 1
    return [*labels, "".join(pieces)]


def to_keyword(label: str) -> str:
    """Return a label as an IMAP keyword; ``from_keyword`` reads it back."""
    raw = label.encode("utf-8", "surrogatepass")
    text = "".join("_" if byte == 0x20 else chr(byte) if byte in _PLAIN else f"^{byte:02x}" for byte in raw)
    return f"^24{text[1:]}" if text.startswith("$") else text  # $Junk and its like mean something


def from_keyword(keyword: str) -> str:
    """Return the label that a keyword spells."""
    raw = keyword.encode("utf-8", "surrogatepass").replace(b"_", b" ")
    return _ESCAPED.sub(lambda found: bytes((int(found[1], 16),)), raw).decode("utf-8", "replace")


def to_folder(label: str) -> FolderPath:
    """Return the folder that a label names: ``/`` separates levels, where none of them is empty."""
    parts = label.split("/")
    if not all(part.strip() for part in parts):
        parts = [label]
    if parts[0].upper() == "INBOX":
        parts[0] = "INBOX"
    return FolderPath(parts)
