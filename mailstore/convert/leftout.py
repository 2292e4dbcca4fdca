"""What of a source is not carried, since the source itself does not show it as mail."""

from __future__ import annotations

from collections.abc import Iterable

from mailstore.model.changes import Omission
from mailstore.model.names import FolderPath
from mailstore.store import Store


def left_out(source: Store, chosen: Iterable[FolderPath]) -> list[Omission]:
    """Return what the source leaves out of the ``chosen`` folders, and what belongs to no folder of it."""
    found = source.omissions()
    others = {str(info.path) for info in source.folders()} - {str(path) for path in chosen} if found else set()
    return [one for one in found if one.where not in others]
