"""``mstore lmtp``: the LMTP server."""

from __future__ import annotations

from typing import Literal

import click

from mailstore_cli import options, serving
from mailstore_cli.exitcodes import OK
from mailstore_cli.quotafiles import read_rules, read_warning


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
@serving.sockets()
@serving.mailboxes(
    sub_address="joe+lists@example.org goes to the folder lists of joe.",
    over_quota="What a full mailbox means: the mail waits in the queue, or goes back.",
)
@click.option("--create", is_flag=True, help="Make mailboxes and folders that are not there; nobody is unknown then.")
@click.option("--once", type=click.Choice(["message-id", "content"]), help="Store no mail that the mailbox has.")
@click.option("--on-warning", metavar="COMMAND", help="Run this when a mailbox crosses a threshold of its rules.")
@click.option("--warning-message", metavar="FILE", help="Put this mail into a mailbox that fills up, once a day.")
@click.option("--hostname", metavar="NAME", help="As the greeting and Received say it; this host's, if not given.")
@click.option("--max-size", type=click.IntRange(0), default=50 << 20, show_default=True, help="Bytes; 0 is no limit.")
@click.option("--max-recipients", type=click.IntRange(1), default=1000, show_default=True, help="Of one message.")
@serving.clients(connections=200, idle_timeout=300.0)
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
    quota: str | None,
    on_warning: str | None,
    warning_message: str | None,
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

    serving.log_to_stderr(verbose)
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
        quota=read_rules(quota),
        warning=read_warning(on_warning, warning_message, background=True),
    )
    serving.check_user(user, "mail is not delivered")
    sockets = serving.open_sockets(addresses, socket_mode, socket_owner)
    if user is not None:
        become(user)
    serve(Server(settings, mailboxes), sockets, ready=serving.say_ready)
    return OK
