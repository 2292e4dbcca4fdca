"""Are two stores the same mail?"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field, replace
from itertools import chain, pairwise
from typing import NamedTuple

from mailstore.convert.choice import chooses
from mailstore.convert.compare import meta_differences
from mailstore.convert.losses import whole
from mailstore.convert.mapping import Route
from mailstore.convert.options import Options, Progress, ProgressCallback
from mailstore.convert.report import one_line
from mailstore.convert.routing import find_routes, refuse_collisions
from mailstore.convert.transit import close
from mailstore.errors import MailstoreError
from mailstore.model.changes import FolderInfo
from mailstore.model.info import BODY, META, Body, Meta, body_size
from mailstore.model.measure import digest_of
from mailstore.model.names import FolderPath
from mailstore.search import Search
from mailstore.store import Store


@dataclass(frozen=True, slots=True)
class Difference:
    """Something in which two stores differ.

    Attributes:
        folder: its name in the first store, or in the second's where only that has it.
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
    folder: FolderPath
    """In its own store."""
    position: int
    digest: bytes
    uid: int
    """0 where it is not recorded."""
    meta: Meta


def verify_stores(
    first: Store, second: Store, options: Options | None = None, progress: ProgressCallback | None = None
) -> Comparison:
    """Compare two stores: folders, messages with their order, flags, keywords, internal dates; subscriptions too.

    The first store's folders are looked for under the names that ``options.mapping`` gives them; several that it
    merges are compared with the one that has their messages, whatever the order among them. Of both stores the
    messages that ``options.search`` chooses are compared; ``options.limit`` means nothing here.

    Every message is read. Envelope sender, POP3 id, subscriptions and special uses count only where both stores keep
    them and both know one; saved dates never do, as a copy has its own. Where a format alters bytes, what it makes
    of the other's bytes is compared. Virtual parents do not count.

    Raises:
        NoSuchFolder: ``options.folders`` names one that neither store has.
        UsageError: the mapping makes no name of a folder, or brings folders together and does not say to merge them.
        MailstoreError: a store cannot be listed.
    """
    started = time.monotonic()
    options = options or Options()
    comparison = Comparison(str(first.location), str(second.location))
    total = [0, 0]
    for path, routes, other in _pairs(first, second, options):
        one = _together(routes)
        _compare_attributes(comparison, first, one, second, other)
        if _selectable(one) and _selectable(other):
            sources = [route.source.path for route in routes if route.source.selectable]
            _FolderComparison(comparison, sources, path, (first, second), progress, total, options.search).run()
        elif _selectable(one):
            for route in routes:
                _add(comparison, route.source.path, 0, "only-in-first", "only the first store has this folder")
        elif _selectable(other) and not (path.is_inbox and not second.inbox.state().messages):
            _add(comparison, path, 0, "only-in-second", "only the second store has this folder")
    comparison.seconds = time.monotonic() - started
    return comparison


def _pairs(
    first: Store, second: Store, options: Options
) -> Iterator[tuple[FolderPath, list[Route], FolderInfo | None]]:
    """Yield each folder of the second store, or that should be there, with those of the first that lead to it."""
    routing = find_routes(first, second, options)
    refuse_collisions(routing, options)
    theirs = {info.path: info for info in second.folders()}
    options.select(list({info.path: info for info in (*theirs.values(), *first.folders())}.values()))
    leading: dict[FolderPath, list[Route]] = {
        path: [] for path in theirs.keys() - routing.left_out if options.wants(path)
    }
    for one in routing.routes:
        leading.setdefault(one.target.path, []).append(one)
    for path, routes in sorted(leading.items(), key=lambda pair: (not pair[0].is_inbox, pair[0])):
        yield path, routes, theirs.get(path)


