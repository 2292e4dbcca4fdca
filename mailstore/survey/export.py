"""What others take away: files, CSV for spreadsheets, the text that Prometheus' node_exporter collects."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence

from mailstore.pages.text import harmless
from mailstore.survey.facts import iso
from mailstore.survey.look import folder_of
from mailstore.survey.result import Account, By, GroupQuota, Survey

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_COLUMNS: tuple[tuple[str, Callable[[Account], object]], ...] = (
    ("account", lambda one: one.name),
    ("domain", lambda one: one.domain),
    ("location", lambda one: one.location),
    ("usage_bytes", lambda one: one.usage.size),
    ("limit_bytes", lambda one: one.limits.size),
    ("usage_messages", lambda one: one.usage.messages),
    ("limit_messages", lambda one: one.limits.messages),
    ("percent", lambda one: None if one.percent is None else f"{one.percent:.2f}"),
    ("total_bytes", lambda one: one.total.size if one.total else None),
    ("total_messages", lambda one: one.total.messages if one.total else None),
    ("physical_bytes", lambda one: one.footprint.physical if one.footprint else None),
    ("distinct_bytes", lambda one: one.distinct),
    ("biggest_folder", folder_of),
    ("oldest", lambda one: iso(one.oldest)),
    ("newest", lambda one: iso(one.newest)),
)


def accounts_csv(accounts: Iterable[Account]) -> str:
    """Return one line an account under a line of names; lines end in CRLF (RFC 4180), what is not known is empty.

    A text that a spreadsheet would take for a formula has an apostrophe before it.
    """
    rows = ([show(account) for _, show in _COLUMNS] for account in accounts)
    return _csv([name for name, _ in _COLUMNS], rows)


def groups_csv(survey: Survey, by: By, top: int | None = None) -> str:
    """Return usage by something: key, messages, bytes."""
    return _csv([by, "messages", "bytes"], survey.groups(by)[:top])


def _csv(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(head)
    writer.writerows([_cell(cell) for cell in row] for row in rows)
    return text.getvalue()


def _cell(value: object) -> object:
    if value is None or isinstance(value, int):
        return "" if value is None else value
    text = harmless(str(value))
    return f"'{text}" if text.startswith(_FORMULA) else text


# --- Prometheus

_GAUGES: tuple[tuple[str, str, Callable[[Account], float | None]], ...] = (
    ("mailstore_quota_usage_bytes", "Bytes of mail that count towards the limit.", lambda one: one.usage.size),
    ("mailstore_quota_usage_messages", "Messages that count towards the limit.", lambda one: one.usage.messages),
    ("mailstore_quota_limit_bytes", "Limit of bytes; not there without a limit.", lambda one: one.limits.size),
    (
        "mailstore_quota_limit_messages",
        "Limit of messages; not there without a limit.",
        lambda one: one.limits.messages,
    ),
    ("mailstore_mail_bytes", "Bytes of all mail, counted or not.", lambda one: one.total.size if one.total else None),
    (
        "mailstore_mail_messages",
        "All messages, counted or not.",
        lambda one: one.total.messages if one.total else None,
    ),
    (
        "mailstore_mail_physical_bytes",
        "Bytes of the blocks that mail takes on disk.",
        lambda one: one.footprint.physical if one.footprint else None,
    ),
    ("mailstore_mail_oldest_timestamp_seconds", "Internal date of the oldest message.", lambda one: one.oldest),
    ("mailstore_mail_newest_timestamp_seconds", "Internal date of the newest message.", lambda one: one.newest),
)


def prometheus(survey: Survey, *, folders: bool = False) -> str:
    """Return the survey in Prometheus' text exposition format 0.0.4, as node_exporter's textfile collector reads it.

    Args:
        survey: what was found.
        folders: also a series for each folder of each account, where the survey looked at them.
    """
    lines: list[str] = []
    for name, about, value in _GAUGES:
        samples = [(account, value(account)) for account in survey.accounts]
        _metric(lines, name, about, [(_labels(one), number) for one, number in samples if number is not None])
    if folders:
        shares = [(one, share) for one in survey.accounts for share in one.folders or ()]
        labelled = [(_labels(one, folder=str(share.folder)), share) for one, share in shares]
        sizes = [(labels, share.size) for labels, share in labelled]
        _metric(lines, "mailstore_folder_bytes", "Bytes of mail in a folder.", sizes)
        counts = [(labels, share.messages) for labels, share in labelled]
        _metric(lines, "mailstore_folder_messages", "Messages in a folder.", counts)
    _groups(lines, survey)
    for name, about, number in (
        ("mailstore_survey_accounts", "Accounts that were looked at.", len(survey.accounts)),
        ("mailstore_survey_unreadable_accounts", "Accounts that could not be looked at.", len(survey.unreadable)),
        ("mailstore_survey_timestamp_seconds", "When the survey began.", survey.taken),
    ):
        _metric(lines, name, about, [("", number)])
    return "".join(f"{line}\n" for line in lines)


def _groups(lines: list[str], survey: Survey) -> None:
    """Add the group quotas: what all their members hold, by the running sum, and the limits."""
    values: tuple[tuple[str, str, Callable[[GroupQuota], int | None]], ...] = (
        ("usage_bytes", "Bytes that count towards a group's limit.", lambda one: one.usage.size if one.usage else None),
        (
            "usage_messages",
            "Messages that count towards a group's limit.",
            lambda one: one.usage.messages if one.usage else None,
        ),
        ("limit_bytes", "A group's limit of bytes; not there without a limit.", lambda one: one.limits.size),
        ("limit_messages", "A group's limit of messages; not there without one.", lambda one: one.limits.messages),
    )
    for name, about, value in values:
        pairs = [(f'{{group="{_label(one.path)}"}}', value(one)) for one in survey.group_quotas]
        samples = [(labels, number) for labels, number in pairs if number is not None]
        _metric(lines, f"mailstore_group_quota_{name}", about, samples)


def _metric(lines: list[str], name: str, about: str, samples: Sequence[tuple[str, float]]) -> None:
    if samples:
        lines += [f"# HELP {name} {about}", f"# TYPE {name} gauge"]
        lines += [f"{name}{labels} {number}" for labels, number in samples]


def _labels(account: Account, **more: str) -> str:
    pairs = {"account": account.name, "domain": account.domain, "location": account.location, **more}
    return "{" + ",".join(f'{name}="{_label(value)}"' for name, value in pairs.items() if value) + "}"


def _label(value: str) -> str:
    r"""Return a label's value: backslash, quote and newline escaped, bytes that are no UTF-8 spelled out."""
    return harmless(value).replace("\\", "\\\\").replace('"', '\\"')
