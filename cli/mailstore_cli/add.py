"""``mstore add``: messages from files or standard input into a folder."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

import click

from mailstore import Appended, FolderPath, MessageError, UsageError, open_store
from mailstore_cli import options
from mailstore_cli.dates import date_of, parse_when
from mailstore_cli.exitcodes import FAILED, OK, of_error
from mailstore_cli.flag import flag_name
from mailstore_cli.names import item_text, parse_folder
from mailstore_cli.render import out, out_json, say

_PIECE = 1 << 20


@click.command(
    short_help="Add messages from files or a pipe.",
    context_settings=options.CONTEXT,
    epilog=options.examples(
        "mstore add ~/Maildir < message.eml",
        "mstore add ~/Maildir -f Archive --create --flag seen --date header *.eml",
        "mstore add mail.db --sender joe@example.org --date 2026-11-22 message.eml",
        "mstore cat ~/Maildir 12 | mstore add mail.db",
    ),
)
@options.location
@click.argument("files", nargs=-1, metavar="[FILE]...", type=click.Path())
@options.folder
@click.option("--flag", "flags", multiple=True, metavar="FLAG", help="seen, flagged, $Forwarded, … Repeatable.")
@click.option(
    "--date",
    "when",
    metavar="WHEN",
    help="The internal date: ISO 8601, @SECONDS since 1970, mtime (of the file) or header (its Date field). Now, if "
    "not given.",
)
@click.option("--sender", metavar="ADDRESS", help="The envelope sender; '' is the null sender <>.")
@click.option("--create", is_flag=True, help="Make LOCATION and the folder where they are not there.")
@options.json_flag("One JSON object a line for each message.")
@options.lock_timeout
def add(
    location: str,
    files: tuple[str, ...],
    folder: str | None,
    flags: tuple[str, ...],
    when: str | None,
    sender: str | None,
    create: bool,
    as_json: bool,
    lock_timeout: float,
) -> int:
    """Add FILEs, each one message, to LOCATION exactly as they are; print their items, one a line.

    Without FILE, or where it is -, the message comes from standard input. A line is printed when its message is
    safely on disk. A FILE that cannot be read is named on standard error and the others go on; the exit code is
    then 1, or the trouble's own where nothing was added. A message added without --flag is recent, as delivered.
    """
    moment = parse_when(when) if when is not None else None
    facts: dict[str, Any] = {"sender": sender}
    if flags:
        facts["flags"] = [flag_name(name) for name in flags]
    path = parse_folder(folder) if folder is not None else FolderPath(("INBOX",))
    added, trouble = 0, OK
    tree = not path.is_inbox
    with open_store(location, create=create, folders=tree, lock_timeout=lock_timeout) as store:
        target = store.folder(path, create=create)
        for name in files or ("-",):
            try:
                with _message(name) as message:
                    date = date_of(message, moment) if moment is not None else None
                    appended = target.append(message, internal_date=date, **facts)
            except (UsageError, MessageError, OSError) as error:
                say(f"{'standard input' if name == '-' else name}: {getattr(error, 'strerror', None) or error}")
                trouble = trouble or of_error(error)
                continue
            added += 1
            _write(path, appended, name, as_json)
    return FAILED if added and trouble else trouble


@contextmanager
def _message(name: str) -> Iterator[BinaryIO]:
    """Open one message as a seekable file.

    Raises:
        UsageError: it is empty: what a pipe delivers whose first program failed.
    """
    with tempfile.SpooledTemporaryFile(_PIECE) if name == "-" else open(name, "rb") as opened:
        file = cast("BinaryIO", opened)
        if name == "-":
            shutil.copyfileobj(sys.stdin.buffer, file, _PIECE)
            file.seek(0)
        if not file.read(1):
            raise UsageError("it is empty, so it is no message")
        file.seek(0)
        yield file


def _write(path: FolderPath, appended: Appended, name: str, as_json: bool) -> None:
    item = item_text(path, appended.uid)
    if as_json:
        uidvalidity, uid, _ = appended
        out_json({"item": item, "folder": str(path), "uid": uid, "uidvalidity": uidvalidity, "file": name})
    else:
        out(item)
    sys.stdout.flush()