def _together(routes: Sequence[Route]) -> FolderInfo | None:
    """Return what the folders of ``routes`` are as one."""
    if not routes:
        return None
    uses = (one.target.special_use for one in routes if one.target.special_use)
    return replace(
        routes[0].target,
        selectable=any(one.source.selectable for one in routes),
        subscribed=any(one.target.subscribed for one in routes),
        special_use=next(uses, None),
    )


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
    """Compares one folder of the second store with those of the first that lead to it: one, unless they are merged."""

    def __init__(
        self,
        comparison: Comparison,
        sources: Sequence[FolderPath],
        path: FolderPath,
        stores: tuple[Store, Store],
        progress: ProgressCallback | None,
        total: list[int],
        search: Search | None,
    ) -> None:
        self._total = total
        self._search = search
        self._comparison = comparison
        self._sources = sources
        self._path = path
        self._stores = stores
        self._progress = progress
        self._altering = [store.canonical for store in stores if not store.capabilities.exact]

    def run(self) -> None:
        comparison = self._comparison
        ours = [seen for path in self._sources for seen in self._read(0, path)]
        theirs = self._read(1, self._path)
        comparison.folders += 1
        comparison.messages = (comparison.messages[0] + len(ours), comparison.messages[1] + len(theirs))
        pairs = self._pair(ours, theirs)
        self._compare_order(pairs)
        for one, other in pairs:
            for what, reason in meta_differences(*_both_know(one.meta, other.meta)):
                self._add(one, what, reason)
        self._compare_uids(pairs)

    def _read(self, number: int, path: FolderPath) -> list[_Seen]:
        seen: list[_Seen] = []
        position = size = 0
        try:
            for rows in self._stores[number].folder(path).changes(None, BODY | META).batches:
                size = 0
                for row in rows:
                    position += 1
                    if row.body is not None and not chooses(self._search, row):
                        close(row.body)
                        continue
                    if row.body is None:
                        self._unreadable(number, path, position, row.error)
                        continue
                    with closing(row.body) if not isinstance(row.body, bytes) else nullcontext():
                        digest = digest_of(self._as_both_keep_it(row.body))
                        size += body_size(row.body)
                    seen.append(_Seen(path, position, digest, row.uid if row.recorded else 0, row.meta))
                    if row.error is not None:
                        self._unreadable(number, path, position, row.error)
                self._advance(len(rows), size)
        except MailstoreError as error:
            self._unreadable(number, path, 0, error)
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

    def _unreadable(self, number: int, path: FolderPath, position: int, error: MailstoreError | None) -> None:
        store = ("first", "second")[number]
        _add(self._comparison, path, position, "unreadable", f"in the {store} store: {error}")

    def _pair(self, ours: Sequence[_Seen], theirs: Sequence[_Seen]) -> list[tuple[_Seen, _Seen]]:
        """Pair messages of the same bytes, the n-th of them with the n-th; what is left over is a difference."""
        waiting: defaultdict[bytes, list[_Seen]] = defaultdict(list)
        for other in reversed(theirs):
            waiting[other.digest].append(other)
        pairs = []
        for one in ours:
            same = waiting.get(one.digest)
            if same:
                pairs.append((one, same.pop(self._counterpart(one, same))))
            else:
                self._add(one, "only-in-first", "only the first store has this message")
        for other in sorted(chain.from_iterable(waiting.values()), key=lambda seen: seen.position):
            self._add(other, "only-in-second", "only the second store has this message")
        return pairs

    def _counterpart(self, one: _Seen, same: Sequence[_Seen]) -> int:
        """Return the place, among messages of its bytes, last first, of the one that ``one`` is to be compared with."""
        if len(self._sources) > 1:  # whose copy came first is not known: one that does not differ is meant
            for place in reversed(range(len(same))):
                if next(meta_differences(*_both_know(one.meta, same[place].meta)), None) is None:
                    return place
        return -1

    def _compare_order(self, pairs: Sequence[tuple[_Seen, _Seen]]) -> None:
        for (before, copied), (one, other) in pairwise(pairs):
            if other.position < copied.position and one.folder == before.folder:
                self._add(one, "order", f"stands at {other.position} in the second store, another order")

    def _compare_uids(self, pairs: Sequence[tuple[_Seen, _Seen]]) -> None:
        comparison = self._comparison
        if not pairs or comparison.uids == "unknown":
            return
        if not all(one.uid and other.uid for one, other in pairs):
            comparison.uids = "unknown"
            return
        ours = {self._stores[0].folder(path).state().uidvalidity for path in self._sources}
        theirs = self._stores[1].folder(self._path).state().uidvalidity
        if ours != {theirs} or any(one.uid != other.uid for one, other in pairs):
            comparison.uids = "differ"

    def _add(self, seen: _Seen, what: str, reason: str) -> None:
        _add(self._comparison, seen.folder, seen.position, what, reason, seen.digest)


def _both_know(one: Meta, other: Meta) -> tuple[Meta, Meta]:
    """Return both without saved dates, and without what only one of them knows."""
    if one.sender is None or other.sender is None:
        one, other = one._replace(sender=None), other._replace(sender=None)
    if one.uidl is None or other.uidl is None:
        one, other = one._replace(uidl=None), other._replace(uidl=None)
    return one._replace(saved_date=None), other._replace(saved_date=None)
