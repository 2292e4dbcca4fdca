"""Are two stores the same mail?"""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from itertools import chain, pairwise
from typing import NamedTuple

from mailstore.convert.compare import meta_differences
from mailstore.convert.losses import whole
from mailstore.convert.options import Options, Progress, ProgressCallback
from mailstore.convert.report import one_line
from mailstore.errors import MailstoreError
from mailstore.model.changes import FolderInfo
from mailstore.model.info import BODY, META, Body, Meta, body_size
from mailstore.model.measure import digest_of
from mailstore.model.names import FolderPath
from mailstore.store import Store


@dataclass(frozen=True, slots=True)
class Difference:
    """Something in which two stores differ.

    Attributes:
        folder: its name.
        position: of the message in the first store's folder, from 1, or in the second's where only that has it; 0
            where the folder is meant.
        what: ``only-in-first``, ``only-in-second``, ``order``, ``flags``, ``keywords``, ``internal-date``,
            ``sender``, ``uidl``, ``subscription``, ``special-use``, ``unreadable``.
        reason: one line for people.
        digest: SHA-256 of the message in hexadecimal; empty where no message is meant.
    """

    folder: str
    position: int
    what: str
    reason: str
    digest: str = ""

    def to_dict(self) -> dict[str, object]:
        """Return it as plain values for JSON."""
        return {
            "folder": self.folder,
            "position": self.position,
            "what": self.what,
            "reason": self.reason,
            "digest": self.digest,
        }


@dataclass(slots=True)
class Comparison:
    """What ``verify_stores`` found.

    Attributes:
        first: location of the one store.
        second: location of the other.
        folders: how many folders were compared.
        messages: how many messages each has in them.
        differences: empty where both are the same mail.
        uids: whether UIDs and UIDVALIDITY are the same: ``same``, ``differ``, or ``unknown`` where a store does not
            record them. No difference by itself.
        seconds: how long it took.
    """

    first: str
    second: str
    folders: int = 0
    messages: tuple[int, int] = (0, 0)
    differences: list[Difference] = field(default_factory=list)
    uids: str = "same"
    seconds: float = 0.0

    @property
    def same(self) -> bool:
        """Both hold the same mail."""
        return not self.differences

    def to_dict(self) -> dict[str, object]:
        """Return it as plain values for JSON (schema in docs/convert.md)."""
        return {
            "first": self.first,
            "second": self.second,
            "same": self.same,
            "folders": self.folders,
            "messages": list(self.messages),
            "uids": self.uids,
            "differences": [difference.to_dict() for difference in self.differences],
            "seconds": round(self.seconds, 3),
        }


class _Seen(NamedTuple):
    position: int
    digest: bytes
    uid: int
    """0 where it is not recorded."""
    meta: Meta


def verify_stores(
    first: Store, second: Store, options: Options | None = None, progress: ProgressCallback | None = None
) -> Comparison:
    """Compare two stores: folders, messages with their order, flags, keywords, internal dates; subscriptions too.

    Every message is read. Envelope sender, POP3 id, subscriptions and special uses count only where both stores keep
    them and both know one; saved dates never do, as a copy has its own. Where a format alters bytes, what it makes
    of the other's bytes is compared. Virtual parents do not count.

    Raises:
        NoSuchFolder: ``options.folders`` names one that neither store has.
        MailstoreError: a store cannot be listed.
    """
    started = time.monotonic()
    options = options or Options()
    comparison = Comparison(str(first.location), str(second.location))
    total = [0, 0]
    ours, theirs = (_by_path(store.folders()) for store in (first, second))
    wanted = options.select(list((theirs | ours).values()))
    for info in sorted(wanted, key=lambda info: (not info.path.is_inbox, info.path)):
        one, other = ours.get(info.path), theirs.get(info.path)
        _compare_attributes(comparison, first, one, second, other)
        if _selectable(one) and _selectable(other):
            _FolderComparison(comparison, info.path, (first, second), progress, total).run()
        elif _selectable(one) or _selectable(other):
            only = "first" if _selectable(one) else "second"
            _add(comparison, info.path, 0, f"only-in-{only}", f"only the {only} store has this folder")
    comparison.seconds = time.monotonic() - started
    return comparison


def _by_path(infos: Iterable[FolderInfo]) -> dict[FolderPath, FolderInfo]:
    return {info.path: info for info in infos}


def _selectable(info: FolderInfo | None) -> bool:
    return info is not None and info.selectable


def _add(comparison: Comparison, path: FolderPath, position: int, what: str, reason: str, digest: bytes = b"") -> None:
    comparison.differences.append(Difference(str(path), position, what, one_line(reason), digest.hex()))


