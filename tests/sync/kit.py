"""Two stores of any kind, what is done to them, and what can be seen of both."""

from __future__ import annotations

from collections import Counter
from hashlib import sha256
from itertools import count
from pathlib import Path

from mailstore import Store, open_store
from mailstore.convert.merge import marks
from mailstore.model.info import DIGEST
from mailstore.sync import Options, SyncReport, sync

FORMS = {
    "memory": "memory:{}",
    "mbox": "mbox:{}?layout=sbd",
    "maildir": "maildir:{}?layout=fs",
    "maildir++": "maildir:{}?layout=%2B%2B",
    "sqlite": "sqlite:{}",
}

_numbers = count()
"""Stores in memory live as long as the process, by name."""


def location(form: str, directory: Path, name: str) -> str:
    """Return where a store is."""
    if form == "memory":
        return f"memory:{name}-{next(_numbers)}"
    return FORMS[form].format(directory / f"{name}-{form.replace('+', 'p')}")


class Pair:
    """Two stores, opened for each use, and their journal."""

    def __init__(self, directory: Path, first: str, second: str) -> None:
        self.locations = (location(first, directory, "a"), location(second, directory, "b"))
        self.journal = str(directory / "journal")
        for where in self.locations:
            open_store(where, create=True).close()

    def open(self, side: int) -> Store:
        """Open one of them, as any other program would."""
        return open_store(self.locations[side])

    def sync(self, *, swapped: bool = False, dry_run: bool = False, **options: object) -> SyncReport:
        """Synchronise, in either order."""
        one, other = reversed(self.locations) if swapped else self.locations
        with open_store(one, readonly=dry_run) as first, open_store(other, readonly=dry_run) as second:
            wanted = Options(journal=self.journal, **options)  # type: ignore[arg-type]
            return sync(first, second, wanted, dry_run=dry_run)

    def contents(self, side: int) -> dict[str, Counter[tuple[str, int, tuple[str, ...]]]]:
        """Return of each folder its messages: digest, flags, keywords."""
        with self.open(side) as store:
            return contents(store)

    def same(self) -> dict[str, Counter[tuple[str, int, tuple[str, ...]]]]:
        """Return what is in both, which must be the same."""
        ours, theirs = self.contents(0), self.contents(1)
        assert ours == theirs
        return ours


def contents(store: Store) -> dict[str, Counter[tuple[str, int, tuple[str, ...]]]]:
    """Return of each folder its messages: digest, flags, keywords."""
    found = {}
    for info in store.folders():
        if info.selectable:
            found[str(info.path)] = Counter(
                (row.digest.hex(), marks(row.flags, row.keywords).flags, tuple(sorted(row.keywords)))
                for row in store.folder(info.path).rows(DIGEST)
                if row.digest is not None
            )
    return found


def message(text: str) -> bytes:
    """Return a small message."""
    return f"Subject: {text}\n\n{text}\n".encode()


def digest(text: str) -> str:
    """Return the digest of ``message(text)``."""
    return sha256(message(text)).hexdigest()
