r"""What a message's labels become: the folders it lies in, its flags, its keywords.

Gmail has no folders: a label is a view. ``folders`` shows a message in each of its labels, as Gmail's IMAP does;
``keywords`` shows it once and makes keywords of the labels; ``both`` does both. What is deleted or spam is shown in
Trash or Spam alone, as Gmail does it, with its other labels as keywords.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from mailstore.formats.gmail.field import to_folder, to_keyword
from mailstore.formats.gmail.names import (
    ARCHIVED,
    CATEGORIES,
    CHAT,
    DRAFT,
    IMPORTANT,
    INBOX,
    SENT,
    SPAM,
    STARRED,
    TRASH,
    UNREAD,
    kinds_of,
)
from mailstore.model import names
from mailstore.model.flags import DRAFT as DRAFT_FLAG
from mailstore.model.flags import FLAGGED, SEEN
from mailstore.model.names import FolderPath

MODES = ("folders", "keywords", "both")
_FOLDERS = {SENT: "Sent", DRAFT: "Drafts", TRASH: "Trash", SPAM: "Spam", CHAT: "Chats", ARCHIVED: "Archive"}
_USES = {SENT: "\\Sent", DRAFT: "\\Drafts", TRASH: "\\Trash", SPAM: "\\Junk", ARCHIVED: "\\Archive"}
_ALONE = (TRASH, SPAM)
_FIRST = (TRASH, SPAM, DRAFT, INBOX, SENT, CHAT)
"""Where a message lies that is shown once: the first of these that it has, else the archive."""


class Placed(NamedTuple):
    """What one set of labels becomes."""

    folders: tuple[FolderPath, ...]
    """One or more."""
    flags: int
    keywords: frozenset[str]


class Places:
    """Places messages.

    Attributes:
        folders: the folder of each kind of Gmail's own that is one.
        uses: special use (RFC 6154) by folder.
    """

    def __init__(self, language: str | None, mode: str, labels: Iterable[str]) -> None:
        """Choose names for Gmail's own folders that none of ``labels``, all there are, has: else ``[Gmail]/NAME``."""
        self._language = language
        self._mode = mode
        taken = {to_folder(label)[0].casefold() for label in kinds_of(labels, language)[1]}
        self.folders = {INBOX: names.INBOX}
        for kind, name in _FOLDERS.items():
            self.folders[kind] = FolderPath(["[Gmail]", name] if name.casefold() in taken else [name])
        self.uses = {self.folders[kind]: use for kind, use in _USES.items()}

    def place(self, labels: Iterable[str]) -> Placed:
        """Return what a message with ``labels`` becomes."""
        kinds, users = kinds_of(labels, self._language)
        flags = (0 if UNREAD in kinds else SEEN) | (FLAGGED if STARRED in kinds else 0)
        flags |= DRAFT_FLAG if DRAFT in kinds else 0
        keywords = {kind for kind in CATEGORIES if kind in kinds} | ({"$Important"} if IMPORTANT in kinds else set())
        own = [kind for kind in _FIRST if kind in kinds]
        alone = own and own[0] in _ALONE
        if alone or self._mode == "keywords":
            places = [self.folders[own[0] if own else ARCHIVED]]
            keywords.update(own[1:])
        else:
            places = [*(self.folders[kind] for kind in own), *map(to_folder, users)] or [self.folders[ARCHIVED]]
        if alone or self._mode != "folders":
            keywords.update(map(to_keyword, users))
        return Placed(tuple(dict.fromkeys(places)), flags, frozenset(keywords))
