"""``mstore watch``: what changes, a line an event, for as long as somebody listens."""

from __future__ import annotations

import sys
from contextlib import ExitStack

import click

from mailstore import open_store
from mailstore.watch import TokenFile
from mailstore_cli import options
from mailstore_cli.bell import Bell
from mailstore_cli.events import as_line, as_object
from mailstore_cli.following import Batch, batches
from mailstore_cli.hooks import Hook
from mailstore_cli.names import parse_folder, safe
from mailstore_cli.problems import Problems
from mailstore_cli.render import out, out_json, say
from mailstore_cli.stopping import stopped_by_signals


@click.command(
    short_help="Tell what changes, as it changes.",
    context_settings=options.CONTEXT,
    epilog=options.examples(
        "mstore watch ~/Maildir",
        "mstore watch --json ~/Maildir | jq -r .event",
        "mstore watch --state seen --batch --exec 'indexer --stdin' joe.db",
        "mstore watch -f INBOX --exec 'paplay bell.ogg' ~/Maildir",
        notes=(
            (
                "A command run by --exec finds MAILSTORE_EVENT (message-appended, message-expunged, message-moved, "
                "flags-changed, history-lost, folder-created, folder-renamed, folder-deleted, "
                "subscription-changed, quota-changed, quota-crossed), MAILSTORE_LOCATION, and, where it has them, "
                "MAILSTORE_FOLDER, "
                "MAILSTORE_UID, MAILSTORE_MODSEQ, MAILSTORE_FLAGS, MAILSTORE_OLD_FLAGS, MAILSTORE_KEY, "
                "MAILSTORE_FROM_FOLDER, MAILSTORE_FROM_UID. For one folder no two run at once."
            ),
            (
                "Ends with exit code 0 on SIGINT and SIGTERM, when what runs has ended. What still runs after ten "
                "seconds, or at a second signal, is ended, and its batch told again the next time (--state)."
            ),
        ),
    ),
)
@click.argument("locations", nargs=-1, required=True, type=options.LocationType(), metavar="LOCATION...")
@click.option(
    "-f",
    "--folder",
    "folders",
    multiple=True,
    type=options.FolderType(),
    metavar="FOLDER",
    help="This folder only. Repeatable.",
)
@click.option(
    "--since",
    metavar="TOKEN",
    help="Begin with what changed since a token that --tokens printed; empty: with all that is there.",
)
@click.option(
    "--state",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Keep the tokens in FILE, and go on from there the next time.",
)
@options.json_flag("One JSON object a line for each event.")
@click.option("--tokens", is_flag=True, help="With --json: an object with the token after each batch of events.")
@click.option("--exec", "command", metavar="COMMAND", help="Run COMMAND for each event (no shell).")
@click.option("--batch", is_flag=True, help="With --exec: run it once for many events, as JSON lines on its input.")
@click.option(
    "--jobs",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    metavar="N",
    help="With --exec: so many folders' commands at once.",
)
@click.option("--parallel", is_flag=True, help="With --exec and --jobs: several at once for one folder too.")
@click.option("--notify", is_flag=True, help="Show desktop notifications of new mail, with notify-send.")
@click.option("--poll", is_flag=True, help="Look by the clock instead of asking the system (mail on NFS).")
def watch(
    locations: tuple[str, ...],
    folders: tuple[str, ...],
    since: str | None,
    state: str | None,
    as_json: bool,
    tokens: bool,
    command: str | None,
    batch: bool,
    jobs: int,
    parallel: bool,
    notify: bool,
    poll: bool,
) -> int:
    """Tell of each change in the stores at LOCATION..., whoever makes it.

    Mail that comes, moves, goes, is flagged; folders that are made, renamed, deleted, subscribed. None is lost, however
    fast they come.
    """
    if tokens and not as_json:
        raise click.UsageError("--tokens needs --json")
    if command is None and (batch or parallel or jobs > 1):
        raise click.UsageError("--batch, --jobs and --parallel need --exec")
    if since is not None and (len(locations) > 1 or state is not None):
        raise click.UsageError("--since is the token of one LOCATION, and --state keeps tokens of its own")
    problems = Problems()
    known = TokenFile(state) if state else None
    bell = Bell() if notify else None
    chosen = [parse_folder(name) for name in folders] or None
    with ExitStack() as stack:
        stop = stack.enter_context(stopped_by_signals())
        hook = None
        if command is not None:
            hook = Hook(command, batch=batch, jobs=jobs, parallel=parallel, stop=stop, failed=problems.add)
            stack.callback(hook.close)
        follows = {}
        for location in dict.fromkeys(locations):
            store = stack.enter_context(open_store(location))
            follow = store.watch(chosen, since=known.token(location) if known else since, polling=poll)
            follows[location] = stack.enter_context(follow)
            if known is not None and known.token(location) is None:
                known.keep(location, follow.token)  # what comes from now on is told, be it the next time
        say(f"watching {', '.join(map(safe, follows))}")
        for found in batches(follows, stop):
            _print(found, several=len(follows) > 1, as_json=as_json, tokens=tokens)
            if bell is not None:
                bell.ring(found.location, found.events)
            told = hook is None or hook.run(found.location, found.events)
            if known is not None and told:
                known.keep(found.location, found.token)
    return problems.exit_code


def _print(found: Batch, *, several: bool, as_json: bool, tokens: bool) -> None:
    for event in found.events:
        if as_json:
            out_json(as_object(found.location, event))
        else:
            out(f"{safe(found.location)}  {as_line(event)}" if several else as_line(event))
    if tokens:
        out_json({"event": "token", "location": found.location, "token": found.token})
    sys.stdout.flush()
