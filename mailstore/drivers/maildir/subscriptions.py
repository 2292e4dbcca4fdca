"""The subscriptions of a store: Dovecot's ``subscriptions`` or Courier's ``courierimapsubscribed``, in the root."""

from __future__ import annotations

import os
from collections.abc import Iterable

from mailstore.drivers.maildir.account import Account
from mailstore.drivers.maildir.records import read_file
from mailstore.formats import courier, dovecotfiles
from mailstore.model.names import FolderPath
from mailstore.system import fs, locks

COURIER = "courierimapsubscribed"

Names = list[tuple[str, ...]]


def _separator(account: Account) -> str:
    return "." if account.layout.spelling.layout == "++" else "/"


def _read(account: Account) -> tuple[int, Names]:
    """Return (version for Dovecot's file, names on disk); the family's own file first, else the other's."""
    dovecot = os.path.join(account.layout.records_root, account.subscriptions)
    couriers = os.path.join(account.root, COURIER)
    for path in (dovecot, couriers) if account.family == "dovecot" else (couriers, dovecot):
        if not os.path.lexists(path):
            continue
        data = read_file(path)
        if path == couriers:
            return 2, courier.parse_subscribed(data)
        return dovecotfiles.parse_subscriptions(data, _separator(account))
    return 2, []


def _path(account: Account, name: tuple[str, ...]) -> FolderPath | None:
    if not all(name):
        return None
    return FolderPath(account.layout.spelling.read(part) for part in name)


def subscribed(account: Account) -> set[FolderPath]:
    """Return the folders subscribed to, whether they exist or not."""
    with fs.errors(account.root):
        return {path for name in _read(account)[1] if (path := _path(account, name)) is not None}


def subscribe(account: Account, path: FolderPath, wanted: bool) -> None:
    """Set or clear a subscription, durable on return; lines we do not understand stay."""
    name = ("INBOX",) if path.is_inbox else account.layout.spelling.parts(path)
    file = os.path.join(account.root, account.subscriptions if account.family == "dovecot" else COURIER)
    with fs.errors(file), locks.dotlock(file, account.lock_timeout):
        version, names = _read(account)
        there = any(_path(account, one) == path for one in names)
        if there == wanted:
            return
        names = [*names, name] if wanted else [one for one in names if _path(account, one) != path]
        fs.replace_file(file, _render(account, version, names), None if os.path.exists(file) else account.mode)


def take_over(account: Account) -> None:
    """Write the family's own file where there is none, and another family's is; durable on return."""
    file = os.path.join(account.root, account.subscriptions if account.family == "dovecot" else COURIER)
    with fs.errors(file), locks.dotlock(file, account.lock_timeout):
        version, names = _read(account)
        if names and not os.path.lexists(file):
            fs.replace_file(file, _render(account, version, names), account.mode)


def _render(account: Account, version: int, names: Iterable[tuple[str, ...]]) -> bytes:
    if account.family == "courier":
        return courier.render_subscribed(names)
    return dovecotfiles.render_subscriptions(version, names, _separator(account))
