"""Idempotency keys: which are stored, and where. A message's base name carries its key.

The problem. A key that is stored already must not be stored again, and only the names tell; reading the names of every
folder for every commit would be slow.

The solution. All folders are read once, when the first key comes; from then on what this process commits is added, and
the folders a commit concerns are looked at again. A key whose message is not where it was is searched for everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from mailstore.drivers.maildir.view import View
from mailstore.formats.maildirname import key_of
from mailstore.model.names import FolderPath


class Keys:
    """The keys of one store.

    Args:
        views: gives the views of all folders there are now.
    """

    def __init__(self, views: Callable[[], Iterable[View]]) -> None:
        self._views = views
        self._places: dict[bytes, tuple[View, str]] | None = None
        self._seen: dict[str, int] = {}

    def look(self, views: Iterable[View]) -> None:
        """Take in the keys of ``views``, which are refreshed already."""
        for view in views:
            self._collect(view)

    def look_everywhere(self) -> None:
        """Read all folders anew."""
        self._places, self._seen = {}, {}
        for view in self._views():
            view.refresh()
            self._collect(view)

    def _collect(self, view: View) -> None:
        known = view.index_as_is
        if self._places is None:
            self._places = {}
        if self._seen.get(view.name) == known.highest_modseq:
            return
        for base in known.entries:
            if (key := key_of(base)) is not None:
                self._places[key] = view, base
        self._seen[view.name] = known.highest_modseq

    def add(self, key: bytes, view: View, base: str) -> None:
        """Note a message that was just stored."""
        if self._places is not None:
            self._places[key] = view, base

    def look_for(self, keys: Iterable[bytes]) -> None:
        """Make sure of where ``keys`` are; before any folder is locked, since other folders may have to be read."""
        if self._places is None or any(key in self._places and self.find(key) is None for key in keys):
            self.look_everywhere()

    def find(self, key: bytes) -> tuple[FolderPath, int, int] | None:
        """Return (folder, UID, UIDVALIDITY) of the message with ``key``, as far as it was looked for."""
        place = (self._places or {}).get(key)
        if place is None:
            return None
        view, base = place
        entry = view.index_as_is.entries.get(base)
        return None if entry is None else (view.path, entry.uid, view.index_as_is.uidvalidity)
