"""``mstore ls``: the messages of a folder, or of all."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from itertools import islice

import click

from mailstore import DIGEST, HEADER, INTERNAL_DATE, SIZE, Folder, FolderPath, Message, Store, open_store
from mailstore.search import Search
from mailstore_cli import options
from mailstore_cli.choosing import limit as limit_option
from mailstore_cli.choosing import message_choice
from mailstore_cli.headers import Shown, display_name, shown
from mailstore_cli.names import folder_text, header_check, item_text, parse_folder, safe
from mailstore_cli.problems import Problems
from mailstore_cli.render import cells, fit, iso, local, out, out_json, size_text, style

SYSTEM_FLAGS = ("\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft")
_NARROWEST_SUBJECT = 20


@click.command(
    short_help="List messages, like frm.",
    context_settings=options.CONTEXT,
    epilog=options.examples(
        "mstore ls ~/Maildir",
        "mstore ls mbox:~/mail -f Lists/python",
        "mstore ls -r ~/Maildir --json | jq -r 'select(.size > 1e6) | .item'",
        "mstore ls -r ~/Maildir --search 'larger:1M (seen or flagged)' --older 1y",
        "mstore ls ~/Maildir | grep -i invoice | mstore copy ~/Maildir inv.db -",
        notes=(
            (
                "A line begins with the item, FOLDER:UID, which every command takes back (FOLDER:UID@CHECK where "
                "the store has no record of its UIDs yet). Then come N not seen, A answered, F flagged, D "
                "deleted, d draft; the date of reception in local time; the size; who wrote it; the subject."
            ),
        ),
    ),
)
@options.location
@options.folder
@click.option("-r", "--recursive", is_flag=True, help="All folders, or --folder and the folders below it.")
@message_choice
@limit_option("List no more than N messages.")
@options.json_flag("One JSON object a line for each message.")
@click.option("--digest", is_flag=True, help="With --json: add the SHA-256 of each message (reads them all).")
def ls(
    location: str,
    folder: str | None,
    recursive: bool,
    search: Search | None,
    limit: int | None,
    as_json: bool,
    digest: bool,
) -> int:
    """List the messages of LOCATION by ascending UID, like frm. Nothing at LOCATION is changed."""
    if digest and not as_json:
        raise click.UsageError("--digest needs --json")
    problems = Problems()
    want = SIZE | INTERNAL_DATE | HEADER | (DIGEST if digest else 0)
    want |= search.want if search is not None else 0
    write = _write_json if as_json else _write_line
    with open_store(location, readonly=True) as store:
        listed = (
            (found.path, message)
            for found in _folders(store, folder, recursive)
            for message in found.messages(want)
            if search is None or message.error is not None or search.matches(message.row)
        )
        for path, message in islice(listed, limit):
            if message.error is not None:
                place = item_text(path, message.uid) if message.uid else folder_text(path)
                problems.add(f"{place}: {message.error}")
            if message.uid:
                write(path, message)
    return problems.exit_code


def _folders(store: Store, name: str | None, recursive: bool) -> Iterator[Folder]:
    if not recursive:
        yield store.folder(parse_folder(name)) if name is not None else store.inbox
        return
    top = parse_folder(name) if name is not None else None
    infos = [info for info in store.folders() if top is None or info.path == top or info.path.is_below(top)]
    if top is not None and not infos:
        store.folder(top)  # raises NoSuchFolder
    for info in infos:
        if info.selectable:
            yield store.folder(info.path)


def _item(path: FolderPath, message: Message) -> str:
    check = "" if message.row.recorded or message.row.header is None else header_check(message.row.header)
    return item_text(path, message.uid, check)


def _write_json(path: FolderPath, message: Message) -> None:
    row = message.row
    head = shown(row.header) if row.header is not None else Shown()
    value: dict[str, object] = {
        "item": _item(path, message),
        "folder": str(path),
        "uid": row.uid,
        "size": row.size,
        "flags": [name for name in SYSTEM_FLAGS if name in message.flags],
        "keywords": sorted(row.keywords),
        "recent": "\\Recent" in message.flags,
        "internal_date": iso(row.internal_date),
        "from": head.author,
        "subject": head.subject,
        "message_id": head.message_id,
    }
    if row.digest is not None:
        value["sha256"] = row.digest.hex()
    if row.error is not None:
        value["error"] = str(row.error)
    out_json(value)


def _write_line(path: FolderPath, message: Message) -> None:
    row, flags = message.row, message.flags
    head = shown(row.header) if row.header is not None else Shown()
    marks = "".join(
        letter if (name in flags) == there else "."
        for letter, name, there in (
            ("N", "\\Seen", False),
            ("A", "\\Answered", True),
            ("F", "\\Flagged", True),
            ("D", "\\Deleted", True),
            ("d", "\\Draft", True),
        )
    )
    start = f"{_item(path, message):<10}  {marks}  {local(row.internal_date):<16}  {size_text(row.size):>5}  "
    start += fit(safe(display_name(head.author)), 22) + "  "
    subject = safe(head.subject)
    if sys.stdout.isatty():
        room = max(shutil.get_terminal_size().columns - cells(start), _NARROWEST_SUBJECT)
        subject = fit(subject, room) if cells(subject) > room else subject
    line = (start + subject).rstrip()
    out(style(line, "bold") if marks.startswith("N") else line)
