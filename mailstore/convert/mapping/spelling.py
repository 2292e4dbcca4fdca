"""Names that a driver could not read as they were meant: bytes in an unknown charset, levels in another notation."""

from __future__ import annotations

import re

from mailstore.errors import UsageError
from mailstore.formats import mutf7
from mailstore.model.names import FolderPath

_MODIFIED_UTF7 = frozenset({"utf7", "utf-7", "mutf7", "mutf-7", "imap-utf-7"})
_RAW = re.compile(r"\^([89a-f][0-9a-f])|([\udc80-\udcff])")
"""How drivers show a byte that is no UTF-8: a Maildir as ^e4, others surrogate-escaped."""


def check_charset(charset: str) -> None:
    """Raise where Python knows no such charset.

    Raises:
        UsageError: it does not.
    """
    try:
        if charset.lower() not in _MODIFIED_UTF7:
            b"a".decode(charset)
    except (LookupError, ValueError):
        raise UsageError(f"no charset is called {charset!r}") from None


def read_again(component: str, charset: str) -> str:
    """Return a component whose bytes were in ``charset``; one that the driver could read stays as it is.

    Raises:
        UsageError: the bytes are none of this charset.
    """
    if charset.lower() in _MODIFIED_UTF7:
        return _unpack(component)
    if not _RAW.search(component):
        return component
    raw = re.sub(_RAW, lambda match: match[2] or chr(0xDC00 + int(match[1], 16)), component)
    try:
        return raw.encode("utf-8", "surrogateescape").decode(charset)
    except ValueError:
        raise UsageError(f"the name {component!r} is not in the charset {charset}") from None


def _unpack(component: str) -> str:
    try:
        return mutf7.decode(component)
    except ValueError:
        return component


def split_levels(path: FolderPath, separator: str) -> FolderPath:
    """Return ``path`` with ``separator`` within a component beginning a new level; never an empty one."""
    parts: list[str] = []
    for component in path:
        pieces = component.split(separator)
        parts += pieces if all(pieces) else [component]
    return FolderPath(parts)


def strip_prefix(path: FolderPath, prefix: FolderPath) -> FolderPath:
    """Return ``path`` without ``prefix`` above it; the folder ``prefix`` itself stays."""
    here = path[: len(prefix)]
    if prefix.is_inbox:
        here = tuple(part.upper() for part in here)
    return FolderPath(path[len(prefix) :]) if len(path) > len(prefix) and here == tuple(prefix) else path
