"""What the quota commands share: which accounts, how sizes are written, where samples go."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from mailstore import MailstoreError, UsageError
from mailstore.survey import History, Survey, Target, default_directory, find_targets
from mailstore_cli import exitcodes, options
from mailstore_cli.names import safe
from mailstore_cli.problems import Problems
from mailstore_cli.progress import Progress
from mailstore_cli.render import say, size_text

Command = TypeVar("Command", bound=Callable[..., Any])

WHICH = (
    "LOCATION may hold wildcards (quoted, so that the shell leaves them alone) or %u, %n, %d, %h, which stand for "
    "whatever is there: 'maildir:/home/*/Maildir', 'maildir:/srv/mail/%d/%n'. A database is all its accounts."
)
_UNITS = {"B": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def locations(command: Command) -> Command:
    """Add the arguments LOCATION..."""
    return click.argument("locations", nargs=-1, required=True, type=options.LocationType(), metavar="LOCATION...")(
        command
    )


def units(command: Command) -> Command:
    """Add ``--units``."""
    return click.option(
        "--units",
        type=click.Choice(["auto", *_UNITS]),
        default="auto",
        show_default=True,
        help="How sizes are written: K is 1024 bytes. JSON and CSV always have bytes.",
    )(command)


def history_option(command: Command) -> Command:
    """Add ``--history``."""
    return click.option(
        "--history",
        "history_directory",
        metavar="DIR",
        type=click.Path(file_okay=False),
        help="Where samples are kept; in the user's state directory, if not given.",
    )(command)


def size(amount: int | None, unit: str) -> str:
    """Return bytes for people in a unit, or in that which fits."""
    if amount is None or unit == "auto":
        return size_text(amount)
    return str(amount) if unit == "B" else f"{amount / _UNITS[unit]:.1f}{unit}"


def percent_text(percent: float | None) -> str:
    """Return how full something is; '-' without a limit."""
    return "-" if percent is None else f"{percent:.0f}%"


def keep_samples(found: Survey, directory: str | None) -> None:
    """Keep a sample of each account; where that cannot be done it is said, and is no failure of the command."""
    place = directory or default_directory()
    if place is None:
        return
    try:
        History(place).keep(found.taken, found.accounts)
    except MailstoreError as error:
        say(f"no sample is kept: {error}")


def open_history(directory: str | None) -> History:
    """Return the samples.

    Raises:
        UsageError: there is no state directory, and none was named.
    """
    place = directory or default_directory()
    if place is None:
        raise UsageError("there is no home directory to keep samples in: say --history DIR")
    return History(place)


def name_unreadable(found: Survey, problems: Problems) -> None:
    """Say which accounts could not be looked at, and what was odd about the others."""
    for one in found.unreadable:
        problems.add(f"{one.name}: {one.error}" if one.name not in str(one.error) else str(one.error))
    for account in found.accounts:
        for text in account.problems:
            problems.add(f"{account.name}: {text}")


def exit_code(found: Survey, problems: Problems) -> int:
    """Return the exit code: that of the error where the only account could not be looked at, else 1 with problems."""
    if len(found.unreadable) == 1 and not found.accounts:
        return exitcodes.of_error(found.unreadable[0].error)
    return problems.exit_code


def each(locations: Iterable[str], what: str, work: Callable[[Target], None]) -> int:
    """Do ``work`` with each account; one that fails is named, the others go on. Returns the exit code."""
    targets = find_targets(locations)
    problems, only = Problems(), exitcodes.OK
    with Progress(what, unit="account") as progress:
        for number, target in enumerate(targets):
            progress.to(number, what)
            try:
                if target.error is not None:
                    raise target.error
                work(target)
            except MailstoreError as error:
                only = exitcodes.of_error(error)
                problems.add(str(error) if len(targets) == 1 else f"{target.name}: {error}")
    return only if len(targets) == 1 else problems.exit_code


def shown_name(name: str) -> str:
    """Return an account's name for a line."""
    return safe(name)
