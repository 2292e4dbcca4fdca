"""``mstore convert``: any store into any store."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import replace

import click

from mailstore import Omission, Store, UsageError, open_store, parse_location
from mailstore.convert import (
    LOSSES,
    SPLITS,
    UIDL_SERVERS,
    Conversion,
    FolderMapping,
    FolderReport,
    Options,
    Pace,
    Part,
    Plan,
    PlannedFolder,
    Report,
    open_destination,
)
from mailstore.convert import plan as plan_conversion
from mailstore.convert import split as split_conversion
from mailstore.migrate import is_template
from mailstore.search import Search
from mailstore_cli import options
from mailstore_cli.choosing import limit as limit_option
from mailstore_cli.choosing import message_choice
from mailstore_cli.exitcodes import FAILED, OK
from mailstore_cli.follow import How, check_options, listening, run_following
from mailstore_cli.mapping import folder_mapping, say_unused, way_text
from mailstore_cli.names import folder_text, parse_folder, safe
from mailstore_cli.noting import noting
from mailstore_cli.problems import name_problems
from mailstore_cli.progress import Progress
from mailstore_cli.rates import Rate
from mailstore_cli.render import out, out_json, plural, say, style, table

_DECIDED = {"refuse": "refused without --collisions merge or rename", "merge": "merged", "rename": "renamed"}


@click.command(
    short_help="Convert any mail store into any other.",
    context_settings=options.CONTEXT,
    epilog=options.examples(
        "mstore convert /var/mail/joe maildir:~/Maildir",
        "mstore convert --dry-run ~/Maildir mbox:~/mail",
        "mstore convert ~/Maildir joe.db --exclude 'Trash*' --json > report.json",
        "mstore convert ~/Maildir mbox:inbox.mbox.zst -f INBOX",
        "mstore convert ~/Maildir joe.db --automap --map Alt=Archive/old",
        "mstore convert joe.db mbox:joe.mbox -f INBOX --allow-loss subscriptions",
        notes=(
            (
                "SOURCE is opened read-only and never changed. Whole folder trees travel with bytes, order, "
                "flags, keywords, dates, senders, UIDs, subscriptions. What DEST cannot hold is found before "
                "anything is written, and refused unless --allow-loss names it."
            ),
            (
                "A message that cannot be read or stored is named and counted, its bytes are set aside, and the "
                "rest goes on. Run again, only what is new is carried: more mail, changed flags, moved messages, "
                "renamed folders, and with --delete what was deleted; after an error or a crash, what is missing."
            ),
            (
                "Exit code 0: all that was found arrived and, unless --no-verify is given, was read again and "
                "compared. 1: something failed, was left out with an allowed loss, or was refused."
            ),
        ),
    ),
)
@click.argument("source", type=options.LocationType())
@click.argument("dest", type=options.LocationType())
@click.option("-n", "--dry-run", is_flag=True, help="Print the plan: folders, counts, bytes, losses. Change nothing.")
@click.option(
    "--allow-loss",
    "allow_loss",
    multiple=True,
    metavar="NAME",
    type=click.Choice(sorted(LOSSES)),
    help="Accept that DEST cannot hold this: " + ", ".join(sorted(LOSSES)) + ". Repeatable.",
)
@options.folder_choice("Convert")
@message_choice
@limit_option("Copy no more than N messages in this run; the next one goes on.")
@folder_mapping
@click.option(
    "--split",
    multiple=True,
    type=click.Choice(SPLITS),
    help="Convert into several destinations: DEST holds {year}, {month} (2020-01) or {folder}. Repeatable.",
)
@click.option(
    "--include-expunged",
    is_flag=True,
    help="Take along what Thunderbird deleted and has not compacted away; SOURCE is one of its stores or an mbox.",
)
@click.option(
    "--delete",
    is_flag=True,
    help="Delete in DEST what was deleted in SOURCE since it was copied, and nobody changed in DEST; but no folder as "
    "a whole, nor most of one.",
)
@click.option("--force-delete", is_flag=True, help="Delete it however much it is, whole folders too.")
@click.option("--verify/--no-verify", default=True, help="Read what was copied again and compare it. On by default.")
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Processes to use; 1 never starts another one. One for each CPU, four at most, if not given.",
)
@click.option(
    "--journal",
    type=click.Path(),
    metavar="FILE",
    help="Where to note what was copied, for the next run; beside DEST, if not given. A directory for many accounts.",
)
@click.option(
    "--rejected",
    type=click.Path(file_okay=False),
    metavar="DIR",
    help="Where to put the bytes of messages that cannot be stored; DEST.rejected, if not given.",
)
@click.option(
    "--pop3-uidl",
    "pop3_uidl",
    default="",
    metavar="SERVER",
    help="Whose POP3 unique ids the users have seen, where SOURCE does not record them: "
    + ", ".join(UIDL_SERVERS)
    + ", or a format like Dovecot's pop3_uidl_format. DEST records them: POP3 clients download nothing again.",
)
@click.option(
    "--accounts",
    metavar="FILE",
    help="Convert many accounts: a list or table of users, '-' for standard input, or '*' for those that the disk "
    "shows. SOURCE and DEST are templates then: {user}, {name}, {domain}, {home}.",
)
@click.option(
    "--owner",
    default="",
    metavar="WHO",
    help="Whom the mail of each account is to belong to: user, keep, a name, or UID:GID. user, if root runs it.",
)
@click.option(
    "--max-errors",
    type=click.IntRange(min=1),
    metavar="N",
    help="Begin no more accounts once N have failed.",
)
@click.option(
    "--rate",
    multiple=True,
    type=Rate(),
    metavar="RATE",
    help="Read no faster, over all: bytes a second (500K, 10M), or messages a second (50msg). Repeatable.",
)
@click.option("--nice", is_flag=True, help="Give way to all other programs, on processor and disk.")
@options.report_files
@click.option(
    "--follow",
    is_flag=True,
    help="Go on with what changes in SOURCE, which may be in use, until SIGTERM; SIGUSR1 asks for the switch: SOURCE "
    "is locked, and the rest carried.",
)
@click.option(
    "--switch-when",
    type=click.Path(),
    metavar="FILE",
    help="With --follow: ask for the switch when FILE appears.",
)
@click.option(
    "--on-switch",
    metavar="COMMAND",
    help="With --follow: make the switch by COMMAND (no shell), run when all is carried and SOURCE is still locked.",
)
@click.option(
    "--linger",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="SECONDS",
    help="With --follow: for so long after the switch carry what still comes to SOURCE.",
)
@options.quiet
@options.json_flag("The report as one JSON object.")
@options.lock_timeout
def convert(
    source: str,
    dest: str,
    dry_run: bool,
    allow_loss: tuple[str, ...],
    folders: tuple[str, ...],
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    search: Search | None,
    limit: int | None,
    mapping: FolderMapping,
    split: tuple[str, ...],
    include_expunged: bool,
    delete: bool,
    force_delete: bool,
    verify: bool,
    jobs: int,
    journal: str | None,
    rejected: str | None,
    pop3_uidl: str,
    accounts: str | None,
    owner: str,
    max_errors: int | None,
    rate: tuple[tuple[str, float], ...],
    nice: bool,
    reports: tuple[str, ...],
    follow: bool,
    switch_when: str | None,
    on_switch: str | None,
    linger: float,
    quiet: bool,
    as_json: bool,
    lock_timeout: float,
) -> int:
    """Copy all mail of SOURCE into DEST, which is made where there is none, and verify it."""
    wanted = Options(
        folders=tuple(parse_folder(name) for name in folders),
        include=include,
        exclude=exclude,
        search=search,
        limit=limit or 0,
        mapping=mapping,
        allow_loss=frozenset(allow_loss),
        delete=delete,
        force_delete=force_delete,
        verify=verify,
        pop3_uidl=pop3_uidl,
        pace=Pace(dict(rate).get("size"), dict(rate).get("messages")) if rate else None,
    )
    how = How(switch_when, on_switch, linger)
    check_options(how, follow=follow, alone=not dry_run and accounts is None and not is_template(source))
    if accounts is not None or is_template(source):
        if split:
            raise UsageError("--split is for one account, not for --accounts")
        from mailstore_cli.migrating import Many, run_migration  # late: one conversion does without

        many = Many(
            accounts,
            owner,
            max_errors,
            jobs,
            journal,
            rejected,
            lock_timeout,
            nice,
            {"expunged": "include"} if include_expunged else {},
            dry_run,
            reports,
            quiet,
            as_json,
        )
        return run_migration(source, dest, wanted, many)
    if owner or max_errors is not None:
        raise UsageError("--owner and --max-errors are for many accounts: say --accounts")
    if journal is not None and os.path.isdir(journal):
        raise UsageError(f"--journal {journal} is a directory, which is for many accounts: name a file")
    if split and (journal is not None or reports):
        raise UsageError("--journal and --report are for one destination, and --split makes several")
    if follow and (split or limit):
        raise UsageError("--split and --limit make no sense with --follow")
    wanted = replace(wanted, journal=journal, rejected=rejected, processes=jobs)
    if nice:
        from mailstore.migrate import give_way  # late, as above

        give_way()
    parts = [Part(dest, wanted)]
    if split:
        with _open_source(source, include_expunged, lock_timeout) as old:
            parts = split_conversion(old, dest, wanted, split)
        if not parts and not quiet:
            say("there is no message to convert")
    codes = [OK]
    for dest, wanted in parts:
        if dry_run:
            with noting(reports, source, dest) as noted, _open_source(source, include_expunged, lock_timeout) as old:
                say_unused(mapping, old)
                noted.plan = planned = plan_conversion(old, parse_location(dest), wanted)
            codes.append(_show_plan(planned, wanted, quiet, as_json))
        else:
            following = how if follow else None
            code = run_conversion(
                source,
                dest,
                wanted,
                quiet,
                as_json,
                lock_timeout,
                include_expunged=include_expunged,
                reports=reports,
                how=following,
            )
            codes.append(code)
    return max(codes)


def run_conversion(
    source: str,
    dest: str,
    wanted: Options,
    quiet: bool,
    as_json: bool,
    lock_timeout: float,
    *,
    include_expunged: bool = False,
    reports: tuple[str, ...] = (),
    how: How | None = None,
) -> int:
    """Convert, print the report, write it to ``reports``, and return the exit code; with ``how`` follow the source."""
    with ExitStack() as stack:
        asked = stack.enter_context(nullcontext() if how is None else listening())
        noted = stack.enter_context(noting(reports, source, dest))
        old = stack.enter_context(_open_source(source, include_expunged, lock_timeout))
        say_unused(wanted.mapping, old)
        tree = wanted.needs_folders(old.folders())  # finds a folder that is not there before DEST is made
        new = stack.enter_context(
            open_destination(
                dest, folders=tree, lock_timeout=lock_timeout, source=old.location, at_once=how is not None
            )
        )
        if how is not None and asked is not None:
            return run_following(old, new, wanted, how, asked, noted, quiet=quiet, as_json=as_json)
        progress = stack.enter_context(Progress("converting", unit=" messages", quiet=quiet))
        noted.conversion = conversion = stack.enter_context(Conversion(old, new, wanted, progress.step))
        report = conversion.carry()
        there = {info.path for info in new.folders() if info.selectable}
        left_out = [entry for entry in report.folders if entry.skipped and entry.target not in there]
        noted.given_up = tuple(str(entry.folder) for entry in left_out)
    return _show_report(report, left_out, quiet, as_json)


def _open_source(source: str, include_expunged: bool, lock_timeout: float) -> Store:
    if include_expunged:
        return open_store(source, readonly=True, lock_timeout=lock_timeout, expunged="include")
    return open_store(source, readonly=True, lock_timeout=lock_timeout)


def _show_plan(planned: Plan, wanted: Options, quiet: bool, as_json: bool) -> int:
    name_problems(planned.problems)
    if as_json:
        out_json({"dry_run": True, **planned.to_dict()})
    elif not quiet:
        out(f"{safe(planned.source)} -> {safe(planned.destination)}")
        out()
        table(
            ("Folder", "Messages", "Bytes", "Already there", ""),
            [
                (
                    way_text(entry.folder, entry.target),
                    str(entry.messages),
                    str(entry.size),
                    str(entry.already),
                    "" if entry.carried else "left out",
                )
                for entry in planned.folders
            ],
            right=frozenset({1, 2, 3}),
        )
        out()
        _print_changes([(entry, _planned_changes(entry)) for entry in planned.folders])
        out(f"{plural(planned.messages, 'message')}, {planned.size} bytes; {planned.already} of them are there already")
        for collision in planned.collisions:
            out(style(f"Collision: {safe(str(collision))} ({_DECIDED[wanted.mapping.collisions]})", "yellow"))
        _print_left_out(planned.left_out)
        for loss in planned.losses:
            need = "allowed" if loss.name in wanted.allow_loss else f"refused without --allow-loss {loss.name}"
            out(style(f"Loss: {safe(loss.explanation)}: {_some(loss.examples)} ({need})", "yellow"))
    return FAILED if planned.problems else OK


def _show_report(report: Report, left_out: list[FolderReport], quiet: bool, as_json: bool) -> int:
    for entry in left_out:
        say(f"{folder_text(entry.folder)}: left out, as allowed, with {plural(entry.skipped, 'message')}")
    name_problems(report.problems)
    if as_json:
        out_json(report.to_dict())
    elif not quiet:
        _print_report(report)
    return OK if report.ok and not left_out else FAILED


def _print_report(report: Report) -> None:
    out(f"{safe(report.source)} -> {safe(report.destination)}")
    out()
    table(
        ("Folder", "Found", "Copied", "Skipped", "Failed", "Bytes", "UIDs"),
        [
            (
                way_text(entry.folder, entry.target),
                str(entry.found),
                str(entry.copied),
                str(entry.skipped),
                str(entry.failed),
                str(entry.size),
                "-" if not entry.copied else "kept" if entry.uids_kept else "new",
            )
            for entry in report.folders
        ],
        right=frozenset({1, 2, 3, 4, 5}),
    )
    out()
    _print_changes([(entry, _changes(entry)) for entry in report.folders])
    for note, count in sorted(report.notes.items()):
        out(f"Note: {safe(note)} ({plural(count, 'message')})")
    _print_left_out(report.left_out)
    for loss in report.losses:
        out(style(f"Lost, as allowed: {safe(loss.explanation)}: {_some(loss.examples)}", "yellow"))
    verified = {True: "verified", False: "NOT verified", None: "not compared"}[report.verified]
    summary = (
        f"{report.found} found, {report.copied} copied ({report.size} bytes), "
        + (f"{report.moved} moved, " if report.moved else "")
        + (f"{report.filtered} not chosen, " if report.filtered else "")
        + f"{report.skipped} skipped, {report.failed} failed; {verified}; {report.seconds:.1f} s"
    )
    out(style(summary, "green" if report.ok else "red"))


def _changes(entry: FolderReport) -> list[str]:
    """Return what was done to a folder besides copying."""
    told = [f"renamed from {folder_text(entry.renamed_from)}"] if entry.renamed_from is not None else []
    counts = (
        (entry.filtered, "not chosen"),
        (entry.moved, "moved here"),
        (entry.updated, "with changed flags"),
        (entry.deleted, "deleted"),
    )
    told += [f"{count} {what}" for count, what in counts if count]
    if entry.kept:
        told.append(f"{entry.kept} kept that SOURCE has no more")
    return [*told, "folder deleted"] if entry.removed else told


def _planned_changes(entry: PlannedFolder) -> list[str]:
    """Return what would be done to a folder besides copying."""
    told = [f"renamed from {folder_text(entry.renamed_from)}"] if entry.renamed_from is not None else []
    counts = (
        (entry.filtered, "not chosen"),
        (entry.moved, "moved here"),
        (entry.updated, "with changed flags"),
        (entry.gone, "that SOURCE has no more"),
    )
    return [*told, *(f"{count} {what}" for count, what in counts if count)]


def _print_changes(changes: Sequence[tuple[FolderReport | PlannedFolder, Sequence[str]]]) -> None:
    for entry, told in changes:
        if told:
            out(f"{way_text(entry.folder, entry.target)}: {', '.join(told)}")


def _print_left_out(omissions: Sequence[Omission]) -> None:
    for where, reason, messages, _ in omissions:
        count = "" if messages is None else f" ({plural(messages, 'message')})"
        out(style(f"Left out: {safe(where)}: {safe(reason)}{count}", "yellow"))


def _some(examples: tuple[str, ...]) -> str:
    return safe(", ".join(examples))
