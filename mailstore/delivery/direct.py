"""The ordinary delivery: into INBOX of a Maildir, without opening a store.

A delivery that needs no UID is one file in ``new`` and touches nothing else; the next reader numbers it. Whatever is
less plain (options in the location, another layout, a Maildir that is not whole) is left to the store.
"""

from __future__ import annotations

import os
import stat

from mailstore.delivery.incoming import Incoming
from mailstore.system.drop import Drop


def maildir_at(location: str) -> str | None:
    """Return the absolute path of the Maildir that ``location`` names beyond doubt, or None.

    It is there and holds ``cur``, ``new`` and ``tmp`` as real directories; the location has no options.
    """
    path = location.removeprefix("maildir:")
    if not path or ":" in path or "?" in path or "\0" in path or path.startswith("//"):
        return None
    path = os.path.abspath(os.path.expanduser(path))
    try:
        whole = all(stat.S_ISDIR(os.lstat(f"{path}/{name}").st_mode) for name in ("cur", "new", "tmp"))
    except OSError:
        return None
    return path if whole else None


def into_maildir(incoming: Incoming, root: str) -> None:
    """Deliver into INBOX of the Maildir at ``root``; durable on return. The file has the root's permissions.

    Raises:
        StorageFull, StorageFailure, ReadOnlyStore: nothing that could be lost was acknowledged; what is visible all the
            same is whole.
    """
    drop = None
    try:
        drop = Drop(root, os.stat(root).st_mode & 0o666 | 0o600)
        drop.write(incoming.head())
        for piece in incoming.rest():
            drop.write(piece)
        drop.publish()
    except BaseException as error:
        _discard(drop)
        if isinstance(error, OSError):
            from mailstore.system import fs  # late: a failure may take its time

            raise fs.translate(error, f"{root}/new") from error
        raise


def _discard(drop: Drop | None) -> None:
    """Remove what was written; what cannot be removed now goes with the next ``recover`` after 36 hours."""
    try:
        if drop is not None:
            drop.discard()
    except OSError:
        return
