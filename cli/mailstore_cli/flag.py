"""``mstore flag``: set and clear flags and keywords."""

from __future__ import annotations

import click

from mailstore import UsageError, open_store
from mailstore_cli import options
from mailstore_cli.items import choose, read_items
from mailstore_cli.names import item_text
from mailstore_cli.problems import Problems
from mailstore_cli.render import out

_SYSTEM = {name: f"\\{name.capitalize()}" for name in ("seen", "answered", "flagged", "draft", "deleted")}


def flag_name(text: str) -> str:
    r"""Return the IMAP name of a flag as users write it: ``seen`` is ``\Seen``; any other word is a keyword."""
    return _SYSTEM.get(text.lower(), text)


@click.command(
    short_help="Set and clear flags and keywords.",
    context_settings=options.CONTEXT,
    epilog=options.examples(
        "mstore flag ~/Maildir 12 -a seen",
        "mstore flag ~/Maildir 3-7 -f Lists -a '$Junk' -r flagged",
        "mstore flag ~/Maildir 12 --set seen --set answered",
        "mstore ls ~/Maildir | grep -i sale | mstore flag ~/Maildir -a deleted -",
        notes=(
            options.UID_NOTE,
            (
                "FLAG is seen, answered, flagged, draft or deleted (with or without the backslash of IMAP), or a "
                "keyword such as $Forwarded, $Junk or one of your own."
            ),
        ),
    ),
)
@options.location
@options.uids()
@options.folder
@click.option("-a", "--add", "add", multiple=True, metavar="FLAG", help="Set FLAG beside those there are. Repeatable.")
@click.option("-r", "--remove", "remove", multiple=True, metavar="FLAG", help="Clear FLAG. Repeatable.")
@click.option("--set", "exactly", multiple=True, metavar="FLAG", help="Set exactly the FLAGs given. Repeatable.")
@click.option("--clear", is_flag=True, help="Clear all flags and keywords.")
@options.lock_timeout
def flag(
    location: str,
    uids: tuple[str, ...],
    folder: str | None,
    add: tuple[str, ...],
    remove: tuple[str, ...],
    exactly: tuple[str, ...],
    clear: bool,
    lock_timeout: float,
) -> int:
    """Change flags and keywords of messages; print the items of those that changed, one a line."""
    if sum((bool(add or remove), bool(exactly), clear)) != 1:
        raise UsageError("say what to do: --add and --remove, or --set, or --clear")
    problems = Problems()
    items = read_items(uids, folder)
    with open_store(location, lock_timeout=lock_timeout) as store:
        for found, present in choose(store, items, problems):
            changed: set[int] = set()
            if exactly or clear:
                changed.update(found.set_flags(present, map(flag_name, exactly)).changed)
            if add:
                changed.update(found.add_flags(present, map(flag_name, add)).changed)
            if remove:
                changed.update(found.remove_flags(present, map(flag_name, remove)).changed)
            for uid in sorted(changed):
                out(item_text(found.path, uid))
    return problems.exit_code
