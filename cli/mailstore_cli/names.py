r"""Folder names and items as text: what a listing prints is what every command takes back.

A folder is written as in the library (components joined by ``/``, a literal ``/`` as ``\/``, a backslash as ``\\``);
what a terminal or a line cannot carry (controls, NUL, bidirectional overrides) is ``\xHH``, ``\uHHHH`` or
``\UHHHHHHHH``. The library never writes a backslash before those letters, so both spellings read back alike.

An item names a message in one word: ``FOLDER:UID``, spaces in the folder as ``\x20``. Where the store has no record
of its UIDs yet (a Maildir or mbox that nobody indexed) they are only ordinals: another program's delivery or expunge
moves them on, and a command piped after ``ls`` would hit other mail. So there ``ls`` writes ``FOLDER:UID@CHECK``,
CHECK being the start of the SHA-256 of the message's header, and a command refuses the item once it does not fit.
"""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

from mailstore import FolderPath, UsageError

_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|.)", re.DOTALL)
_ITEM = re.compile(
    r"(?:(?P<folder>.*):)?(?P<first>[0-9]{1,10})(?P<range>-(?P<last>[0-9]{1,10})?)?(?:@(?P<check>[0-9a-f]{8}))?",
    re.DOTALL,
)


class Item(NamedTuple):
    """Messages named on the command line or in a pipe: one UID, or a range of them."""

    folder: FolderPath
    first: int
    last: int | None
    """The last UID of the range (``first`` for a single one); None: to the end."""
    check: str = ""
    """The start of the header's SHA-256 that the message must have; '' is any."""

    @property
    def single(self) -> bool:
        """Whether it names exactly one message."""
        return self.first == self.last


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def safe(text: str) -> str:
    """Return ``text`` with everything spelled out that could steer a terminal or break a line."""
    return _UNSAFE.sub(_escape, text)


def folder_text(path: FolderPath) -> str:
    """Return the one-line spelling of a folder that ``parse_folder`` reads."""
    text = safe(str(path))
    if text.startswith(" "):
        text = "\\x20" + text[1:]
    return text[:-1] + "\\x20" if text.endswith(" ") else text


def parse_folder(text: str) -> FolderPath:
    r"""Read a folder's name as a user, a script or ``folder_text`` writes it.

    Raises:
        InvalidFolderName: no folder can be called that.
        UsageError: an escape names no character.
    """

    def literal(match: re.Match[str]) -> str:
        digits = match[1] or match[2] or match[3]
        if digits is None:
            return match[0]
        if int(digits, 16) > 0x10FFFF:
            raise UsageError(f"folder name {safe(text)!r}: {match[0]} is no character")
        character = chr(int(digits, 16))
        return "\\" + character if character in "\\/" else character

    return FolderPath.parse(_ESCAPE.sub(literal, text))


def header_check(header: bytes) -> str:
    """Return the CHECK of a message with this header block."""
    return hashlib.sha256(header).hexdigest()[:8]


def item_text(path: FolderPath, uid: int, check: str = "") -> str:
    """Return the one word that names a message."""
    folder = folder_text(path).replace(" ", "\\x20")
    return f"{folder}:{uid}@{check}" if check else f"{folder}:{uid}"


def parse_item(text: str, folder: FolderPath | None) -> Item:
    """Read an item: ``UID``, ``FIRST-LAST`` or ``FIRST-`` in ``folder`` (INBOX where None), or ``FOLDER:`` and these.

    Raises:
        UsageError: it is none, or it names another folder than ``folder``.
    """
    match = _ITEM.fullmatch(text)
    if match is None:
        raise UsageError(f"{safe(text)!r} names no message: give a UID (12), a range (3-7, 3-) or FOLDER:UID")
    path = parse_folder(match["folder"]) if match["folder"] is not None else folder or FolderPath(("INBOX",))
    if folder is not None and path != folder:
        raise UsageError(f"{safe(text)!r} is not in {folder_text(folder)}, the folder that --folder names")
    first = int(match["first"])
    if match["range"] is None:
        return Item(path, first, first, match["check"] or "")
    if match["check"]:
        raise UsageError(f"{safe(text)!r}: a range has no check")
    return Item(path, first, int(match["last"]) if match["last"] else None)
