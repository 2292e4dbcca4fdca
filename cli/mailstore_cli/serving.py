"""Options of the commands that serve, and the sockets and the user that they ask for."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from mailstore import UsageError

if TYPE_CHECKING:
    import socket

Command = Callable[..., Any]


def sockets(listen: str = "HOST:PORT or unix:PATH. Repeatable.") -> Callable[[Command], Command]:
    """Add ``--listen`` (``listen`` is its help), ``--socket-mode``, ``--socket-owner`` and ``-u/--user``."""

    def decorate(command: Command) -> Command:
        for option in (
            click.option(
                "-u", "--user", metavar="NAME", help="Become this system user once the sockets are there (as root)."
            ),
            click.option("--socket-owner", metavar="USER[:GROUP]", help="Who owns UNIX sockets (as root)."),
            click.option(
                "--socket-mode",
                default="600",
                show_default=True,
                metavar="OCTAL",
                help="Permissions of UNIX sockets.",
            ),
            click.option("--listen", "addresses", multiple=True, metavar="ADDRESS", help=listen),
        ):
            command = option(command)
        return command

    return decorate


def mailboxes(sub_address: str, over_quota: str) -> Callable[[Command], Command]:
    """Add what says where in a mailbox mail goes and by which limits; the two that differ in meaning bring their help.

    They are ``-m/--folder``, ``--sub-address``, ``--separator``, ``--over-quota`` and ``--quota``.
    """

    def decorate(command: Command) -> Command:
        for option in (
            click.option("--quota", metavar="FILE", help="Rules for all mailboxes, instead of those kept with them."),
            click.option(
                "--over-quota",
                type=click.Choice(["temporary", "permanent"]),
                default="temporary",
                show_default=True,
                help=over_quota,
            ),
            click.option(
                "--separator", default="+", show_default=True, metavar="TEXT", help="Between user and folder."
            ),
            click.option("--sub-address", is_flag=True, help=sub_address),
            click.option(
                "-m",
                "--folder",
                default="INBOX",
                show_default=True,
                metavar="FOLDER",
                help="Where mail goes in a mailbox.",
            ),
        ):
            command = option(command)
        return command

    return decorate


def clients(connections: int, idle_timeout: float) -> Callable[[Command], Command]:
    """Add ``--max-connections`` and ``--idle-timeout`` with these defaults."""

    def decorate(command: Command) -> Command:
        for option in (
            click.option(
                "--idle-timeout",
                type=click.FloatRange(0, min_open=True),
                default=idle_timeout,
                show_default=True,
                metavar="SECONDS",
                help="Close connections that are silent for so long.",
            ),
            click.option(
                "--max-connections", type=click.IntRange(1), default=connections, show_default=True, help="At once."
            ),
        ):
            command = option(command)
        return command

    return decorate


def log_to_stderr(verbose: bool) -> None:
    """Have what the server says appear on standard error, a line each; with ``verbose`` all of it."""
    level = logging.INFO if verbose else logging.WARNING
    logging.basicConfig(stream=sys.stderr, format="mstore: %(message)s", level=level)


def say_ready() -> None:
    """Say on standard error that connections are taken."""
    print("mstore: ready", file=sys.stderr, flush=True)


def open_sockets(addresses: Sequence[str], mode: str, owner: str | None) -> list[socket.socket]:
    """Return the sockets to serve on: those that systemd hands over, and those asked for.

    Raises:
        UsageError: there is none, or mode or owner make no sense.
        CannotCreate: one cannot be made.
    """
    from mailstore.service import inherited, listen

    found = inherited()
    if not addresses and not found:
        raise UsageError("say where to listen: --listen HOST:PORT or --listen unix:PATH")
    if not (mode.isascii() and mode.isdecimal() and set(mode) <= set("01234567") and int(mode, 8) <= 0o777):
        raise UsageError(f"--socket-mode {mode}: three octal digits are wanted, such as 660")
    uid, gid = _ids(owner) if owner else (-1, -1)
    for address in addresses:
        found += listen(address, mode=int(mode, 8), owner=uid, group=gid)
    return found


def _ids(owner: str) -> tuple[int, int]:
    import grp
    import pwd

    user, _, group = owner.partition(":")
    try:
        return pwd.getpwnam(user).pw_uid if user else -1, grp.getgrnam(group).gr_gid if group else -1
    except KeyError as error:
        raise UsageError(f"--socket-owner {owner}: {error.args[0]}") from error


def check_user(user: str | None, what: str) -> None:
    """Raise UsageError where root would do the work, or nobody there is; before anything is made.

    Args:
        user: whom root is to become; None: nobody else.
        what: is not done as root, such as ``mail is not delivered``.
    """
    import pwd

    if user is None:
        if os.geteuid() == 0:
            raise UsageError(f"{what} as root: say --user NAME, and root becomes that user first")
        return
    try:
        uid = pwd.getpwnam(user).pw_uid
    except KeyError:
        raise UsageError(f"--user {user}: there is no such user") from None
    if uid == 0:
        raise UsageError(f"--user {user}: {what} as root")
