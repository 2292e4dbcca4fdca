"""What the index knows of one folder, and how a scan of the folder is taken in.

The problem. A file format records little: a Maildir no modseqs and no expunged UIDs, an mbox perhaps no UIDs at all;
and other programs change both at any time. Yet clients ask what changed since a point in time, and a UID, once shown,
must mean that message for ever.

The solution. The index remembers every message by the driver's stable key with what was last seen of it. A scan
(``reconcile``) is compared with that: what differs gets a new modseq, what is missing becomes a tombstone, what is
new gets its recorded UID or the next free one. The format's own record is the authority on UIDs; the index on those
the format does not record. A modseq is never less than the time in microseconds, so that an index that was lost and
made anew does not go back; and then it has another epoch, which tells clients that the history is lost.
"""

from __future__ import annotations

import gc
import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from operator import itemgetter

from mailstore.drivers.sidecar.entry import Changed, Entry, Found
from mailstore.drivers.sidecar.pending import Pending
from mailstore.model.changes import Token
from mailstore.system import clock

MOST_TOMBSTONES = 100_000
"""Older ones are forgotten; a token from before them gets a full listing."""

_UIDVALIDITY_MAX = 0xFFFF_FFFF
_UIDNEXT_MAX = 0xFFFF_FFFF
_MODSEQ_MAX = 1 << 62  # adopted: RFC 7162 has 63 bits, and they must go on growing
_UID = itemgetter(0)


