"""Which messages of the source are wanted: those that a search chooses, and no more than a limit.

What an earlier run has copied is followed whether it would be chosen now or not: a search says what comes in, not what
stays. A message that cannot be read is never chosen away.

The limit counts what one run copies, in the order of folders and messages; the next run goes on behind it.
"""

from __future__ import annotations

from array import array
from contextlib import suppress

from mailstore.convert.look import FETCH, Look
from mailstore.errors import MailstoreError
from mailstore.model.info import Row
from mailstore.search import Search
from mailstore.spi import FolderDriver


def chooses(search: Search | None, row: Row) -> bool:
    """Tell whether a message is chosen; one that cannot be read is, since reading it tells what is wrong."""
    try:
        return search is None or row.error is not None or search.matches(row)
    except MailstoreError:
        return True


class Choice:
    """What one run still takes.

    Args:
        search: None is every message.
        limit: how many; 0 is any number.
    """

    def __init__(self, search: Search | None, limit: int) -> None:
        self._search = search
        self._left: int | None = limit or None

    @property
    def everything(self) -> bool:
        """Whether nothing is left out."""
        return self._search is None and self._left is None

    @property
    def counts(self) -> bool:
        """Whether there is a limit: then every folder must be looked at before it is copied."""
        return self._left is not None

    def leave_out(self, found: Look, source: FolderDriver) -> None:
        """Take out of what is new in a folder what is not wanted."""
        chosen = set(found.new)
        if self._search is not None and found.new:
            with suppress(MailstoreError):  # what cannot be asked is chosen, or not, when it is read
                chosen -= self._unwanted(found, source, self._search)
        new, positions = found.new, found.positions
        found.new, found.positions = array("I"), array("I")
        for uid, position in zip(new, positions, strict=True):
            if uid in found.moves:
                found.add_new(uid, position)
            elif uid not in chosen:
                found.filtered += 1
            elif self._left == 0:
                found.filtered += 1
                found.cut = True
            else:
                found.add_new(uid, position)
                self._left = None if self._left is None else self._left - 1

    def _unwanted(self, found: Look, source: FolderDriver, search: Search) -> set[int]:
        asked = [uid for uid in found.new if uid not in found.moves]
        return {
            row.uid
            for at in range(0, len(asked), FETCH)
            for rows in source.fetch(asked[at : at + FETCH], search.want)
            for row in rows
            if not chooses(search, row)
        }
