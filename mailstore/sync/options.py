"""What the caller of a synchronisation wants."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass

from mailstore import convert
from mailstore.convert import journal_path
from mailstore.convert.identity import check_apart, store_identity
from mailstore.model.names import FolderPath
from mailstore.spi import Location


@dataclass(frozen=True, slots=True)
class Options:
    """How to synchronise.

    Attributes:
        folders: exactly these folders (one that neither store has is NoSuchFolder); empty is every folder.
        include: shell patterns on the folder's name in its one-string form; a folder is taken when one matches, or
            when there are none.
        exclude: the same; a folder that one matches is left out, whatever else says otherwise.
        allow_loss: names of losses to accept, in either direction (mailstore.convert.LOSSES).
        verify: read again what was carried, and compare.
        journal: path of the journal; None is beside the second store, or beside the first where one is there.
        rejected: directory for the bytes of messages that could not be stored; None is beside the store that refused
            them (``PATH.rejected``). It is made only when there is something to put in.
        force_delete: carry the deletions too that are held back: of a folder with its messages, of all messages.
    """

    folders: tuple[FolderPath, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    allow_loss: frozenset[str] = frozenset()
    verify: bool = True
    journal: str | None = None
    rejected: str | None = None
    force_delete: bool = False

    @property
    def choice(self) -> convert.Options:
        """The same choice of folders, as a conversion has it."""
        return convert.Options(folders=self.folders, include=self.include, exclude=self.exclude, rejected=self.rejected)


def sync_journal_path(first: Location, second: Location) -> str | None:
    """Return where the journal of two stores lies: beside one of them; None where neither is on a disk.

    Each pair has its own, whichever store is named first: beside the second, unless one lies beside the first already.

    Raises:
        UsageError: both are the same store or one lies in the other.
    """
    check_apart(first, second)
    check_apart(second, first)
    pair = "\n".join(sorted((store_identity(first), store_identity(second))))
    suffix = hashlib.sha256(pair.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    places = [journal_path(location) for location in (second, first)]
    names = [f"sync-{suffix}".join(place.rsplit("journal", 1)) for place in places if place is not None]
    return next((name for name in names if os.path.exists(name)), names[0] if names else None)
