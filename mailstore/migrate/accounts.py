"""Which accounts are migrated: from a file or from the disk, and where the mail of each is and goes.

A file names one user a line, or is a table: its first line names the columns, one of them ``user``, separated by tabs,
commas or semicolons. Empty lines and lines that begin with ``#`` are passed over.

Nothing is done for anybody where the list cannot be right: a name that is no user's, one that comes twice, two accounts
with one destination, a destination that is another's source. All such lines are named at once.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from mailstore import registry
from mailstore.errors import MailstoreError, NoSuchUser, UsageError
from mailstore.migrate.templates import delivery_template, fill, is_template
from mailstore.survey.targets import look_up

COLUMNS = ("user", "source", "destination", "owner", "include", "exclude")
"""What a table may tell of an account; patterns of folders are separated by spaces."""
_MOST_COMPLAINTS = 20
_ACCOUNT_OPTION = "?account={user}"


@dataclass(frozen=True, slots=True)
class Account:
    """One account to migrate.

    Attributes:
        user: its name, for people, reports and journals; unique within a migration.
        source: location.
        destination: location.
        owner: whom the destination belongs to (see mailstore.migrate.owner); '' is what the migration says.
        include: patterns of folders, as mailstore.convert.Options has them, instead of those of the migration.
        exclude: the same.
    """

    user: str
    source: str
    destination: str
    owner: str = ""
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


def read_accounts(lines: Iterable[str], source: str, destination: str, name: str = "accounts") -> list[Account]:
    """Return the accounts of a list or table, in its order.

    Args:
        lines: of the file.
        source: template of the source; a table's own column, where it is not empty, goes before it.
        destination: the same of the destination.
        name: of the file, for errors.

    Raises:
        UsageError: the list cannot be right; each line and what is wrong with it is named. Nothing was looked at.
    """
    complaints: list[str] = []
    accounts: dict[str, tuple[int, Account]] = {}
    for number, cells in _rows(lines, name):
        try:
            account = _account(cells, source, destination)
            if account.user in accounts:
                raise UsageError(f"{account.user!r} stands in line {accounts[account.user][0]} already")
            accounts[account.user] = number, account
        except MailstoreError as error:
            complaints.append(f"{name}, line {number}: {error}")
    _check_places([(f"{name}, line {number}", account) for number, account in accounts.values()], complaints)
    _refuse(complaints)
    if not accounts:
        raise UsageError(f"{name} names no account")
    return [account for _, account in accounts.values()]


def find_accounts(source: str, destination: str) -> list[Account]:
    """Return the accounts that there are on the disk, by path: what the template of the source stands for there.

    A source ``sqlite:all.db?account={user}`` stands for all accounts of the database.

    Raises:
        UsageError: ``source`` is no template, nothing fits it, or one of the names found is none that a user can have.
        StoreError: something on the way cannot be looked at.
    """
    if not is_template(source):
        raise UsageError(f"{source}: say where the user's name stands, as in mbox:/var/mail/{{user}}")
    complaints: list[str] = []
    accounts: dict[str, Account] = {}
    for user, location in _found(source):
        try:
            if user in accounts:
                raise UsageError(f"{user!r} is found twice: as {accounts[user].source} and {location}")
            accounts[user] = Account(user, location, fill(destination, user))
        except MailstoreError as error:
            complaints.append(f"{location}: {error}")
    _check_places([(account.source, account) for account in accounts.values()], complaints)
    _refuse(complaints)
    return list(accounts.values())


def _found(source: str) -> Iterator[tuple[str, str]]:
    if source.endswith(_ACCOUNT_OPTION):
        for one in registry.accounts(registry.parse_location(source.removesuffix(_ACCOUNT_OPTION))):
            yield one.options.get("account", ""), str(one)
        return
    targets = list(look_up(delivery_template(source)))
    locations = {target.location for target in targets}
    for target in targets:
        if target.error is not None:
            raise target.error
        if target.location.removesuffix(".lock") in locations - {target.location}:
            continue  # a dotlock, which will be gone in a moment
        yield target.name, target.location


def _rows(lines: Iterable[str], name: str) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield the number of each line that counts, and its cells by column."""
    counted = ((number, line.rstrip("\r\n").removeprefix("\ufeff")) for number, line in enumerate(lines, 1))
    counting = ((number, line) for number, line in counted if line.strip() and not line.lstrip().startswith("#"))
    columns: list[str] | None = None
    separator = ""
    for place, (number, line) in enumerate(counting):
        if not place and (separator := next((one for one in "\t,;" if one in line), "")):
            columns = _checked([cell.strip().lower() for cell in line.split(separator)], f"{name}, line {number}")
            continue
        if columns is None:
            yield number, {"user": line.strip()}
            continue
        cells = next(csv.reader([line], delimiter=separator))
        if len(cells) > len(columns):
            raise UsageError(f"{name}, line {number}: {len(cells)} cells, and there are {len(columns)} columns")
        yield number, {column: cell.strip() for column, cell in zip(columns, cells, strict=False)}


def _checked(columns: list[str], place: str) -> list[str]:
    for column in columns:
        if column not in COLUMNS:
            raise UsageError(f"{place}: no column is called {column!r}; there are {', '.join(COLUMNS)}")
        if columns.count(column) > 1:
            raise UsageError(f"{place}: the column {column} is there twice")
    if "user" not in columns:
        raise UsageError(f"{place}: no column is called user")
    return columns


def _account(cells: Mapping[str, str], source: str, destination: str) -> Account:
    user = cells["user"]
    if any(one.isspace() for one in user):
        raise NoSuchUser(f"{user!r} is no name that a mailbox can have: one user a line", user=user)
    fill("{user}", user)  # a name that could lead elsewhere is refused, whether a path holds it or not
    places = [cells.get("source") or source, cells.get("destination") or destination]
    if not all(places):
        raise UsageError(f"{user!r} has no {'source' if not places[0] else 'destination'}")
    return Account(
        user,
        fill(places[0], user),
        fill(places[1], user),
        cells.get("owner", ""),
        tuple(cells.get("include", "").split()),
        tuple(cells.get("exclude", "").split()),
    )


def _check_places(accounts: list[tuple[str, Account]], complaints: list[str]) -> None:
    """Complain of accounts that would be written into each other."""
    sources = {_key(account.source): place for place, account in accounts}
    taken: dict[tuple[str, str], str] = {}
    for place, account in accounts:
        key = _key(account.destination)
        if key in taken:
            complaints.append(f"{place}: {account.destination} is the destination of {taken[key]} already")
        elif sources.get(key, place) != place:
            complaints.append(f"{place}: {account.destination} is the source of {sources[key]}")
        taken.setdefault(key, place)


def _key(text: str) -> tuple[str, str]:
    """Return what tells one mail store from another by its location alone; a bare path is not looked at."""
    form, colon, _ = text.partition(":")
    if colon and registry.find_format(form) is not None:
        location = registry.parse_location(text)
        return os.path.realpath(location.path), location.options.get("account", "")
    return os.path.realpath(os.path.expanduser(text)), ""


def _refuse(complaints: list[str]) -> None:
    if complaints:
        more = len(complaints) - _MOST_COMPLAINTS
        shown = complaints[:_MOST_COMPLAINTS] + ([f"and {more} more"] if more > 0 else [])
        raise UsageError("; ".join(shown))
