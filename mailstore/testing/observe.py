"""Everything that can be seen of a store, as plain data: for comparing one store with itself, or with another."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from mailstore import Folder, Store
from mailstore.model.flags import RECENT
from mailstore.model.info import BODY, META, Body, body_chunks


class Seen(NamedTuple):
    r"""A message as a listing shows it, without its UID, its modseq and ``\Recent``."""

    body: bytes
    flags: int
    keywords: frozenset[str]
    internal_date: int | None
    saved_date: int | None
    sender: str | None
    uidl: str | None


def body_bytes(body: Body | None) -> bytes:
    """Return the bytes of a row's body."""
    assert body is not None
    return b"".join(body_chunks(body))


def listing(folder: Folder) -> dict[int, Seen]:
    """Return every message of ``folder`` by UID, in the order of the listing.

    Raises:
        MailstoreError: the first that a row carries.
    """
    found = {}
    for row in folder.rows(META | BODY):
        if row.error is not None:
            raise row.error
        assert row.uid not in found
        found[row.uid] = Seen(
            body_bytes(row.body), row.flags & ~RECENT, row.keywords,
            row.internal_date, row.saved_date, row.sender, row.uidl,
        )  # fmt: skip
    return found


def recorded(folder: Folder) -> dict[int, Seen]:
    """Return the listing without what the format's own record may lack: a saved date that lives in the index alone."""
    found = listing(folder)
    if folder.store.capabilities.saved_date:
        return found
    return {uid: seen._replace(saved_date=None) for uid, seen in found.items()}


def bodies(folder: Folder) -> list[bytes]:
    """Return the bytes of every message of ``folder``, by UID."""
    return [seen.body for seen in listing(folder).values()]


def paths(store: Store) -> list[str]:
    """Return the folders that hold messages, by path, in the one-string form."""
    return [str(info.path) for info in store.folders() if info.selectable]


def tree(top: Path, leave_out: Iterable[str] = ()) -> dict[str, tuple[int, int, bytes]]:
    """Return mode, mtime in nanoseconds and contents (or link target) of every file and directory below ``top``."""
    found: dict[str, tuple[int, int, bytes]] = {}
    skipped = set(leave_out)
    if top.is_file():
        return {"": _entry(top)}
    for directory, names, files in os.walk(top):
        names[:] = [name for name in names if name not in skipped]
        found[os.path.relpath(directory, top)] = _entry(Path(directory))
        for name in files:
            if name not in skipped:
                path = Path(directory, name)
                found[os.path.relpath(path, top)] = _entry(path)
    return found


def _entry(path: Path) -> tuple[int, int, bytes]:
    status = path.lstat()
    contents = b""
    if path.is_symlink():
        contents = os.fsencode(path.readlink())
    elif path.is_file():
        contents = path.read_bytes()
    return status.st_mode, status.st_mtime_ns, contents
