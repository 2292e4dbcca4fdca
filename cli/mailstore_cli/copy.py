"""``mstore copy`` and ``mstore move``: messages to another folder or store."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack

import click

from mailstore import Folder, FolderPath, Store, UidMap, UsageError, open_store, parse_location
from mailstore_cli import options
from mailstore_cli.items import choose, read_items
from mailstore_cli.names import item_text, parse_folder
from mailstore_cli.problems import Problems
from mailstore_cli.render import out, out_json

Transfer = Callable[[Folder, tuple[int, ...], Folder], UidMap]

_NOTES = (
    options.UID_NOTE,
    (
        "DEST may be SOURCE itself. Without --to each message goes to the folder of the same name. The lines "
        "printed name the messages where they are now, in the order of the UIDs they had."
    ),
)


def _arguments(command: options.Command) -> options.Command:
    command = options.lock_timeout(command)
    command = options.json_flag("One JSON object a line: folder, uid, to_folder, to_uid, to_uidvalidity, item.")(
        command
    )
    command = click.option("--create", is_flag=True, help="Make DEST and the folder where they are not there.")(command)
    command = click.option(
        "-t", "--to", "to", type=options.FolderType(), metavar="FOLDER", help="The folder of DEST to put them into."
    )(command)
    command = options.folder(command)
    command = options.uids()(command)
    command = click.argument("dest", type=options.LocationType())(command)
    return click.argument("source", type=options.LocationType())(command)


@click.command(
    short_help="Copy messages to another folder or store.",
    context_settings=options.CONTEXT,
    epilog=options.examples(
        "mstore copy ~/Maildir ~/Maildir 12 -t Archive/2026 --create",
        "mstore copy mbox:/var/mail/joe sqlite:joe.db 1- --create",
        "mstore ls ~/Maildir | grep Invoice | mstore copy ~/Maildir inv.db -",
        notes=_NOTES,
    ),
)
@_arguments
def copy(
    source: str,
    dest: str,
    uids: tuple[str, ...],
    folder: str | None,
    to: str | None,
    create: bool,
    as_json: bool,
    lock_timeout: float,
) -> int:
    """Copy messages from SOURCE to DEST with flags, keywords and dates; print where they are, one a line."""
    return _transfer(Folder.copy, source, dest, uids, folder, to, create, as_json, lock_timeout, moving=False)


@click.command(
    short_help="Move messages to another folder or store.",
    context_settings=options.CONTEXT,
    epilog=options.examples(
        "mstore move ~/Maildir ~/Maildir 12 -t Trash",
        "mstore move mbox:/var/mail/joe maildir:~/Maildir 1-",
        "mstore ls ~/Maildir | grep SPAM | mstore move ~/Maildir ~/Maildir -t Junk -",
        notes=(*_NOTES, "Messages are durable at DEST before they go from SOURCE: a crash may double, it never loses."),
    ),
)
@_arguments
def move(
    source: str,
    dest: str,
    uids: tuple[str, ...],
    folder: str | None,
    to: str | None,
    create: bool,
    as_json: bool,
    lock_timeout: float,
) -> int:
    """Move messages from SOURCE to DEST with flags, keywords and dates; print where they are, one a line."""
    return _transfer(Folder.move, source, dest, uids, folder, to, create, as_json, lock_timeout, moving=True)


def _transfer(
    transfer: Transfer,
    source: str,
    dest: str,
    uids: tuple[str, ...],
    folder: str | None,
    to: str | None,
    create: bool,
    as_json: bool,
    lock_timeout: float,
    *,
    moving: bool,
) -> int:
    problems = Problems()
    items = read_items(uids, folder)
    target = parse_folder(to) if to is not None else None
    with ExitStack() as stack:
        one_store = same_store(source, dest)
        if one_store and target is None:
            raise UsageError("SOURCE and DEST are one store: --to must name another folder")
        tree = any(not (target or item.folder).is_inbox for item in items)
        store = stack.enter_context(open_store(source, readonly=not (moving or one_store), lock_timeout=lock_timeout))
        other = (
            store
            if one_store
            else stack.enter_context(open_store(dest, create=create, folders=tree, lock_timeout=lock_timeout))
        )
        for found, present in choose(store, items, problems):
            into = _destination(other, target or found.path, create)
            if one_store and into.path == found.path and moving:
                raise UsageError(f"{into.path} is where they are already")
            moved = transfer(found, present, into)
            for uid, new in moved.pairs:
                _write(found.path, uid, into.path, new, moved.uidvalidity, as_json)
    return problems.exit_code


def same_store(source: str, dest: str) -> bool:
    """Tell whether both name one store, by whatever path: opened twice, it would wait for its own lock."""
    one, other = parse_location(source), parse_location(dest)
    if one.format != other.format:
        return False
    if os.path.isabs(one.path):
        return os.path.realpath(one.path) == os.path.realpath(other.path)
    return bool(one.path) and one.path == other.path


def _destination(store: Store, path: FolderPath, create: bool) -> Folder:
    return store.folder(path, create=create)


def _write(path: FolderPath, uid: int, to: FolderPath, new: int, uidvalidity: int, as_json: bool) -> None:
    item = item_text(to, new)
    if not as_json:
        out(item)
        return
    out_json(
        {
            "item": item,
            "folder": str(path),
            "uid": uid,
            "to_folder": str(to),
            "to_uid": new,
            "to_uidvalidity": uidvalidity,
        }
    )
