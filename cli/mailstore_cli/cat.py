"""``mstore cat``: the exact bytes of messages."""

from __future__ import annotations

import shutil
import sys

import click

from mailstore import MessageError, open_store
from mailstore_cli import options
from mailstore_cli.items import choose, read_items
from mailstore_cli.names import item_text
from mailstore_cli.problems import Problems

_PIECE = 1 << 20


@click.command(
    short_help="Write the exact bytes of messages.",
    context_settings=options.CONTEXT,
    epilog=options.examples(
        "mstore cat ~/Maildir 12 > message.eml",
        "mstore cat ~/Maildir -f Sent 3-7",
        "mstore cat ~/Maildir Sent:3",
        "mstore ls ~/Maildir | grep Invoice | mstore cat ~/Maildir -",
        notes=(options.UID_NOTE,),
    ),
)
@options.location
@options.uids()
@options.folder
def cat(location: str, uids: tuple[str, ...], folder: str | None) -> int:
    """Write the exact bytes of messages to standard output, one after the other. Nothing at LOCATION is changed."""
    problems = Problems()
    items = read_items(uids, folder)
    stdout = sys.stdout.buffer
    with open_store(location, readonly=True) as store:
        for found, present in choose(store, items, problems):
            for uid in present:
                try:
                    with found.get(uid, 0).open() as message:
                        shutil.copyfileobj(message, stdout, _PIECE)
                except MessageError as error:
                    problems.add(f"{item_text(found.path, uid)}: {error}")
    stdout.flush()
    return problems.exit_code
