"""Options that say how folders are called in the destination, shared by the commands that know two stores."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, Literal

import click

from mailstore import FolderPath, Store, UsageError
from mailstore.convert import FolderMapping, Substitution
from mailstore_cli.names import folder_text, parse_folder, safe
from mailstore_cli.render import say

_MOVE = re.compile(r"((?:[^=\\]|\\.)*)=(.*)", re.DOTALL)


def folder_mapping(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that rename folders; the command gets them as one ``FolderMapping`` called ``mapping``."""

    @wraps(command)
    def with_mapping(
        *args: Any,
        names_charset: str,
        separator: str,
        strip_prefix: str | None,
        maps: tuple[str, ...],
        automap: bool,
        map_regex: tuple[str, ...],
        prefix: str | None,
        dest_separator: str,
        collisions: Literal["refuse", "merge", "rename"],
        **rest: Any,
    ) -> Any:
        made = FolderMapping(
            names_charset=names_charset,
            separator=separator,
            strip_prefix=None if strip_prefix is None else parse_folder(strip_prefix),
            moves=tuple(_read_moves(maps)),
            automap=automap,
            substitutions=tuple(map(Substitution.parse, map_regex)),
            prefix=None if prefix is None else parse_folder(prefix),
            join=dest_separator,
            collisions=collisions,
        )
        return command(*args, mapping=made, **rest)

    result: Callable[..., Any] = with_mapping
    for option in reversed(_OPTIONS):
        result = option(result)
    return result


_OPTIONS = (
    click.option(
        "--map", "maps", multiple=True, metavar="OLD=NEW", help="Call folder OLD and those below it NEW. Repeatable."
    ),
    click.option(
        "--map-regex",
        multiple=True,
        metavar="s/RE/NEW/",
        help="Rename folders by a regular expression, as sed does; flags g and i. Repeatable.",
    ),
    click.option(
        "--automap",
        is_flag=True,
        help="Give sent mail, drafts, trash, junk and archive the names they have in the destination, or English ones.",
    ),
    click.option("--prefix", metavar="FOLDER", help="Put everything, INBOX too, below this folder."),
    click.option("--strip-prefix", metavar="FOLDER", help="Bring what lies below this folder to the top."),
    click.option(
        "--separator",
        default="",
        metavar="TEXT",
        help="It begins a new level in the source's names: '.' for INBOX.Sent.",
    ),
    click.option(
        "--dest-separator", default="", metavar="TEXT", help="Join levels with it to one name in the destination."
    ),
    click.option(
        "--names-charset",
        default="",
        metavar="CHARSET",
        help="Charset of names in the source that are no UTF-8, as latin-1; utf-7 is IMAP's.",
    ),
    click.option(
        "--collisions",
        type=click.Choice(("refuse", "merge", "rename")),
        default="refuse",
        show_default=True,
        help="What to do with folders that would get the same name.",
    ),
)


def _read_moves(texts: Iterable[str]) -> Iterable[tuple[FolderPath, FolderPath]]:
    for text in texts:
        match = _MOVE.fullmatch(text)
        if match is None or not match[1] or not match[2]:
            raise UsageError(f"--map {safe(text)}: give OLD=NEW; an equals sign in a name is \\=")
        yield parse_folder(match[1]), parse_folder(match[2])


def say_unused(made: FolderMapping, source: Store) -> None:
    """Tell of folders that --map names and the source does not have."""
    for path in made.unused(source.folders()):
        say(f"--map {folder_text(path)}: the source has no such folder")


def way_text(folder: FolderPath, target: FolderPath) -> str:
    """Return a folder's name and, where it is another one, that in the destination."""
    return folder_text(folder) if folder == target else f"{folder_text(folder)} -> {folder_text(target)}"
