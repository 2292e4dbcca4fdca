r"""Special-use attributes (RFC 6154, RFC 8457) and the names by which people know such folders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mailstore.model.changes import FolderInfo

SPECIAL_USES = frozenset({"\\All", "\\Archive", "\\Drafts", "\\Flagged", "\\Important", "\\Junk", "\\Sent", "\\Trash"})

_NAMES = {
    "\\Archive": ("archive", "archives"),
    "\\Drafts": ("drafts", "draft"),
    "\\Junk": ("junk", "spam", "junk e-mail", "junk mail", "bulk mail"),
    "\\Sent": ("sent", "sent items", "sent messages", "sent mail", "sent-mail"),
    "\\Trash": ("trash", "deleted items", "deleted messages"),
}
_BY_NAME = {name: use for use, names in _NAMES.items() for name in names}


def guess_special_use(infos: Sequence[FolderInfo]) -> list[FolderInfo]:
    """Return ``infos`` with a special use told from well-known top-level names, each use once."""
    given = {info.special_use for info in infos}
    guessed = []
    for info in infos:
        use = _BY_NAME.get(info.path[0].lower()) if len(info.path) == 1 and info.selectable else None
        if use is not None and use not in given and info.special_use is None:
            given.add(use)
            info = replace(info, special_use=use)
        guessed.append(info)
    return guessed
