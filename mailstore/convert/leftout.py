"""What of a source is not carried, since the source itself does not show it as mail."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence

from mailstore.convert.record import Way
from mailstore.model.changes import Omission
from mailstore.model.names import FolderPath
from mailstore.store import Store

HIDDEN = "is not there, but something in the source cannot be read: what was carried of it stays as it is"


def hidden(source: Store, stale: Sequence[Way], there: Collection[FolderPath]) -> list[Way]:
    """Return those of the ``stale`` ways whose folder may be there all the same, where it cannot be read.

    That is any that is not there as long as the source has damage, and one whose name something has that is no mail.
    """
    missing = [way for way in stale if way.path not in there]
    found = source.omissions() if missing else []
    damaged = any(one.damaged for one in found)
    names = {os.path.basename(one.where).removeprefix(".") for one in found}
    return [way for way in missing if damaged or way.path[-1] in names]


def left_out(source: Store, chosen: Iterable[FolderPath]) -> list[Omission]:
    """Return what the source leaves out of the ``chosen`` folders, and what belongs to no folder of it."""
    found = source.omissions()
    others = {str(info.path) for info in source.folders()} - {str(path) for path in chosen} if found else set()
    return [one for one in found if one.where not in others]
