"""``mstore quota show``: who uses how much."""

from __future__ import annotations

import os
import sys
from typing import cast

import click

from mailstore import UsageError
from mailstore.survey import (
    GROUPINGS,
    Account,
    By,
    Depth,
    Survey,
    accounts_csv,
    find_targets,
    groups_csv,
    prometheus,
    survey,
    survey_facts,
    write_file,
)
from mailstore_cli import options
from mailstore_cli.problems import Problems
from mailstore_cli.progress import Progress
from mailstore_cli.quota import common
from mailstore_cli.quota.tables import show_accounts, show_groups
from mailstore_cli.render import out_json

FEW = 20
"""Accounts up to which every message is looked at unless said otherwise."""
SORTS = {
    "usage": lambda one: (-one.usage.size, one.name),
    "percent": lambda one: (-(one.percent if one.percent is not None else -1.0), one.name),
    "messages": lambda one: (-one.usage.messages, one.name),
    "name": lambda one: (one.name, one.location),
    "oldest": lambda one: (one.oldest is None, one.oldest or 0, one.name),
    "last": lambda one: (-(one.newest if one.newest is not None else -(1 << 62)), one.name),
}
_NEEDS: dict[By, Depth] = {"folder": "folders", "year": "messages", "size-class": "messages", "sender": "senders"}


@click.command(
    short_help="Show who uses how much.",
    context_settings=options.CONTEXT,
    epilog=options.examples(
        "mstore quota show ~/Maildir",
        "mstore quota show 'maildir:/home/*/Maildir' --over 90% --sort percent",
        "mstore quota show ~/Maildir --by sender --top 20",
        "mstore quota show 'maildir:/srv/mail/%d/%n' --by domain --csv > mail.csv",
        "mstore quota show /srv/mail.db --format prometheus --output mail.prom",
        notes=(common.WHICH,),
    ),
)
@common.locations
@click.option(
    "--by", type=click.Choice(GROUPINGS), default="account", show_default=True, help="Add usage up by something."
)
@click.option("--top", type=click.IntRange(1), metavar="N", help="Only the first N lines.")
@click.option("--sort", type=click.Choice(list(SORTS)), help="Order of accounts; as they are named, if not given.")
@click.option("--over", metavar="PERCENT", help="Only accounts that are at least so full, such as 90%.")
@click.option(
    "--fast/--full",
    "fast",
    default=None,
    help="Only what needs no look at messages, or all; without either all of up to 20 accounts.",
)
@common.units
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv", "prometheus"]),
    help="What is printed; a table, if not given.",
)
@options.json_flag("The same as --format json.")
@click.option("--csv", "as_csv", is_flag=True, help="The same as --format csv.")
@click.option("--output", metavar="FILE", help="Write into FILE, all or nothing; not for tables.")
@common.history_option
@click.option("--no-history", is_flag=True, help="Keep no sample of this run.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
@options.lock_timeout
def show(
    locations: tuple[str, ...],
    by: str,
    top: int | None,
    sort: str | None,
    over: str | None,
    fast: bool | None,
    units: str,
    form: str | None,
    as_json: bool,
    as_csv: bool,
    output: str | None,
    history_directory: str | None,
    no_history: bool,
    quiet: bool,
    lock_timeout: float,
) -> int:
    """Show what each account holds, what it may hold, and more about it. Nothing of theirs is changed.

    An account that cannot be read is named on standard error and makes the exit code 1; the others go on. A sample of
    each account is kept, so that 'mstore quota history' can tell how it grows.
    """
    form = _form(form, as_json, as_csv, output)
    least = None if over is None else _percent(over)
    grouping = cast("By", by)
    if least is not None and _NEEDS.get(grouping, "sums") in ("messages", "senders"):
        raise UsageError(f"--over chooses accounts, and --by {by} adds up the messages of all")
    targets = find_targets(locations)
    depth = _depth(grouping, fast, len(targets))
    with Progress("accounts", unit="account", quiet=quiet) as progress:
        found = survey(targets, depth=depth, top=0, lock_timeout=lock_timeout, progress=progress.to)
    if not no_history:
        common.keep_samples(found, history_directory)
    problems = Problems()
    common.name_unreadable(found, problems)
    _choose(found, least, sort, top if by == "account" else None)
    if form == "table":
        if by == "account":
            show_accounts(found, found.accounts, units)
        else:
            show_groups(by, found.groups(grouping), units, top)
    elif form == "json" and output is None:
        out_json(_facts(found, grouping, top))
    else:
        _write(_text(form, found, grouping, top), output)
    return common.exit_code(found, problems)


def _form(form: str | None, as_json: bool, as_csv: bool, output: str | None) -> str:
    """Return what is to be printed.

    Raises:
        UsageError: two forms, or a table into a file.
    """
    wanted = {name for name, asked in (("json", as_json), ("csv", as_csv), (form, form is not None)) if asked}
    if len(wanted) > 1:
        raise UsageError(f"one form at a time: {' or '.join(sorted(map(str, wanted)))}")
    chosen = wanted.pop() if wanted else "table"
    if output is not None and chosen == "table":
        raise UsageError("--output is for --format json, csv and prometheus; a table goes to standard output")
    return str(chosen)


def _percent(text: str) -> float:
    try:
        value = float(text.strip().removesuffix("%"))
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e6:
        raise UsageError(f"--over {text}: write a percentage such as 90%")
    return value


def _depth(by: By, fast: bool | None, count: int) -> Depth:
    """Return how close to look: as close as the columns need that were asked for."""
    needed: Depth = _NEEDS.get(by, "sums")
    if fast:
        if needed != "sums":
            raise UsageError(f"--by {by} needs a look at the messages: it cannot be --fast")
        return "sums"
    if needed == "senders" or (needed == "folders" and fast is None):
        return needed
    return "messages" if fast is False or needed == "messages" or count <= FEW else "sums"


def _choose(found: Survey, least: float | None, sort: str | None, top: int | None) -> None:
    """Leave the accounts that were asked for, in the order asked for."""
    chosen: list[Account] = [one for one in found.accounts if least is None or (one.percent or 0.0) >= least]
    if sort is not None:
        chosen.sort(key=SORTS[sort])
    found.accounts[:] = chosen[:top]


def _facts(found: Survey, by: By, top: int | None) -> dict[str, object]:
    facts = survey_facts(found, by)
    facts["groups"] = facts["groups"][:top]
    return facts


def _text(form: str, found: Survey, by: By, top: int | None) -> str:
    if form == "prometheus":
        return prometheus(found, folders=by == "folder")
    if form == "csv":
        return accounts_csv(found.accounts) if by == "account" else groups_csv(found, by, top)
    import json

    return json.dumps(_facts(found, by, top)) + "\n"


def _write(text: str, output: str | None) -> None:
    if output is None:
        sys.stdout.write(text)
    else:
        write_file(os.path.abspath(output), text)
