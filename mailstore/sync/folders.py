"""Which folder of one store is which of the other, under whatever name; pure.

A folder that the journal knows is found again by its id where the format's ids outlast a rename, else by its name.
What is left is paired by name. A rename whose new name is taken on the other side is none: the folders of that name
are paired, and the messages follow as moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mailstore.model.changes import FolderInfo
from mailstore.model.names import FolderPath
from mailstore.sync.journal import FolderRow, Side


@dataclass(slots=True)
class Bound:
    """A folder of both stores, or of one that the other is to get or to lose."""

    number: int
    """The journal's."""
    row: FolderRow | None
    """What the journal knows; None: it is new."""
    infos: list[FolderInfo | None]
    """What it is now in each store; None: it is not there."""
    path: FolderPath
    """The name that it is to have in both."""
    renamed_apart: bool = False
    """Both sides renamed it, each otherwise."""

    def vanished(self, side: Side) -> bool:
        """Tell whether it was in a store and is not any more."""
        return self.row is not None and self.row.places[side] is not None and self.infos[side] is None


def bind(
    rows: Sequence[FolderRow], listings: Sequence[Sequence[FolderInfo]], stable_ids: Sequence[bool]
) -> list[Bound]:
    """Pair the selectable folders of two listings; INBOX first, then by path."""
    free = [{info.path: info for info in infos if info.selectable} for infos in listings]
    taken = [{info.path for info in infos} for infos in listings]
    bound = [Bound(row.number, row, [None, None], _any_path(row)) for row in rows]
    for side in (0, 1):
        if stable_ids[side]:
            by_id = {info.id: info for info in free[side].values()}
            for one in bound:
                place = one.row.places[side] if one.row else None
                if place is not None and (info := by_id.get(place.name)) is not None and info.path in free[side]:
                    one.infos[side] = free[side].pop(info.path)
        for one in bound:
            place = one.row.places[side] if one.row else None
            if one.infos[side] is None and place is not None:
                one.infos[side] = free[side].pop(place.path, None)
    for one in bound:
        _name(one, taken, free)
    for one in bound:  # a name that a failed rename left
        for side in (0, 1):
            if one.infos[side] is None and one.infos[1 - side] is not None:
                one.infos[side] = free[side].pop(one.path, None)
    number = max((row.number for row in rows), default=0)
    for path in sorted(free[0].keys() | free[1].keys()):
        number += 1
        bound.append(Bound(number, None, [free[0].get(path), free[1].get(path)], path))
    return sorted(bound, key=lambda one: (not one.path.is_inbox, one.path))


def _any_path(row: FolderRow) -> FolderPath:
    return next(place.path for place in row.places if place is not None)


def _name(one: Bound, taken: Sequence[set[FolderPath]], free: Sequence[dict[FolderPath, FolderInfo]]) -> None:
    """Choose the name that a known folder is to have; where the other side's is taken there, part them."""
    here, there = one.infos
    if here is None or there is None:
        one.path = here.path if here else there.path if there else one.path
        return
    moved = [side for side, info in enumerate((here, there)) if _has_moved(one, side, info)]
    one.renamed_apart = len(moved) == 2 and here.path != there.path
    leader = 1 if moved == [1] else 0
    one.path = (here, there)[leader].path
    follower = 1 - leader
    old = (here, there)[follower].path
    if old == one.path:
        return
    if one.path in taken[follower] or old.is_inbox or one.path.is_inbox or one.path.is_below(old):
        leading = one.infos[leader]
        assert leading is not None
        free[leader][leading.path] = leading
        one.infos[leader] = None
        one.path, one.renamed_apart = old, False
        return
    taken[follower].add(one.path)


def _has_moved(one: Bound, side: Side, info: FolderInfo) -> bool:
    place = one.row.places[side] if one.row else None
    return place is not None and place.path != info.path
