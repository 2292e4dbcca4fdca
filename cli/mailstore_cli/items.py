"""From items (UIDs, ranges, lines of a pipe) to messages that are there.

Lines of a pipe are all read before the store is opened: in ``mstore ls X | mstore expunge X -`` nothing is removed
while the listing is still being made, neither waits for the other's lock, and a line that names no message stops all.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mailstore import HEADER, Folder, FolderPath, Message, Store, UsageError
from mailstore_cli.names import Item, header_check, item_text, parse_folder, parse_item, safe
from mailstore_cli.problems import Problems

_WORD = re.compile(r"[ \t]*([^ \t\r\n]+)")


class Chosen(NamedTuple):
    """Messages of one folder that are there, in the order they were named, each once."""

    folder: Folder
    uids: tuple[int, ...]


def read_items(words: Sequence[str], folder: str | None) -> list[Item]:
    """Read the items of the command line; ``-`` stands for those on stdin, one a line.

    A line is anything that begins with an item, such as a line of ``mstore ls``, or a JSON object with ``item`` or
    with ``uid`` and ``folder``. Empty lines are passed over.

    Raises:
        UsageError: a word or line that names no message; nothing was done yet.
    """
    path = parse_folder(folder) if folder is not None else None
    items: list[Item] = []
    for word in words:
        if word == "-":
            items += [parse_item(text, path) for text in _stdin_items()]
        else:
            items.append(parse_item(word, path))
    return items


def choose(store: Store, items: Sequence[Item], problems: Problems) -> Iterator[Chosen]:
    """Yield the messages of ``items`` folder by folder; what is not there is a problem, a range never is.

    Raises:
        NoSuchFolder: an item's folder is not there.
    """
    by_folder: dict[FolderPath, list[Item]] = {}
    for item in items:
        by_folder.setdefault(item.folder, []).append(item)
    opened = [(store.folder(path), wanted) for path, wanted in by_folder.items()]
    for folder, wanted in opened:
        yield Chosen(folder, tuple(_present(folder, wanted, problems)))


def _present(folder: Folder, items: Sequence[Item], problems: Problems) -> dict[int, None]:
    """Return the UIDs that are there, in order, each once."""
    singles = {item.first for item in items if item.single}
    want = HEADER if any(item.check for item in items) else 0
    found = {message.uid: message for message in folder.fetch(sorted(singles), want)} if singles else {}
    ranged = [item for item in items if not item.single]
    listed = [row.uid for row in folder.rows(0) if row.uid] if ranged else []
    present: dict[int, None] = {}
    for item in items:
        if not item.single:
            last = item.last if item.last is not None else (1 << 32)
            present |= dict.fromkeys(uid for uid in listed if item.first <= uid <= last)
        elif (reason := _mismatch(found[item.first], item)) is not None:
            problems.add(f"{item_text(folder.path, item.first)}: {reason}")
        else:
            present[item.first] = None
    return present


def _mismatch(message: Message, item: Item) -> str | None:
    """Say why a message is not the one an item means, or None."""
    if message.error is not None:
        return str(message.error)
    if item.check and header_check(message.header()) != item.check:
        return "another message has this number now; list the folder again"
    return None


def _stdin_items() -> Iterator[str]:
    for number, raw in enumerate(sys.stdin.buffer, 1):
        line = raw.decode("utf-8", "surrogateescape")
        if line.startswith("{"):
            yield _json_item(line, number)
        elif match := _WORD.match(line):
            yield match[1]


def _json_item(line: str, number: int) -> str:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise UsageError(f"line {number} of standard input is no JSON object: {error}") from None
    if "error" in value and "uid" not in value:
        raise UsageError(f"line {number} of standard input reports a failure of the command before: {safe(line)[:200]}")
    item, uid, folder = value.get("item"), value.get("uid"), value.get("folder")
    if isinstance(item, str):
        return item
    if isinstance(uid, int) and isinstance(folder, str):
        return item_text(parse_folder(folder), uid)
    raise UsageError(f"line {number} of standard input names no message: it has neither item nor folder and uid")
