"""What a watch knows of one folder's messages, in some twenty bytes a message.

To tell what a change was, the state before it must be remembered: for a million messages too. Parallel arrays by
ascending UID hold flags, keyword sets (each set once) and half of a digest of the key, by which a message is known
again in another folder.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import NamedTuple

from mailstore.model.changes import Token
from mailstore.model.flags import NO_KEYWORDS
from mailstore.model.info import Row

NO_TOKEN = Token("", 0, 0)
"""Of a folder that nothing was told of yet."""
LOST_TOKEN = Token("", -1, 0)
"""Of a folder of which something was told that cannot be compared any more."""


class Dropped(NamedTuple):
    """A message that was known."""

    uid: int
    key_hash: int
    flags: int
    keywords: frozenset[str]


class Known:
    """One folder's messages as they were told last.

    Attributes:
        token: the point in the folder's history that this is.
        uidnext: greater than every UID that was ever told of.
        seen: the listing is in; without it nothing is known of old flags.
    """

    __slots__ = ("_flags", "_keys", "_sets", "_sets_by_value", "_uids", "_words", "seen", "token", "uidnext")

    def __init__(self, token: Token = NO_TOKEN, uidnext: int = 1) -> None:
        self.token = token
        self.uidnext = uidnext
        self.seen = False
        self.clear()

    @classmethod
    def empty(cls) -> Known:
        """Return that of a folder of which nothing was told: all that it holds is new."""
        known = cls()
        known.seen = True
        return known

    def clear(self) -> None:
        """Forget all messages."""
        self._uids = array("I")
        self._flags = bytearray()
        self._words = array("I")
        self._keys = array("Q")
        self._sets: list[frozenset[str]] = [NO_KEYWORDS]
        self._sets_by_value = {NO_KEYWORDS: 0}

    def __len__(self) -> int:
        return len(self._uids)

    @property
    def uids(self) -> Sequence[int]:
        """All UIDs, ascending."""
        return self._uids

    def find(self, uid: int) -> tuple[int, frozenset[str]] | None:
        """Return flags and keywords of a message, None where it is not known."""
        at = self._at(uid)
        return None if at is None else (self._flags[at], self._sets[self._words[at]])

    def key_hash(self, uid: int) -> int | None:
        """Return the hash of a message's key, None where it is not known."""
        at = self._at(uid)
        return None if at is None else self._keys[at]

    def put(self, row: Row) -> None:
        """Take in a message as it is now; a new one mostly has the greatest UID."""
        words = self._sets_by_value.get(row.keywords)
        if words is None:
            words = self._sets_by_value[row.keywords] = len(self._sets)
            self._sets.append(row.keywords)
        uids, uid = self._uids, row.uid
        at = len(uids) if not uids or uid > uids[-1] else bisect_left(uids, uid)
        if at < len(uids) and uids[at] == uid:
            self._flags[at] = row.flags
            self._words[at] = words
            return
        uids.insert(at, uid)
        self._flags.insert(at, row.flags)
        self._words.insert(at, words)
        self._keys.insert(at, key_hash(row.key))
        self.uidnext = max(self.uidnext, uid + 1)

    def drop(self, uids: Iterable[int]) -> list[Dropped]:
        """Forget messages; returns those that were known, in the order given."""
        found = [(uid, at) for uid in uids if (at := self._at(uid)) is not None]
        dropped = [Dropped(uid, self._keys[at], self._flags[at], self._sets[self._words[at]]) for uid, at in found]
        if len(found) > 64:
            gone = {at for _, at in found}
            kept = [at for at in range(len(self._uids)) if at not in gone]
            self._uids = array("I", [self._uids[at] for at in kept])
            self._flags = bytearray(self._flags[at] for at in kept)
            self._words = array("I", [self._words[at] for at in kept])
            self._keys = array("Q", [self._keys[at] for at in kept])
        else:
            for at in sorted((at for _, at in found), reverse=True):
                del self._uids[at], self._flags[at], self._words[at], self._keys[at]
        return dropped

    def _at(self, uid: int) -> int | None:
        at = bisect_left(self._uids, uid)
        return at if at < len(self._uids) and self._uids[at] == uid else None


def key_hash(key: str) -> int:
    """Return 64 bits that stand for a row's key."""
    return int.from_bytes(blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
