"""``mstore mb2md``: mb2md's options, what its users meant by them, and mstore's conversion."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import click

from mailstore import FolderInfo, FolderPath, Store, open_store
from mailstore.convert import FolderMapping, Options
from mailstore_cli import options
from mailstore_cli.convert import run_conversion
from mailstore_cli.exitcodes import FAILED
from mailstore_cli.names import folder_text, parse_folder
from mailstore_cli.render import say

_SPOOLS = ("/var/spool/mail", "/var/mail")


@click.command(
    short_help="Convert mbox files to a Maildir, with mb2md's options.",
    context_settings=options.CONTEXT,
    epilog=options.examples(
        "mstore mb2md -m",
        "mstore mb2md -s mail -R -d Maildir",
        "mstore mb2md -s oldmail -f lists -r mbx",
        "mstore mb2md -s mail -l .mailboxlist -R",
        notes=(
            (
                "What mb2md loses arrives: drafts, keywords, UIDs, senders, lines quoted at any depth, messages with "
                "no body, two folders whose names differ in a dot alone. Sources are locked and never written; run it "
                "again and only what is new is copied. The exit code is that of 'mstore convert'."
            ),
            (
                "A dot in a name becomes '_', as with mb2md, since it would begin a subfolder; where that makes two "
                "names the same, one of them gets a number behind it."
            ),
        ),
    ),
)
@click.option(
    "-m", "spool", is_flag=True, help="Convert the mail spool: $MAIL, /var/spool/mail/USER or /var/mail/USER."
)
@click.option(
    "-s", "source", metavar="SOURCE", help="Convert this mbox file or directory of them; below the home, or ./…"
)
@click.option("-R", "recurse", is_flag=True, help="Convert directories in SOURCE too, to subfolders.")
@click.option("-f", "folder", metavar="DIR", help="Convert only DIR in SOURCE; its folders are named DIR/…")
@click.option("-d", "dest", default="Maildir", metavar="DIR", help="The Maildir to fill; Maildir below the home.")
@click.option("-r", "strip", metavar="EXT", help="Take the extension .EXT off the names of folders.")
@click.option(
    "-l",
    "listed",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Convert only the folders that UW-IMAP's .mailboxlist names, and subscribe to them.",
)
@click.option(
    "-c",
    "counted",
    is_flag=True,
    help="The files need Content-Length: From_ lines in messages are not quoted (mboxcl2).",
)
@options.json_flag("The report as one JSON object.")
@options.quiet
@options.lock_timeout
def mb2md(
    spool: bool,
    source: str | None,
    recurse: bool,
    folder: str | None,
    dest: str,
    strip: str | None,
    listed: str | None,
    counted: bool,
    as_json: bool,
    quiet: bool,
    lock_timeout: float,
) -> int:
    """Convert mbox files to a Maildir as mb2md does, without its losses."""
    if spool == (source is not None):
        raise click.UsageError("give either -m or -s SOURCE")
    if recurse and folder is not None:
        raise click.UsageError("-R and -f exclude each other")
    path = _spool() if source is None else below_home(source)
    location = f"mbox:{path}" + ("?dialect=mboxcl2" if counted else "")
    target = f"maildir:{below_home(dest)}"
    if not os.path.isdir(path):
        if recurse or folder is not None or listed is not None:
            raise click.UsageError(f"-R, -f and -l need a directory, and {path} is none")
        return run_conversion(location, target, Options(), quiet, as_json, lock_timeout)
    names = None if listed is None else read_list(listed, path)
    with open_store(location, readonly=True, lock_timeout=lock_timeout) as old:
        wanted = Selection(recurse, None if folder is None else parse_folder(folder.strip("/")), strip, names)
        chosen = wanted.choose(old.folders())
        _tell_left_out(old, wanted, chosen)
    if not chosen:
        say(f"{path}: no folder is to be converted")
        return FAILED
    renaming = Options(folders=tuple(info.path for info in chosen), mapping=wanted.mapping(chosen))
    code = run_conversion(location, target, renaming, quiet, as_json, lock_timeout)
    if names is not None:
        _subscribe(target, wanted.targets(chosen).values(), lock_timeout)
    return code


def below_home(path: str) -> str:
    """Return ``path`` as mb2md reads it: below the home, unless it begins with ``/`` or ``.``."""
    return os.path.abspath(path if path.startswith(("/", ".")) else os.path.join(os.path.expanduser("~"), path))


def _spool() -> str:
    user = pwd.getpwuid(os.getuid()).pw_name
    places = [os.environ["MAIL"]] if os.environ.get("MAIL") else [f"{directory}/{user}" for directory in _SPOOLS]
    for path in places:
        if os.path.lexists(path):
            return os.path.abspath(path)
    raise click.UsageError(f"no mail spool: there is no {' and no '.join(places)}; name it with -s")


@dataclass(frozen=True)
class Selection:
    """Which folders of a directory of mbox files go where."""

    recurse: bool
    only: FolderPath | None
    """The folder below which all is wanted."""
    strip: str | None
    """An extension that names lose."""
    listed: frozenset[FolderPath] | None
    """Nothing but these; None: whatever there is."""

    def choose(self, infos: Sequence[FolderInfo]) -> list[FolderInfo]:
        """Return the folders that are wanted, of those that hold messages."""
        return [info for info in infos if info.selectable and self._wants(info.path)]

    def _wants(self, path: FolderPath) -> bool:
        if self.listed is not None and path not in self.listed:
            return False
        if self.only is not None:
            return path == self.only or path.is_below(self.only)
        return self.recurse or len(path) == 1

    def targets(self, infos: Sequence[FolderInfo]) -> Mapping[FolderPath, FolderPath]:
        """Return what the folders are called in the Maildir: no two the same.

        A folder that keeps its name has it; others that would get it are numbered, in the order of their names.
        """
        paths = sorted((info.path for info in infos), key=lambda path: (self._rename(path) != path, path))
        named: dict[FolderPath, FolderPath] = {}
        for path in paths:
            above, name = (*(target := self._rename(path))[:-1],), target[-1]
            number = 1
            while target in named.values() or (target != path and _folded(target) in map(_folded, named.values())):
                number += 1
                target = FolderPath((*above, f"{name}_{number}"))
            named[path] = target
        return named

    def mapping(self, infos: Sequence[FolderInfo]) -> FolderMapping:
        """Return ``targets`` for a conversion."""
        return FolderMapping(moves=tuple(self.targets(infos).items()))

    def _rename(self, path: FolderPath) -> FolderPath:
        *above, name = path
        if self.strip and name.endswith(f".{self.strip}") and name != f".{self.strip}":
            name = name[: -len(self.strip) - 1]
        return FolderPath(part.replace(".", "_") for part in (*above, name))


def _folded(path: FolderPath) -> str:
    """Return what names that differ in case alone have in common."""
    return str(path).casefold()


def read_list(listed: str, source: str) -> frozenset[FolderPath]:
    """Return the folders that a ``.mailboxlist`` names: relative to the home, or to the source below it.

    A list that is not in the current directory is looked for in the home: its usual place.
    """
    file = listed if os.path.exists(listed) else os.path.join(os.path.expanduser("~"), listed)
    try:
        with open(file, encoding="utf-8", errors="surrogateescape") as lines:
            names = [line.strip("\r\n").lstrip("/") for line in lines]
    except OSError as error:
        raise click.UsageError(f"{file}: the list of folders cannot be read: {error.strerror}") from error
    above = os.path.relpath(source, os.path.expanduser("~")) + "/"
    return frozenset(FolderPath(name.removeprefix(above).rstrip("/").split("/")) for name in names if name.strip("/"))


def _tell_left_out(store: Store, wanted: Selection, chosen: Sequence[FolderInfo]) -> None:
    """Name what a user may miss: directories without -R, names of the list that are nothing."""
    if wanted.only is None and wanted.listed is None and not wanted.recurse:
        for name in sorted({info.path[0] for info in store.folders() if len(info.path) > 1}):
            say(f"left out: {folder_text(FolderPath([name]))} is a directory, and there is no -R")
    for missing in sorted((wanted.listed or frozenset()) - {info.path for info in chosen}):
        say(f"listed, but not found: {folder_text(missing)}")


def _subscribe(target: str, names: Iterable[FolderPath], lock_timeout: float) -> None:
    with open_store(target, lock_timeout=lock_timeout) as new:
        for path in sorted(names):
            new.subscribe(path)
