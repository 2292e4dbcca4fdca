"""``mstore info``: what a location is, and what is in it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from mailstore import SIZE, FolderInfo, FolderPath, MailstoreError, Scope, Store, open_store
from mailstore_cli import options
from mailstore_cli.names import folder_text, safe
from mailstore_cli.problems import Problems
from mailstore_cli.render import out, out_json, size_text, style, table

HEAD = ("Folder", "Messages", "Unseen", "Bytes", "UIDVALIDITY", "UIDNEXT", "HIGHESTMODSEQ", "")
_NUMBERS = frozenset(range(1, 7))


@click.command(
    short_help="Show format, evidence, folders and counters.",
    context_settings=options.CONTEXT,
    epilog=options.examples(
        "mstore info ~/Maildir",
        "mstore info 'mbox:~/mail?dialect=mboxcl2'",
        "mstore info --json mail.db | jq '.folders[] | select(.unseen > 0) | .folder'",
    ),
)
@options.location
@options.json_flag("One JSON object.")
def info(location: str, as_json: bool) -> int:
    """Show the format of LOCATION, the evidence for it, and its folders. Nothing at LOCATION is changed."""
    problems = Problems()
    with open_store(location, readonly=True) as store:
        folders = [_folder(store, found, problems) for found in store.folders()]
        report = {
            "location": str(store.location),
            "format": store.capabilities.format,
            "evidence": list(store.evidence),
            "folders": folders,
            "messages": sum(entry["messages"] or 0 for entry in folders),
            "unseen": sum(entry["unseen"] or 0 for entry in folders),
            "bytes": sum(entry["bytes"] or 0 for entry in folders),
            "capabilities": _capabilities(store),
        }
    if as_json:
        out_json(report)
    else:
        _show(report)
    return problems.exit_code


def _folder(store: Store, found: FolderInfo, problems: Problems) -> dict[str, Any]:
    """Return what is known of one folder; trouble with it alone is reported, and the others go on."""
    entry: dict[str, Any] = {
        "folder": str(found.path),
        "selectable": found.selectable,
        "subscribed": found.subscribed,
        "special_use": found.special_use,
        "messages": None,
        "unseen": None,
        "recent": None,
        "bytes": None,
        "uidvalidity": None,
        "uidnext": None,
        "highestmodseq": None,
    }
    if not found.selectable:
        return entry
    try:
        folder = store.folder(found.path)
        state = folder.state()
        size = state.size
        if size is None:
            size = sum(row.size or 0 for row in folder.rows(SIZE))
            state = folder.state()  # as of the listing just read
    except MailstoreError as error:
        if error.scope is Scope.STORE and found.path.is_inbox:
            raise
        problems.add(f"{folder_text(found.path)}: {error}")
        return entry | {"error": str(error)}
    return entry | {
        "messages": state.messages,
        "unseen": state.unseen,
        "recent": state.recent,
        "bytes": size,
        "uidvalidity": state.uidvalidity,
        "uidnext": state.uidnext,
        "highestmodseq": state.highest_modseq,
    }


def _capabilities(store: Store) -> dict[str, object]:
    facts: dict[str, object] = asdict(store.capabilities)
    return {name: sorted(value) if isinstance(value, frozenset) else value for name, value in facts.items()}


def _show(report: dict[str, Any]) -> None:
    out(f"{style(safe(report['location']), 'bold')}")
    out(f"Format:   {safe(report['format'])}")
    for number, fact in enumerate(report["evidence"]):
        out(f"{'Evidence:' if number == 0 else '         '} {safe(fact)}")
    out(f"Messages: {report['messages']}, {report['unseen']} unseen, {size_text(report['bytes'])}")
    out()
    table(HEAD, [_line(entry) for entry in report["folders"]], right=_NUMBERS)


def _line(entry: dict[str, Any]) -> list[str]:
    numbers = ("messages", "unseen", "bytes", "uidvalidity", "uidnext", "highestmodseq")
    notes = [
        "no messages here" if not entry["selectable"] else "",
        "subscribed" if entry["subscribed"] else "",
        safe(entry["special_use"] or ""),
        "unreadable" if "error" in entry else "",
    ]
    cells = ["-" if entry[name] is None else str(entry[name]) for name in numbers]
    return [folder_text(FolderPath.parse(entry["folder"])), *cells, " ".join(note for note in notes if note)]
