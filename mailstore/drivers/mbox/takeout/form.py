"""The format takeout: finding Google Takeout's mbox files, and opening them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import closing

from mailstore.drivers.mbox.source import Source, packed_beginning
from mailstore.drivers.mbox.takeout.driver import TakeoutDriver
from mailstore.drivers.readonly import omission
from mailstore.errors import CannotCreate, LocationError, NoSuchStore, NotAStore, StoreError
from mailstore.formats.gmail.field import begins_takeout
from mailstore.formats.gmail.names import LANGUAGES
from mailstore.formats.gmail.placing import MODES
from mailstore.formats.mbox.opening import PROBE
from mailstore.model.changes import Omission
from mailstore.spi import Location, Settings
from mailstore.system import fs

_NAME = re.compile(r"\.mbox(?:\.(?:gz|bz2|xz|zst))?$", re.IGNORECASE)
_LEVELS = 3
"""Directories below the one that was asked for, to tell whether it is one: ``Takeout/Mail`` and one more."""
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


def find_files(path: str) -> tuple[list[str], list[Omission]]:
    """Return Takeout's mbox files at or below ``path``, by name, and what else there may be mail."""
    files: list[str] = []
    left_out: list[Omission] = []
    for file in _candidates(path, left_out):
        if is_takeout(file):
            files.append(file)
        else:
            reason = "a file called .mbox that is not Takeout's"
            left_out.append(Omission(fs.shown(file), reason, damaged=_holds(file)))
    return files, left_out


def _candidates(path: str, left_out: list[Omission], *, some: bool = False) -> Iterator[str]:
    """Yield the file ``path``, or the files called ``.mbox`` below it, and note what is not looked into.

    ``some``: only those that it takes to recognise a Takeout.
    """
    if not os.path.isdir(path):
        yield path
        return

    def closed(error: OSError) -> None:
        left_out.append(Omission(fs.shown(error.filename), "a directory that cannot be read", damaged=True))

    looked_at = 0
    for directory, names, files in os.walk(path, onerror=closed):
        hidden = [name for name in names if name.startswith(".")]
        links = [name for name in names if os.path.islink(os.path.join(directory, name))]
        left_out += omission(directory, sorted(hidden), "hidden directories, which are not looked into")
        left_out += omission(directory, sorted(links), "links to directories, which are not followed")
        level = directory[len(path) :].count(os.sep)
        inner = (name for name in names if name not in hidden and not (some and name in _MAILDIR))
        names[:] = sorted(inner) if level < _LEVELS or not some else []
        yield from (os.path.join(directory, name) for name in sorted(files) if _NAME.search(name) is not None)
        looked_at += len(files)
        if some and looked_at > _MOST_FILES:
            return


def _holds(path: str) -> bool:
    """Tell whether there is anything in a file, or nobody could look."""
    try:
        return os.stat(path).st_size > 0
    except OSError:
        return True


class _TakeoutFormat:
    """``takeout:FILE`` and ``takeout:DIRECTORY``."""

    name = "takeout"
    options = frozenset({"labels", "language"})

    def detect(self, path: str) -> str | None:
        """Say why ``path`` is a mbox file of Google Takeout's, or a directory with such."""
        file = next(filter(is_takeout, _candidates(path, [], some=True)), None)
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
        files, left_out = find_files(path)
        if not files:
            raise NotAStore(
                f"{fs.shown(path)}: no mbox file of Google Takeout's is there (they begin with 'From NUMBER@xxx', and "
                "their messages have X-Gmail-Labels)",
                path=path,
            )
        return TakeoutDriver(location, files, left_out)


FORMAT = _TakeoutFormat()
