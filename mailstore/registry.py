"""From a location to an open driver: reading locations, recognising what is on disk, finding formats.

A location is ``format:path?option=value&option=value``, a URL (``postgresql://…``), or a bare path. Dovecot's spelling
of options, ``mbox:~/mail:INBOX=/var/mail/joe``, is understood as well. Third-party formats register in the entry-point
group ``mailstore.drivers``; our own are listed here too, so that opening one costs no search through what is installed.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING

from mailstore.errors import AmbiguousLocation, LocationError, NoSuchStore, NotAStore, StorageFailure, UsageError
from mailstore.spi import Driver, Format, Location, Settings, Shared

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

ENTRY_POINTS = "mailstore.drivers"
"""The entry-point group: the name is the location's format, the value an object like mailstore.spi.Format."""

_OURS = {
    "memory": "mailstore.drivers.memory",
    "mbox": "mailstore.drivers.mbox",
    "maildir": "mailstore.drivers.maildir",
    "sqlite": "mailstore.drivers.sql",
    "thunderbird": "mailstore.drivers.mbox.thunderbird",
    "mh": "mailstore.drivers.mh",
    "eml": "mailstore.drivers.eml",
    "apple": "mailstore.drivers.apple",
    "takeout": "mailstore.drivers.mbox.takeout",
    "archive": "mailstore.archives",
}
_PREFIX = re.compile(r"([a-z][a-z0-9+_-]+):")
_OPTIONS = re.compile(r"\?([a-z][a-z0-9_-]*=[^?]*)\Z")
_INDEX_PLACES = ("auto", "beside", "state", "memory")
_DATABASE_SUFFIXES = (".db", ".sqlite", ".sqlite3")

_LATE = (
    *("apsw", "ctypes", "hashlib", "json", "logging", "random", "subprocess", "tempfile", "tomllib", "unicodedata"),
    "email.utils",
    "urllib.parse",
)
"""What our own modules load of others only when they need it."""
_LATE_PACKAGES = ("mailstore.system", "mailstore.formats", "mailstore.model", "mailstore.quota")
"""What drivers and the façade load of ours only when they need it."""

_registered: dict[str, Format] = {}


@dataclass(frozen=True, slots=True)
class Detection:
    """One way to read what is at a path: the explicit location, its format, and what speaks for it."""

    location: str
    format: str
    evidence: str


def register(form: Format) -> None:
    """Make a format known to this process without an entry point; the last registration of a name wins."""
    _registered[form.name] = form


def format_names() -> list[str]:
    """Return the names of all formats there are, ours first."""
    return [*_OURS, *sorted({*_registered, *_entry_points()} - _OURS.keys())]


def find_format(name: str) -> Format | None:
    """Return the format of that name, loading its module, or None."""
    if name in _registered:
        return _registered[name]
    if name in _OURS:
        form: Format = import_module(_OURS[name]).FORMAT
        return form
    return _entry_points(name).get(name)


def load_wholly(location: str) -> None:
    """Import all modules of the format that ``location`` names, or of ours where it names none.

    For a process that gives up rights before it opens stores: it may not be able to read code any more.
    """
    from pkgutil import walk_packages

    for name in _LATE:
        import_module(name)
    match = _PREFIX.match(location)
    names = _OURS if match is None or find_format(match[1]) is None else (match[1],)
    packages = [_OURS.get(name, type(find_format(name)).__module__) for name in names]
    for name in (*packages, *_LATE_PACKAGES):
        module = import_module(name)
        for found in walk_packages(getattr(module, "__path__", ()), module.__name__ + "."):
            import_module(found.name)


def parse_location(text: str) -> Location:
    """Read a location; a bare path is looked at on disk.

    Paths are made absolute, ``~`` is the home directory; symbolic links stay. A ``?`` belongs to the path unless
    ``name=`` follows it.

    Raises:
        LocationError: empty, or an unknown format.
        NotAStore: a bare path to something that is no mail store.
        StorageFailure: a bare path to something that may not be read.
        AmbiguousLocation: a bare path that can be read as more than one.
    """
    if "\0" in text:
        raise LocationError("a location cannot hold a NUL character", location=text)
    if not text.strip():
        raise LocationError("the location is empty: give a path, or format:path", location=text)
    match = _PREFIX.match(text)
    if match is None or (find_format(match[1]) is None and os.path.lexists(text)):
        return _bare(text)
    name, rest = match[1], text[match.end() :]
    if find_format(name) is None:
        raise LocationError(
            f"unknown format {name!r} in {text!r}; there are: {', '.join(format_names())}", location=text
        )
    if rest.startswith("//"):
        return Location(name, text)
    path, options = _split_options(rest, text)
    if name == "memory":
        return Location(name, path, options)
    if not path:
        raise LocationError(f"{text!r} names no path", location=text)
    return Location(name, _absolute(path), options)


def detect(path: str) -> list[Detection]:
    """Return every reading of what is at ``path``, our formats first; an empty list where there is none."""
    absolute = _absolute(path)
    return [reading for name in format_names() for reading in _reading(name, absolute)]


