"""``mstore lmtp``: the LMTP server."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, Literal

import click

from mailstore import UsageError
from mailstore_cli import options
from mailstore_cli.exitcodes import OK

if TYPE_CHECKING:
    import socket


@click.command(
    short_help="Serve LMTP: deliver an MTA's mail in volume.",
    context_settings=options.CONTEXT,
    epilog=options.examples(
        "mstore lmtp --listen unix:/run/lmtp -u vmail maildir:/srv/mail/%d/%n",
        "mstore lmtp --listen 127.0.0.1:2424 --create maildir:/srv/mail/%d/%n",
        notes=("docs/lmtp.md has the lines for Postfix and Exim.",),
    ),
)
@click.argument("location", type=options.LocationType())
@click.option("--listen", "addresses", multiple=True, metavar="ADDRESS", help="HOST:PORT or unix:PATH. Repeatable.")
@click.option("--socket-mode", default="600", show_default=True, metavar="OCTAL", help="Permissions of UNIX sockets.")
@click.option("--socket-owner", metavar="USER[:GROUP]", help="Who owns UNIX sockets (as root).")
@click.option("-u", "--user", metavar="NAME", help="Become this system user once the sockets are there (as root).")
@click.option(
    "-m", "--folder", default="INBOX", show_default=True, metavar="FOLDER", help="Where mail goes in a mailbox."
)
@click.option("--create", is_flag=True, help="Make mailboxes and folders that are not there; nobody is unknown then.")
@click.option("--sub-address", is_flag=True, help="joe+lists@example.org goes to the folder lists of joe.")
@click.option("--separator", default="+", show_default=True, metavar="TEXT", help="Between user and folder.")
@click.option("--once", type=click.Choice(["message-id", "content"]), help="Store no mail that the mailbox has.")
@click.option(
    "--over-quota",
    type=click.Choice(["temporary", "permanent"]),
    default="temporary",
    show_default=True,
    help="What a full mailbox means: the mail waits in the queue, or goes back.",
)
@click.option("--hostname", metavar="NAME", help="As the greeting and Received say it; this host's, if not given.")
@click.option("--max-size", type=click.IntRange(0), default=50 << 20, show_default=True, help="Bytes; 0 is no limit.")
@click.option("--max-recipients", type=click.IntRange(1), default=1000, show_default=True, help="Of one message.")
@click.option("--max-connections", type=click.IntRange(1), default=200, show_default=True, help="At once.")
@click.option(
    "--idle-timeout",
    type=click.FloatRange(0, min_open=True),
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="Close connections that are silent for so long.",
)
@options.lock_timeout
@click.option("-v", "--verbose", is_flag=True, help="A line on standard error for each delivery.")
def lmtp(
    location: str,
    addresses: tuple[str, ...],
    socket_mode: str,
    socket_owner: str | None,
    user: str | None,
    folder: str,
    create: bool,
    sub_address: bool,
    separator: str,
    once: str | None,
    over_quota: Literal["temporary", "permanent"],
    hostname: str | None,
    max_size: int,
    max_recipients: int,
    max_connections: int,
    idle_timeout: float,
    lock_timeout: float,
    verbose: bool,
) -> int:
    """Take mail by LMTP (RFC 2033) and deliver it to LOCATION, in which %u, %n, %d and %h stand for the recipient.

    A recipient gets 250 only when the mail is safely on disk, in LOCATION as it is for that recipient; one whose
    LOCATION is not there is refused with 550. Runs in the foreground until SIGTERM or SIGINT: then it takes no more
    connections, answers what is under way, and exits with 0; a second signal ends it at once. Without --listen it
    serves on the sockets that systemd hands over.
    """
    from mailstore.delivery import become
    from mailstore.lmtp import Limits, Mailboxes, Server, Settings, serve

    level = logging.INFO if verbose else logging.WARNING
    logging.basicConfig(stream=sys.stderr, format="mstore: %(message)s", level=level)
    mailboxes = Mailboxes(location, folder, sub_address, separator)
    settings = Settings(
        limits=Limits(size=max_size, recipients=max_recipients),
        connections=max_connections,
        idle_timeout=idle_timeout,
        over_quota=over_quota,
        create=create,
        once=once,
        lock_timeout=lock_timeout,
        hostname=hostname or "",
    )
    _check_user(user)
    sockets = _sockets(addresses, socket_mode, socket_owner)
    if user is not None:
        become(user)
    serve(Server(settings, mailboxes), sockets, ready=lambda: print("mstore: ready", file=sys.stderr, flush=True))
    return OK


def _sockets(addresses: tuple[str, ...], mode: str, owner: str | None) -> list[socket.socket]:
    """Return the sockets to serve on.

    Raises:
        UsageError: there is none, or mode or owner make no sense.
        CannotCreate: one cannot be made.
    """
    from mailstore.lmtp import inherited, listen

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


def _check_user(user: str | None) -> None:
    """Raise UsageError where mail would be delivered as root, or as nobody there is; before anything is made."""
    import pwd

    if user is None:
        if os.geteuid() == 0:
            raise UsageError("mail is not delivered as root: say --user NAME, and root becomes that user first")
        return
    try:
        uid = pwd.getpwnam(user).pw_uid
    except KeyError:
        raise UsageError(f"--user {user}: there is no such user") from None
    if uid == 0:
        raise UsageError(f"--user {user}: mail is not delivered as root")
