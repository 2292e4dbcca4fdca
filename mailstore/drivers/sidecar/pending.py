"""What of a FolderIndex is still to be written."""

from __future__ import annotations

from collections.abc import Iterable

from mailstore.drivers.sidecar.entry import Entry


class Pending:
    """What a FolderIndex changed since it was loaded or stored.

    Attributes:
        all: the whole folder is to be written.
        header: the counters changed; always true when anything else did.
        changed: entries to be written, by UID.
        gone: UIDs to be removed.
        buried: new tombstones.
    """

    __slots__ = ("all", "buried", "changed", "gone", "header")

    def __init__(self) -> None:
        self.all = True
        self.header = True
        self.changed: dict[int, Entry] = {}
        self.gone: set[int] = set()
        self.buried: list[tuple[int, int]] = []

    def __bool__(self) -> bool:
        return self.header

    def put(self, entry: Entry) -> None:
        """Note a new or changed entry."""
        if not self.all:
            self.changed[entry.uid] = entry
        self.header = True

    def put_all(self, entries: Iterable[Entry]) -> None:
        """Note many."""
        if not self.all:
            self.changed.update((entry.uid, entry) for entry in entries)
        self.header = True

    def drop(self, entry: Entry) -> None:
        """Note that an entry is gone."""
        if not self.all:
            self.gone.add(entry.uid)
            if self.changed.get(entry.uid, entry).key == entry.key:
                self.changed.pop(entry.uid, None)
        self.header = True

    def bury(self, tombstones: list[tuple[int, int]]) -> None:
        """Note new tombstones."""
        if not self.all:
            self.buried += tombstones
        self.header = True

    def reset(self) -> None:
        """Note that everything is to be written anew."""
        self.clear()
        self.all = self.header = True

    def clear(self) -> None:
        """Note that everything was written."""
        self.all = self.header = False
        self.changed.clear()
        self.gone.clear()
        self.buried.clear()
