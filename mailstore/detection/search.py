"""The search for mail below some paths."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from mailstore.detection.result import Find
from mailstore.detection.together import tell
from mailstore.detection.walk import look
from mailstore.errors import MailstoreError
from mailstore.registry import Detection, accounts, parse_location
from mailstore.store import open_store

DEPTH = 8
"""Directories below each other that are looked into, unless told otherwise."""
_PATIENCE = 2.0
"""Seconds to wait for another program's lock."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was found.

    Attributes:
        finds: in the order of the paths asked for, then outermost first and by name; each path once.
        patterns: locations with ``{user}`` for accounts that lie alike, the most frequent first.
    """

    finds: tuple[Find, ...]
    patterns: tuple[Detection, ...]

    @property
    def any_mail(self) -> bool:
        """Whether there is mail."""
        return any(one.is_mail for one in self.finds)

    def to_dict(self) -> dict[str, object]:
        """Return it as plain values for JSON (schema in docs/cli.md)."""
        return {
            "finds": [one.to_dict() for one in self.finds],
            "patterns": [
                {"location": one.location, "format": one.format, "evidence": one.evidence} for one in self.patterns
            ],
        }


def find_mail(paths: Iterable[str | os.PathLike[str]], *, depth: int = DEPTH, count: bool = False) -> Found:
    """Look for mail at and below ``paths``.

    Nothing is changed, and no symbolic link is followed but ``paths`` themselves. What cannot be read, and what is not
    looked into, is among the finds. Folders are counted by opening each store read-only.

    Args:
        paths: files or directories.
        depth: directories below each other that are looked into.
        count: messages too, and the mail that a store does not show, which may take reading all of it.
    """
    seen: dict[str, Find] = {}
    for path in paths:
        for one in look(os.path.abspath(os.path.expanduser(os.fspath(path))), depth):
            seen.setdefault(f"{one.kind}:{one.path}" if one.kind == "passed over" else one.path, one)
    for one in seen.values():
        if one.kind == "store":
            _count(one, count)
    finds = tuple(seen.values())
    return Found(finds, tuple(tell(finds)))


def _count(find: Find, messages: bool) -> None:
    try:
        if len(shared := accounts(parse_location(find.location), lock_timeout=_PATIENCE)) > 1:
            find.kind = "accounts"
            find.evidence += [f"account {one}" for one in shared]
            return
        with open_store(find.location, readonly=True, index="memory", lock_timeout=_PATIENCE) as store:
            folders = [info.path for info in store.folders() if info.selectable]
            find.folders = len(folders)
            footprint = store.footprint()
            find.size = None if footprint is None else footprint.physical
            if messages:
                find.messages = sum(store.folder(path).state().messages for path in folders)
                find.evidence += [
                    f"not shown: {one.where}: {one.reason}" for one in store.omissions() if one.damaged or one.messages
                ]
    except MailstoreError as error:
        find.evidence.append(f"it cannot be opened as it is: {error}")
