"""Text as it stands in the database: anything a mail store can hold, in a form that every shell shows.

Database text cannot hold NUL everywhere (PostgreSQL), nor halves of surrogate pairs (bytes that are no UTF-8), and a
folder name is several components in one column. So a few characters are written ``%XX`` (the bytes of their UTF-8,
as in a URL); everything else stands as it is. Reading what was written gives back the same text, whatever it was.
"""

from __future__ import annotations

from mailstore.formats.headers import header_end
from mailstore.formats.words import decode_header
from mailstore.model.flags import NO_KEYWORDS

TYPE_CHECKING = False  # loading this loads next to nothing: a delivery starts a process for each mail
if TYPE_CHECKING:
    import re
    from collections.abc import Callable
    from typing import Any

    from mailstore.model.names import FolderPath

_HIDDEN = "[\x00-\x1f\x7f%\ud800-\udfff]"
_HIDDEN_IN_NAMES = "[\x00-\x1f\x7f%/\ud800-\udfff]"
_HIDDEN_IN_WORDS = r"[\s\x00-\x20\x7f%\ud800-\udfff]"
_SHOWN = "(?:%[0-9A-F]{2})+"
_KEPT = 1024

_HEADER_LIMIT = 64 << 10
"""Bytes searched for From and Subject."""
_FIELD_LIMIT = 4 << 10
_LONGEST = 500
"""Characters of a field that the database has for people."""
"""Bytes of a field that are looked at."""


class _Kept(dict["Any", "Any"]):
    """What a function made of its last arguments."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[Any], Any]) -> None:
        self._make = make

    def __missing__(self, argument: Any) -> Any:
        if len(self) >= _KEPT:
            self.clear()
        made = self[argument] = self._make(argument)
        return made


def _hidden(text: str, pattern: str, plain: str = "") -> str:
    """Hide what ``pattern`` finds; nothing is looked for in text that can be printed and has none of ``plain``."""
    if text.isprintable() and "%" not in text and not any(one in text for one in plain):
        return text
    import re  # late: it is half a delivery to load

    return re.sub(pattern, _hide, text)


def _hide(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogatepass"))


def _show(match: re.Match[str]) -> str:
    try:
        return bytes.fromhex(match[0].replace("%", "")).decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:  # somebody else wrote it
        return match[0]


def _encode_text(text: str) -> str:
    return _hidden(text, _HIDDEN)


def _decode_text(stored: str) -> str:
    if "%" not in stored:
        return stored
    import re

    return re.sub(_SHOWN, _show, stored)


def _encode_path(path: FolderPath) -> str:
    return "/".join(_hidden(part, _HIDDEN_IN_NAMES, "/") for part in path)


def _decode_path(stored: str) -> FolderPath:
    from mailstore.errors import CorruptStore, InvalidFolderName
    from mailstore.model.names import FolderPath

    try:
        return FolderPath(decode_text(part) for part in stored.split("/"))
    except InvalidFolderName:
        raise CorruptStore(f"the database holds a folder name that cannot be read: {stored!r}") from None


def _encode_keywords(keywords: frozenset[str]) -> str:
    return " ".join(sorted(_hidden(keyword, _HIDDEN_IN_WORDS, " ") for keyword in keywords))


def _decode_keywords(stored: str) -> frozenset[str]:
    return frozenset(map(decode_text, stored.split(" "))) if stored else NO_KEYWORDS


encode_text: Callable[[str], str] = _Kept(_encode_text).__getitem__
"""Return text with controls, ``%`` and lone surrogates hidden."""
decode_text: Callable[[str], str] = _Kept(_decode_text).__getitem__
"""Return what ``encode_text`` or another function here made it of."""
encode_path: Callable[[FolderPath], str] = _Kept(_encode_path).__getitem__
"""Return the components joined by ``/``; a ``/`` within one is hidden."""
decode_path: Callable[[str], FolderPath] = _Kept(_decode_path).__getitem__
"""Return the path that ``encode_path`` wrote; CorruptStore where it wrote no such thing."""
encode_keywords: Callable[[frozenset[str]], str] = _Kept(_encode_keywords).__getitem__
"""Return the keywords in order, separated by spaces; white space within one is hidden."""
decode_keywords: Callable[[str], frozenset[str]] = _Kept(_decode_keywords).__getitem__
"""Return the keywords that ``encode_keywords`` wrote."""


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
    return decode_header(start[at : min(stop if stop >= 0 else end, at + _FIELD_LIMIT)], _LONGEST)
