"""The first scan of a folder: the quickest way from names to rows, and to the index when that is needed.

The problem. A listing of a hundred thousand messages makes a row for each; an index entry for each, besides, takes as
long again, and most programs that list a folder without a lasting index never ask a second question.

The solution. What the scan found is kept as it is, names in UID order. Rows come straight from it; entries are made of
it when anything else is asked, or at once where the index is to last.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mailstore.drivers.sidecar import Entry
from mailstore.model.flags import RECENT
from mailstore.model.info import Row

_BATCH = 1000

Meanings = Mapping[str, tuple[int, frozenset[str], tuple[str, ...]]]


class FirstScan:
    """Messages as found.

    Args:
        bases: in UID order.
        uids: growing, as many.
        recorded: how many of them, from the first on, have a recorded UID.
        names: file name, with its subdirectory, by base.
        meanings: flags, keywords and notes by info suffix.
        modseq: of all of them.
    """

    def __init__(
        self,
        bases: list[str],
        uids: list[int],
        recorded: int,
        names: dict[str, str],
        meanings: Meanings,
        modseq: int,
    ) -> None:
        self._bases = bases
        self._uids = uids
        self._recorded = recorded
        self._names = names
        self._meanings = meanings
        self._modseq = modseq

    @property
    def uidnext(self) -> int:
        """The least UID that is free."""
        return self._uids[-1] + 1 if self._uids else 1

    def _parts(self, most: int) -> Iterator[tuple[bool, Sequence[str], Sequence[int]]]:
        for recorded, begin, end in ((True, 0, self._recorded), (False, self._recorded, len(self._bases))):
            for at in range(begin, end, most):
                until = min(at + most, end)
                yield recorded, self._bases[at:until], self._uids[at:until]

    def entries(self) -> dict[str, Entry]:
        """Return the index's entries by base: one object a message, no call of ours."""
        meanings, names, modseq, make = self._meanings, self._names, self._modseq, tuple.__new__
        entries: dict[str, Entry] = {}
        for recorded, bases, uids in self._parts(max(1, len(self._bases))):
            part = {
                base: make(Entry, (uid, base, recorded, modseq, flags, words, None, None, None, None, None, name))
                for base, uid in zip(bases, uids, strict=True)
                for name in (names[base],)
                for flags, words, _ in (meanings[name[len(base) + 5 :]],)
            }
            entries = {**entries, **part} if entries else part
        return entries

    def batches(self) -> Iterator[list[Row]]:
        """Yield rows with nothing but what the names say."""
        meanings, names, modseq, make = self._meanings, self._names, self._modseq, tuple.__new__
        for recorded, bases, uids in self._parts(_BATCH):
            yield [
                make(Row, (uid, base, recorded, modseq, bits if name[0] != "n" else bits | RECENT, words,
                           None, None, None, None, None, None, None, None, None, None, ()))
                for base, uid in zip(bases, uids, strict=True)
                for name in (names[base],)
                for bits, words, _ in (meanings[name[len(base) + 5 :]],)
            ]  # fmt: skip
