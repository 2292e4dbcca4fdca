"""A report as one page of HTML; see mailstore.pages for what makes it safe to open."""

from __future__ import annotations

from time import gmtime

from mailstore.pages.figures import NOTHING, count_label, day_label, percent_label, size_label
from mailstore.pages.page import bytes_figure, count_figure, figure, page, section, table, tile_list
from mailstore.pages.text import text
from mailstore.survey.charts import fullness, growth_chart, size_chart, usage_map, year_chart
from mailstore.survey.look import folder_of
from mailstore.survey.outlook import Forecast
from mailstore.survey.report import Report, report_facts
from mailstore.survey.result import Account, Survey, TopMessage

MOST_ROWS = 500
"""Accounts that the table has; all of them are in the page's data."""
_MOST_OUTLOOKS = 10


def html(report: Report, title: str = "Mail storage") -> str:
    """Return the page."""
    survey = report.survey
    head = [f'<p class="soft">{_when(survey)}</p>', _tiles(report)]
    body = [
        _map(survey),
        _growth(report),
        _distributions(survey),
        _accounts(survey),
        _group_quotas(survey),
        _top(survey),
        _problems(survey),
    ]
    return page(title, head, body, _footer(survey), report_facts(report))


def _when(survey: Survey) -> str:
    from datetime import UTC, datetime

    return f"{datetime.fromtimestamp(survey.taken, UTC):%A, %d %B %Y, %H:%M} UTC"


# --- the parts


def _tiles(report: Report) -> str:
    survey, outlook = report.survey, report.outlook
    usage = survey.usage
    near = sum(fullness(account.percent) != "fine" for account in survey.accounts)
    tiles = [
        (count_figure(len(survey.accounts)), "account" if len(survey.accounts) == 1 else "accounts"),
        (bytes_figure(usage.size), "count towards limits"),
        (count_figure(usage.messages), "messages"),
        (count_figure(near), "at 80 % of the limit or more"),
    ]
    if len(survey.accounts) == 1 and survey.accounts[0].percent is not None:
        percent = survey.accounts[0].percent
        tiles[3] = (figure(round(percent, 2), percent_label(percent)), "of the limit")
    if len(survey.accounts) == 1 and survey.accounts[0].total is not None:
        tiles[0] = (bytes_figure(survey.accounts[0].total.size), "of mail")
    if outlook.per_day is not None:
        sign = "+" if outlook.per_day >= 0 else "&minus;"
        tiles.append((f"{sign}{size_label(abs(outlook.per_day))}", "a day"))
    if survey.unreadable:
        tiles.append((count_figure(len(survey.unreadable)), "could not be read"))
    return tile_list(tiles)


def _map(survey: Survey) -> str:
    if not any(account.total or account.usage.size for account in survey.accounts):
        return ""
    legend = (
        '<ul class="legend"><li><i class="fine"></i>below 80 % of the limit, or without one</li>'
        '<li><i class="near"></i>80 % and more</li><li><i class="full"></i>full</li>'
        '<li><i class="aside"></i>does not count towards the limit</li></ul>'
    )
    note = "Each area is a folder&rsquo;s share of all mail, counted or not. Point at one for its size."
    return section("Where the space goes", note, f'<div class="wide">{usage_map(survey.accounts)}</div>', legend)


def _growth(report: Report) -> str:
    if len(report.growth) < 2:
        note = "One sample is kept each time accounts are looked at; growth shows from the second on."
        return section("Growth", note)
    parts = [f'<div class="wide">{growth_chart(report.growth, report.outlook)}</div>']
    if len(report.outlooks) > 1:
        urgent = [pair for pair in report.outlooks if pair[1].outlook in ("reached", "expected")][:_MOST_OUTLOOKS]
        rows = [
            [
                text(account.name),
                bytes_figure(account.usage.size),
                bytes_figure(account.limits.size),
                _pace(outlook),
                _full(outlook),
            ]
            for account, outlook in urgent
        ]
        head = (
            ("Full soonest", "name"),
            ("Usage", "number"),
            ("Limit", "number"),
            ("A day", "number"),
            ("Full", "number"),
        )
        parts.append(table(head, rows, "soonest") if rows else "")
    note = _sentence(report.outlook, len(report.outlooks))
    return section("Growth", note, *parts)


def _pace(outlook: Forecast) -> str:
    if outlook.per_day is None:
        return NOTHING
    return f"{'+' if outlook.per_day >= 0 else '&minus;'}{size_label(abs(outlook.per_day))}"


def _full(outlook: Forecast) -> str:
    return '<span class="full">now</span>' if outlook.outlook == "reached" else day_label(outlook.when)


def _sentence(outlook: Forecast, accounts: int) -> str:
    """Return the forecast for all accounts together."""
    base = f"By a straight line through {outlook.samples} samples of {outlook.window // 86400} days"
    limit, reached = ("the limit", "is reached") if accounts == 1 else ("all limits together", "are reached")
    more = "" if accounts == 1 else " Accounts count from their first sample on."
    if outlook.outlook == "expected":
        return f'{base}, {limit} {reached} on <span class="day">{day_label(outlook.when)}</span>.{more}'
    if outlook.outlook == "reached":
        return f"{limit.capitalize()} {reached}.{more}"
    if outlook.outlook == "no limit":
        return (
            "There is no limit."
            if accounts == 1
            else f"Not every account has a limit, so there is no common one.{more}"
        )
    return f"When {limit} will be reached is not foreseeable: {outlook.reason}.{more}"


