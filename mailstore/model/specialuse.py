r"""Special-use attributes (RFC 6154, RFC 8457), told from the names by which people know such folders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mailstore.model.changes import FolderInfo
from mailstore.model.names import FolderPath

SPECIAL_USES = frozenset({"\\All", "\\Archive", "\\Drafts", "\\Flagged", "\\Important", "\\Junk", "\\Sent", "\\Trash"})

_ABOVE = frozenset({"inbox", "[gmail]", "[google mail]"})
"""Folders below which a server or client keeps those with a special use, instead of at the top."""


def guess_special_use(infos: Sequence[FolderInfo]) -> list[FolderInfo]:
    r"""Return ``infos`` with special uses told from well-known names (mailstore.model.usenames), each use once.

    A name counts at the top, below INBOX and below ``[Gmail]``. Of several folders for one use, the one with the most
    usual name has it, English before all others; of two with the same, the one that stands first.
    """
    given = {info.special_use for info in infos}
    best: dict[str, tuple[int, int]] = {}
    for place, info in enumerate(infos):
        known = _look_up(info.path) if info.selectable and info.special_use is None else None
        if known is not None and known[0] not in given:
            use, rank = known
            best[use] = min(best.get(use, (rank, place)), (rank, place))
    uses = {place: use for use, (_, place) in best.items()}
    return [replace(info, special_use=uses[place]) if place in uses else info for place, info in enumerate(infos)]


def _look_up(path: FolderPath) -> tuple[str, int] | None:
    """Return the use that a folder's name tells, and how usual that name is for it: less is more."""
    from mailstore.model.usenames import BY_NAME, fold  # late: a delivery lists no folders

    if len(path) == 1:
        return BY_NAME.get(fold(path[0]))
    if len(path) == 2 and path[0].lower() in _ABOVE and (known := BY_NAME.get(fold(path[1]))):
        return known[0], known[1] + len(BY_NAME)  # one at the top is meant rather
    return None
