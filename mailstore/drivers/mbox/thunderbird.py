"""The format thunderbird: a profile of Thunderbird (or SeaMonkey, Betterbird), or one account's mail directory.

An account is a directory of mbox files in layout ``sbd``: below ``Mail`` those of POP3 accounts and the local folders,
below ``ImapMail`` what was kept of IMAP accounts for reading offline. Of a whole profile every account is a top folder;
of one account (``?account=``, or its directory) the file ``Inbox`` is INBOX. ``docs/formats/thunderbird.md`` says what
is read of it and what is not. Always read-only: Thunderbird's own index (``.msf``) would no longer fit its files.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from mailstore.drivers.mbox.form import choose, reading_options
from mailstore.drivers.mbox.layout import Layout, Place, Tree, is_mail, why_not
from mailstore.drivers.mbox.store import MboxDriver
from mailstore.drivers.sidecar import open_index
from mailstore.errors import CannotCreate, LocationError, NoSuchStore, NotAStore
from mailstore.formats import mutf7
from mailstore.model.names import INBOX, FolderPath
from mailstore.spi import Location, Settings
from mailstore.system import fs
from mailstore.system.lockrules import LockRules, read_methods

KINDS = ("Mail", "ImapMail")
"""The directories of a profile that hold accounts."""
_INDEX = ".msf"
_SIGNS = ("msgFilterRules.dat", "popstate.dat")
_OTHERS = (_INDEX, ".lock", ".dat", ".html", ".json", ".js", ".sqlite", ".sqlite-wal", ".sqlite-shm", ".mozmsgs")
"""How the names of files end that are Thunderbird's own, unless they begin as an mbox does."""


class Account(NamedTuple):
    """One account of a profile."""

    directory: str
    """Absolute path of its mail."""
    name: str
    """As ``?account=`` gives it, and its directory below the profile: 'Mail/pop.example.org'."""

    @property
    def imap(self) -> bool:
        """Whether the server has the mail, and only a part of it may be here."""
        return self.name.startswith("ImapMail/")


def find_accounts(profile: str) -> list[Account]:
    """Return the accounts of a profile, POP3 and local ones first, each kind by name; empty where it is no profile."""
    found = []
    for kind in KINDS:
        try:
            with os.scandir(os.path.join(profile, kind)) as entries:
                names = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
        except OSError:
            continue
        found += [Account(os.path.join(profile, kind, name), f"{kind}/{name}") for name in names]
    return found


def is_profile(path: str) -> bool:
    """Tell whether a directory is a profile: it has accounts, and they or the profile bear Thunderbird's signs."""
    accounts = find_accounts(path)
    return bool(accounts) and (
        os.path.isfile(os.path.join(path, "prefs.js")) or any(_signs(account.directory) for account in accounts)
    )


class _ThunderbirdLayout(Layout):
    """The folders of a profile's accounts, or (``accounts`` empty) of the one mail directory ``root``."""

    format = "thunderbird"
    frozen = "is Thunderbird's"

    def __init__(self, root: str, accounts: list[Account], *, utf7: bool) -> None:
        self._accounts = accounts
        super().__init__(root, "sbd", utf7=utf7)

    def _find_inbox(self) -> str:
        if self._accounts:
            return os.path.join(self.root, "Mail", ".no-inbox")  # a profile as a whole has none
        return super()._find_inbox()

    @property
    def facts(self) -> list[str]:
        """See Layout.facts."""
        if self._accounts:
            return [f"a Thunderbird profile; its accounts: {', '.join(account.name for account in self._accounts)}"]
        return ["a mail directory of Thunderbird", f"INBOX is {fs.shown(self.inbox)}"]

    def read(self, directory: str, name: str) -> str:
        """Return the folder's name: nothing of ours escapes in names that Thunderbird gave."""
        component = name
        if self.utf7:
            try:
                component = mutf7.decode(name)
            except ValueError:
                component = name
        return "INBOX" if directory == self.root and component.upper() == "INBOX" else component

    def scan(self) -> Tree:
        """See Layout.scan."""
        if not self._accounts:
            return super().scan()
        tree = Tree()
        tree.folders[INBOX] = Place(self.inbox, "")
        self._skip_beside(tree)
        for path, account in self._top_folders():
            tree.folders[path] = Place(os.path.join(account.directory, ".no-mail"), account.directory)
            tree.virtual.add(path)
            self.utf7 = account.imap
            self._scan(account.directory, tuple(path), tree)
        self._known = {path: place for path, place in tree.folders.items() if not path.is_inbox}
        return tree

    def _skip_beside(self, tree: Tree) -> None:
        """Tell of what lies where the accounts do and is none: a link to an account, an mbox file."""
        for directory in (self.root, *(os.path.join(self.root, kind) for kind in KINDS)):
            for entry in tree.look_into(directory) if os.path.lexists(directory) else ():
                if entry.is_symlink() and os.path.isdir(entry.path):
                    if directory != self.root or entry.name in KINDS:
                        tree.skip(entry.path, "a link to a directory: open that by itself", mail=True)
                elif is_mail(entry):
                    tree.skip(entry.path, "mail beside the accounts: an mbox file", mail=True)

    def _top_folders(self) -> Iterator[tuple[FolderPath, Account]]:
        """Yield each account's top folder: called like its directory, or like both where two have the same name."""
        names = [os.path.basename(account.directory) for account in self._accounts]
        for name, account in zip(names, self._accounts, strict=True):
            clear = names.count(name) == 1 and name.upper() != "INBOX"
            yield FolderPath([name] if clear else account.name.split("/")), account

    def _scan(self, directory: str, above: tuple[str, ...], tree: Tree) -> None:
        super()._scan(directory, above, tree)
        if not self.utf7:
            return
        names = set(os.listdir(directory)) if os.access(directory, os.R_OK) else set()
        bare = sum(name.endswith(_INDEX) and name[: -len(_INDEX)] not in names for name in names)
        if bare:
            why = f"{bare} folder(s) of the IMAP server are known here by name alone: their mail was not kept offline"
            tree.skip(directory, why)

    def _scan_directory(self, directory: str, name: str, above: tuple[str, ...], tree: Tree) -> None:
        inner = os.path.join(directory, name)
        mail = os.path.join(inner, "cur")
        if os.path.isdir(mail):
            count = len(os.listdir(mail)) if os.access(mail, os.R_OK) else 0
            why = f"{count} message(s) that Thunderbird keeps one to a file: convert them with eml:{mail}"
            tree.skip(inner, why, mail=count > 0)
        elif not name.endswith(".mozmsgs"):
            super()._scan_directory(directory, name, above, tree)

    def _passes_over(self, entry: os.DirEntry[str]) -> bool:
        if not entry.name.lower().endswith(_OTHERS) or entry.is_dir(follow_symlinks=False):
            return False
        return not entry.stat(follow_symlinks=False).st_size or why_not(entry) is not None


