"""Arguments and options that commands share, each with its shell completion."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    _TextType = click.ParamType[str]
else:
    _TextType = click.ParamType  # generic only in newer versions

UID_NOTE = (
    "UID is a number, a range (3-7; 3- for all from 3), FOLDER:UID as 'mstore ls' prints it, or - for such items on "
    "standard input, one a line."
)

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class LocationType(_TextType):
    """A location; the shell completes formats, then files."""

    name = "location"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: D102, ARG002
        return str(value)

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002 -- click's signature
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        """Offer the formats that fit, and the paths after ``format:``; bare paths are left to the shell."""
        from click.shell_completion import CompletionItem

        from mailstore import format_names

        names = format_names()
        form, colon, path = incomplete.partition(":")
        if colon and form in names:
            return [CompletionItem(f"{form}:{found}") for found in _paths(path)]
        fitting = [CompletionItem(f"{name}:") for name in names if incomplete and name.startswith(incomplete)]
        return fitting or [CompletionItem(incomplete, type="file")]


def _paths(start: str) -> list[str]:
    """Return the paths that begin with ``start``, directories with a slash; none where they cannot be listed."""
    directory, _, name = start.rpartition("/")
    above = f"{directory}/" if "/" in start else ""
    try:
        with os.scandir(os.path.expanduser(above or ".")) as entries:
            found = [entry.name + "/" * entry.is_dir() for entry in entries if entry.name.startswith(name)]
    except OSError:
        return []
    return sorted(above + entry for entry in found if name.startswith(".") or not entry.startswith("."))


class FolderType(_TextType):
    """A folder's name; the shell completes from the store named before it."""

    name = "folder"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: D102, ARG002
        return str(value)

    def shell_complete(
        self,
        ctx: click.Context,
        param: click.Parameter,
        incomplete: str,
    ) -> list[CompletionItem]:
        """Offer the folders of the store; none where it cannot be opened."""
        from click.shell_completion import CompletionItem

        from mailstore import MailstoreError, open_store
        from mailstore_cli.names import folder_text

        location = _location_before(ctx, param)
        if location is None:
            return []
        try:
            with open_store(location, readonly=True) as store:
                names = [folder_text(info.path) for info in store.folders()]
        except (MailstoreError, OSError):
            return []
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _location_before(ctx: click.Context, param: click.Parameter) -> str | None:
    """Return the location on a line that is being completed; ``--to`` is a folder of the second."""
    number = 1 if param.name == "to" else 0
    named = [ctx.params.get(name) for name in ("location", "source", "dest", "a")]
    # click leaves the words of a line whose last option still lacks its value where they are
    words = [word for word in named if word] or [word for word in ctx.args if not word.startswith("-")]
    return words[number] if len(words) > number else None


def examples(*lines: str, notes: Sequence[str] = ()) -> str:
    """Return an epilog: examples, which stay as they are, and paragraphs, which click fits to the terminal."""
    return "\n\n".join(["\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines), *notes])


def location(command: Command) -> Command:
    """Add the argument LOCATION."""
    return click.argument("location", type=LocationType())(command)


def folder(command: Command) -> Command:
    """Add ``-f/--folder`` for the folder that UIDs belong to."""
    return click.option(
        "-f",
        "--folder",
        "folder",
        type=FolderType(),
        metavar="FOLDER",
        help="The folder; INBOX if not given. Levels are separated by '/'.",
    )(command)


def uids(required: bool = True) -> Callable[[Command], Command]:
    """Add the arguments that name messages."""
    return click.argument("uids", nargs=-1, required=required, metavar="UID..." if required else "[UID]...")


def json_flag(help_text: str) -> Callable[[Command], Command]:
    """Add ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help=help_text)


def quiet(command: Command) -> Command:
    """Add ``--quiet``."""
    return click.option("-q", "--quiet", is_flag=True, help="Print nothing but problems and errors.")(command)


def report_files(command: Command) -> Command:
    """Add ``--report``."""
    return click.option(
        "--report",
        "reports",
        multiple=True,
        metavar="FILE",
        help="Write the report to FILE.json or FILE.html. Repeatable.",
    )(command)


def lock_timeout(command: Command) -> Command:
    """Add ``--lock-timeout``."""
    return click.option(
        "--lock-timeout",
        type=click.FloatRange(min=0),
        default=60.0,
        show_default=True,
        metavar="SECONDS",
        help="How long to wait for another program's lock before giving up (exit code 75).",
    )(command)


def folder_choice(verb: str) -> Decorator:
    """Add ``--folder``, ``--include`` and ``--exclude``; ``verb`` says what is done with the folders chosen."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in (
            click.option(
                "--exclude", multiple=True, metavar="PATTERN", help="Leave out folders that match. Repeatable."
            ),
            click.option(
                "--include",
                multiple=True,
                metavar="PATTERN",
                help=f"{verb} folders that match, as 'Lists/*'. Repeatable.",
            ),
            click.option(
                "-f",
                "--folder",
                "folders",
                multiple=True,
                type=FolderType(),
                metavar="FOLDER",
                help=f"{verb} this folder only (not those below it). Repeatable.",
            ),
        ):
            command = option(command)
        return command

    return decorate
