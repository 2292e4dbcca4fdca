"""The native shortcut ``adopt``: one file for the same message in several accounts.

The problem. A mail to a hundred users of one system need not be written a hundred times. But a file has one owner, one
group and one set of permissions: shared between accounts of different users, one could read, or keep from being
charged for, what is the other's.

The solution. A hard link, where both accounts' ``tmp`` have the same owner, group, permissions and file system, so
that a file made in either would be the same; else nothing. No program changes a Maildir's file in place, so sharing
is not seen; the date of a shared file is never set (StagedFile.linked).
"""

from __future__ import annotations

import os
import stat

from mailstore.drivers.maildir.account import Account
from mailstore.drivers.maildir.staging import StagedFile, staging_path
from mailstore.system import fs


def adopt(account: Account, staged: StagedFile) -> StagedFile | None:
    """Stage in ``account`` what another account staged; None where they cannot share the file."""
    try:
        theirs, ours = os.stat(os.path.dirname(staged.path)), os.stat(account.tmp)
        if _kind(theirs) != _kind(ours) or not stat.S_ISREG(os.lstat(staged.path).st_mode):
            return None
        path = staging_path(account)
        fs.link(staged.path, path)
    except OSError:
        return None
    staged.linked = True
    size, crlf_size, meta, key = staged.size, staged.crlf_size, staged.meta, staged.key
    return StagedFile(path, size, crlf_size, meta, key, staged.synced, staged.mtime, linked=True)


def _kind(found: os.stat_result) -> tuple[int, int, int, int]:
    return found.st_dev, found.st_uid, found.st_gid, found.st_mode
