"""``mstore quota report``: one page of HTML about all accounts."""

from __future__ import annotations

import os

import click

from mailstore.quota import parse_duration
from mailstore.survey import (
    WINDOW,
    History,
    default_directory,
    find_targets,
    html,
    make_report,
    report_facts,
    survey,
    write_file,
)
from mailstore_cli import options
from mailstore_cli.problems import Problems
from mailstore_cli.progress import Progress
from mailstore_cli.quota import common
from mailstore_cli.render import out_json


@click.command(
    short_help="Make an HTML page about all of it.",
    context_settings=options.CONTEXT,
    epilog=options.examples(
        "mstore quota report --html quota.html ~/Maildir",
        "mstore quota report --html mail.html 'maildir:/srv/mail/example.org/%n'",
        notes=(common.WHICH,),
    ),
)
@common.locations
@click.option("--html", "page", required=True, metavar="FILE", help="Where the page goes; replaced as a whole.")
@click.option("--title", default="Mail storage", show_default=True, metavar="TEXT", help="Of the page.")
@click.option(
    "--top", type=click.IntRange(0, 1000), default=20, show_default=True, metavar="N", help="Largest messages."
)
@click.option(
    "--window", default=f"{WINDOW // 86400}d", show_default=True, metavar="TIME", help="What forecasts rest on."
)
@common.history_option
@click.option("--no-history", is_flag=True, help="Keep no sample of this run.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
@options.json_flag("Print the figures of the page as one JSON object as well.")
@options.lock_timeout
def report(
    locations: tuple[str, ...],
    page: str,
    title: str,
    top: int,
    window: str,
    history_directory: str | None,
    no_history: bool,
    quiet: bool,
    as_json: bool,
    lock_timeout: float,
) -> int:
    """Look at every message of each account and write a page of HTML about them.

    It shows usage by account and folder, growth and when it will be full, age and size of mail, the largest messages.
    The page is one file that loads nothing and runs nothing. Only the owner may read it where it is made new: it names
    senders and subjects.
    """
    seconds = parse_duration(window)
    targets = find_targets(locations)
    with Progress("accounts", unit="account", quiet=quiet) as progress:
        found = survey(targets, depth="messages", top=top, lock_timeout=lock_timeout, progress=progress.to)
    if not no_history:
        common.keep_samples(found, history_directory)
    problems = Problems()
    common.name_unreadable(found, problems)
    place = history_directory or default_directory()
    made = make_report(found, None if place is None else History(place), window=seconds)
    write_file(os.path.abspath(page), html(made, title), private=True)
    if as_json:
        out_json(report_facts(made))
    return common.exit_code(found, problems)
