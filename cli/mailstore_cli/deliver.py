"""``mstore deliver`` for people: its help, its completion, and the command lines that ``mda`` leaves to click."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from mailstore_cli import mda, options


def _with_options(command: Callable[..., int]) -> Callable[..., int]:
    """Add the options of the table, in its order."""
    for option in reversed(mda.OPTIONS):
        settings: dict[str, Any] = {"help": option.help, "metavar": option.metavar}
        if option.metavar is None:
            settings = {"help": option.help, "is_flag": True}
        elif option.choices:
            settings = {"help": option.help, "type": click.Choice(option.choices)}
        if option.default:
            settings |= {"default": option.default, "show_default": True}
        command = click.option(*option.spellings, option.name, **settings)(command)
    return command


@click.command(
    short_help="Deliver the mail on standard input (an MDA).",
    context_settings=options.CONTEXT,
    epilog=options.examples(
        "mstore deliver -f ann@example.org ~/Maildir < message.eml",
        'mstore deliver -f "$SENDER" -r "$RECIPIENT" -d "$USER"',
        "mstore deliver -u vmail -d joe@example.org maildir:/srv/mail/%d/%n",
        notes=("docs/delivery.md has the lines for Postfix, Exim, sendmail, procmail, fetchmail.",),
    ),
)
@click.argument("location", required=False)
@_with_options
def deliver(location: str | None, **values: Any) -> int:
    """Deliver one message from standard input to LOCATION, durable when it exits with 0.

    A From_ line in front is taken off, Return-Path and Delivered-To are put in front, and header fields in which
    the store keeps metadata (mbox: Status, X-UID, Content-Length …) are taken out. Every failure that is not named
    below is temporary: 75, or 111 with --exit-style qmail. Permanent are: no such user, 67; over quota, 77, with
    --over-quota permanent; too large for the store, 69; each 100 with --exit-style qmail.

    With -d and no LOCATION mail goes to Maildir in the user's home where that is there, else to /var/mail/USER.
    """
    given = {name: ("yes" if value is True else value or None) for name, value in values.items()}
    if values["sender"] == "":
        given["sender"] = ""
    return mda.carry_out({**given, "location": location})
