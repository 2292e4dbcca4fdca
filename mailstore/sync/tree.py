"""Folders themselves: made, renamed and deleted where they are not as in the other store; subscriptions, special uses.

Nothing is noted before it is done: a folder that was made or renamed in both stores by the time of a crash is found as
such by the next run.
"""

from __future__ import annotations

from collections.abc import Iterable

from mailstore.errors import FolderError, MailstoreError, QuotaExceeded, Unsupported
from mailstore.model.names import FolderPath
from mailstore.store import Store
from mailstore.sync.folders import Bound
from mailstore.sync.journal import Side
from mailstore.sync.report import Conflict
from mailstore.sync.work import SIDES, Work


def wanted_actions(bound: Bound, returning: set[tuple[int, Side]]) -> list[tuple[Side, str]]:
    """Return what is to be done to a folder: in which store, and ``created`` or ``renamed``."""
    actions = []
    for side in (0, 1):
        info = bound.infos[side]
        if info is None:
            if not bound.vanished(side) or (bound.number, side) in returning:
                actions.append((side, "created"))
        elif info.path != bound.path:
            actions.append((side, "renamed"))
    return actions


def shape(work: Work, returning: set[tuple[int, Side]]) -> set[int]:
    """Make and rename folders, and note all that are in both stores; returns those that could not be had.

    ``returning`` are places that vanished and get messages again.
    """
    broken: set[int] = set()
    for side in (0, 1):
        _rename(work, side, broken)
    for bound in sorted(work.bound.values(), key=lambda one: one.path):
        for side, action in wanted_actions(bound, returning):
            if action == "created" and bound.number not in broken:
                try:
                    work.stores[side].folder(bound.path, create=True)
                except (FolderError, Unsupported, QuotaExceeded) as error:
                    broken.add(bound.number)
                    work.fail([bound.number], error)
                    continue
                work.entries[bound.number].actions.append(f"created in {SIDES[side]}")
    _note(work, broken)
    return broken


def _rename(work: Work, side: Side, broken: set[int]) -> None:
    """Give the folders of a store their names; one that a rename takes along gets its own again."""
    now = {bound.number: info.path for bound in work.bound.values() if (info := bound.infos[side]) is not None}

    def away() -> list[int]:
        return sorted((one for one in now if now[one] != work.path(one) and one not in broken), key=work.path)

    for _ in range(len(now)):
        for number in away():
            old, new = now[number], work.path(number)
            if old == new:  # what was renamed above it took it along
                continue
            try:
                work.stores[side].rename(old, new)
            except (FolderError, Unsupported, QuotaExceeded) as error:
                broken.add(number)
                work.fail([number], error)
                continue
            work.entries[number].actions.append(f"renamed in {SIDES[side]}")
            for one, path in now.items():
                if path == old or path.is_below(old):
                    now[one] = path.moved(old, new)


def _note(work: Work, broken: set[int]) -> None:
    listings = [{info.path: info for info in store.folders() if info.selectable} for store in work.stores]
    for bound in work.bound.values():
        if bound.number not in broken:
            bound.infos = [listing.get(bound.path) for listing in listings]
    with work.journal.at_once():
        for bound in work.bound.values():
            if bound.number in broken and bound.row is not None:
                continue  # or it would not be known any more who renamed it
            if bound.infos != [None, None]:
                work.journal.add_folder(bound.number)
            for side in (0, 1):
                info = bound.infos[side]
                if info is not None:
                    work.journal.set_place(bound.number, side, info.path, info.id)


def carry_deletions(work: Work, held: Iterable[int]) -> None:
    """Delete folders that vanished in one store where nothing is in them any more, and forget those gone from both."""
    held = set(held)
    for bound in sorted(work.bound.values(), key=lambda one: one.path, reverse=True):
        if bound.infos == [None, None]:
            with work.journal.at_once():
                work.journal.drop_folder(bound.number)
            continue
        for side in (0, 1):
            there = bound.infos[1 - side]
            if bound.vanished(side) and there is not None and bound.number not in held | work.unfinished:
                _delete(work, bound, 1 - side)


def _delete(work: Work, bound: Bound, side: Side) -> None:
    store = work.stores[side]
    try:
        if store.folder(bound.path).state().messages:
            work.unfinished.add(bound.number)  # something came just now
            return
        store.delete(bound.path)
    except MailstoreError as error:
        if error.temporary:
            raise
        work.fail([bound.number], error)
        return
    work.entries[bound.number].actions.append(f"deleted in {SIDES[side]}")
    bound.infos[side] = None
    with work.journal.at_once():
        work.journal.drop_folder(bound.number)


def carry_subscriptions(work: Work) -> None:
    """Merge subscriptions three ways: what changed in one store since both were the same is carried to the other."""
    if not all(store.capabilities.subscriptions for store in work.stores):
        return
    base = work.journal.subscriptions()
    ours, theirs = (_subscribed(work, store) for store in work.stores)
    for path in sorted(ours ^ theirs):
        have, lack = work.stores if path in ours else reversed(work.stores)
        try:
            if path in base:
                have.unsubscribe(path)
            else:
                lack.subscribe(path)
        except (FolderError, Unsupported) as error:
            work.report.add_error(path, error)
    ours, theirs = (_subscribed(work, store) for store in work.stores)
    now = (ours & theirs) | (base - work.wanted)
    if now != base:
        with work.journal.at_once():
            work.journal.set_subscriptions(now)


def _subscribed(work: Work, store: Store) -> set[FolderPath]:
    return {info.path for info in store.folders() if info.subscribed and info.path in work.wanted}


def carry_special_uses(work: Work) -> None:
    """Merge special uses the same way; where both stores changed one, each otherwise, the first store's holds."""
    if not all(store.capabilities.special_use for store in work.stores):
        return
    for bound in work.bound.values():
        here, there = bound.infos
        if here is None or there is None:
            continue
        ours, theirs = here.special_use, there.special_use
        base = bound.row.special_use if bound.row else None
        wanted = theirs if ours == base else ours
        if base not in (ours, theirs) and ours != theirs:
            reason = f"its special use became {ours} in the first store and {theirs} in the second: the first's holds"
            work.report.conflicts.append(Conflict(str(bound.path), "special-use", reason))
        for store, use in zip(work.stores, (ours, theirs), strict=True):
            if use != wanted:
                store.set_special_use(bound.path, wanted)
        if wanted != base:
            with work.journal.at_once():
                work.journal.set_special_use(bound.number, wanted)
