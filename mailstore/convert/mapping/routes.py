"""Where the folders of a source go, each to a name of its own unless they are to be merged.

The problem. Two names may become one: two folders mapped to one, ``Sent`` and ``Gesendet`` both to the destination's
sent mail, or names that are two here and one on a file system or a server that knows no case. Whatever came second
would be mixed into the first, and nobody could take them apart again.

The solution. Names are worked out for the whole listing before anything is written. What would collide is listed and
refused; on request it is merged, or the second gets a name that its source's name decides, so that a rerun gives it
again. Folders that the source itself tells apart by case alone stay apart.
"""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import NamedTuple

from mailstore.convert.mapping.rules import FolderMapping
from mailstore.model.changes import FolderInfo
from mailstore.model.names import INBOX, FolderPath


class Route(NamedTuple):
    """The way of one folder."""

    source: FolderInfo
    target: FolderInfo
    """What it is to be in the destination: its path there, and the subscription and special use to carry."""
    alone: bool
    """No other folder's messages go there: UIDs can be kept."""


class Collision(NamedTuple):
    """Folders whose messages would come together, or nearly so."""

    target: FolderPath
    sources: tuple[FolderPath, ...]
    """In the order of the listing; at least two."""

    def __str__(self) -> str:
        return f"{self.target}: from {' and '.join(str(path) for path in self.sources)}"


@dataclass(frozen=True, slots=True)
class Routing:
    """Where everything goes.

    Attributes:
        routes: one for each folder of the listing, in its order.
        collisions: what would come together: refused, or merged or renamed as the mapping says.
        left_out: where the folders that are not wanted would have gone.
    """

    routes: tuple[Route, ...]
    collisions: tuple[Collision, ...]
    left_out: frozenset[FolderPath] = frozenset()


def route(
    infos: Sequence[FolderInfo],
    there: Sequence[FolderInfo],
    mapping: FolderMapping,
    wanted: Callable[[FolderPath], bool] = lambda _: True,
    is_empty: Callable[[FolderPath], bool] = lambda _: False,
) -> Routing:
    """Work out where the folders of a source go.

    Args:
        infos: all folders of the source.
        there: all folders of the destination.
        mapping: how they are to be named.
        wanted: by the source's name, whether a folder is converted; the others have no route and collide with nothing.
        is_empty: whether a folder of the source holds no message; asked of INBOX alone, which is always there, when
            another folder is to become INBOX. Empty, it takes part in no collision.

    Raises:
        UsageError: a name cannot be read or made.
    """
    pairs = list(zip(infos, mapping.apply(infos, there), strict=True))
    # Names that are given by a rule must not depend on what one run happens to choose.
    refuses = mapping.collisions == "refuse"
    considered = [(info, target) for info, target in pairs if not refuses or wanted(info.path)]
    claims = _Claims(mapping.collisions, is_empty)
    for info, target in sorted(considered, key=lambda pair: pair[0].path != pair[1].path):
        claims.add(info, target)  # folders that keep their names have the first right to them
    places = {info.path: place for place, info in enumerate(infos)}
    shared = Counter(one.target.path for one in claims.routes if one.source.selectable)
    shared.update(target.path for info, target in pairs if info.selectable and (info, target) not in considered)
    routes = [one._replace(alone=shared[one.target.path] <= 1) for one in claims.routes if wanted(one.source.path)]
    collisions = [one for one in claims.collisions(places) if any(map(wanted, one.sources))]
    routes.sort(key=lambda one: places[one.source.path])
    left_out = frozenset(target.path for info, target in pairs if not wanted(info.path))
    return Routing(tuple(routes), tuple(collisions), left_out - {one.target.path for one in routes})


class _Claims:
    """Names that are taken, and by whom."""

    def __init__(self, decision: str, is_empty: Callable[[FolderPath], bool]) -> None:
        self._decision = decision
        self._is_empty = is_empty
        self._by_key: defaultdict[tuple[str, ...], list[Route]] = defaultdict(list)
        self._collided: defaultdict[FolderPath, list[FolderPath]] = defaultdict(list)
        self.routes: list[Route] = []

    def add(self, info: FolderInfo, target: FolderInfo) -> None:
        """Add a folder."""
        other = self._claimed(info, target.path) if target.selectable else None
        if other is not None and INBOX in (info.path, other.source.path) and self._is_empty(INBOX):
            if info.path.is_inbox:
                self.routes.append(_without_mail(Route(info, target, False)))
                return
            self._give_way(other)
            other = self._claimed(info, target.path)
        if other is not None:
            self._collided[other.target.path].append(info.path)
            if self._decision == "merge":
                use = other.target.special_use or target.special_use
                target = replace(target, path=other.target.path, special_use=use)
            elif self._decision == "rename":
                target = replace(target, path=self._free_name(info, target.path))
        made = Route(info, target, False)
        self.routes.append(made)
        if target.selectable:
            self._by_key[_key(target.path)].append(made)

    def collisions(self, places: dict[FolderPath, int]) -> list[Collision]:
        """Return what came together; ``places`` is the order of the listing."""
        found = []
        for target, others in sorted(self._collided.items()):
            first = next(one.source.path for one in self.routes if one.target.path == target)
            found.append(Collision(target, tuple(sorted((first, *others), key=places.__getitem__))))
        return found

    def _claimed(self, info: FolderInfo, target: FolderPath) -> Route | None:
        """Return the folder that has the name already: the very same first, else one too much alike."""
        claims = self._by_key[_key(target)]
        same = [one for one in claims if one.target.path == target]
        alike = [one for one in claims if _key(one.source.path) != _key(info.path)]
        return next(iter(same + alike), None)

    def _give_way(self, inbox: Route) -> None:
        """Take the empty INBOX out: nothing of it is copied, and nothing collides with it."""
        self._by_key[_key(inbox.target.path)].remove(inbox)
        self.routes[self.routes.index(inbox)] = _without_mail(inbox)

    def _free_name(self, info: FolderInfo, target: FolderPath) -> FolderPath:
        name = f"{target[-1]} ({' '.join(info.path)})"
        for number in count(1):
            path = FolderPath((*target[:-1], name if number == 1 else f"{name} ({number})"))
            if self._claimed(info, path) is None:
                break
        return path


def _without_mail(one: Route) -> Route:
    return one._replace(source=replace(one.source, selectable=False), target=replace(one.target, selectable=False))


def _key(path: FolderPath) -> tuple[str, ...]:
    """Return what names have in common that differ in case or Unicode form alone."""
    return tuple(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", part).casefold()) for part in path)
