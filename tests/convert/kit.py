"""Stores of each kind, filled with what is hard to carry, and what can be seen of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mailstore import Arrival, FolderPath, Meta, SetState, Store, open_store
from mailstore.convert import Options
from mailstore.model.changes import Append
from mailstore.testing.observe import Seen, listing
from mailstore.testing.samples import BODIES, NAMES, RESERVED, large

KINDS = ("memory", "mbox", "maildir", "maildir++", "sqlite")
ON_DISK = KINDS[1:]
PAIRS = [(source, destination) for source in KINDS for destination in KINDS]

_TEMPLATES = {
    "mbox": "mbox:{path}?layout=sbd",
    "maildir": "maildir:{path}?layout=fs",
    "maildir++": "maildir:{path}?layout=%2B%2B",
    "sqlite": "sqlite:{path}",
}


def location(kind: str, directory: Path, name: str) -> str:
    """Return where a store of ``kind`` called ``name`` is, or is to be."""
    if kind == "memory":
        return f"memory:{directory.name}-{os.getpid()}-{name}"
    return _TEMPLATES[kind].format(path=directory / f"{name}-{kind.replace('+', 'p')}")


def make(kind: str, directory: Path, name: str, **settings: Any) -> Store:
    """Make an empty store, open."""
    return open_store(location(kind, directory, name), create=True, **settings)


def reopen(store: Store, **settings: Any) -> Store:
    """Close a store and open it again where it was."""
    store.close()
    return open_store(str(store.location), **settings)


def metas() -> Iterator[Meta]:
    """Yield metadata of every kind, for ever."""
    number = 0
    while True:
        number += 1
        yield Meta(
            flags=number % 32,
            keywords=frozenset(
                f"Keyword{bit}" for bit in range(30) if number >> (bit % 7) & 1 and bit % 5 == number % 5
            )
            | (frozenset({"$Forwarded"}) if number % 3 == 0 else frozenset()),
            internal_date=(number * 86_399_999) % 4_000_000_000,
            saved_date=1_700_000_000 + number if number % 4 == 0 else None,
            sender=(None, "", "joe@example.org", "a b@example.org", "jö@example.org")[number % 5],
            uidl=f"uidl-{number}" if number % 6 == 0 else None,
        )


def put(store: Store, path: FolderPath, arrivals: list[Arrival], state: SetState | None = None) -> None:
    """Fill a folder, with UID hints and UIDVALIDITY."""
    store.folder(path, create=True)
    if state:
        assert store.commit([SetState(path, state.uidvalidity)])[0].status == "done"
    staged = store.stage(arrivals)
    for outcome in store.commit(
        [Append(path, one, arrival.uid) for one, arrival in zip(staged, arrivals, strict=True)]
    ):
        assert outcome.status == "done", outcome
    if state:
        assert store.commit([state])[0].status == "done"


def fill(store: Store) -> None:
    """Put everything in that is hard to carry."""
    source = metas()
    bodies = [
        *BODIES.values(),
        *RESERVED.values(),
        large(3 << 20),
        b"Subject: twice\n\nsame\n",
        b"Subject: twice\n\nsame\n",
    ]
    arrivals = [Arrival(body, next(source), None, 3 * n + 1) for n, body in enumerate(bodies, 1)]
    put(store, FolderPath(("INBOX",)), arrivals, SetState(FolderPath(("INBOX",)), 1_234_567, 1000))
    for n, name in enumerate(NAMES):
        path = FolderPath(name)
        body = f"Subject: in folder {n}\n\n{name!r}\n".encode("utf-8", "replace")
        put(store, path, [Arrival(body, next(source), None, 7)] if n % 3 else [], SetState(path, 5000 + n, 9))
        if n % 2:
            store.subscribe(path)
    store.subscribe("not/there")
    if store.capabilities.special_use:
        store.set_special_use("Sent", "\\Sent")
        store.set_special_use("日本語", "\\Junk")


class SeenFolder(tuple[int, int, dict[int, Seen]]):
    """UIDVALIDITY, UIDNEXT and messages by UID, in order."""

    __slots__ = ()


def seen(store: Store) -> dict[str, SeenFolder]:
    """Return all that must survive of a store's folders; UIDVALIDITY counts where there ever was a UID.

    Saved dates need not: they belong to the folder (RFC 8514).
    """
    found = {}
    for info in store.folders():
        if info.selectable:
            folder = store.folder(info.path)
            state = folder.state()
            found[str(info.path)] = SeenFolder(
                (
                    state.uidvalidity if state.uidnext > 1 else 0,
                    state.uidnext,
                    {uid: one._replace(saved_date=None) for uid, one in listing(folder).items()},
                )
            )
    return found


def subscriptions(store: Store) -> set[str]:
    """Return the names subscribed to."""
    return {str(info.path) for info in store.folders() if info.subscribed}


def special_uses(store: Store) -> dict[str, str]:
    """Return the special use of the folders that have one."""
    return {str(info.path): info.special_use for info in store.folders() if info.special_use}


def quiet(**options: Any) -> Options:
    """Return options for a conversion in this process alone."""
    return Options(processes=1, **options)
