"""The format archive: unpacking a tar or zip once, finding the store in it, and opening that.

It is no driver: it opens other formats' stores, by the registry, as any program would.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from mailstore.archives.driver import ArchiveDriver
from mailstore.errors import AmbiguousLocation, CannotCreate, LocationError, MailstoreError, NoSuchStore, NotAStore
from mailstore.registry import detect, open_driver, parse_location
from mailstore.spi import Location, Settings
from mailstore.system import fs
from mailstore.system.archives import archive_kind, sample, unpack
from mailstore.system.private import PrivateDirectory
from mailstore.system.unpacked import Unpacked

_INSIDE = re.compile(r"(?:([a-z][a-z0-9+_-]+):)?([^?]*)(\?.*)?\Z", re.DOTALL)
_PARTS = re.compile(r"takeout-.*\.(?:zip|tgz|tar\.gz)\Z", re.IGNORECASE)
"""How Google calls the files of a Takeout."""
_MOST_CANDIDATES = 20
_MAIL = re.compile(r"(?:\A|/)(?:(?:cur|new)/[^/]+|\.mh_sequences|[^/]+\.(?:mbox|eml|emlx|msf))\Z")
_BEGINNING = re.compile(
    rb"From [^\r\n]*(?: \d\d:\d\d|\Z)|From -?\r?\n"
    rb"|(?:Return-Path|Received|Delivered-To|Message-I[Dd]): |SQLite format 3\0"
)


class _ArchiveFormat:
    """``archive:FILE``, and ``archive:DIRECTORY`` of a Takeout's parts."""

    name = "archive"
    options = frozenset({"inside", "limits", "expunged"})

    def detect(self, path: str) -> str | None:
        """Say that ``path`` is an archive with mail near its beginning, or a directory of a Takeout's archives."""
        kind = archive_kind(path)
        if kind is not None:
            mail = next((name for name, head in sample(path) if _is_mail(name, head)), None)
            return f"a {kind} archive with {fs.shown(mail)}" if mail is not None else None
        parts = _parts(path)
        return f"{len(parts)} archives of a Google Takeout" if parts else None

    def open(self, location: Location, settings: Settings) -> ArchiveDriver:
        """Open the store in the archive; see mailstore.spi.Format."""
        limits = location.options.get("limits", "mail")
        if limits not in ("mail", "none"):
            raise LocationError(f"limits={limits}: one of mail, none, please", location=str(location))
        paths = _archives(location, settings)
        with fs.errors(location.path):
            directory = PrivateDirectory()
        try:
            with fs.errors(location.path):
                unpacked = unpack(paths, directory.path, limited=limits == "mail")
            with _explained(location.path, directory.path, unpacked):
                inner = _inner(location, directory.path)
                driver = open_driver(inner, Settings(readonly=True, lock_timeout=settings.lock_timeout))
            return ArchiveDriver(location.path, driver, directory, unpacked, inner, settings.mask)
        except BaseException:
            directory.close()
            raise


def _is_mail(name: str, head: bytes) -> bool:
    """Tell whether a file of an archive looks like a part of a mail store."""
    return _MAIL.search(name) is not None or _BEGINNING.match(head) is not None


FORMAT = _ArchiveFormat()


@contextmanager
def _explained(path: str, directory: str, unpacked: Unpacked) -> Iterator[None]:
    """Say of a store that cannot be opened where it is, and what was wrong with the archive."""
    try:
        yield
    except MailstoreError as error:
        damage = next((f" ({one.name}: {one.reason})" for one in unpacked.omitted if one.damaged), "")
        error.args = (str(error).replace(directory, fs.shown(path)) + damage, *error.args[1:])
        raise


def _parts(path: str) -> list[str]:
    """Return the archives of a directory that holds a Takeout's parts."""
    try:
        names = sorted(name for name in os.listdir(path) if _PARTS.match(name))
    except OSError:
        return []
    return [file for name in names if archive_kind(file := os.path.join(path, name)) is not None]


def _archives(location: Location, settings: Settings) -> list[str]:
    path = location.path
    if not fs.is_there(path, follow=True):
        if settings.create and not settings.readonly:
            raise CannotCreate(f"{fs.shown(path)}: archives are only read; convert into another format", path=path)
        raise NoSuchStore(f"{fs.shown(path)}: nothing is there", path=path)
    paths = _parts(path) if os.path.isdir(path) else [path] if archive_kind(path) is not None else []
    if not paths:
        raise NotAStore(f"{fs.shown(path)}: no tar or zip archive that can be read", path=path)
    return paths


def _inner(location: Location, root: str) -> Location:
    """Return where the store in the archive is: as the location says, else what is found."""
    inside = location.options.get("inside", "")
    match = _INSIDE.match(inside)
    assert match is not None
    name, path, options = match.groups()
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if path.startswith("/") or ".." in parts:
        raise LocationError(f"inside={inside}: a path within the archive, please", location=str(location))
    place = os.path.join(root, *parts)
    if not os.path.lexists(place):
        raise NoSuchStore(f"{fs.shown(location.path)}: nothing in it is called {path!r}", path=location.path)
    found = f"{name}:{place}" if name is not None else _found(location, root, place)
    inner = parse_location(found + (options or ""))
    expunged = location.options.get("expunged")
    return Location(inner.format, inner.path, {**inner.options, **({} if expunged is None else {"expunged": expunged})})


def _found(location: Location, root: str, place: str) -> str:
    """Return the location of the store at ``place``.

    Who packs a directory has it as the one entry of the archive: that is the store, though what is around it may look
    like one too. Where it is none, the directories in it are looked at as long as one lies in the other.
    """
    readings = detect(place)
    below = _only(place)
    while below is not None and (not readings or place == root):
        nearer = detect(below)
        if readings and not nearer:
            break
        place, readings, below = below, nearer, _only(below)
    if len(readings) == 1:
        return readings[0].location
    shown = fs.shown(location.path)
    if readings:
        choices = tuple(_said(location, reading.location, root) for reading in readings)
        what = "; ".join(f"{reading.format} ({reading.evidence})" for reading in readings)
        raise AmbiguousLocation(
            f"{shown}: what is in it can be read as {what}: say which, e.g. {choices[0]}",
            path=location.path,
            readings=choices,
        )
    inner = [_said(location, reading.location, root) for path in _below(place) for reading in detect(path)]
    more = f"; in it are {', '.join(inner[:_MOST_CANDIDATES])}" if inner else ""
    raise NotAStore(f"{shown}: no mail store that mailstore recognises is in it{more}", path=location.path)


def _said(location: Location, inner: str, root: str) -> str:
    """Return the location by which a store in the archive can be opened."""
    return f"archive:{location.path}?inside={inner.replace(root + os.sep, '').replace(root, '')}"


def _below(directory: str) -> list[str]:
    try:
        with os.scandir(directory) as entries:
            return sorted(entry.path for entry in entries)[:1000]
    except OSError:
        return []


def _only(directory: str) -> str | None:
    """Return the one entry of a directory that is not hidden, if there is just one."""
    entries = [path for path in _below(directory) if not os.path.basename(path).startswith(".")]
    return entries[0] if len(entries) == 1 else None
