"""Tables of accounts and groups for people."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

from mailstore.quota import Disk
from mailstore.survey import Account, Group, Survey, folder_of
from mailstore_cli.names import folder_text, safe
from mailstore_cli.quota.common import percent_text, size
from mailstore_cli.render import fit, local, out, plural, style, table

_BAR = 12
_WIDEST = 40
"""Columns of a name or folder."""


class Column(NamedTuple):
    """One column."""

    head: str
    cell: Callable[[Account], str]
    number: bool = False


def columns(found: Survey, accounts: Sequence[Account], unit: str) -> list[Column]:
    """Return the columns that this survey can fill; sizes of several kinds only where they differ."""
    chosen = [
        Column("Account", lambda one: _short(safe(one.name))),
        Column("Usage", lambda one: size(one.usage.size, unit), number=True),
        Column("Limit", lambda one: size(one.limits.size, unit), number=True),
        Column("", lambda one: _coloured(one.percent)),
        Column("", lambda one: percent_text(one.percent), number=True),
        Column("Messages", lambda one: str(one.usage.messages), number=True),
    ]
    if any(one.limits.messages is not None for one in accounts):
        chosen.append(Column("Limit", lambda one: _number(one.limits.messages), number=True))
    if any(one.total is not None and one.total != one.usage for one in accounts):
        chosen.append(Column("All mail", lambda one: size(one.total.size if one.total else None, unit), number=True))
    if any(one.distinct is not None and one.total is not None and one.distinct != one.total.size for one in accounts):
        chosen.append(Column("Distinct", lambda one: size(one.distinct, unit), number=True))
    if any(one.footprint is not None for one in accounts):
        chosen.append(
            Column("On disk", lambda one: size(one.footprint.physical if one.footprint else None, unit), number=True)
        )
    if found.depth != "sums":
        chosen.append(Column("Biggest folder", _biggest))
    if found.depth in ("messages", "senders"):
        chosen.append(Column("Oldest mail", lambda one: local(one.oldest)[:10]))
        chosen.append(Column("Last delivery", lambda one: local(one.newest)))
    return chosen


def show_accounts(found: Survey, accounts: Sequence[Account], unit: str) -> None:
    """Print a line for each account, and what the file systems have left."""
    if not accounts:
        out("no account")
        return
    chosen = columns(found, accounts, unit)
    rows = [[column.cell(account) for column in chosen] for account in accounts]
    right = frozenset(number for number, column in enumerate(chosen) if column.number)
    table([column.head for column in chosen], rows, right)
    if len(accounts) > 1:
        total = sum(one.usage.size for one in accounts)
        messages = sum(one.usage.messages for one in accounts)
        out()
        amount = size(total, unit) if total >= 1000 else plural(total, "byte")
        out(f"{plural(len(accounts), 'account')}, {amount}, {plural(messages, 'message')}")
    _show_group_quotas(found, unit)
    _show_disks(accounts, unit)


def _show_group_quotas(found: Survey, unit: str) -> None:
    """Print a line for each quota that accounts share."""
    if not found.group_quotas:
        return
    rows = [
        [
            safe(one.path),
            size(one.usage.size if one.usage else None, unit),
            size(one.limits.size, unit),
            _coloured(one.percent),
            percent_text(one.percent),
            "-" if one.usage is None else str(one.usage.messages),
            _number(one.limits.messages),
            "no sum yet: mstore quota recalc --group" if one.usage is None and not one.problem else safe(one.problem),
        ]
        for one in found.group_quotas
    ]
    out()
    table(("Group", "Usage", "Limit", "", "", "Messages", "Limit", ""), rows, frozenset({1, 2, 4, 5, 6}))


def show_groups(by: str, groups: Sequence[Group], unit: str, top: int | None) -> None:
    """Print usage by something with the share of each; what ``top`` cuts off is added up in the last line."""
    whole = sum(group.size for group in groups)
    shown = list(groups[:top])
    rest = groups[len(shown) :]
    rows = [_group_line(group, whole, unit) for group in shown]
    if rest:
        left = Group(f"({len(rest)} more)", sum(one.messages for one in rest), sum(one.size for one in rest))
        rows.append(_group_line(left, whole, unit))
    table((by.replace("-", " ").capitalize(), "Size", "", "", "Messages"), rows, frozenset({1, 3, 4}))


def _group_line(group: Group, whole: int, unit: str) -> list[str]:
    percent = 100 * group.size / whole if whole else 0.0
    name = _short(safe(group.key)) or "-"
    return [name, size(group.size, unit), _blocks(percent), f"{percent:.0f}%", str(group.messages)]


def _coloured(percent: float | None) -> str:
    """Return a bar that shows how full something is; nothing without a limit."""
    if percent is None:
        return ""
    colour: Literal["red", "yellow", "green"] = "red" if percent >= 100 else "yellow" if percent >= 80 else "green"
    return style(_blocks(percent), colour)


def _blocks(percent: float) -> str:
    full, empty = ("█", "░") if (sys.stdout.encoding or "").lower().replace("-", "") == "utf8" else ("#", ".")
    count = min(max(round(percent * _BAR / 100), 1 if percent > 0 else 0), _BAR)
    return full * count + empty * (_BAR - count)


def _biggest(account: Account) -> str:
    found = folder_of(account)
    return "-" if found is None else _short(folder_text(found))


def _short(text: str) -> str:
    return fit(text, _WIDEST).rstrip() if len(text) > _WIDEST else text


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)


def _show_disks(accounts: Iterable[Account], unit: str) -> None:
    """Print a line for each file system, once however many accounts lie in it."""
    seen: dict[tuple[object, ...], Disk] = {}
    for account in accounts:
        disk = account.disk
        if disk is not None:
            seen.setdefault((disk.total_bytes, disk.total_inodes, disk.quotas), disk)
    for disk in seen.values():
        text = f"Disk: {size(disk.free_bytes, unit)} of {size(disk.total_bytes, unit)} free"
        if disk.total_inodes is not None:
            text += f", {disk.free_inodes} of {disk.total_inodes} inodes free"
        for quota in disk.quotas:
            limit = "no limit" if quota.limit is None else f"of {size(quota.limit, unit)}"
            text += f"; {quota.kind} quota of {quota.id}: {size(quota.used, unit)} {limit}"
        out(style(text, "dim"))
