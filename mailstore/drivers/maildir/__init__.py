"""Maildir and Maildir++: ``maildir:PATH?layout=++|fs&names=mutf7|utf8&index=dovecot|courier&separator=:``.

``quota_style=courier|exim|dovecot`` says whose way to count holds for the quota.

Everything but the path is found from what is on disk; a new store is a Maildir++ with names in modified UTF-7 and
Dovecot's records. ``docs/formats/maildir.md`` says what is read, what is written, and why.
"""

from __future__ import annotations

import os
from contextlib import suppress

from mailstore.drivers.maildir import recognise
from mailstore.drivers.maildir.account import Account
from mailstore.drivers.maildir.driver import MaildirDriver
from mailstore.drivers.maildir.layout import LEGACY, SUBDIRECTORIES, Elsewhere, Layout, Spelling, is_maildir
from mailstore.drivers.maildir.view import View
from mailstore.drivers.sidecar import open_index
from mailstore.errors import CannotCreate, LocationError, NoSuchStore, NotAStore, StoreError
from mailstore.model.names import INBOX
from mailstore.model.quota import STYLES
from mailstore.spi import Location, Settings
from mailstore.system import fs

INDEX = "mailstore.index"
"""The index beside the store: a file in the root."""

_CHOICES = {
    "layout": ("++", "fs", LEGACY),
    "names": ("mutf7", "utf8"),
    "index": ("dovecot", "courier"),
    "separator": (":", ";", "!"),
    "quota_style": STYLES,
}
_PLACES = frozenset({"inbox", "control", "dirname", "fulldirname"})
"""Options that say where something lies, as Dovecot's mail_location does; such stores are read and not written to."""


class _MaildirFormat:
    """See mailstore.spi.Format."""

    name = "maildir"
    options = frozenset({*_CHOICES, *_PLACES, "subscriptions"})

    def detect(self, path: str) -> str | None:
        """See Format.detect."""
        return recognise.detect(path)

    def open(self, location: Location, settings: Settings) -> MaildirDriver:
        """See Format.open."""
        options = {name: value.lower() if name in _CHOICES else value for name, value in location.options.items()}
        for name, value in options.items():
            if name in _CHOICES and value not in _CHOICES[name]:
                raise LocationError(
                    f"{location}: {name} is one of {', '.join(_CHOICES[name])}, not {value!r}", location=str(location)
                )
        root = location.path
        elsewhere = _elsewhere(location, options, settings)
        made = False if options.keys() & _PLACES and os.path.isdir(root) else self._make(root, settings.create)
        found = recognise.recognise(
            root, options.get("layout", ""), options.get("names", ""), options.get("inbox", ""), elsewhere.dirname
        )
        if found.layout == LEGACY:
            _only_read(location, settings, f"a store of layout {LEGACY}")
        account = Account(
            root=root,
            layout=Layout(root, Spelling(found.layout, found.names), found.inbox, elsewhere),
            index=open_index(settings, os.path.join(root, INDEX), root),
            family=options.get("index", "dovecot"),
            readonly=settings.readonly,
            lock_timeout=settings.lock_timeout,
            separator=options.get("separator", ""),
            quota_style=options.get("quota_style", ""),
            quota=settings.quota,
            subscriptions=options.get("subscriptions", "subscriptions"),
        )
        driver = MaildirDriver(account, found.evidence, settings.mask)
        if made:
            View(account, INBOX, found.inbox).refresh()
        if not settings.readonly:
            with suppress(StoreError):  # a store we may only read is still there to be read
                driver.recover()
        return driver

    def _make(self, root: str, create: bool) -> bool:
        """See to it that there is a store at ``root``; returns whether it was made now."""
        if not create and not fs.is_there(root):
            raise NoSuchStore(f"{fs.shown(root)}: there is no such directory", path=root)
        if os.path.lexists(root) and not os.path.isdir(root):
            raise NotAStore(f"{fs.shown(root)}: a Maildir is a directory, and this is none", path=root)
        if os.path.isdir(root) and (recognise.detect(root) is not None or is_maildir(root)):
            return False
        with fs.errors(root, CannotCreate):
            # cur, new or tmp alone is what a crash in the middle of the making leaves
            empty = not os.path.isdir(root) or set(os.listdir(root)) <= set(SUBDIRECTORIES)
            if not create or not empty:
                what = "it is empty" if empty else "it holds no cur, new and tmp"
                raise NotAStore(f"{fs.shown(root)}: this directory is no Maildir, {what}", path=root)
            fs.make_directories(root)
            for name in SUBDIRECTORIES:
                with suppress(FileExistsError):
                    fs.mkdir(os.path.join(root, name))
            fs.sync_directory(root)
        return True


FORMAT = _MaildirFormat()


def _only_read(location: Location, settings: Settings, what: str) -> None:
    if not settings.readonly:
        raise LocationError(
            f"{location}: {what} is read and not written to: open it read-only, or convert from it",
            location=str(location),
        )


def _elsewhere(location: Location, options: dict[str, str], settings: Settings) -> Elsewhere:
    """Return what lies elsewhere.

    Raises:
        LocationError: the store is to be written to; it is not laid out as we write; names are no names.
    """
    for name in sorted(_PLACES & options.keys()):
        _only_read(location, settings, f"a store with {name}=")
    dirname = options.get("fulldirname", options.get("dirname", ""))
    if "/" in dirname + options.get("subscriptions", "") or dirname in (".", ".."):
        raise LocationError(f"{location}: dirname and subscriptions are names without a slash", location=str(location))
    control = os.path.abspath(options["control"]) if options.get("control") else ""
    return Elsewhere(control, dirname, "fulldirname" in options)
