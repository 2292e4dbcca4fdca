"""Several renames as one: the intent is written first, and whoever opens the store next finishes it.

The problem. Renaming a folder of a Maildir++ with all below it is one rename for each directory; deleting one that has
folders below it, or publishing both ``new`` and ``cur``, takes several too. A crash in between leaves half.

The solution. ``mailstore-intent`` in the root lists all renames, durable before the first. Every one may be done twice:
what is not at its old place is at its new one already. ``recover`` does them all and removes the list. The root's
uidlist lock keeps two processes from working on one list.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from contextlib import suppress

from mailstore.drivers.maildir.records import KEYWORDS, UIDDB, UIDLIST, read_file
from mailstore.system import fs, locks

NAME = "mailstore-intent"
Pair = tuple[str, str]
"""From and to, both relative to the root."""


def _is_inside(path: str) -> bool:
    """Tell whether a relative path stays below the root: the file may have been put there by anybody."""
    return bool(path) and not os.path.isabs(path) and ".." not in path.split("/") and "\0" not in path


def carry_out(root: str, pairs: Sequence[Pair]) -> None:
    """Do all renames, durable on return; finished by ``finish`` after a crash. The root's lock is held.

    Raises:
        OSError: one failed; those before it were taken back.
    """
    if len(pairs) > 1:
        import json  # late: most programs rename no subtree

        text = json.dumps({"renames": pairs}) + "\n"
        fs.replace_file(os.path.join(root, NAME), text.encode(), 0o600)
    done: list[Pair] = []
    try:
        for source, target in pairs:
            _rename(root, source, target)
            done.append((source, target))
        _sync(root, pairs)
    except OSError:
        for source, target in reversed(done):
            fs.rename(os.path.join(root, target), os.path.join(root, source))
        _sync(root, done)
        _remove(root, len(pairs))
        raise
    _remove(root, len(pairs))


def _remove(root: str, count: int) -> None:
    if count > 1:
        fs.unlink(os.path.join(root, NAME), missing_ok=True)
        fs.sync_directory(root)


def _sync(root: str, pairs: Sequence[Pair]) -> None:
    """Sync the directories, those of the new names first; a directory that is gone needs none."""
    names = [target for _, target in pairs] + [source for source, _ in pairs]
    for directory in dict.fromkeys(os.path.dirname(os.path.join(root, name)) for name in names):
        with suppress(FileNotFoundError):
            fs.sync_directory(directory)


def _rename(root: str, source: str, target: str) -> None:
    """Rename to a name that is free, a directory over an empty one, or a folder's record over its older one."""
    old, new = os.path.join(root, source), os.path.join(root, target)
    if (os.path.isdir(old) and not os.path.islink(old)) or os.path.basename(new) in (UIDLIST, UIDDB, KEYWORDS):
        fs.rename(old, new)  # rename(2) replaces only an empty directory
    else:
        fs.rename_noreplace(old, new)


def finish(root: str, timeout: float) -> int:
    """Finish what an interrupted ``carry_out`` left; returns 1 where there was something."""
    path = os.path.join(root, NAME)
    if not os.path.lexists(path):
        return 0
    with locks.uidlist_lock(root, timeout):
        pairs = _read(path)
        for source, target in pairs:
            if os.path.lexists(os.path.join(root, source)):
                _finish_one(root, source, target)
        _sync(root, pairs)
        _remove(root, 2)
    return 1


def _read(path: str) -> list[Pair]:
    import json  # late: as above

    try:
        found = json.loads(read_file(path))["renames"]
        pairs = [(str(source), str(target)) for source, target in found]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [pair for pair in pairs if _is_inside(pair[0]) and _is_inside(pair[1])]


def _finish_one(root: str, source: str, target: str) -> None:
    fs.make_directories(os.path.dirname(os.path.join(root, target)))  # a power cut may have taken it
    try:
        _rename(root, source, target)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST) or not os.path.isdir(os.path.join(root, source)):
            raise
        # mail came into the new place meanwhile: both belong there
        for name in os.listdir(os.path.join(root, source)):
            with suppress(FileExistsError):
                fs.rename_noreplace(os.path.join(root, source, name), os.path.join(root, target, name))