def _distributions(survey: Survey) -> str:
    if not survey.by_year or not survey.by_size:
        return ""
    return (
        '<div class="pair">'
        + section("Age", "All mail by year of arrival (UTC).", year_chart(survey.by_year, gmtime(survey.taken).tm_year))
        + section("Size", "All mail by the size of a message: bytes, messages.", size_chart(survey.by_size))
        + "</div>"
    )


def _accounts(survey: Survey) -> str:
    accounts = sorted(survey.accounts, key=lambda one: (-one.usage.size, one.name))
    head = [("Account", "name"), ("Usage", "number"), ("Limit", "number"), ("", "gauge"), ("", "number"),
            ("Messages", "number"), ("All mail", "number"), ("On disk", "number"), ("Biggest folder", "folder"),
            ("Oldest", "number"), ("Last", "number")]  # fmt: skip
    rows = [_account(account) for account in accounts[:MOST_ROWS]]
    note = "Usage is what counts towards the limit; what is shared on disk counts in shares."
    if len(accounts) > MOST_ROWS:
        note += f" The {MOST_ROWS} largest of {count_label(len(accounts))}; all are in the page&rsquo;s data."
    return section("Accounts", note, table(head, rows, "accounts"))


def _gauge(percent: float | None) -> tuple[str, str]:
    """Return a bar and the percent beside it; nothing without a limit."""
    if percent is None:
        return "", ""
    kind = fullness(percent)
    label = figure(round(percent, 2), percent_label(percent))
    label = label if kind == "fine" else f'<span class="{kind}">{label}</span>'
    return f'<span><i class="{kind}" style="width:{min(percent, 100.0):.1f}%"></i></span>', label


def _account(account: Account) -> list[str]:
    folder = folder_of(account)
    return [
        text(account.name),
        bytes_figure(account.usage.size),
        bytes_figure(account.limits.size),
        *_gauge(account.percent),
        count_figure(account.usage.messages),
        bytes_figure(account.total.size if account.total else None),
        bytes_figure(account.footprint.physical if account.footprint else None),
        NOTHING if folder is None else text(str(folder)),
        day_label(account.oldest),
        day_label(account.newest),
    ]


def _group_quotas(survey: Survey) -> str:
    if not survey.group_quotas:
        return ""
    head = [("Group", "name"), ("Usage", "number"), ("Limit", "number"), ("", "gauge"), ("", "number"),
            ("Messages", "number"), ("Accounts", "number")]  # fmt: skip
    rows = [
        [
            text(one.path),
            bytes_figure(one.usage.size if one.usage else None),
            bytes_figure(one.limits.size),
            *_gauge(one.percent),
            count_figure(one.usage.messages if one.usage else None),
            count_figure(one.members),
        ]
        for one in survey.group_quotas
    ]
    return section(
        "Group quotas", "Limits that accounts share, and what all their members hold.", table(head, rows, "groups")
    )


def _top(survey: Survey) -> str:
    if not survey.top:
        return ""
    head = [("Size", "number"), ("Subject", "name"), ("From", "name"), ("Account", "name"), ("Folder", "folder"),
            ("Date", "number")]  # fmt: skip
    rows = [_message(one) for one in survey.top]
    if len(survey.accounts) == 1:  # which the reader knows
        head, rows = [*head[:3], *head[4:]], [[*row[:3], *row[4:]] for row in rows]
    return section("Largest messages", f"The {len(rows)} largest of all.", table(head, rows, "top"))


def _message(one: TopMessage) -> list[str]:
    return [
        bytes_figure(one.size),
        text(one.subject) or NOTHING,
        text(one.author) or NOTHING,
        text(one.account),
        text(str(one.folder)),
        day_label(one.date),
    ]


def _problems(survey: Survey) -> str:
    lines = [f"{text(one.name)}: {text(str(one.error))}" for one in survey.unreadable]
    lines += [f"{text(one.name)}: {text(problem)}" for one in survey.accounts for problem in one.problems]
    if not lines:
        return ""
    shown = "".join(f"<li>{line}</li>" for line in lines[:MOST_ROWS])
    return section("What could not be read", f"{len(lines)} in all.", f'<ul class="problems">{shown}</ul>')


def _footer(survey: Survey) -> str:
    disks = dict.fromkeys(account.disk for account in survey.accounts if account.disk is not None)
    said = [
        f"Disk: {bytes_figure(disk.free_bytes)} of {bytes_figure(disk.total_bytes)} free"
        + ("" if disk.free_inodes is None else f", {count_figure(disk.free_inodes)} inodes free")
        for disk in list(disks)[:20]
    ]
    said.append("Made by mstore quota report; the page holds its figures as JSON in the element &ldquo;data&rdquo;")
    return " · ".join(said) + "."
