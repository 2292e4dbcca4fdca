"""What a store holds, as plain values that can be compared between stores."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from mailstore import DIGEST, META, Folder, Store


class Fact(NamedTuple):
    """Everything about one message that has to survive."""

    digest: str
    flags: frozenset[str]
    date: int | None
    sender: str | None


def facts(folder: Folder) -> list[Fact]:
    r"""Return the folder's messages in order; ``\Recent`` belongs to the session and is left out."""
    return [
        Fact(
            message.digest.hex(),
            frozenset(message.flags - {"\\Recent"}),
            None if message.internal_date is None else int(message.internal_date.timestamp()),
            message.sender,
        )
        for message in folder.messages(META | DIGEST)
        if message.error is None
    ]


def errors(folder: Folder) -> list[str]:
    """Return what could not be read."""
    return [str(row.error) for row in folder.rows(0) if row.error is not None]


def everything(store: Store) -> dict[str, list[Fact]]:
    """Return folder name -> facts, for all folders that can hold mail; empty INBOX included."""
    return {str(info.path): facts(store.folder(info.path)) for info in store.folders() if info.selectable}


def digests(store: Store) -> Counter[str]:
    """Return how often each message occurs in the whole store."""
    return Counter(fact.digest for found in everything(store).values() for fact in found)


def uids(store: Store) -> dict[str, tuple[int, list[int]]]:
    """Return folder name -> (UIDVALIDITY, UIDs in order)."""
    numbers = {}
    for info in store.folders():
        if info.selectable:
            folder = store.folder(info.path)
            found = [row.uid for row in folder.rows(0) if row.error is None]
            numbers[str(info.path)] = (folder.state().uidvalidity, found)
    return numbers
