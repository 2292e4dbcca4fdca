"""Down a tree, telling what is mail.

The problem. Every format can say whether a path may be a store of it, and looks a level or two below to do so: a home
directory with one mbox in it reads as a tree of mbox files, ``/home`` as another, and a directory of accounts as one
account. What the user wants to hear is where the stores really are.

The solution. A directory is judged after what is in it. It is a store where the names in it say so by themselves
(``cur`` and ``new``), or where most of what it holds is mail of the format that claims it, directly or one directory
down; what it holds is then part of it. Where that is several formats, each is named. Where its directories are whole
accounts, it is a directory of accounts. Nothing is opened that is no regular file, no symbolic link is followed but one
that was asked for, and what is not looked into is named.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from mailstore.detection import known
from mailstore.detection.result import Find
from mailstore.errors import MailstoreError
from mailstore.registry import Detection, detect, parse_location
from mailstore.system import fs

MOST_FILES = 2000
"""Files of one directory that are looked at."""
_SPOOLS = frozenset({"/var/mail", "/var/spool/mail"})
_TREES = frozenset({"mail", ".mail", "mailboxes", "imap", "folders"})
"""Names of directories that hold the folders of one account, also where there is but one."""
_OF_AN_ACCOUNT = frozenset(
    {
        "subscriptions",
        ".subscriptions",
        "courierimapsubscribed",
        "dovecot-uidvalidity",
        "maildirsize",
        "mailstore.index",
    }
)
_MARKS = frozenset({".mh_sequences", "prefs.js", "profiles.ini", "Info.plist"})
_SINGLE = re.compile(r"[0-9]+|.*\.(?:eml|emlx)", re.IGNORECASE)
_NOWHERE = ("/proc", "/sys", "/dev")


@dataclass
class _Inside:
    """What a directory holds, while it is judged."""

    names: set[str]
    mail: list[Find] = field(default_factory=list)
    """Its files that are mail."""
    others: int = 0
    """Files that are not."""
    directories: list[tuple[str, list[Find]]] = field(default_factory=list)
    """What was found in each directory in it."""
    more: list[Find] = field(default_factory=list)
    """What is no mail."""

    def outermost(self) -> list[Find]:
        """Return what is mail in it, and the first of what was found in each directory."""
        return [*self.mail, *(finds[0] for _, finds in self.directories if finds)]

    def every(self) -> list[Find]:
        """Return all of it."""
        return [*self.mail, *(one for _, finds in self.directories for one in finds), *self.more]


def look(path: str, depth: int, *, asked: bool = True, level: int = 0) -> list[Find]:
    """Return what is at ``path`` and below, outermost first.

    Args:
        path: absolute.
        depth: so many directories deep.
        asked: somebody named it: a symbolic link is followed, and an empty file is an empty mailbox.
        level: how deep it lies already.
    """
    try:
        status = os.stat(path) if asked else os.lstat(path)
    except OSError as error:
        return [Find(path, "unreadable", evidence=[(error.strerror or str(error)).lower()])]
    if stat.S_ISLNK(status.st_mode):
        return [Find(path, "link", evidence=[f"a symbolic link to {fs.shown(os.readlink(path))}"])]
    if stat.S_ISDIR(status.st_mode):
        return _look_into(path, status, depth, level)
    if stat.S_ISREG(status.st_mode):
        return _look_at(path, status, asked=asked)
    return [Find(path, "passed over", evidence=["neither a file nor a directory"])] if asked else []


def _look_at(path: str, status: os.stat_result, *, asked: bool) -> list[Find]:
    """Tell what a file is."""
    what = known.lock(path) or known.file(os.path.basename(path))
    if what is not None:
        return [Find(path, "known", evidence=[what])]
    readings = _readings(path) if status.st_size or asked else ()
    return [_mail(path, readings)] if readings else []


def _look_into(path: str, status: os.stat_result, depth: int, level: int) -> list[Find]:
    name = os.path.basename(path)
    if level and (name in known.NOT_ENTERED or path in _NOWHERE):
        return [Find(path, "passed over", evidence=["nobody keeps mail there"])]
    try:
        with os.scandir(path) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        return [Find(path, "unreadable", evidence=[(error.strerror or str(error)).lower()])]
    names = {entry.name for entry in found}
    what = known.directory(name, names)
    if what is not None:
        return [Find(path, "known", evidence=[what])]
    if _speaks_for_itself(names) and (readings := _readings(path)):
        return [_mail(path, readings, names)]
    if level >= depth:
        return [Find(path, "passed over", evidence=[f"more than {depth} directories deep"])] if found else []
    inside = _inside(path, found, depth, level, spool=_is_spool(path, status))
    return _judge(path, inside, spool=_is_spool(path, status))


def _speaks_for_itself(names: set[str]) -> bool:
    """Tell whether the names in a directory say what it is, so that its files need not be looked at."""
    if {"cur", "new"} <= names or names & _MARKS:
        return True
    visible = [name for name in names if not name.startswith(".")]
    return 2 * sum(_SINGLE.fullmatch(name) is not None for name in visible) > len(visible) > 0


def _inside(path: str, entries: Iterable[os.DirEntry[str]], depth: int, level: int, *, spool: bool) -> _Inside:
    inside, files = _Inside(set()), 0
    for entry in entries:
        inside.names.add(entry.name)
        regular = entry.is_file(follow_symlinks=False)
        files += regular
        if regular and files > MOST_FILES:
            continue
        finds = look(entry.path, depth, asked=spool and regular, level=level + 1)
        if entry.is_dir(follow_symlinks=False):
            inside.directories.append((entry.name, finds))
        elif finds and finds[0].is_mail:
            inside.mail += finds
        else:
            inside.more += finds
            inside.others += regular and not finds and not entry.name.startswith(".") and entry.stat().st_size > 0
    if files > MOST_FILES:
        inside.more.append(Find(path, "passed over", evidence=[f"{files - MOST_FILES} files more than {MOST_FILES}"]))
    return inside


# --- judging a directory by what is in it


def _judge(path: str, inside: _Inside, *, spool: bool) -> list[Find]:
    if spool and inside.mail:
        return [_pattern(path, "spool", inside.mail, "a directory of mailboxes, one a user"), *inside.every()]
    accounts = [finds[0] for name, finds in inside.directories if finds and _is_account(path, name, finds)]
    if any(name.upper() == "INBOX" for name, _ in inside.directories):
        accounts = []  # mbsync's: folders of one account, with folders of their own
    if len(accounts) > 1 and not inside.mail:
        return [_pattern(path, "accounts", accounts, "each directory in it is an account of its own"), *inside.every()]
    if not accounts and any(one.is_mail for one in inside.every()):
        claimed = tuple(one for one in _readings(path) if _is_whole(path, one.format, inside))
        if claimed:
            formats = {one.format for one in claimed}
            left = [one for one in inside.every() if not formats & {reading.format for reading in one.readings}]
            mixed = [one for one in left if one.is_mail]
            store = _mail(path, claimed, inside.names)
            store.evidence += [f"not part of it: {fs.shown(one.path)}, {one.readings[0].evidence}" for one in mixed]
            records = [one for one in left if one.kind == "known" and os.path.dirname(one.path) == path]
            return [store, *(one for one in left if one not in records)]
    return inside.every()


def _is_whole(path: str, form: str, inside: _Inside) -> bool:
    """Tell whether a directory is a store of a format that claims it, and not just where one lies."""

    def is_it(find: Find) -> bool:
        return any(reading.format == form for reading in find.readings)

    files = sum(is_it(one) for one in inside.mail)
    parts = [name for name, finds in inside.directories if finds and is_it(finds[0]) and _at(finds[0], path, name)]
    deeper = [
        name
        for name, finds in inside.directories
        if any(map(is_it, finds)) and not _at(finds[0], path, name) and name not in parts
    ]
    told = bool(inside.names & _OF_AN_ACCOUNT) or os.path.basename(path).lower() in _TREES
    if deeper and not told:
        return False
    own, strange = files + len(parts), sum(one.is_mail and not is_it(one) for one in inside.outermost())
    if own + len(deeper) < 2 and [name.upper() for name in parts] != ["INBOX"] and not told:
        return False
    return own + len(deeper) > 0 and strange <= own and (told or inside.others <= own)


def _at(find: Find, path: str, name: str) -> bool:
    return find.path == os.path.join(path, name)


def _is_account(path: str, name: str, finds: list[Find]) -> bool:
    """Tell whether a directory is a store with folders or records of an account, and so no folder of another."""
    store = finds[0]
    if store.kind != "store" or not _at(store, path, name):
        return False
    try:
        names = set(os.listdir(store.path))
    except OSError:
        return False
    dotted = (one for one in names if one.startswith(".") and os.path.isdir(os.path.join(store.path, one, "cur")))
    return bool(names & _OF_AN_ACCOUNT) or next(dotted, None) is not None


def _is_spool(path: str, status: os.stat_result) -> bool:
    return os.path.realpath(path) in _SPOOLS or bool(status.st_mode & stat.S_ISVTX and status.st_mode & stat.S_IWOTH)


# --- what is said of it


def _readings(path: str) -> tuple[Detection, ...]:
    try:
        return tuple(one if _reads_back(one, path) else replace(one, location=path) for one in detect(path))
    except (OSError, MailstoreError):
        return ()


def _reads_back(reading: Detection, path: str) -> bool:
    """Tell whether a location means this path: ``?a=b`` and ``:A=b`` in a path would read as options."""
    try:
        return parse_location(reading.location).path == path
    except MailstoreError:
        return False


def _mail(path: str, readings: tuple[Detection, ...], names: set[str] | None = None) -> Find:
    evidence = [readings[0].evidence] if len(readings) == 1 else [f"{one.format}: {one.evidence}" for one in readings]
    evidence += [f"{fs.shown(name)}: {what}" for name in sorted(names or ()) if (what := known.file(name)) is not None]
    return Find(path, "store" if len(readings) == 1 else "ambiguous", readings, evidence)


def _pattern(path: str, kind: str, finds: list[Find], evidence: str) -> Find:
    formats = sorted({reading.format for one in finds for reading in one.readings})
    readings = tuple(Detection(f"{form}:{path}/{{user}}", form, evidence) for form in formats)
    return Find(path, "spool" if kind == "spool" else "accounts", readings, [evidence, f"{len(finds)} of them"])
