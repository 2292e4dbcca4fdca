"""The report of a synchronisation as a file: JSON, or a page; see mailstore.pages for what makes it safe to open."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

from mailstore.pages.files import check_report, write_file
from mailstore.pages.page import bytes_figure, count_figure, page, section, table, tile_list
from mailstore.pages.text import text
from mailstore.sync.report import SyncReport

_MOST = 500
"""So many problems and conflicts are shown; the JSON in the page has them all."""


def write_report(path: str, report: SyncReport) -> None:
    """Write a report to ``path``, whole whenever it is read, and for its owner alone: folders have names.

    Raises:
        UsageError: the name ends neither in ``.json`` nor in ``.html``.
        CannotCreate, StorageFull, StorageFailure: it cannot be written.
    """
    check_report(path)
    facts = report.to_dict()
    content = json.dumps(facts, indent=1) + "\n" if path.endswith(".json") else _page(report, facts)
    write_file(os.path.abspath(path), content, private=True)


def _page(report: SyncReport, facts: dict[str, object]) -> str:
    done = [one for folder in report.folders for one in folder.done]
    tiles = [
        (count_figure(sum(getattr(one, name) for one in done)), name)
        for name in ("copied", "moved", "flagged", "deleted")
    ]
    tiles += [(count_figure(len(report.conflicts)), "conflicts"), (count_figure(len(report.problems)), "problems")]
    head = [
        f'<p class="soft">{text(report.first)} &harr; {text(report.second)}, {report.seconds:.1f} s</p>',
        f'<p class="verdict">{_verdict(report)}</p>',
        tile_list(tiles),
    ]
    body = [_folders(report)]
    if report.conflicts:
        rows = [[text(one.folder), text(one.reason)] for one in report.conflicts[:_MOST]]
        note = "Both stores changed these; what was decided loses nothing."
        body.append(section("Conflicts", note, table([("Folder", "folder"), ("What", "")], rows, "conflicts")))
    if report.problems:
        rows = [[text(one.folder), text(one.reason), text(one.set_aside)] for one in report.problems[:_MOST]]
        columns = [("Folder", "folder"), ("What", ""), ("Its bytes", "")]
        body.append(section("Problems", "Not carried, or held back.", table(columns, rows, "problems")))
    for losses, name in zip(report.losses, ("first", "second"), strict=True):
        body += [f"<p>Lost in the {name}, as allowed: {text(loss.explanation)}</p>" for loss in losses]
    foot = "Made by mstore sync; the page holds its figures as JSON in the element &ldquo;data&rdquo;."
    return page("Synchronisation of mail", head, body, foot, facts)


def _verdict(report: SyncReport) -> str:
    if report.planned:
        return "Nothing was done: this is what would be."
    if report.ok:
        return "All changes were carried."
    return "Not everything was carried; what is missing is named below. Nothing was lost."


def _folders(report: SyncReport) -> str:
    head = [("Folder", "folder"), ("In", "")]
    head += [(name, "number") for name in ("Copied", "Bytes", "Moved", "Flagged", "Deleted")]
    rows: list[Sequence[str]] = []
    for folder in report.folders:
        for name, one in zip(("first", "second"), folder.done, strict=True):
            if one:
                figures = [count_figure(number) for number in (one.moved, one.flagged, one.deleted)]
                copied = [count_figure(one.copied), bytes_figure(one.size)]
                rows.append([text(str(folder.folder)), name, *copied, *figures])
    actions = [f"<p>{text(str(one.folder))}: {text(action)}</p>" for one in report.folders for action in one.actions]
    parts = [table(head, rows, "folders")] if rows else []
    return section("Folders", "What was done in each store, in messages.", *parts, *actions)