def _compare_attributes(
    comparison: Comparison, first: Store, one: FolderInfo | None, second: Store, other: FolderInfo | None
) -> None:
    either = one or other
    assert either is not None
    subscribed = [bool(info and info.subscribed) for info in (one, other)]
    if first.capabilities.subscriptions and second.capabilities.subscriptions and subscribed[0] != subscribed[1]:
        only = "first" if subscribed[0] else "second"
        _add(comparison, either.path, 0, "subscription", f"only the {only} store is subscribed to it")
    uses = [info.special_use if info else None for info in (one, other)]
    if _selectable(one) and _selectable(other) and None not in uses and uses[0] != uses[1]:
        _add(
            comparison,
            either.path,
            0,
            "special-use",
            f"its special use is {uses[0]} in the first, {uses[1]} in the second",
        )


class _FolderComparison:
    """Compares one folder that both stores have."""

    def __init__(
        self,
        comparison: Comparison,
        path: FolderPath,
        stores: tuple[Store, Store],
        progress: ProgressCallback | None,
        total: list[int],
    ) -> None:
        self._total = total
        self._comparison = comparison
        self._path = path
        self._stores = stores
        self._progress = progress
        self._altering = [store.canonical for store in stores if not store.capabilities.exact]

    def run(self) -> None:
        comparison = self._comparison
        ours, theirs = self._read(0), self._read(1)
        comparison.folders += 1
        comparison.messages = (comparison.messages[0] + len(ours), comparison.messages[1] + len(theirs))
        pairs = self._pair(ours, theirs)
        self._compare_order(pairs)
        for one, other in pairs:
            for what, reason in meta_differences(*_both_know(one.meta, other.meta)):
                self._add(one, what, reason)
        self._compare_uids(pairs)

    def _read(self, number: int) -> list[_Seen]:
        seen: list[_Seen] = []
        position = size = 0
        try:
            for rows in self._stores[number].folder(self._path).changes(None, BODY | META).batches:
                size = 0
                for row in rows:
                    position += 1
                    if row.body is None:
                        self._unreadable(number, position, row.error)
                        continue
                    with closing(row.body) if not isinstance(row.body, bytes) else nullcontext():
                        digest = digest_of(self._as_both_keep_it(row.body))
                        size += body_size(row.body)
                    seen.append(_Seen(position, digest, row.uid if row.recorded else 0, row.meta))
                    if row.error is not None:
                        self._unreadable(number, position, row.error)
                self._advance(len(rows), size)
        except MailstoreError as error:
            self._unreadable(number, 0, error)
        return seen

    def _as_both_keep_it(self, body: Body) -> Body:
        for canonical in self._altering:
            body = canonical(whole(body))
        return body

    def _advance(self, messages: int, size: int) -> None:
        self._total[0] += messages
        self._total[1] += size
        if self._progress is not None:
            self._progress(Progress("verify", self._path, *self._total))

    def _unreadable(self, number: int, position: int, error: MailstoreError | None) -> None:
        store = ("first", "second")[number]
        _add(self._comparison, self._path, position, "unreadable", f"in the {store} store: {error}")

    def _pair(self, ours: Sequence[_Seen], theirs: Sequence[_Seen]) -> list[tuple[_Seen, _Seen]]:
        """Pair messages of the same bytes, the n-th of them with the n-th; what is left over is a difference."""
        waiting: defaultdict[bytes, deque[_Seen]] = defaultdict(deque)
        for other in theirs:
            waiting[other.digest].append(other)
        pairs = []
        for one in ours:
            same = waiting.get(one.digest)
            if same:
                pairs.append((one, same.popleft()))
            else:
                self._add(one, "only-in-first", "only the first store has this message")
        for other in sorted(chain.from_iterable(waiting.values()), key=lambda seen: seen.position):
            self._add(other, "only-in-second", "only the second store has this message")
        return pairs

    def _compare_order(self, pairs: Sequence[tuple[_Seen, _Seen]]) -> None:
        for (_, before), (one, other) in pairwise(pairs):
            if other.position < before.position:
                self._add(one, "order", f"stands at {other.position} in the second store, another order")

    def _compare_uids(self, pairs: Sequence[tuple[_Seen, _Seen]]) -> None:
        comparison = self._comparison
        if not pairs or comparison.uids == "unknown":
            return
        if not all(one.uid and other.uid for one, other in pairs):
            comparison.uids = "unknown"
            return
        ours, theirs = (store.folder(self._path).state().uidvalidity for store in self._stores)
        if ours != theirs or any(one.uid != other.uid for one, other in pairs):
            comparison.uids = "differ"

    def _add(self, seen: _Seen, what: str, reason: str) -> None:
        _add(self._comparison, self._path, seen.position, what, reason, seen.digest)


def _both_know(one: Meta, other: Meta) -> tuple[Meta, Meta]:
    """Return both without saved dates, and without what only one of them knows."""
    if one.sender is None or other.sender is None:
        one, other = one._replace(sender=None), other._replace(sender=None)
    if one.uidl is None or other.uidl is None:
        one, other = one._replace(uidl=None), other._replace(uidl=None)
    return one._replace(saved_date=None), other._replace(saved_date=None)
