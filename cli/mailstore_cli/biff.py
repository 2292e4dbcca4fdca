"""``mstore biff``: who has new mail, in one line each; or wait until some comes."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from threading import Timer
from time import sleep

import click

from mailstore import HEADER, FolderPath, MailstoreError, NoSuchStore, Store, open_store
from mailstore.watch import Watch
from mailstore_cli import options
from mailstore_cli.exitcodes import FAILED, OK, of_error
from mailstore_cli.following import batches
from mailstore_cli.headers import display_name, shown
from mailstore_cli.names import folder_text, item_text, parse_folder, safe
from mailstore_cli.render import fit, out, out_json, plural, say
from mailstore_cli.stopping import Stop, stopped_by_signals

_TURN = 0.5
"""Seconds until a spool that is not there is looked for again."""


@dataclass(frozen=True)
class New:
    """The new mail of one store: by folder, UIDs of messages that nobody was told of or read."""

    location: str
    by_folder: dict[FolderPath, list[int]]
    store: Store | None
    """None where there is none yet."""

    @property
    def count(self) -> int:
        """How many."""
        return sum(map(len, self.by_folder.values()))


@click.command(
    short_help="Who has new mail?",
    context_settings=options.CONTEXT,
    epilog=options.examples(
        "mstore biff ~/Maildir",
        "mstore biff -l ~/Maildir /var/mail/joe",
        "mstore biff --wait ~/Maildir && mutt",
        notes=(
            (
                "New is a message that has not been seen and that no program has told its reader of yet (\\Recent: in "
                "a Maildir it lies in new/). Without LOCATION it is $MAIL. Exit code 0: there is new mail; 1: none."
            ),
        ),
    ),
)
@click.argument("locations", nargs=-1, type=options.LocationType(), metavar="[LOCATION]...")
@click.option(
    "-f",
    "--folder",
    "folders",
    multiple=True,
    type=options.FolderType(),
    metavar="FOLDER",
    help="This folder only. Repeatable.",
)
@click.option("-l", "--list", "listed", is_flag=True, help="A line for each new message, like frm -n.")
@click.option("-w", "--wait", "waiting", is_flag=True, help="Where there is none, wait until some comes.")
@click.option("--timeout", type=click.FloatRange(min=0), metavar="SECONDS", help="With --wait: no longer than that.")
@options.json_flag("One JSON object a line for each LOCATION.")
def biff(
    locations: tuple[str, ...],
    folders: tuple[str, ...],
    listed: bool,
    waiting: bool,
    timeout: float | None,
    as_json: bool,
) -> int:
    """Say in one line for each LOCATION how much new mail there is. Nothing there is changed."""
    if timeout is not None and not waiting:
        raise click.UsageError("--timeout needs --wait")
    spool = not locations
    if spool:
        locations = (os.environ.get("MAIL", ""),)
        if not locations[0]:
            raise click.UsageError("say LOCATION, or set MAIL")
    chosen = [parse_folder(name) for name in folders]
    with ExitStack() as stack:
        looks = [Look(stack, place, chosen, may_be_missing=spool) for place in dict.fromkeys(locations)]
        found = [new for one in looks if (new := one.now()) is not None]
        if waiting and not any(new.count for new in found):
            found = wait(looks, timeout) or found
        for new in found:
            if as_json:
                by_folder = {str(path): uids for path, uids in new.by_folder.items()}
                out_json({"location": new.location, "new": new.count, "folders": by_folder})
            elif new.count:
                out(_line(new))
                if listed and new.store is not None:
                    _list(new.store, new)
    if any(new.count for new in found):
        return OK
    return next((one.exit_code for one in looks if one.exit_code), FAILED)


class Look:
    """A location to look at: opened when it is there. What is wrong with it is said once."""

    def __init__(self, stack: ExitStack, location: str, chosen: Sequence[FolderPath], *, may_be_missing: bool) -> None:
        self.location = location
        self.exit_code = OK
        self.chosen = chosen
        self.store: Store | None = None
        self._stack = stack
        self._may_be_missing = may_be_missing

    def now(self) -> New | None:
        """Return what is new now, None where that cannot be told."""
        try:
            if self.store is None and not self.exit_code:
                self.store = self._stack.enter_context(open_store(self.location, readonly=True))
            return None if self.store is None else look(self.location, self.store, self.chosen)
        except NoSuchStore as error:
            if self._may_be_missing:
                return New(self.location, {}, None)
            self._failed(error)
        except MailstoreError as error:
            self._failed(error)
        return None

    def _failed(self, error: MailstoreError) -> None:
        if not self.exit_code:
            say(str(error))
        self.exit_code = of_error(error)


def look(location: str, store: Store, chosen: Sequence[FolderPath]) -> New:
    """Return what is new in a store now."""
    paths = chosen or [info.path for info in store.folders() if info.selectable]
    by_folder: dict[FolderPath, list[int]] = {}
    for path in paths:
        new = [message.uid for message in store.folder(path).messages(0) if message.uid and _is_new(message.flags)]
        if new:
            by_folder[path] = new
    return New(location, by_folder, store)


def _is_new(flags: Collection[str]) -> bool:
    return "\\Recent" in flags and "\\Seen" not in flags


def wait(looks: Sequence[Look], timeout: float | None) -> list[New] | None:
    """Wait until new mail comes into one of the stores; None where the time is over or a signal came."""
    with ExitStack() as stack:
        stop = stack.enter_context(stopped_by_signals())
        if timeout is not None:
            timer = Timer(timeout, stop.set)
            timer.start()
            stack.callback(timer.cancel)
        while any(one.store is None and not one.exit_code for one in looks) and not stop.is_set():
            found = [new for one in looks if (new := one.now()) is not None]
            if any(new.count for new in found):
                return found
            sleep(_TURN)
        follows = {
            one.location: stack.enter_context(one.store.watch(one.chosen or None))
            for one in looks
            if one.store is not None
        }
        for _ in _now_and_then(follows, stop) if follows else ():
            found = [new for one in looks if (new := one.now()) is not None]
            if any(new.count for new in found):
                return found
    return None


def _now_and_then(follows: Mapping[str, Watch], stop: Stop) -> Iterator[None]:
    """Come back once the watches are set, and again whenever one of them tells of something."""
    yield
    for _ in batches(follows, stop):
        yield


def _line(new: New) -> str:
    folders = ", ".join(f"{folder_text(path)} {len(uids)}" for path, uids in new.by_folder.items())
    return f"{safe(new.location)}: {plural(new.count, 'new message')} ({folders})"


def _list(store: Store, new: New) -> None:
    for path, uids in new.by_folder.items():
        for message in store.folder(path).fetch(uids, HEADER):
            if message.row.header is not None:
                head = shown(message.row.header)
                author = fit(safe(display_name(head.author)), 24)
                out(f"  {item_text(path, message.uid):<10}  {author}  {safe(head.subject)}")
