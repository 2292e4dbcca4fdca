"""The format mbox: recognising its stores, and opening them."""

from __future__ import annotations

import os
import re
from collections import deque
from contextlib import closing

from mailstore.drivers.mbox.dirname import DirnameLayout
from mailstore.drivers.mbox.layout import NESTED, SKIPPED, SUBSCRIPTIONS, Layout, find_kind, why_not
from mailstore.drivers.mbox.nested import NestedLayout
from mailstore.drivers.mbox.reading import Options
from mailstore.drivers.mbox.source import Source, packed_beginning
from mailstore.drivers.mbox.store import MboxDriver
from mailstore.drivers.sidecar import open_index
from mailstore.errors import CannotCreate, LocationError, NoSuchStore, NotAStore, StoreError
from mailstore.formats.mbox.dialect import DIALECTS
from mailstore.formats.mbox.opening import PROBE, read_opening
from mailstore.spi import Location, Settings
from mailstore.system import fs
from mailstore.system.lockrules import HELPERS, LockRules, read_methods

_CHOICES = {
    "dialect": tuple(DIALECTS),
    "layout": ("sbd", "plain", "nested", "file"),
    "expunged": ("include", "skip"),
    "zone": ("local", "utc"),
    "helper": HELPERS,
    "names": ("utf8", "utf7"),
}
_TREES = frozenset({"inbox", "control", "subscriptions", "dirname", "fulldirname"})
_NAMES = ("subscriptions", "dirname", "fulldirname")
_APPLE = re.compile(r"\.mbox/mbox\Z")
"""A mailbox that Apple Mail exported, a directory called so: the format ``apple``."""
_ENOUGH = 2000
"""Files that are looked at to find an mbox."""
_DEEP_ENOUGH = 4
"""Directories below each other that are looked into for that."""


class _MboxFormat:
    """``mbox:FILE`` and ``mbox:DIRECTORY``."""

    name = "mbox"
    options = frozenset({*_CHOICES, *_TREES, "locks"})

    def detect(self, path: str) -> str | None:
        """Say why ``path`` is an mbox file, or a tree with at least one."""
        try:
            if os.path.isdir(path):
                return _detect_tree(path)
            packed, head = _beginning(path)
        except (OSError, StoreError):
            return None
        if _is_takeouts(head):
            return None
        if packed is not None:
            found = read_opening(head) is not None
            return f"a file packed with {packed} that begins with a From_ line" if found else None
        if read_opening(head) is not None:
            return "a file that begins with a From_ line" if head[:1] != b"\x01" else "a file of MMDF messages"
        return "an empty file" if not head.strip(b"\r\n") else None

    def open(self, location: Location, settings: Settings) -> MboxDriver:
        """Open the store; see mailstore.spi.Format."""
        given = choose(location)
        path = location.path
        made = not fs.is_there(path, follow=True)
        if made and os.path.islink(path):
            raise NoSuchStore(f"{fs.shown(path)} is a symbolic link that leads nowhere", path=path)
        if made:
            if settings.readonly or not settings.create:
                raise NoSuchStore(f"{fs.shown(path)}: nothing is there", path=path)
            tree = settings.folders or "inbox" in given or given.get("layout", "file") != "file"
            _make(path, tree=tree and given.get("layout") != "file")
        options = reading_options(given)
        packed = False
        if os.path.isdir(path):
            if given.get("layout") == "file":
                raise NotAStore(f"{fs.shown(path)} is a directory, no mbox file", path=path)
            kind, wide = find_kind(path)
            kind = given.get("layout", kind)
            utf7 = given.get("names", "utf7" if kind == "plain" and not wide else "utf8") == "utf7"
            inbox = given.get("inbox")
            layout = _layout(path, kind, os.path.abspath(inbox) if inbox else None, utf7=utf7, dirname=_dirname(given))
            if "control" in given or "subscriptions" in given:
                directory = os.path.abspath(given["control"]) if "control" in given else path
                layout.subscriptions = os.path.join(directory, given.get("subscriptions", SUBSCRIPTIONS))
            # Dovecot shows every file in a tree of mbox files as a folder, except those called .lock.
            beside = os.path.join(path, ".mailstore-index.lock")
        else:
            if _TREES & given.keys() or given.get("layout", "file") != "file":
                asked = ", ".join(f"{name}=" for name in sorted(_TREES | {"layout"}))
                raise LocationError(f"{fs.shown(path)} is a file; {asked} are for directories", location=str(location))
            packed = _check_file(path)
            layout = Layout(path, "file")
            beside = os.path.join(os.path.dirname(path), f".mailstore-index.{os.path.basename(path)[:200]}")
        index = open_index(settings, None if packed or layout.frozen else beside, path)
        if made:  # what an index remembers is of a store that somebody removed
            index.remove_all()
        rules = _rules(location, settings)
        driver = MboxDriver(layout, options, settings, index, packed=packed, rules=rules)
        driver.recover()
        return driver


