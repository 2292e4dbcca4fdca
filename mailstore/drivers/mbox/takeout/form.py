"""The format takeout: finding Google Takeout's mbox files, and opening them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from math import inf

from mailstore.drivers.mbox.source import Source, packed_beginning
from mailstore.drivers.mbox.takeout.driver import TakeoutDriver
from mailstore.errors import CannotCreate, LocationError, NoSuchStore, NotAStore, StoreError
from mailstore.formats.gmail.field import begins_takeout
from mailstore.formats.gmail.names import LANGUAGES
from mailstore.formats.gmail.placing import MODES
from mailstore.formats.mbox.opening import PROBE
from mailstore.spi import Location, Settings
from mailstore.system import fs

_LEVELS = 3
"""Directories below the one that was asked for: ``Takeout/Mail`` and one more."""
_MOST_FILES = 10_000
"""Files that are looked at to tell whether it is one."""
_MAILDIR = ("cur", "new", "tmp")


def is_takeout(path: str) -> bool:
    """Tell whether a file begins as Takeout's do."""
    try:
        packed, head = packed_beginning(path, PROBE)
        if packed is None:
            with closing(Source(path)) as source:
                head = source.read(0, PROBE)
    except (OSError, StoreError):
        return False
    return begins_takeout(head)


def find_files(path: str) -> tuple[list[str], list[str]]:
    """Return Takeout's mbox files at or below ``path``, and the others called ``.mbox``; each by name."""
    found: tuple[list[str], list[str]] = ([], [])
    for file in _candidates(path):
        found[not is_takeout(file)].append(file)
    return found


def _candidates(path: str, most: float = inf) -> Iterator[str]:
    """Yield the file ``path``, or the files called ``.mbox`` below it, among the first ``most`` files."""
    if not os.path.isdir(path):
        yield path
        return
    looked_at = 0
    for directory, names, files in os.walk(path):
        level = directory[len(path) :].count(os.sep)
        inner = (name for name in names if not name.startswith(".") and name not in _MAILDIR)
        names[:] = sorted(inner) if level < _LEVELS else []
        yield from (os.path.join(directory, name) for name in sorted(files) if name.lower().endswith(".mbox"))
        looked_at += len(files)
        if looked_at > most:
            return


class _TakeoutFormat:
    """``takeout:FILE`` and ``takeout:DIRECTORY``."""

    name = "takeout"
    options = frozenset({"labels", "language"})

    def detect(self, path: str) -> str | None:
        """Say why ``path`` is a mbox file of Google Takeout's, or a directory with such."""
        file = next(filter(is_takeout, _candidates(path, _MOST_FILES)), None)
        if file is None:
            return None
        if file == path:
            return "a mbox file of Google Takeout's: From_ lines with Google's ids, and X-Gmail-Labels"
        return f"a Google Takeout with mail in {os.path.relpath(file, path)}"

    def open(self, location: Location, settings: Settings) -> TakeoutDriver:
        """Open the store; see mailstore.spi.Format."""
        path = location.path
        for option, choices in (("labels", MODES), ("language", tuple(LANGUAGES))):
            value = location.options.get(option)
            if value is not None and value not in choices:
                raise LocationError(f"{option}={value}: one of {', '.join(choices)}, please", location=str(location))
        if not fs.is_there(path, follow=True):
            if settings.create and not settings.readonly:
                raise CannotCreate(f"{fs.shown(path)}: a Takeout is made by Google alone", path=path)
            raise NoSuchStore(f"{fs.shown(path)}: nothing is there", path=path)
        files, others = find_files(path)
        if not files:
            raise NotAStore(
                f"{fs.shown(path)}: no mbox file of Google Takeout's is there (they begin with 'From NUMBER@xxx', and "
                "their messages have X-Gmail-Labels)",
                path=path,
            )
        return TakeoutDriver(location, files, others)


FORMAT = _TakeoutFormat()
