"""Is it a Maildir, of which layout, and how are its names spelled? Found from what is on disk, and said."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from mailstore.drivers.maildir.layout import LEGACY, RESERVED, guess_names, is_maildir, links_to_directories
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


def recognise(root: str, layout: str = "", names: str = "", inbox: str = "", dirname: str = "") -> Recognised:
    """Look at a store; what is given is taken as it is.

    Args:
        root: absolute path.
        layout: ``++``, ``fs`` or ``legacy``; '' is to be found.
        names: ``mutf7`` or ``utf8``; '' is to be found.
        inbox: where INBOX is, for a store that does not tell.
        dirname: the directory in a folder's directory that holds its messages; only ``fs`` has one.

    Raises:
        AmbiguousLocation: it has folders of several layouts, and none is asked for: half of them would not be seen.
    """
    dotted = [name for name in _subdirectories(root) if name.startswith(".") and is_maildir(os.path.join(root, name))]
    nested = _nested(root)
    found = Recognised()
    if _complete(root):
        found.evidence.append("directories cur, new and tmp")
    _recognise_layout(root, found, dotted, nested, layout or ("fs" if dirname else ""), bool(inbox))
    _recognise_inbox(root, found, nested, inbox, dirname)
    found.names = names or guess_names(dotted if found.layout == "++" else _every_name(root))
    found.evidence.append(f"folder names in {'UTF-8' if found.names == 'utf8' else 'modified UTF-7'}")
    for file in ("dovecot-uidlist", "courierimapuiddb", ".uidvalidity"):
        if os.path.isfile(os.path.join(root, found.inbox, file)):
            found.evidence.append(f"UIDs in {file}")
            break
    for name in links_to_directories(root):
        found.evidence.append(f"{fs.shown(name)} is a link to a directory and is not followed")
    return found


def _recognise_layout(
    root: str, found: Recognised, dotted: list[str], nested: list[str], layout: str, one_account: bool
) -> None:
    """Tell the layout from the Maildirs in the root whose names begin with a dot, and the others."""
    if layout:
        found.layout = layout
        found.evidence.append(f"layout {layout} as asked")
    elif dotted and nested:
        readings = tuple(f"maildir:{root}?layout={one}" for one in ("++", "fs", LEGACY))
        raise AmbiguousLocation(
            f"{fs.shown(root)} has folders of two layouts ({fs.shown(dotted[0])} and {fs.shown(nested[0])}); "
            f"say which: {', '.join(readings)}",
            path=root,
            readings=readings,
        )
    elif below := _dotted_below(root, nested):
        _tell_accounts(root, nested, below, told=one_account or any(name.upper() == "INBOX" for name in nested))
        found.layout = LEGACY
        found.evidence.append(f"layout {LEGACY}: folder {fs.shown(below)} begins with a dot below another")
    elif nested:
        found.layout = "fs"
        found.evidence.append(f"layout fs: folder {fs.shown(nested[0])} is a directory of that name")
    elif dotted:
        found.evidence.append(f"layout ++: folder {fs.shown(dotted[0])} begins with a dot")


def _recognise_inbox(root: str, found: Recognised, nested: list[str], inbox: str, dirname: str) -> None:
    if inbox:
        found.inbox = _relative(root, os.path.abspath(inbox))
        found.evidence.append(f"INBOX is {fs.shown(os.path.join(root, found.inbox))}, as asked")
    elif dirname:
        found.inbox = os.path.join("INBOX", dirname)
    elif found.layout != "++" and not is_maildir(root):
        found.inbox = next((name for name in nested if name.upper() == "INBOX"), "")
        if found.inbox:
            found.evidence.append(f"INBOX is the directory {found.inbox}")


def _relative(root: str, path: str) -> str:
    """Return ``path`` relative to the root it lies in; absolute where it does not."""
    if path == root:
        return ""
    return path[len(root) + 1 :] if path.startswith(root + "/") else path


def _dotted_below(root: str, nested: list[str]) -> str:
    """Return the first Maildir that begins with a dot and lies in one of the Maildirs in the root; '' is none."""
    for name in nested[:_MOST_FOLDERS]:
        for below in _subdirectories(f"{root}/{name}"):
            if below.startswith(".") and is_maildir(f"{root}/{name}/{below}"):
                return f"{name}/{below}"
    return ""


def _tell_accounts(root: str, nested: list[str], below: str, *, told: bool) -> None:
    """Tell a tree of mbsync's layout ``legacy`` from a directory of accounts, each with a Maildir++ of its own.

    Raises:
        AmbiguousLocation: nothing says that it is one account (``told``).
    """
    if not told:
        readings = (f"maildir:{root}?layout={LEGACY}", *(f"maildir:{root}/{name}" for name in nested[:10]))
        raise AmbiguousLocation(
            f"{fs.shown(root)} holds Maildirs with folders of their own ({fs.shown(below)}): either one account in "
            f"mbsync's layout ({readings[0]}) or several accounts ({readings[1]} …)",
            path=root,
            readings=readings,
        )


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
