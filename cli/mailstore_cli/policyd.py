"""``mstore quota policyd``: the policy server that refuses mail for full mailboxes before it is sent."""

from __future__ import annotations

import logging
import os
import syslog
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import click

from mailstore import UsageError
from mailstore_cli import options, serving
from mailstore_cli.exitcodes import OK
from mailstore_cli.quotafiles import read_rules

STREAMS = "-"
"""The address that means standard input and output."""


@click.command(
    "policyd",
    short_help="Have Postfix refuse mail for full mailboxes.",
    context_settings=options.CONTEXT,
    epilog=options.examples(
        "mstore quota policyd --listen 127.0.0.1:10031 -u vmail maildir:/srv/%u",
        "mstore quota policyd --listen unix:/run/quota -u vmail maildir:/srv/%u",
        notes=("docs/policyd.md has the lines for Postfix.",),
    ),
)
@click.argument("location", type=options.LocationType())
@serving.sockets("HOST:PORT, unix:PATH, or - for one client on standard input and output. Repeatable.")
@serving.mailboxes(
    sub_address="joe+lists@example.org is joe, and the folder lists.",
    over_quota="What a full mailbox means: 452, the sender tries again later, or 554, the mail goes back.",
)
@click.option(
    "--success",
    type=click.Choice(["DUNNO", "OK"]),
    default="DUNNO",
    show_default=True,
    help="The answer for mail that fits. OK skips the restrictions behind this one.",
)
@click.option(
    "--unknown-user",
    type=click.Choice(["dunno", "reject"]),
    default="dunno",
    show_default=True,
    help="What a recipient without a mailbox means: it may be an alias, or it is refused with 550.",
)
@click.option(
    "--on-trouble",
    type=click.Choice(["dunno", "defer"]),
    default="dunno",
    show_default=True,
    help="What a mailbox that cannot be looked at means: the mail comes in, or has to wait.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="How long a look at a mailbox may take; then it is trouble.",
)
@click.option(
    "--cache",
    type=click.FloatRange(0, 10),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="How long what was found in a mailbox holds; 0 looks each time.",
)
@serving.clients(connections=1000, idle_timeout=600.0)
@click.option("-v", "--verbose", is_flag=True, help="A line on standard error for each answer, not only for refusals.")
def policyd(
    location: str,
    addresses: tuple[str, ...],
    socket_mode: str,
    socket_owner: str | None,
    user: str | None,
    folder: str,
    sub_address: bool,
    separator: str,
    success: Literal["DUNNO", "OK"],
    over_quota: Literal["temporary", "permanent"],
    quota: str | None,
    unknown_user: Literal["dunno", "reject"],
    on_trouble: Literal["dunno", "defer"],
    timeout: float,
    cache: float,
    max_connections: int,
    idle_timeout: float,
    verbose: bool,
) -> int:
    """Answer Postfix' check_policy_service by the quota of LOCATION.

    In LOCATION %u, %n, %d and %h stand for the recipient. Mail that a delivery would refuse as over quota, or as too
    large for the mailbox, is refused at RCPT, before its body is sent. Nothing is ever written to a mailbox.

    Runs in the foreground until SIGTERM or SIGINT: then it answers what is under way and exits with 0; a second signal
    ends it at once. Without --listen it serves on the sockets that systemd hands over.
    """
    from mailstore.delivery import become
    from mailstore.policy import Answers, Mailboxes, Server, Settings, serve, serve_streams

    streams = STREAMS in addresses
    if streams and len(addresses) > 1:
        raise UsageError("--listen - is for one client, and for no other address")
    with _log(verbose, aside=streams and _is_connection(2)):
        mailboxes = Mailboxes(location, folder, sub_address, separator)
        settings = Settings(
            answers=Answers(success, over_quota, unknown_user, on_trouble),
            connections=max_connections,
            idle_timeout=idle_timeout,
            timeout=timeout,
            cache=cache,
            quota=read_rules(quota),
        )
        serving.check_user(user, "mailboxes are not looked at")
        sockets = [] if streams else serving.open_sockets(addresses, socket_mode, socket_owner)
        if user is not None:
            become(user)
        server = Server(settings, mailboxes)
        if streams:
            serve_streams(server)
        else:
            serve(server, sockets, ready=serving.say_ready)
    return OK


def _is_connection(fd: int) -> bool:
    """Whether a descriptor is what standard input is: Postfix' spawn(8) makes the connection all three of them."""
    here, there = os.fstat(0), os.fstat(fd)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino) and not os.isatty(0)


@contextmanager
def _log(verbose: bool, *, aside: bool) -> Iterator[None]:
    """Log to standard error; ``aside``: to the system's mail log, since standard error is the client's."""
    if not aside:
        serving.log_to_stderr(verbose)
        yield
        return
    syslog.openlog("mstore/policyd", syslog.LOG_PID, syslog.LOG_MAIL)
    logging.basicConfig(handlers=[_Syslog()], format="%(message)s", level=logging.INFO if verbose else logging.WARNING)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    try:
        yield
    except Exception:
        logging.getLogger("mailstore.policy").exception("ended")
        raise


class _Syslog(logging.Handler):
    """Lines for the system's log; one that is not there swallows them."""

    def emit(self, record: logging.LogRecord) -> None:
        """Hand a line over."""
        syslog.syslog(syslog.LOG_WARNING if record.levelno >= logging.WARNING else syslog.LOG_INFO, self.format(record))