class FolderIndex:
    """The index of one folder, in memory. Not for two threads at once.

    Attributes:
        epoch: changes when the history was lost.
        uidvalidity: 0 as long as none was found or given.
        uidnext: the least UID that may be given next.
        highest_modseq: 0 before the first message.
        stamp: the driver's: when it is still valid no scan is needed.
        entries: by key, in UID order. Change it through the methods only.
        least_uidvalidity: a new UIDVALIDITY must not be less (a folder of that name was deleted before).
        forgotten: tombstones up to this modseq are gone.
    """

    def __init__(self, epoch: str = "", *, least_uidvalidity: int = 1) -> None:
        self.epoch = epoch or os.urandom(8).hex()
        self.uidvalidity = 0
        self.uidnext = 1
        self.highest_modseq = 0
        self.stamp = ""
        self.entries: dict[str, Entry] = {}
        self.least_uidvalidity = least_uidvalidity
        self.forgotten = 0
        self.version = 0
        """Of the stored record this was loaded from; for the index alone."""
        self._tombstones: list[tuple[int, int]] = []  # (modseq, uid), ascending
        self._by_uid: dict[int, Entry] | None = None
        self.pending = Pending()

    # --- questions

    def disown(self) -> None:
        """Take down that this is not what is stored, and must not be shown: it is never current again."""
        self.version = -1

    @property
    def disowned(self) -> bool:
        """Whether that was taken down."""
        return self.version < 0

    def find(self, uid: int) -> Entry | None:
        """Return the entry with ``uid``."""
        if self._by_uid is None:
            self._by_uid = {entry.uid: entry for entry in self.entries.values()}
        return self._by_uid.get(uid)

    def token(self) -> Token:
        """Return the present point in the folder's history."""
        return Token(self.epoch, self.uidvalidity, self.highest_modseq)

    def covers(self, token: Token) -> bool:
        """Tell whether all that changed since ``token`` is known here."""
        return (
            token.epoch == self.epoch
            and token.uidvalidity == self.uidvalidity
            and self.forgotten <= token.modseq <= self.highest_modseq
        )

    def changed_since(self, modseq: int) -> list[Entry]:
        """Return entries that are new or changed since ``modseq``, by UID."""
        if modseq >= self.highest_modseq:
            return []
        return [entry for entry in self.entries.values() if entry.modseq > modseq]

    def vanished_since(self, modseq: int) -> tuple[int, ...]:
        """Return UIDs that vanished since ``modseq``, ascending."""
        at = bisect_right(self._tombstones, (modseq, _UIDVALIDITY_MAX + 1))
        return tuple(sorted({uid for _, uid in self._tombstones[at:]} - self._live_uids(at)))

    @property
    def tombstones(self) -> list[tuple[int, int]]:
        """What vanished, as (modseq, uid), ascending."""
        return list(self._tombstones)

    # --- changes the driver makes itself

    def advance(self) -> int:
        """Return a new modseq, greater than all before and not less than the time in microseconds."""
        self.highest_modseq = max(clock.modseq_now(), self.highest_modseq + 1)
        self.pending.header = True
        return self.highest_modseq

    def number(self) -> int:
        """Return the folder's UIDVALIDITY, giving it one where it has none."""
        if self.uidvalidity == 0:
            self.uidvalidity = min(max(clock.now(), self.least_uidvalidity), _UIDVALIDITY_MAX)
            self.pending.header = True
        return self.uidvalidity

    def put(self, entry: Entry) -> None:
        """Take in a message that the driver stored or changed; its modseq is from ``advance``."""
        before = self.entries.get(entry.key)
        in_order = before.uid == entry.uid if before else not self.entries or entry.uid >= self.uidnext
        if before is not None and before.uid != entry.uid:
            self._forget(before)
        self._take(entry)
        if not in_order:
            self.entries = _sorted(self.entries.values())
        self.uidnext = max(self.uidnext, entry.uid + 1)
        self.highest_modseq = max(self.highest_modseq, entry.modseq)

    def drop(self, keys: Iterable[str], modseq: int) -> tuple[int, ...]:
        """Take in that messages were expunged at ``modseq`` (from ``advance``); returns their UIDs, ascending."""
        gone = [entry for key in keys if (entry := self.entries.pop(key, None)) is not None]
        for entry in gone:
            self._forget(entry)
        uids = tuple(sorted(entry.uid for entry in gone))
        self._bury(uids, modseq)
        return uids

    def adopt(self, uidvalidity: int, uidnext: int, highest_modseq: int) -> bool:
        """Take over another store's numbering (SetState): raises only. False, and nothing done, where UIDs were shown.

        With the folder's own UIDVALIDITY the counters are raised at any time.
        """
        if uidvalidity != self.uidvalidity:
            if self.entries or self._tombstones or self.uidnext > 1:
                return False
            self.uidvalidity = uidvalidity
        self.uidnext = max(self.uidnext, min(uidnext, _UIDNEXT_MAX))
        self.highest_modseq = max(self.highest_modseq, min(highest_modseq, _MODSEQ_MAX))
        self.pending.header = True
        return True

    def start_anew(self, uidvalidity: int) -> None:
        """Forget all: the folder is another one now, with ``uidvalidity`` (0: to be given)."""
        self.least_uidvalidity = max(self.least_uidvalidity, self.uidvalidity + 1)
        self.uidvalidity = uidvalidity
        self.uidnext = 1
        self.entries = {}
        self._by_uid = None
        self._tombstones = []
        self.forgotten = self.advance()  # should the UIDVALIDITY come back, its old tokens are still void
        self.pending.reset()

    # --- scans

    def reconcile(
        self, found: Sequence[Found], *, uidvalidity: int, uidnext: int, stamp: str, complete: bool = True
    ) -> Changed:
        """Take a scan of the folder in.

        Args:
            found: the messages, in the order in which new ones get their UIDs; keys are unique.
            uidvalidity: as the format records it; 0: it records none, and the folder keeps or gets its own.
            uidnext: as the format records it; 0: not recorded.
            stamp: the driver's proof that a later scan would find the same.
            complete: every message there is; else what is not in ``found`` stays.

        A recorded UID is taken as it is; where two messages claim one, it stays with the one known to have it, else the
        first. All others keep the UID they had, and new ones get the next free UID in order. May be called twice: the
        second time nothing changed.

        Raises:
            ValueError: two of ``found`` have one key.
        """
        anew = uidvalidity not in (0, self.uidvalidity)
        if anew:
            anew = self.uidvalidity != 0 and bool(self.entries or self._tombstones or self.uidnext > 1)
            if self.uidvalidity != 0:
                self.start_anew(uidvalidity)
            self.uidvalidity = uidvalidity
            self.pending.header = True
        self.number()
        if stamp != self.stamp or uidnext > self.uidnext:
            self.stamp = stamp
            self.uidnext = max(self.uidnext, uidnext)
            self.pending.header = True
        with no_garbage_collection():
            if not self.entries:
                return Changed(added=self._fill(found), anew=anew)
            return self._merge(found, complete)._replace(anew=anew)

    def fill(self, entries: dict[str, Entry]) -> None:
        """Take the first scan in as entries, which spares one object a message; the folder has none yet.

        ``entries`` by key and in UID order, all with one modseq from ``advance``; the counters are set already (by
        ``reconcile`` with nothing found).
        """
        assert not self.entries
        self.entries = entries
        self._by_uid = None
        if entries:
            self.uidnext = max(self.uidnext, next(reversed(entries.values())).uid + 1)
            self.pending.put_all(entries.values())

    def _fill(self, found: Sequence[Found]) -> tuple[Entry, ...]:
        """Take the first scan in: no comparing, one modseq."""
        if not found:
            return ()
        modseq = self.advance()
        uids = [one[1] for one in found]
        make = tuple.__new__
        if uids[0] > 0 and all(a < b for a, b in pairwise(uids)):
            self.entries = {one[0]: make(Entry, (one[1], one[0], True, modseq, *one[2:])) for one in found}
        elif not any(uids):
            numbered = enumerate(found, self.uidnext)
            self.entries = {one[0]: make(Entry, (uid, one[0], False, modseq, *one[2:])) for uid, one in numbered}
        else:
            given = self._give_uids(found)
            self.entries = _sorted(
                make(Entry, (uid, one[0], uid == one[1], modseq, *one[2:]))
                for uid, one in zip(given, found, strict=True)
            )
        added = tuple(self.entries.values())
        if len(added) != len(found):
            raise ValueError("two messages of one scan have the same key")
        self.uidnext = max(self.uidnext, added[-1][0] + 1)
        self._by_uid = None
        self.pending.put_all(added)
        return added

    def _merge(self, found: Sequence[Found], complete: bool) -> Changed:
        """Compare a scan with what is known."""
        known = self.entries.get
        differing = [
            one
            for one in found
            if (entry := known(one[0])) is None or one[1] != (entry[0] if entry[2] else 0) or entry[4:] != one[2:]
        ]
        if not differing and len(found) == len(self.entries):
            return Changed()
        keys = {one[0] for one in found}
        if len(keys) != len(found):
            raise ValueError("two messages of one scan have the same key")
        missing = [key for key in self.entries if key not in keys] if complete else []
        if not differing and not missing:
            return Changed()
        modseqs = _OneModseq(self)
        vanished = list(self.drop(missing, modseqs.get())) if missing else []
        differing += self._displaced(differing)
        given = self._give_uids(differing)
        added, updated, reordered = [], [], False
        for uid, one in zip(given, differing, strict=True):
            before = known(one[0])
            entry = _merged(before, one, uid, modseqs)
            if entry == before:
                continue
            if before is None or before.uid != uid:
                if before is not None:
                    vanished.append(before.uid)
                    self._forget(before)
                    self._bury((before.uid,), modseqs.get())
                reordered = reordered or uid < self.uidnext
                self.uidnext = max(self.uidnext, uid + 1)
                added.append(entry)
                self.entries.pop(entry.key, None)
            elif entry.modseq != before.modseq:
                updated.append(entry)
            self._take(entry)
        if reordered or any(a.uid > b.uid for a, b in pairwise(added)):
            self.entries = _sorted(self.entries.values())
        return Changed(tuple(sorted(added)), tuple(sorted(updated)), tuple(sorted(vanished)))

    def _give_uids(self, found: Sequence[Found]) -> list[int]:
        """Return the UID of each: as recorded, else the one it had, else the next free one in order."""
        before = [self.entries.get(one.key) for one in found]
        own = {one.key for one in found}
        given = [one.uid if entry and entry.uid == one.uid else 0 for one, entry in zip(found, before, strict=True)]
        taken = set(given)
        for wishes in ([one.uid for one in found], [entry.uid if entry else 0 for entry in before]):
            for at, uid in enumerate(wishes):
                if uid and not given[at] and uid not in taken:
                    holder = self.find(uid)
                    if holder is None or holder.key in own:
                        given[at] = uid
                        taken.add(uid)
        following = max(self.uidnext, max(taken, default=0) + 1)
        for at, uid in enumerate(given):
            if not uid:
                given[at] = following
                following += 1
        return given

    def _displaced(self, found: Sequence[Found]) -> list[Found]:
        """Return those that hold a provisional UID which one of ``found`` has in the format's record."""
        own = {one.key for one in found}
        holders = {self.find(uid) for uid in {one.uid for one in found if one.uid}}
        lost = (entry for entry in holders if entry is not None and not entry.recorded and entry.key not in own)
        return [Found(entry.key, 0, *entry[4:]) for entry in sorted(lost)]

    # --- parts

    def _live_uids(self, at: int) -> set[int]:
        """UIDs among the tombstones from ``at`` on that are in use (again: a file that had only been renamed)."""
        return {uid for _, uid in self._tombstones[at:] if self.find(uid) is not None}

    def _take(self, entry: Entry) -> None:
        self.entries[entry.key] = entry
        self.pending.put(entry)
        if self._by_uid is not None:
            self._by_uid[entry.uid] = entry

    def _forget(self, entry: Entry) -> None:
        self.pending.drop(entry)
        if self._by_uid is not None and self._by_uid.get(entry.uid) is entry:
            del self._by_uid[entry.uid]

    def _bury(self, uids: Iterable[int], modseq: int) -> None:
        buried = [(modseq, uid) for uid in uids]
        self._tombstones += buried
        self.pending.bury(buried)
        excess = len(self._tombstones) - MOST_TOMBSTONES
        if excess > 0:
            self.forgotten = self._tombstones[excess - 1][0]
            del self._tombstones[: bisect_right(self._tombstones, (self.forgotten, _UIDVALIDITY_MAX + 1))]

    def restore(self, entries: dict[str, Entry], tombstones: list[tuple[int, int]]) -> None:
        """Put what was stored in place; for the index alone."""
        self.entries = entries
        self._tombstones = tombstones
        self.pending.clear()


class _OneModseq:
    """The modseq of one scan: made when it is first needed."""

    __slots__ = ("_folder", "_modseq")

    def __init__(self, folder: FolderIndex) -> None:
        self._folder = folder
        self._modseq = 0

    def get(self) -> int:
        if not self._modseq:
            self._modseq = self._folder.advance()
        return self._modseq


def _merged(before: Entry | None, one: Found, uid: int, modseqs: _OneModseq) -> Entry:
    """Return the entry for what was found, with what is known already where the scan did not look."""
    recorded = uid == one.uid
    if before is None:
        return Entry(uid, one.key, recorded, modseqs.get(), *one[2:])
    same = before.uid == uid and before.flags == one.flags and before.keywords == one.keywords
    facts = [old if new is None else new for old, new in zip(before[6:], one[4:], strict=True)]
    modseq = before.modseq if same else modseqs.get()
    return Entry._make((uid, one.key, recorded, modseq, one.flags, one.keywords, *facts))


def _sorted(entries: Iterable[Entry]) -> dict[str, Entry]:
    return {entry.key: entry for entry in sorted(entries, key=_UID)}


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """A hundred thousand new tuples would set off the collector again and again: half of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
