"""A race-safe listing of ``new`` and ``cur``.

The problem. readdir(3) may pass over a file that is renamed while the directory is read, or give it twice, under its
old and its new name. Flag changes are renames, and every mail program does them at any time: a message that was passed
over must not be taken for expunged, one given twice not for two. Then there are leftovers of crashes: one base name
under two names, which is one message where both are the same file, and two messages where they are not.

The solution. ``new`` is read before ``cur``, since messages move that way only. A pass counts when neither directory
changed while it ran and did not change just before (timestamps have a coarse grain); otherwise another follows until
two passes agree. A directory that never comes to rest is taken as the union of the last two passes, each name in doubt
looked at. Bases with two names are told apart by their inodes.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field

from mailstore.formats.maildirname import split_name
from mailstore.system import clock

GRAIN = 2_000_000_000
"""Nanoseconds: a directory changed so recently may change again without its mtime showing it."""

_TICK = 20_000_000  # nanoseconds: kernel timestamps step by up to 10 ms
_MOST_PASSES = 6


@dataclass(slots=True)
class Scan:
    """What was found.

    Attributes:
        names: file name by base, with ``new/`` or ``cur/`` before it, in the order found.
        twins: further names of a base: the same file again. They go when it goes.
        doubles: names whose base another file has already: messages of their own.
        strange: names of directories in new and cur.
        stamp: (mtime of new, mtime of cur) in nanoseconds; None where they are too young to be trusted, and where there
            are twins, doubles or strange names.
    """

    names: dict[str, str] = field(default_factory=dict)
    twins: dict[str, list[str]] = field(default_factory=dict)
    doubles: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    stamp: tuple[int, int] | None = None


def mtimes(directory: str) -> tuple[int, int]:
    """Return the mtimes (ns) of new and cur; 0 for one that is missing."""
    found = []
    for name in ("new", "cur"):
        try:
            found.append(os.stat(f"{directory}/{name}").st_mtime_ns)
        except FileNotFoundError:
            found.append(0)
    return found[0], found[1]


def at_rest(stamp: tuple[int, int], now: int) -> bool:
    """Tell whether both changed long enough before ``now`` (ns) that a later change would show."""
    return all(now - one >= GRAIN for one in stamp)


def names_in(path: str) -> list[str]:
    """Return the names in a directory; none where it is missing."""
    try:
        return os.listdir(path)
    except FileNotFoundError:
        return []


def scan(directory: str) -> Scan:
    """Scan a folder.

    Raises:
        OSError: a directory cannot be read.
    """
    passes: list[tuple[list[str], list[str]]] = []
    for _ in range(_MOST_PASSES):
        now = clock.now_ns()
        before = mtimes(directory)
        names = names_in(f"{directory}/new"), names_in(f"{directory}/cur")
        quiet = mtimes(directory) == before and all(not 0 <= now - one < _TICK for one in before)
        if quiet or (passes and _same(passes[-1], names)):
            found = _collect(directory, *names)
            # what is out of the ordinary is not in the index, so that the next look must find it again
            plain = not (found.twins or found.doubles or found.strange)
            found.stamp = before if quiet and plain and at_rest(before, now) else None
            return found
        passes.append(names)
    new, cur = (_present(f"{directory}/{sub}", passes[-2][n], passes[-1][n]) for n, sub in enumerate(("new", "cur")))
    return _collect(directory, new, cur)


def _same(one: tuple[list[str], list[str]], other: tuple[list[str], list[str]]) -> bool:
    return one == other or (set(one[0]) == set(other[0]) and set(one[1]) == set(other[1]))


def _present(directory: str, before: list[str], last: list[str]) -> list[str]:
    """Return the names of two passes, those that are not in both only if they are there now."""
    both = set(before) & set(last)
    doubtful = [name for name in {*before, *last} - both if os.path.lexists(f"{directory}/{name}")]
    return [name for name in last if name in both] + sorted(doubtful)


def _collect(directory: str, new: list[str], cur: list[str]) -> Scan:
    found = Scan()
    names = found.names
    again: dict[str, list[str]] = {}
    for sub, listed in (("new/", new), ("cur/", cur)):
        if not listed:
            continue
        if min(listed) < "/":
            listed = [name for name in listed if name[:1] != "."]
        plain = dict(zip([name.rpartition(":2,")[0] for name in listed], map(sub.__add__, listed), strict=True))
        if len(plain) == len(listed) and "" not in plain and not names:
            found.names = names = plain
        else:
            _collect_odd(sub, listed, names, again)
        if _has_directories(f"{directory}/{sub}"):
            _set_apart(directory, sub, found)
    for base, candidates in again.items():
        if base in names:
            _tell_apart(directory, base, candidates, found)
    return found


def _collect_odd(sub: str, listed: list[str], names: dict[str, str], again: dict[str, list[str]]) -> None:
    """Take in names of which some have no suffix, another separator, or a base that was there already."""
    for name in listed:
        base, split, _ = name.rpartition(":2,")
        if not split or not base:
            base = split_name(name)[0] if ":" in name or ";" in name or "!" in name else name
        if base in names:
            again.setdefault(base, [names[base]]).append(sub + name)
        names[base] = sub + name


def _has_directories(path: str) -> bool:
    """Tell from the link count, without reading the directory again; 1 (btrfs, overlay) tells nothing."""
    try:
        return os.stat(path).st_nlink > 2
    except OSError:
        return False


def _set_apart(directory: str, sub: str, found: Scan) -> None:
    with os.scandir(f"{directory}/{sub}") as entries:
        for entry in entries:
            if entry.name[:1] != "." and entry.is_dir(follow_symlinks=False):
                found.strange.append(sub + entry.name)
                found.names.pop(split_name(entry.name)[0], None)


def _tell_apart(directory: str, base: str, candidates: list[str], found: Scan) -> None:
    """Sort out names of one base: gone meanwhile, the same file, or another file."""
    identities: dict[tuple[int, int], str] = {}
    for name in reversed(dict.fromkeys(candidates)):  # a name in cur comes before one in new
        with suppress(OSError):
            seen = os.lstat(f"{directory}/{name}")
            first = identities.setdefault((seen.st_dev, seen.st_ino), name)
            if first != name:
                found.twins.setdefault(base, []).append(name)
    if not identities:
        return  # all gone: the last name stays, and opening it will look again
    chosen, *others = identities.values()
    found.names[base] = chosen
    found.doubles += others
