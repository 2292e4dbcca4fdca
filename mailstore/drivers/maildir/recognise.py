"""Is it a Maildir, of which layout, and how are its names spelled? Found from what is on disk, and said."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from mailstore.drivers.maildir.layout import RESERVED, guess_names, is_maildir, links_to_directories
from mailstore.errors import AmbiguousLocation
from mailstore.system import fs

_MOST_FOLDERS = 2000  # directories looked at to recognise a store
_MOST_LEVELS = 100


@dataclass(slots=True)
class Recognised:
    """What was found.

    Attributes:
        layout: ``++`` or ``fs``.
        names: ``mutf7`` or ``utf8``.
        inbox: INBOX's directory relative to the root.
        evidence: what it was told from, one fact a line.
    """

    layout: str = "++"
    names: str = "mutf7"
    inbox: str = ""
    evidence: list[str] = field(default_factory=list)


def _subdirectories(path: str) -> list[str]:
    try:
        with os.scandir(path) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return []


def _complete(path: str) -> bool:
    """Tell whether ``path`` is a Maildir beyond doubt: ``cur`` and one of ``new`` and ``tmp``."""
    names = set(_subdirectories(path))
    return "cur" in names and bool(names & {"new", "tmp"})


def detect(path: str) -> str | None:
    """See mailstore.spi.Format.detect."""
    if not os.path.isdir(path):
        return None
    if _complete(path):
        return "directories cur, new, tmp"
    names = [name for name in _subdirectories(path)[:_MOST_FOLDERS] if _complete(os.path.join(path, name))]
    if not names:
        return None
    return f"Maildirs in it: {', '.join(fs.shown(name) for name in names[:3])}{' …' if len(names) > 3 else ''}"


def _nested(root: str) -> list[str]:
    """Return subdirectories, without a leading dot, that are Maildirs or hold some at any depth."""
    looked_at = [0]
    names = [name for name in _subdirectories(root) if not name.startswith(".") and not RESERVED.match(name)]
    return [name for name in names if _holds_one(f"{root}/{name}", looked_at)]


def _holds_one(path: str, looked_at: list[int], depth: int = 0) -> bool:
    looked_at[0] += 1
    if is_maildir(path):
        return True
    if depth > _MOST_LEVELS or looked_at[0] > _MOST_FOLDERS:
        return False
    return any(_holds_one(f"{path}/{name}", looked_at, depth + 1) for name in _subdirectories(path))


def recognise(root: str, layout: str = "", names: str = "") -> Recognised:
    """Look at a store; ``layout`` and ``names`` are taken as they are where they are given.

    Raises:
        AmbiguousLocation: it has folders of both layouts, and none is asked for: half of them would not be seen.
    """
    dotted = [name for name in _subdirectories(root) if name.startswith(".") and is_maildir(os.path.join(root, name))]
    nested = _nested(root)
    found = Recognised()
    if _complete(root):
        found.evidence.append("directories cur, new and tmp")
    if not layout and dotted and nested:
        readings = tuple(f"maildir:{root}?layout={one}" for one in ("++", "fs"))
        raise AmbiguousLocation(
            f"{fs.shown(root)} has folders of two layouts ({fs.shown(dotted[0])} and {fs.shown(nested[0])}); "
            f"say which: {readings[0]} or {readings[1]}",
            path=root,
            readings=readings,
        )
    found.layout = layout or ("fs" if nested else "++")
    if layout:
        found.evidence.append(f"layout {layout} as asked")
    elif nested:
        found.evidence.append(f"layout fs: folder {fs.shown(nested[0])} is a directory of that name")
    elif dotted:
        found.evidence.append(f"layout ++: folder {fs.shown(dotted[0])} begins with a dot")
    if found.layout == "fs" and not is_maildir(root):
        inboxes = [name for name in nested if name.upper() == "INBOX"]
        found.inbox = inboxes[0] if inboxes else ""
        if found.inbox:
            found.evidence.append(f"INBOX is the directory {found.inbox}")
    found.names = names or guess_names(dotted if found.layout == "++" else _every_name(root))
    found.evidence.append(f"folder names in {'UTF-8' if found.names == 'utf8' else 'modified UTF-7'}")
    for file in ("dovecot-uidlist", "courierimapuiddb", ".uidvalidity"):
        if os.path.isfile(os.path.join(root, found.inbox, file)):
            found.evidence.append(f"UIDs in {file}")
            break
    for name in links_to_directories(root):
        found.evidence.append(f"{fs.shown(name)} is a link to a directory and is not followed")
    return found


def _every_name(root: str) -> list[str]:
    names: list[str] = []
    waiting = [root]
    while waiting and len(names) < _MOST_FOLDERS:
        directory = waiting.pop()
        for name in _subdirectories(directory):
            if name not in ("cur", "new", "tmp"):
                names.append(name)
                waiting.append(os.path.join(directory, name))
    return names
