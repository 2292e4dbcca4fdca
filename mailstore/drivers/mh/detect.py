"""Is a directory an MH tree? Careful: a directory of numbered files can be anything.

What speaks for one: a file that only programs for MH make (as NeoMutt judges it too), or files called by numbers that
begin like messages; in the directory itself, or in one right below it. A Maildir is none, whatever lies in it.
"""

from __future__ import annotations

import os
import re

from mailstore.drivers.readonly import directories, entries_of
from mailstore.formats import mh, sylpheed
from mailstore.system import fs

_MARKS = (
    mh.SEQUENCES,
    ".xmhcache",
    ".mew_cache",
    ".mew-cache",
    ".sylpheed_cache",
    ".claws_cache",
    *sylpheed.FILES,
)
_FIELD = re.compile(rb"[!-9;-~]{1,100}[ \t]*:")
_MOST_FOLDERS = 200
_MOST_MESSAGES = 20


def detect(path: str) -> str | None:
    """See mailstore.spi.Format.detect."""
    try:
        entries = entries_of(path)
    except OSError:
        return None
    names = {entry.name for entry in entries}
    if {"cur", "new"} <= names:
        return None
    found = _speaks(path, entries)
    if found is not None:
        return found
    for name in directories(entries)[:_MOST_FOLDERS]:
        if name in ("cur", "new", "tmp"):
            continue
        try:
            below = entries_of(os.path.join(path, name))
        except OSError:
            continue
        if {"cur", "new"} <= {entry.name for entry in below}:
            continue
        found = _speaks(os.path.join(path, name), below)
        if found is not None:
            return f"in {fs.shown(name)}: {found}"
    return None


def _speaks(directory: str, entries: list[os.DirEntry[str]]) -> str | None:
    """Say what makes a directory an MH folder."""
    names = {entry.name for entry in entries}
    mark = next((name for name in _MARKS if name in names), None)
    if mark is not None:
        return f"a file {mark}"
    numbered = [entry.name for entry in entries if mh.is_message(entry.name) and entry.is_file(follow_symlinks=False)]
    some = numbered[:_MOST_MESSAGES]
    if some and all(_is_mail(os.path.join(directory, name)) for name in some):
        return f"messages in files called by numbers ({some[0]})"
    return None


def _is_mail(file: str) -> bool:
    try:
        fd = fs.open_source(file, nofollow=True)
    except OSError:
        return False
    try:
        return _FIELD.match(os.pread(fd, 256, 0)) is not None
    except OSError:
        return False
    finally:
        os.close(fd)
