"""The native shortcut ``clone``: a copy within the store is a hard link."""

from __future__ import annotations

import os
from collections.abc import Sequence

from mailstore.drivers.maildir import rows, staging
from mailstore.drivers.maildir.staging import StagedFile
from mailstore.drivers.maildir.update import renew
from mailstore.drivers.maildir.view import View
from mailstore.drivers.sidecar import Entry
from mailstore.errors import MailstoreError, NoSuchMessage
from mailstore.model.info import CRLF_SIZE, META, SIZE
from mailstore.system import fs

_TRIES = 5


def clone(view: View, uids: Sequence[int]) -> list[StagedFile]:
    """Stage hard links to messages, with their own Meta.

    Raises:
        NoSuchMessage: one is gone; nothing stays staged.
    """
    known = view.refresh()
    view.records.load()
    staged: list[StagedFile] = []
    try:
        for uid in uids:
            entry = known.find(uid)
            if entry is None:
                raise NoSuchMessage(f"folder {view.path} has no message {uid}", folder=str(view.path), uid=uid)
            staged.append(_clone_one(view, entry))
    except (OSError, MailstoreError):
        staging.discard(staged)
        raise
    view.store()
    return staged


def _clone_one(view: View, entry: Entry) -> StagedFile:
    row = rows.read_row(view, entry, META | SIZE | CRLF_SIZE)
    if row.error is not None:
        raise row.error
    # linking changes the file's ctime, which would be the message's saved date
    view.index_as_is.put(entry._replace(saved_date=row.saved_date))
    path = staging.staging_path(view.account)
    current: Entry | None = entry
    for _ in range(_TRIES):
        if current is None:
            break
        source = f"{view.directory}/{current.extra}"
        try:
            linked = _link(source, path)
        except FileNotFoundError:
            current = renew(view, current)
            continue
        mtime = os.lstat(path).st_mtime_ns // 1_000_000_000
        meta = row.meta._replace(saved_date=None)
        return StagedFile(path, row.size or 0, row.crlf_size or 0, meta, None, True, mtime, linked)
    raise rows.gone(view, entry)


def _link(source: str, target: str) -> bool:
    """Link, or copy where the file system or the system's hardening (fs.protected_hardlinks) does not let us."""
    try:
        fs.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        staging.copy_file(source, target)
        return False
    return True
