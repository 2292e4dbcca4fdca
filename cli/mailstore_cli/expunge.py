"""``mstore expunge``: remove messages for good."""

from __future__ import annotations

import click

from mailstore import UsageError, open_store
from mailstore_cli import options
from mailstore_cli.items import choose, read_items
from mailstore_cli.names import item_text, parse_folder
from mailstore_cli.problems import Problems
from mailstore_cli.render import out


@click.command(
    short_help="Remove messages for good.",
    context_settings=options.CONTEXT,
    epilog=options.examples(
        "mstore expunge ~/Maildir",
        "mstore expunge ~/Maildir -f Trash 3-7",
        "mstore expunge ~/Maildir --force 12",
        "mstore ls ~/Maildir | grep SPAM | mstore expunge ~/Maildir --force -",
        notes=(options.UID_NOTE,),
    ),
)
@options.location
@options.uids(required=False)
@options.folder
@click.option("--force", is_flag=True, help="Also remove messages that are not marked deleted.")
@options.lock_timeout
def expunge(location: str, uids: tuple[str, ...], folder: str | None, force: bool, lock_timeout: float) -> int:
    r"""Remove messages marked \Deleted for good; print the items of those removed, one a line.

    Without UID all messages of the folder that are marked. A message that was named and is not marked stays, is
    named on standard error, and makes the exit code 1.
    """
    if force and not uids:
        raise UsageError("--force needs the messages to remove: UIDs, a range, or - for standard input")
    problems = Problems()
    items = read_items(uids, folder)
    with open_store(location, lock_timeout=lock_timeout) as store:
        if not uids:
            found = store.folder(parse_folder(folder)) if folder is not None else store.inbox
            for uid in found.expunge():
                out(item_text(found.path, uid))
        for found, present in choose(store, items, problems):
            gone = found.expunge(present, only_deleted=not force)
            for uid in gone:
                out(item_text(found.path, uid))
            for uid in sorted(set(present) - set(gone)):
                problems.add(f"{item_text(found.path, uid)}: not marked deleted, so it stays (--force removes it)")
    return problems.exit_code
