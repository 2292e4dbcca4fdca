"""Where the folders of one store go in another, as the options want it."""

from __future__ import annotations

from mailstore.convert.mapping import Routing, route
from mailstore.convert.options import Options
from mailstore.errors import UsageError
from mailstore.store import Store


def find_routes(source: Store, destination: Store, options: Options) -> Routing:
    """Return where the folders that ``options`` want go.

    Raises:
        UsageError: the mapping makes no name of one.
    """
    return route(
        source.folders(),
        destination.folders(),
        options.mapping,
        options.wants,
        lambda path: not source.folder(path).state().messages,
    )


def refuse_collisions(routing: Routing, options: Options) -> None:
    """Raise where folders would come together and nobody asked for it.

    Raises:
        UsageError: they would; the text lists all of them.
    """
    if routing.collisions and options.mapping.collisions == "refuse":
        listed = "; ".join(str(one) for one in routing.collisions)
        raise UsageError(f"folders would come together, nothing was done: {listed}; choose to merge or to rename them")
