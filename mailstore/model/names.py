r"""Folder paths.

A folder path is a tuple of components. A component is any non-empty text: it may hold ``/``, ``.``, leading dots,
spaces, controls and NUL, because real stores do; each driver escapes what its format cannot spell. Text is NFC.
``INBOX`` alone, in any case, is the inbox (RFC 9051 section 5.1).

As one string (command line, JSON) components are joined by ``/``; a literal ``/`` inside a component is written
``\/`` and a literal backslash ``\\``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Self

from mailstore.errors import InvalidFolderName

_PIECE = re.compile(r"((?:[^/\\]|\\.)*)(/|\Z)", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


class FolderPath(tuple[str, ...]):
    """The components of a folder's name, outermost first; hashable, ordered, immutable."""

    __slots__ = ()

    def __new__(cls, components: Iterable[str]) -> Self:
        """Make a path from its components.

        Raises:
            InvalidFolderName: no component at all, or an empty one.
        """
        parts = [unicodedata.normalize("NFC", part) for part in components]
        if not parts or not all(parts):
            raise InvalidFolderName(
                "a folder name needs at least one component, and none may be empty", folder="/".join(parts)
            )
        if len(parts) == 1 and parts[0].upper() == "INBOX":
            parts = ["INBOX"]
        return super().__new__(cls, parts)

    @classmethod
    def parse(cls, text: str) -> FolderPath:
        r"""Read the one-string form: ``/`` separates, ``\/`` and ``\\`` are literal."""
        parts, at = [], 0
        while True:
            match = _PIECE.match(text, at)
            if match is None:
                raise InvalidFolderName(f"folder name {text!r} ends in a lone backslash", folder=text)
            parts.append(_ESCAPED.sub(r"\1", match[1]))
            if not match[2]:
                return cls(parts)
            at = match.end()

    def __str__(self) -> str:
        return "/".join(part.replace("\\", "\\\\").replace("/", "\\/") for part in self)

    def __repr__(self) -> str:
        return f"FolderPath({str(self)!r})"

    @property
    def is_inbox(self) -> bool:
        """Whether this is INBOX itself."""
        return tuple(self) == ("INBOX",)

    @property
    def parent(self) -> FolderPath | None:
        """The path one level up, or None at the top."""
        return FolderPath(self[:-1]) if len(self) > 1 else None

    def child(self, name: str) -> FolderPath:
        """Return the path of the child called ``name``."""
        return FolderPath((*self, name))

    def is_below(self, other: FolderPath) -> bool:
        """Whether this path lies strictly below ``other``."""
        return len(self) > len(other) and self[: len(other)] == tuple(other)

    def moved(self, old: FolderPath, new: FolderPath) -> FolderPath:
        """Return this path with its leading ``old`` replaced by ``new``."""
        return FolderPath((*new, *self[len(old) :]))


INBOX = FolderPath(("INBOX",))
