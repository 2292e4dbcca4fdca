"""``mstore folder``: list, create, rename, delete, subscribe, unsubscribe."""

from __future__ import annotations

import click

from mailstore import CannotCreate, FolderExists, FolderInfo, FolderPath, NoSuchStore, Store, UsageError, open_store
from mailstore_cli import options
from mailstore_cli.names import folder_text, parse_folder
from mailstore_cli.render import out, out_json, plural


@click.group(
    context_settings=options.CONTEXT,
    epilog=options.examples(
        "mstore folder list ~/Maildir",
        "mstore folder create maildir:~/Maildir",
        "mstore folder create ~/Maildir Archive/2026 --subscribe",
        "mstore folder rename ~/Maildir Archive Old",
        notes=(
            (
                "Levels are separated by '/'. A '/' inside a name is written \\/, a backslash \\\\, and what cannot "
                "be typed \\xHH or \\uHHHH, as 'mstore folder list' prints it."
            ),
        ),
    ),
)
def folder() -> None:
    """List, make, rename, delete and subscribe to folders."""


def _names(required: bool = True) -> options.Decorator:
    return click.argument(
        "names",
        nargs=-1,
        required=required,
        type=options.FolderType(),
        metavar="FOLDER..." if required else "[FOLDER]...",
    )


@folder.command(
    "list",
    short_help="List the folders.",
    context_settings=options.CONTEXT,
    epilog=options.examples(
        "mstore folder list ~/Maildir",
        "mstore folder list ~/Maildir --subscribed",
        "mstore folder list ~/Maildir --json | jq -r 'select(.special_use) | .folder'",
    ),
)
@options.location
@click.option("--subscribed", is_flag=True, help="Only folders subscribed to, whether they exist or not.")
@options.json_flag("One JSON object a line for each folder.")
def list_folders(location: str, subscribed: bool, as_json: bool) -> None:
    """List the folders of LOCATION, one a line, INBOX first. Nothing at LOCATION is changed.

    Without --subscribed only folders that can hold messages; with --json also those that only have folders below.
    """
    with open_store(location, readonly=True) as store:
        for info in store.folders():
            if subscribed and not info.subscribed:
                continue
            if as_json:
                out_json(_as_json(info))
            elif info.selectable or subscribed:
                out(folder_text(info.path))


def _as_json(info: FolderInfo) -> dict[str, object]:
    return {
        "folder": str(info.path),
        "id": info.id,
        "selectable": info.selectable,
        "subscribed": info.subscribed,
        "special_use": info.special_use,
    }


@folder.command(
    short_help="Make a store, and folders in it.",
    context_settings=options.CONTEXT,
    epilog=options.examples(
        "mstore folder create maildir:~/Maildir",
        "mstore folder create sqlite:mail.db Sent Drafts",
        "mstore folder create ~/Maildir Archive/2026 --subscribe",
        "mstore folder create mail.db Papierkorb --special-use '\\Trash'",
    ),
)
@options.location
@_names(required=False)
@click.option("--exist-ok", is_flag=True, help="What exists already is no error.")
@click.option("--subscribe", is_flag=True, help="Subscribe to the folders as well.")
@click.option("--special-use", metavar="ATTRIBUTE", help=r"The folder's RFC 6154 attribute, such as \Sent or \Trash.")
@options.lock_timeout
def create(
    location: str,
    names: tuple[str, ...],
    exist_ok: bool,
    subscribe: bool,
    special_use: str | None,
    lock_timeout: float,
) -> None:
    """Make the store at LOCATION where there is none, and FOLDERs in it.

    Without FOLDER the store must be new: this is maildirmake for every format.
    """
    if special_use is not None and len(names) != 1:
        raise UsageError("--special-use is for one folder")
    if subscribe and not names:
        raise UsageError("--subscribe needs a folder")
    paths = [parse_folder(name) for name in names]
    if not paths and not exist_ok and _exists(location):
        raise CannotCreate(f"{location} is a mail store already", path=location)
    with open_store(location, create=True, folders=bool(paths), lock_timeout=lock_timeout) as store:
        for path in paths:
            _create(store, path, exist_ok, special_use)
            if subscribe:
                store.subscribe(path)


def _exists(location: str) -> bool:
    try:
        open_store(location, readonly=True).close()
    except NoSuchStore:
        return False
    return True


def _create(store: Store, path: FolderPath, exist_ok: bool, special_use: str | None) -> None:
    try:
        store.create(path, special_use=special_use)
    except FolderExists:
        if not exist_ok:
            raise
        if special_use is not None:
            store.set_special_use(path, special_use)


@folder.command(
    short_help="Rename a folder and all below it.",
    context_settings=options.CONTEXT,
    epilog=options.examples(
        "mstore folder rename ~/Maildir Archive Old",
        "mstore folder rename ~/Maildir INBOX Old-Inbox",
    ),
)
@options.location
@click.argument("old", type=options.FolderType())
@click.argument("new")
@options.lock_timeout
def rename(location: str, old: str, new: str, lock_timeout: float) -> None:
    """Rename the folder OLD to NEW with all folders below it; UIDs stay.

    INBOX itself stays: its messages move to NEW.
    """
    source, target = parse_folder(old), parse_folder(new)
    with open_store(location, lock_timeout=lock_timeout) as store:
        store.rename(source, target)


@folder.command(
    short_help="Delete folders.",
    context_settings=options.CONTEXT,
    epilog=options.examples(
        "mstore folder delete ~/Maildir Empty",
        "mstore folder delete ~/Maildir Junk --force",
    ),
)
@options.location
@_names()
@click.option("--force", is_flag=True, help="Also delete folders that hold messages, with these messages.")
@options.lock_timeout
def delete(location: str, names: tuple[str, ...], force: bool, lock_timeout: float) -> None:
    """Delete FOLDERs. Folders below them stay; a folder that holds messages stays unless --force is given."""
    paths = [parse_folder(name) for name in names]
    with open_store(location, lock_timeout=lock_timeout) as store:
        for path in paths:
            count = len(store.folder(path)) if not force else 0
            if count:
                raise UsageError(f"{folder_text(path)} holds {plural(count, 'message')}; --force deletes them with it")
            store.delete(path)


@folder.command(
    context_settings=options.CONTEXT, epilog=options.examples("mstore folder subscribe ~/Maildir Lists/python")
)
@options.location
@_names()
@options.lock_timeout
def subscribe(location: str, names: tuple[str, ...], lock_timeout: float) -> None:
    """Subscribe to FOLDERs, which need not exist."""
    _subscribe(location, names, lock_timeout, True)


@folder.command(
    context_settings=options.CONTEXT, epilog=options.examples("mstore folder unsubscribe ~/Maildir Lists/python")
)
@options.location
@_names()
@options.lock_timeout
def unsubscribe(location: str, names: tuple[str, ...], lock_timeout: float) -> None:
    """Take subscriptions back."""
    _subscribe(location, names, lock_timeout, False)


def _subscribe(location: str, names: tuple[str, ...], lock_timeout: float, subscribed: bool) -> None:
    paths = [parse_folder(name) for name in names]
    with open_store(location, lock_timeout=lock_timeout) as store:
        for path in paths:
            if subscribed:
                store.subscribe(path)
            else:
                store.unsubscribe(path)