class _ThunderbirdFormat:
    """``thunderbird:PROFILE`` and ``thunderbird:DIRECTORY``."""

    name = "thunderbird"
    options = frozenset({"account", "expunged", "zone", "names"})

    def detect(self, path: str) -> str | None:
        """Say why ``path`` is a profile, or a mail directory of one."""
        if is_profile(path):
            return f"a Thunderbird profile with {len(find_accounts(path))} account(s) in Mail and ImapMail"
        sign = _signs(path)
        return f"a mail directory of Thunderbird: mbox files and {sign}" if sign is not None else None

    def accounts(self, location: Location, settings: Settings) -> list[Location]:
        """See mailstore.spi.Shared: the accounts of a profile; a mail directory is one itself."""
        self._check(location, settings)
        found = [
            Location("thunderbird", location.path, {**location.options, "account": account.name})
            for account in find_accounts(location.path)
        ]
        return found or [location]

    def open(self, location: Location, settings: Settings) -> MboxDriver:
        """Open the store; see mailstore.spi.Format."""
        given = choose(location)
        path = self._check(location, settings)
        accounts = find_accounts(path)
        utf7 = os.path.basename(os.path.dirname(path)) == "ImapMail"
        if "account" in given:
            account = _named(accounts, location)
            path, accounts, utf7 = account.directory, [], account.imap
        elif not accounts and _signs(path) is None and not any(_mail_in(path)):
            raise NotAStore(
                f"{fs.shown(path)} is no Thunderbird profile (with a directory Mail or ImapMail), and no directory of "
                "its mbox files",
                path=path,
            )
        if "names" in given:
            utf7 = given["names"] == "utf7"
        layout = _ThunderbirdLayout(path, accounts, utf7=utf7)
        rules = LockRules(read_methods("none"), "none", settings.lock_timeout)
        index = open_index(settings, None, path)
        return MboxDriver(layout, reading_options(given), settings, index, packed=False, rules=rules)

    @staticmethod
    def _check(location: Location, settings: Settings) -> str:
        path = location.path
        if not fs.is_there(path, follow=True):
            if settings.create and not settings.readonly:
                raise CannotCreate(f"{fs.shown(path)}: only Thunderbird makes profiles", path=path)
            raise NoSuchStore(f"{fs.shown(path)}: nothing is there", path=path)
        if not os.path.isdir(path):
            raise NotAStore(f"{fs.shown(path)} is no directory; for one file of Thunderbird's: mbox:{path}", path=path)
        return path


FORMAT = _ThunderbirdFormat()


def _named(accounts: list[Account], location: Location) -> Account:
    """Return the account that a location names, in full or by its directory's name where only one has that."""
    wanted = location.options["account"]
    found = [account for account in accounts if account.name == wanted]
    found = found or [account for account in accounts if account.name.partition("/")[2] == wanted]
    if len(found) == 1:
        return found[0]
    names = ", ".join(account.name for account in accounts) or "none"
    raise LocationError(
        f"account={wanted}: the profile has no such account, or two (there are: {names})", location=str(location)
    )


def _signs(directory: str) -> str | None:
    """Return the name of a file that only Thunderbird puts beside mbox files, if ``directory`` has mail and such."""
    try:
        names = set(os.listdir(directory))
    except OSError:
        return None
    sign = next((name for name in _SIGNS if name in names), None)
    sign = sign or next(
        (name for name in sorted(names) if name.endswith(_INDEX) and name[: -len(_INDEX)] in names), None
    )
    return sign if sign is not None and any(_mail_in(directory)) else None


def _mail_in(directory: str) -> Iterator[bool]:
    with os.scandir(directory) as entries:
        for entry in entries:
            yield not entry.name.startswith(".") and entry.is_file(follow_symlinks=False) and why_not(entry) is None