def open_driver(location: Location, settings: Settings) -> Driver:
    """Open the store at ``location``.

    Raises:
        LocationError: unknown format or option.
        UsageError: settings that make no sense.
        NoSuchStore, NotAStore, CannotCreate: see mailstore.spi.Format.open.
    """
    form = find_format(location.format)
    if form is None:
        raise LocationError(f"unknown format {location.format!r}", location=str(location))
    unknown = sorted(set(location.options) - form.options)
    if unknown:
        known = ", ".join(sorted(form.options)) or "none"
        raise LocationError(
            f"{location.format} knows no option {unknown[0]!r} (there are: {known})", location=str(location)
        )
    if settings.index not in _INDEX_PLACES and not os.path.isabs(settings.index):
        raise UsageError(f"index={settings.index!r}: one of {', '.join(_INDEX_PLACES)}, or an absolute path")
    return form.open(location, settings)


def accounts(location: Location, *, lock_timeout: float = 300.0) -> list[Location]:
    """Return a location for each account at ``location``, by name; where there is but one, the location itself.

    Args:
        location: one that names an account, or cannot hold several, is returned as it is, whether there or not.
        lock_timeout: seconds to wait for another program's lock.

    Raises:
        NoSuchStore, NotAStore, CorruptStore, StoreBusy, StorageFailure: see mailstore.spi.Format.open.
    """
    form = find_format(location.format)
    if "account" in location.options or not isinstance(form, Shared):
        return [location]
    return form.accounts(location, Settings(readonly=True, lock_timeout=lock_timeout))


def default_location(path: str) -> Location:
    """Return what a bare path that does not exist stands for.

    A trailing slash means Maildir, ``.db`` and ``.sqlite`` mean SQLite, anything else mbox: the mail world's own
    convention (procmail, Postfix home_mailbox).
    """
    absolute = _absolute(path)
    if path.endswith("/"):
        return Location("maildir", absolute)
    return Location("sqlite" if path.endswith(_DATABASE_SUFFIXES) else "mbox", absolute)


def _bare(text: str) -> Location:
    path = _absolute(text)
    if not os.path.lexists(path):
        return default_location(text)
    if not os.path.exists(path):
        raise NoSuchStore(f"{text} is a symbolic link that leads nowhere", path=path)
    # third-party formats are searched for, which takes time, only where none of ours knows the path
    found = [reading for name in _OURS for reading in _reading(name, path)] or detect(text)
    if len(found) == 1:
        return Location(found[0].format, path)
    if found:
        readings = tuple(reading.location for reading in found)
        what = "; ".join(f"{reading.format} ({reading.evidence})" for reading in found)
        raise AmbiguousLocation(
            f"{text} can be read as {what}: say which, e.g. {readings[0]}", path=path, readings=readings
        )
    if os.path.isdir(path) and text.endswith("/") and _is_empty_directory(path):
        return Location("maildir", path)
    if not os.access(path, os.R_OK | os.X_OK if os.path.isdir(path) else os.R_OK):
        raise StorageFailure(f"{text} cannot be read: permission denied", path=path)
    raise NotAStore(f"{text} is no mail store that mailstore recognises; name its format, e.g. mbox:{text}", path=path)


def _reading(name: str, path: str) -> list[Detection]:
    form = find_format(name)
    evidence = form.detect(path) if form is not None else None
    return [] if evidence is None else [Detection(f"{name}:{path}", name, evidence)]


def _is_empty_directory(path: str) -> bool:
    try:
        with os.scandir(path) as entries:
            return next(entries, None) is None
    except OSError:
        return False


def _split_options(rest: str, text: str) -> tuple[str, dict[str, str]]:
    options: dict[str, str] = {}
    match = _OPTIONS.search(rest)
    if match is not None:
        for pair in match[1].split("&"):
            name, equals, value = pair.partition("=")
            if not equals:
                raise LocationError(f"the options of {text!r} are not name=value pairs", location=text)
            options[name] = _unquoted(value)
        rest = rest[: match.start()]
    if ":" in rest:
        from mailstore.formats import maillocation  # late: few locations need it

        try:
            rest, more = maillocation.split(rest)
        except ValueError as error:
            raise LocationError(f"{text!r}: {error}", location=text) from None
        options = {**more, **options}
    if options.get("layout", "").lower() == "maildir++":
        options["layout"] = "++"
    return rest, {name: os.path.expanduser(value) for name, value in options.items()}


def _unquoted(value: str) -> str:
    if "%" not in value:
        return value
    from urllib.parse import unquote  # late: few locations need it

    return unquote(value)


def _absolute(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path))


def _entry_points(name: str | None = None) -> dict[str, Format]:
    return {point.name: point.load() for point in _installed(tuple(sys.path)) if name is None or point.name == name}


@lru_cache(maxsize=1)
def _installed(path: tuple[str, ...]) -> list[EntryPoint]:  # noqa: ARG001 - what is looked through
    """Return the entry points of others' formats: finding them reads every package, detection asks for each file."""
    from importlib.metadata import entry_points

    return [point for point in entry_points(group=ENTRY_POINTS) if point.name not in _OURS]
