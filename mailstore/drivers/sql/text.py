"""Text as it stands in the database: anything a mail store can hold, in a form that every shell shows.

Database text cannot hold NUL everywhere (PostgreSQL), nor halves of surrogate pairs (bytes that are no UTF-8), and a
folder name is several components in one column. So a few characters are written ``%XX`` (the bytes of their UTF-8,
as in a URL); everything else stands as it is. Reading what was written gives back the same text, whatever it was.
"""

from __future__ import annotations

import re
from functools import lru_cache

from mailstore.errors import CorruptStore, InvalidFolderName
from mailstore.formats.headers import header_end
from mailstore.formats.words import legible
from mailstore.model.flags import NO_KEYWORDS
from mailstore.model.names import FolderPath

_HIDDEN = re.compile("[\x00-\x1f\x7f%\ud800-\udfff]")
_HIDDEN_IN_NAMES = re.compile("[\x00-\x1f\x7f%/\ud800-\udfff]")
_HIDDEN_IN_WORDS = re.compile(r"[\s\x00-\x20\x7f%\ud800-\udfff]")
_SHOWN = re.compile("(?:%[0-9A-F]{2})+")

_HEADER_LIMIT = 64 << 10
"""Bytes searched for From and Subject."""
_FIELD_LIMIT = 4 << 10
"""Bytes of a field that are looked at."""


def _hide(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogatepass"))


def _show(match: re.Match[str]) -> str:
    try:
        return bytes.fromhex(match[0].replace("%", "")).decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:  # somebody else wrote it
        return match[0]


@lru_cache(maxsize=1024)
def encode_text(text: str) -> str:
    """Return ``text`` with controls, ``%`` and lone surrogates hidden."""
    return _HIDDEN.sub(_hide, text)


@lru_cache(maxsize=1024)
def decode_text(stored: str) -> str:
    """Return what ``encode_text`` or another function here made ``stored`` of."""
    return _SHOWN.sub(_show, stored) if "%" in stored else stored


@lru_cache(maxsize=1024)
def encode_path(path: FolderPath) -> str:
    """Return the components joined by ``/``; a ``/`` within one is hidden."""
    return "/".join(_HIDDEN_IN_NAMES.sub(_hide, part) for part in path)


@lru_cache(maxsize=1024)
def decode_path(stored: str) -> FolderPath:
    """Return the path that ``encode_path`` wrote.

    Raises:
        CorruptStore: it wrote no such thing.
    """
    try:
        return FolderPath(decode_text(part) for part in stored.split("/"))
    except InvalidFolderName:
        raise CorruptStore(f"the database holds a folder name that cannot be read: {stored!r}") from None


@lru_cache(maxsize=1024)
def encode_keywords(keywords: frozenset[str]) -> str:
    """Return the keywords in order, separated by spaces; white space within one is hidden."""
    return " ".join(sorted(_HIDDEN_IN_WORDS.sub(_hide, keyword) for keyword in keywords))


@lru_cache(maxsize=1024)
def decode_keywords(stored: str) -> frozenset[str]:
    """Return the keywords that ``encode_keywords`` wrote."""
    return frozenset(map(decode_text, stored.split(" "))) if stored else NO_KEYWORDS


def headline(start: bytes) -> tuple[str, str]:
    """Return the From and Subject of a message for people to read, from its first bytes; ``''`` where there is none.

    Encoded words are decoded, folds and controls become one space, at most 500 characters are kept.
    """
    end = start.find(b"\n\n", 0, _HEADER_LIMIT)
    if end < 0 or start[:1] == b"\n" or b"\r" in start[:end]:  # most mail spares us the careful way
        end = min(header_end(start), _HEADER_LIMIT)
        if b"\n" not in start[:end]:
            start = start[:end].replace(b"\r", b"\n")
    return _field(start, b"From:", end), _field(start, b"Subject:", end)


def _field(start: bytes, name: bytes, end: int) -> str:
    # Every message that is stored comes through here: a find is ten times as fast as formats.headers.first.
    at = 0 if start.startswith(name) else start.find(b"\n" + name, 0, end) + 1
    if not at and not start.startswith(name):
        header = start[:end].lower()
        name = name.lower()
        at = 0 if header.startswith(name) else header.find(b"\n" + name) + 1
        if not at and not header.startswith(name):
            return ""
    at += len(name)
    stop = start.find(b"\n", at, end)
    while stop >= 0 and start[stop + 1 : stop + 2] in (b" ", b"\t"):
        stop = start.find(b"\n", stop + 1, end)
    return legible(start[at : min(stop if stop >= 0 else end, at + _FIELD_LIMIT)])
