"""``mstore sync``: two stores made the same, both ways."""

from __future__ import annotations

import os
from contextlib import ExitStack

import click

from mailstore import NoSuchStore, Store, open_store, parse_location
from mailstore.convert import LOSSES
from mailstore.sync import Done, Options, SyncReport, check_report, sync_journal_path, write_report
from mailstore.sync import sync as sync_stores
from mailstore_cli import options
from mailstore_cli.exitcodes import FAILED, OK
from mailstore_cli.names import folder_text, parse_folder, safe
from mailstore_cli.problems import name_problems
from mailstore_cli.progress import Progress
from mailstore_cli.render import out, out_json, style, table


@click.command(
    short_help="Make two stores the same, both ways.",
    context_settings=options.CONTEXT,
    epilog=options.examples(
        "mstore sync ~/Maildir joe.db",
        "mstore sync --dry-run ~/Maildir mbox:~/mail",
        "mstore sync ~/Maildir /media/stick/mail.db --exclude 'Trash*' --json",
        notes=(
            (
                "Carried both ways: new messages, flags and keywords, moves, deletions; folders made, renamed, "
                "deleted; subscriptions and special uses. What both sides changed is merged, or decided so that "
                "nothing is lost, and reported as a conflict."
            ),
            (
                "A message is deleted only where the journal knows that both had it and one has it no more. When a "
                "store is empty all of a sudden, or a folder is gone with its messages, nothing is deleted without "
                "--force-delete."
            ),
            (
                "Exit code 0: all was carried and, unless --no-verify is given, was read again and compared; "
                "conflicts are decided, and make no difference. 1: something could not be carried, or was held back."
            ),
        ),
    ),
)
@click.argument("a", type=options.LocationType())
@click.argument("b", type=options.LocationType())
@click.option("-n", "--dry-run", is_flag=True, help="Tell what would be done. Change nothing.")
@click.option("--force-delete", is_flag=True, help="Carry deletions that empty a store, or that a lost folder means.")
@click.option(
    "--allow-loss",
    "allow_loss",
    multiple=True,
    metavar="NAME",
    type=click.Choice(sorted(LOSSES)),
    help="Accept that a store cannot hold this of the other: " + ", ".join(sorted(LOSSES)) + ". Repeatable.",
)
@options.folder_choice("Synchronise")
@click.option("--verify/--no-verify", default=True, help="Read what was carried again and compare it. On by default.")
@click.option(
    "--journal",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="What both stores had when they were last the same; beside B (or A), if not given.",
)
@click.option(
    "--rejected",
    type=click.Path(file_okay=False),
    metavar="DIR",
    help="Where to put the bytes of messages that cannot be stored; PATH.rejected of that store, if not given.",
)
@options.report_files
@options.quiet
@options.json_flag("The report as one JSON object.")
@options.lock_timeout
def sync(
    a: str,
    b: str,
    dry_run: bool,
    force_delete: bool,
    allow_loss: tuple[str, ...],
    folders: tuple[str, ...],
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    verify: bool,
    journal: str | None,
    rejected: str | None,
    reports: tuple[str, ...],
    quiet: bool,
    as_json: bool,
    lock_timeout: float,
) -> int:
    """Carry to each of the stores A and B what changed in the other. B is made where there is none."""
    wanted = Options(
        folders=tuple(parse_folder(name) for name in folders),
        include=include,
        exclude=exclude,
        allow_loss=frozenset(allow_loss),
        verify=verify,
        journal=journal,
        rejected=rejected,
        force_delete=force_delete,
    )
    for path in reports:
        check_report(path)
    with ExitStack() as stack:
        first = stack.enter_context(open_store(a, readonly=dry_run, lock_timeout=lock_timeout))
        second = stack.enter_context(_open_other(b, first, wanted, dry_run, lock_timeout))
        progress = stack.enter_context(Progress("synchronising", unit=" messages", quiet=quiet))
        report = sync_stores(first, second, wanted, progress.step, dry_run=dry_run)
    for path in reports:
        write_report(path, report)
    name_problems(report.problems)
    if as_json:
        out_json(report.to_dict())
    elif not quiet:
        _print(report)
    return OK if report.ok else FAILED


def _open_other(b: str, first: Store, wanted: Options, dry_run: bool, lock_timeout: float) -> Store:
    """Open the second store, and make it where there is none; not where the journal knows one that was there."""
    if dry_run:
        return open_store(b, readonly=True, lock_timeout=lock_timeout)
    place = parse_location(b)
    beside = sync_journal_path(first.location, place)  # nothing is made in the first store where that cannot be
    journal = wanted.journal or beside
    if journal is not None and os.path.exists(journal):
        try:
            return open_store(b, lock_timeout=lock_timeout)
        except NoSuchStore as error:
            text = f"{error}; it was there once: to fill it anew, move its journal {journal} away"
            raise NoSuchStore(text, path=error.path) from error
    infos = [info for info in first.folders() if info.path in wanted.folders or not wanted.folders]
    return open_store(b, create=True, folders=wanted.choice.needs_folders(infos), lock_timeout=lock_timeout)


def _print(report: SyncReport) -> None:
    out(f"{safe(report.first)} <-> {safe(report.second)}")
    out()
    lines = []
    for entry in report.folders:
        for name, done in zip(("first", "second"), entry.done, strict=True):
            if done:
                lines.append((folder_text(entry.folder), name, *_numbers(done)))
    if lines:
        table(("Folder", "In", "Copied", "Moved", "Flagged", "Deleted"), lines, right=frozenset({2, 3, 4, 5}))
        out()
    for entry in report.folders:
        for action in entry.actions:
            out(f"{folder_text(entry.folder)}: {action}")
    for conflict in report.conflicts:
        out(style(f"Conflict in {safe(conflict.folder)}: {safe(conflict.reason)}", "yellow"))
    for losses, name in zip(report.losses, ("first", "second"), strict=True):
        for loss in losses:
            out(style(f"Lost in {name}, as allowed: {safe(loss.explanation)}", "yellow"))
    out(style(_summary(report), "green" if report.ok else "red"))


def _numbers(done: Done) -> tuple[str, str, str, str]:
    return str(done.copied), str(done.moved), str(done.flagged), str(done.deleted)


def _summary(report: SyncReport) -> str:
    done = [one for entry in report.folders for one in entry.done]
    if not report.changed and report.ok:
        return f"nothing to do; {report.seconds:.1f} s"
    verified = {True: "verified", False: "NOT verified", None: "not compared"}[report.verified]
    return (
        f"{sum(one.copied for one in done)} copied ({sum(one.size for one in done)} bytes), "
        f"{sum(one.moved for one in done)} moved, {sum(one.flagged for one in done)} flagged, "
        f"{sum(one.deleted for one in done)} deleted; "
        f"{'this is the plan' if report.planned else verified}; {report.seconds:.1f} s"
    )
