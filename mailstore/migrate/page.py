"""The report of a migration, or of one conversion, as a page; see mailstore.pages for what makes it safe to open."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from mailstore.convert import FolderReport, Plan, Problem, Report
from mailstore.convert.report import COUNTS
from mailstore.migrate.facts import overall, report_facts, set_aside
from mailstore.migrate.result import Migration, Result, Status
from mailstore.pages.figures import NOTHING, count_label
from mailstore.pages.page import bytes_figure, count_figure, page, section, table, tile_list
from mailstore.pages.text import text

MOST_ACCOUNTS = 1000
"""So many are in the table."""
MOST_DETAILS = 200
"""So many are shown with their folders; those that are not done come first."""
_OPENED = 20
"""So many of those not done can be seen without choosing them."""
MOST_PROBLEMS = 200
"""So many are shown of one account."""

_ALWAYS = ("found", "copied", "skipped", "failed")
_STATUS: dict[Status, tuple[str, str]] = {
    "done": ("fine", "done"),
    "failed": ("full", "failed"),
    "interrupted": ("near", "interrupted"),
    "waiting": ("near", "not begun"),
}
"""Class and words."""
_RANK: dict[Status, int] = {"failed": 0, "interrupted": 1, "waiting": 2, "done": 3}
_VERDICT = {
    "done": "Everything that was found has arrived.",
    "planned": "Nothing was done: this is what would be.",
    "failed": "Not everything that was found has arrived. What is missing is named below; nothing of it was removed.",
    "interrupted": "Stopped before the end. Run again, it goes on where it stopped, and copies nothing twice.",
    "running": "Not finished when this page was written.",
}
_VERIFIED = {True: "yes", False: '<span class="full">no</span>', None: NOTHING}


def report_page(migration: Migration, title: str, *, running: bool = False) -> str:
    """Return the page. Arguments as for ``report_facts``; ``title`` is plain text."""
    facts = report_facts(migration, running=running)
    planned = any(one.plan is not None for one in migration.results)
    state = "running" if running else "planned" if planned else overall(migration)
    when = f"{datetime.fromtimestamp(migration.started, UTC):%A, %d %B %Y, %H:%M} UTC"
    head = [
        f'<p class="soft">{when}, {_duration(migration.seconds)}</p>',
        f'<p class="verdict">{_VERDICT[state]}</p>',
        _tiles(migration),
    ]
    results = sorted(
        migration.results, key=lambda one: (_RANK[one.status], bool(one.account.user) and one.account.user)
    )
    many = len(results) != 1 or bool(results[0].account.user)
    body = [_failures(results) if many else "", _accounts(results) if many else ""]
    if many:
        shown = results[:MOST_DETAILS]
        parts = [_account(one, number < _OPENED and one.status != "done") for number, one in enumerate(shown)]
        note = "What became of each folder. Choose an account to see it."
        if len(results) > len(shown):
            note += f" {len(shown)} of {count_label(len(results))}, those first that are not done."
        body.append(section("Account by account", note, *parts))
    else:
        only = results[0]
        body.append(section("Folders", _way(only.account.source, only.account.destination), *_details(only)))
    foot = "Made by mstore convert; the page holds its figures as JSON in the element &ldquo;data&rdquo;."
    return page(title, head, body, foot, facts)


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def _tiles(migration: Migration) -> str:
    reports = [one.report for one in migration.results if one.report is not None]
    counts = migration.counts
    plans = [one.plan for one in migration.results if one.plan is not None]
    if plans:
        return tile_list(
            [
                (count_figure(sum(one.messages for one in plans)), "messages found"),
                (bytes_figure(sum(one.size for one in plans)), "of mail"),
                (count_figure(sum(one.already for one in plans)), "there already"),
            ]
        )
    tiles = [
        (count_figure(sum(one.found for one in reports)), "messages found"),
        (count_figure(sum(one.copied for one in reports)), "copied now"),
        (count_figure(sum(one.skipped for one in reports)), "skipped"),
        (count_figure(sum(one.failed for one in reports)), "failed"),
        (bytes_figure(sum(one.size for one in reports)), "copied"),
    ]
    if aside := sum(map(set_aside, reports)):
        tiles.append((count_figure(aside), "set aside"))
    if len(migration.results) > 1:
        tiles.insert(0, (f"{count_label(counts['done'])} of {count_label(len(migration.results))}", "accounts done"))
    return tile_list(tiles)


def _failures(results: Sequence[Result]) -> str:
    lines = [
        f"<li><b>{text(one.account.user)}</b>: {text(one.reason or _what_failed(one))}</li>"
        for one in results
        if one.status in ("failed", "interrupted")
    ]
    if not lines:
        return ""
    note = "Each leaves the others alone; run again, the migration begins with them."
    more = f"<li>and {len(lines) - MOST_PROBLEMS} more</li>" if len(lines) > MOST_PROBLEMS else ""
    return section("Not done", note, f'<ul class="problems">{"".join(lines[:MOST_PROBLEMS])}{more}</ul>')


def _what_failed(result: Result) -> str:
    report = result.report
    if report is None:
        return result.error
    failed = f"{report.failed} of {report.found} messages failed" if report.failed else ""
    differs = "what was copied is not all as it was" if report.verified is False else ""
    rest = f"{len(report.problems)} problems" if report.problems and not failed else ""
    return "; ".join(one for one in (failed, differs, rest) if one)


def _accounts(results: Sequence[Result]) -> str:
    names = _shown([one.report.counts() for one in results if one.report is not None])
    head = [("Account", "name"), ("Status", "state"), *_headings(names), ("Bytes", "number"), ("Verified", "state"),
            ("Seconds", "number")]  # fmt: skip
    rows = [[text(one.account.user), _state(one), *_sums(one.report, names), f"{one.seconds:.1f}"] for one in results]
    note = "Skipped: there already, or given up with an allowed loss."
    if len(rows) > MOST_ACCOUNTS:
        note += f" {MOST_ACCOUNTS} of {count_label(len(rows))}; all are in the page&rsquo;s data."
    return section("Accounts", note, table(head, rows[:MOST_ACCOUNTS], "accounts"))


def _state(result: Result) -> str:
    kind, words = _STATUS[result.status]
    if result.status == "done" and result.given_up:
        kind, words = "near", "done, with folders left out"
    return words if kind == "fine" else f'<span class="{kind}">{words}</span>'


def _shown(counts: Sequence[dict[str, int]]) -> list[str]:
    """Return which counts are shown: those that are always told, and those that are not nothing."""
    return [name for name in COUNTS if name in _ALWAYS or any(one[name] for one in counts)]


def _headings(names: Sequence[str]) -> list[tuple[str, str]]:
    return [(name.capitalize(), "number") for name in names]


def _figures(counts: dict[str, int], names: Sequence[str]) -> list[str]:
    return [_failed(counts[name]) if name == "failed" else count_figure(counts[name]) for name in names]


def _sums(report: Report | None, names: Sequence[str]) -> list[str]:
    if report is None:
        return [NOTHING] * (len(names) + 2)
    return [*_figures(report.counts(), names), bytes_figure(report.size), _VERIFIED[report.verified]]


def _failed(count: int) -> str:
    return f'<span class="full">{count_figure(count)}</span>' if count else count_figure(count)


def _account(result: Result, opened: bool) -> str:
    heading = f"<b>{text(result.account.user)}</b> {_state(result)}"
    return f"<details{' open' * opened}><summary>{heading}</summary>{''.join(_details(result))}</details>"


def _way(source: str, destination: str) -> str:
    return text(source if source == destination else f"{source} \u2192 {destination}")


def _details(result: Result) -> list[str]:
    """Return what there is to say of one conversion."""
    parts = (
        [f'<p class="note">{_way(result.account.source, result.account.destination)}</p>']
        if result.account.user
        else []
    )
    if result.reason:
        parts.append(f'<p class="reason"><span class="full">{text(result.reason)}</span></p>')
    if result.plan is not None:
        parts += _planned(result.plan)
    report = result.report
    if report is None:
        return parts
    parts.append(_folders(report.folders, result.given_up))
    for where, reason, messages, _ in report.left_out:
        count = "" if messages is None else f" ({count_figure(messages)} messages)"
        parts.append(f"<p>Left out: {text(where)}: {text(reason)}{count}</p>")
    for loss in report.losses:
        examples = text(", ".join(loss.examples))
        parts.append(f"<p>Lost, as allowed (<code>{text(loss.name)}</code>): {text(loss.explanation)}: {examples}</p>")
    parts += [f"<p>Noted of {count_figure(count)}: {text(note)}</p>" for note, count in sorted(report.notes.items())]
    if report.problems:
        parts.append(_problems(report.problems))
    if report.journal:
        parts.append(f'<p class="note">Journal: {text(report.journal)}</p>')
    return parts


def _planned(plan: Plan) -> list[str]:
    """Return what would be done."""
    head = [("Folder", "folder"), ("Messages", "number"), ("Already there", "number"), ("Bytes", "number")]
    rows = [
        [
            _way(str(one.folder), str(one.target)) + ("" if one.carried else ' <span class="near">left out</span>'),
            count_figure(one.messages),
            count_figure(one.already),
            bytes_figure(one.size),
        ]
        for one in plan.folders
    ]
    parts = [table(head, rows, None)]
    for loss in plan.losses:
        examples = text(", ".join(loss.examples))
        parts.append(f"<p>Would be lost (<code>{text(loss.name)}</code>): {text(loss.explanation)}: {examples}</p>")
    return [*parts, _problems(plan.problems)] if plan.problems else parts


def _folders(folders: Sequence[FolderReport], given_up: Sequence[str]) -> str:
    names = _shown([one.counts() for one in folders])
    head = [("Folder", "folder"), *_headings(names), ("Bytes", "number"), ("UIDs", "state")]
    rows = [
        [
            _named(one, given_up),
            *_figures(one.counts(), names),
            bytes_figure(one.size),
            NOTHING if one.uids_kept is None else "kept" if one.uids_kept else "new",
        ]
        for one in folders
    ]
    return table(head, rows, None)


def _named(folder: FolderReport, given_up: Sequence[str]) -> str:
    name = _way(str(folder.folder), str(folder.target))
    if folder.renamed_from is not None:
        name += f", before {text(str(folder.renamed_from))}"
    if folder.removed:
        name += ", removed"
    return f'{name} <span class="near">left out</span>' if str(folder.folder) in given_up else name


def _problems(problems: Sequence[Problem]) -> str:
    lines = []
    for one in problems[:MOST_PROBLEMS]:
        place = f"{one.folder}, message {one.position}" if one.position else one.folder or "the store"
        aside = f"; its bytes are in <code>{text(one.set_aside)}</code>" if one.set_aside else ""
        lines.append(f"<li>{text(place)}: {text(one.reason)}{aside}</li>")
    if len(problems) > MOST_PROBLEMS:
        lines.append(f"<li>and {len(problems) - MOST_PROBLEMS} more, which the page&rsquo;s data has</li>")
    return f'<p>Problems, {count_figure(len(problems))} in all:</p><ul class="problems">{"".join(lines)}</ul>'