FORMAT = _MboxFormat()


def choose(location: Location) -> dict[str, str]:
    """Return a location's options.

    Raises:
        LocationError: a value is none of those that its option can have.
    """
    given = dict(location.options)
    if given.get("layout") == "fs":  # what Dovecot calls it
        given["layout"] = "plain"
    for name, value in given.items():
        if name in _CHOICES and value not in _CHOICES[name]:
            raise LocationError(f"{name}={value}: one of {', '.join(_CHOICES[name])}, please", location=str(location))
        if name in _NAMES and ("/" in value or value in ("", ".", "..")):
            raise LocationError(f"{name}= is a name without a slash", location=str(location))
    return given


def _dirname(given: dict[str, str]) -> str:
    return given.get("fulldirname", given.get("dirname", ""))


def _layout(path: str, kind: str, inbox: str | None = None, *, utf7: bool = False, dirname: str = "") -> Layout:
    if dirname:
        return DirnameLayout(path, dirname, inbox, utf7=utf7)
    if kind == NESTED:
        return NestedLayout(path, inbox, utf7=utf7)
    return Layout(path, kind, inbox, utf7=utf7)


def reading_options(given: dict[str, str]) -> Options:
    """Return what a location's options say about reading."""
    dialect = DIALECTS[given["dialect"]] if "dialect" in given else None
    return Options(dialect, given.get("expunged") == "include", given.get("zone") == "utc")


def _rules(location: Location, settings: Settings) -> LockRules:
    text = location.options.get("locks", "debian")
    try:
        methods = read_methods(text)
    except ValueError as error:
        raise LocationError(f"locks={text}: {error}, please", location=str(location)) from None
    return LockRules(methods, location.options.get("helper", "auto"), settings.lock_timeout)


def _make(path: str, *, tree: bool) -> None:
    with fs.errors(path, CannotCreate):
        if tree:
            fs.mkdir(path)
        else:
            fd = fs.create(path)
            fs.sync_file(fd)
            fs.close(fd)
        fs.sync_directory(os.path.dirname(path))


def _check_file(path: str) -> bool:
    """See that a file is an mbox; tells whether it is packed."""
    source = Source(path)
    try:
        head = source.read(0, PROBE)
        if read_opening(head) is None and head.strip(b"\r\n"):
            raise NotAStore(f"{fs.shown(path)}: not an mbox file: it does not begin with a From_ line", path=path)
        return source.packed is not None
    finally:
        source.close()


def _beginning(path: str) -> tuple[str | None, bytes]:
    """Return a file's compression or None, and what it begins with, unpacked."""
    packed, head = packed_beginning(path, PROBE)
    if packed is None:
        with closing(Source(path)) as source:
            head = source.read(0, PROBE)
    return packed, head


def _is_takeouts(head: bytes) -> bool:
    """Tell whether a file is Google Takeout's, which the format of that name reads."""
    if not head.startswith(b"From ") or b"@xxx " not in head[:64]:
        return False
    from mailstore.formats.gmail.field import begins_takeout  # late: few files look so

    return begins_takeout(head)


def _detect_tree(path: str) -> str | None:
    """A directory is a tree where a file in it, or a few levels below, is an mbox, and it is no Maildir."""
    from mailstore.drivers.mbox.thunderbird import is_profile  # late: it needs this module

    if is_profile(path) or all(os.path.isdir(os.path.join(path, name)) for name in ("cur", "new")):
        return None
    found = _first_mailbox(path)
    if found is None:
        return None
    kind, _ = find_kind(path)
    return f"a directory of mbox files ({os.path.relpath(found, path)} begins with a From_ line), layout {kind}"


def _first_mailbox(path: str) -> str | None:
    """Return an mbox file with mail in it, one as near to ``path`` as there is; None after thousands of other files."""
    waiting, looked_at = deque([(path, 0)]), 0
    while waiting:
        directory, level = waiting.popleft()
        try:
            with os.scandir(directory) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in found:
            if entry.name.startswith(".") or entry.name in SKIPPED:
                continue
            if entry.is_dir(follow_symlinks=False):
                if level < _DEEP_ENOUGH:
                    waiting.append((entry.path, level + 1))
                continue
            looked_at += 1
            if looked_at > _ENOUGH:
                return None
            if _holds_mail(entry):
                return entry.path
    return None


def _holds_mail(entry: os.DirEntry[str]) -> bool:
    """Tell whether a file is an mbox with mail in it, and not one that another format reads."""
    try:
        if not entry.stat().st_size or why_not(entry) is not None or _APPLE.search(entry.path) is not None:
            return False
        return not _is_takeouts(_beginning(entry.path)[1])
    except (OSError, StoreError):
        return False
