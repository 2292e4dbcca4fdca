"""Many accounts in one run of ``mstore convert``: who they are, how far they are, what became of them."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from mailstore import MailstoreError, UsageError
from mailstore.convert import Options
from mailstore.convert import Progress as Step
from mailstore.migrate import (
    Account,
    Migration,
    Result,
    check_report,
    find_accounts,
    migrate,
    read_accounts,
    report_facts,
    write_reports,
)
from mailstore_cli.exitcodes import FAILED, INTERRUPTED, OK
from mailstore_cli.names import folder_text, safe
from mailstore_cli.problems import MOST, problem_text
from mailstore_cli.progress import Progress
from mailstore_cli.render import out, out_json, plural, say, style
from mailstore_cli.stopping import stopped_by_signals

ON_DISK = "*"
_TITLE = "Migration of mail"


@dataclass(frozen=True)
class Many:
    """What the command line says of many accounts, besides how each is converted."""

    accounts: str | None
    """A file, '-', or '*' and None: those that the disk shows."""
    owner: str
    max_errors: int | None
    jobs: int
    journals: str | None
    rejected: str | None
    lock_timeout: float
    nice: bool
    source_options: Mapping[str, str]
    dry_run: bool
    reports: tuple[str, ...]
    quiet: bool
    as_json: bool


def which_accounts(named: str | None, source: str, dest: str) -> list[Account]:
    """Return the accounts of a file (``-`` is standard input), or those that the disk shows.

    Raises:
        UsageError: the list cannot be right.
    """
    if named in (None, ON_DISK):
        return find_accounts(source, dest)
    if named == "-":
        lines = sys.stdin.buffer.read().decode("utf-8", "surrogateescape").splitlines()
        return read_accounts(lines, source, dest, "standard input")
    try:
        with open(named, encoding="utf-8", errors="surrogateescape") as file:
            return read_accounts(file, source, dest, named)
    except OSError as error:
        raise UsageError(f"--accounts: {named}: {error.strerror}") from error


def run_migration(source: str, dest: str, wanted: Options, many: Many) -> int:
    """Convert all accounts, print what became of each, write the reports; returns the exit code."""
    for path in many.reports:
        check_report(path)
    accounts = which_accounts(many.accounts, source, dest)
    waiting = Migration([Result(account) for account in accounts], int(time.time()))
    write_reports(many.reports, waiting, _TITLE, running=True)
    with stopped_by_signals() as stop, _Display(len(accounts), many).shown() as display:

        def watch(account: Account, told: Step | Result) -> None:
            try:
                display.watch(account, told)
            except OSError as error:  # nobody reads what is printed any more, or its disk is full
                display.broken = error
                stop.set()

        try:
            migration = migrate(
                accounts,
                wanted,
                jobs=many.jobs,
                owner=many.owner,
                max_errors=many.max_errors,
                journals=many.journals,
                rejected=many.rejected,
                lock_timeout=many.lock_timeout,
                idle=many.nice,
                source_options=many.source_options,
                dry_run=many.dry_run,
                watch=watch,
                stop=stop.is_set,
            )
        except MailstoreError:
            write_reports(many.reports, waiting, _TITLE)  # nothing was begun
            raise
    write_reports(many.reports, migration, _TITLE)
    if display.broken is not None:
        raise display.broken
    if many.as_json:
        out_json(report_facts(migration))
    elif not many.quiet:
        _print_sum(migration, many.dry_run)
    if migration.counts["waiting"] and not migration.interrupted:
        say(f"{plural(migration.counts['waiting'], 'account')} not begun: --max-errors was reached")
    if migration.interrupted:
        say("interrupted: run the same command again to go on")
        return INTERRUPTED
    return OK if migration.ok else FAILED


@dataclass
class _Display:
    """How far it is: a bar where somebody watches, and a line for each account that is over."""

    total: int
    many: Many
    over: int = 0
    copied: dict[str, int] = field(default_factory=dict)
    named: int = 0
    broken: OSError | None = None
    """Why nothing can be printed any more."""

    @contextmanager
    def shown(self) -> Iterator[_Display]:
        """Show the bar while the block runs."""
        with Progress("converting", unit=" messages", quiet=self.many.quiet) as self.bar:
            yield self

    def watch(self, account: Account, told: Step | Result) -> None:
        """Take in how far an account is, or what became of it."""
        if isinstance(told, Result):
            self.over += 1
            if told.report is not None:
                self.copied[account.user] = told.report.copied
            self._print(told)
            what = ""
        else:
            if told.phase == "copy":
                self.copied[account.user] = told.messages
            doing = "copying" if told.phase == "copy" else "verifying"
            what = f": {safe(account.user)}, {doing} {folder_text(told.folder)}"
        self.bar.to(sum(self.copied.values()), f"{self.over} of {plural(self.total, 'account')}{what}")

    def _print(self, result: Result) -> None:
        user = result.account.user
        if result.status == "failed" and result.reason:
            say(f"{user}: {result.reason}")
        for folder in result.given_up:
            say(f"{user}: {folder}: left out, as allowed")
        for problem in result.report.problems if result.report else result.plan.problems if result.plan else ():
            self.named += 1
            if self.named <= MOST:
                say(f"{user}: {problem_text(problem)}")
            elif self.named == MOST + 1:
                say("there are more problems; --report FILE.json lists them all")
        if not self.many.quiet and not self.many.as_json:
            with self.bar.hidden():
                out(result_line(result))
                sys.stdout.flush()


def result_line(result: Result) -> str:
    """Return what became of an account, on one line."""
    words = {"done": "done", "failed": "FAILED", "interrupted": "interrupted", "waiting": "not begun"}[result.status]
    word = style(words, {"done": "green", "failed": "red"}.get(result.status, "yellow"))  # type: ignore[arg-type]
    parts = [f"{safe(result.account.user)}: {word}"]
    if result.plan is not None:
        planned = result.plan
        parts.append(f"{planned.messages} found ({planned.size} bytes), {planned.already} there already")
        parts += [f"loses {loss.name}" for loss in planned.losses]
    if result.report is not None:
        report = result.report
        verified = {True: "verified", False: "NOT verified", None: "not compared"}[report.verified]
        parts.append(
            f"{report.found} found, {report.copied} copied ({report.size} bytes), {report.skipped} skipped, "
            f"{report.failed} failed; {verified}"
        )
    return "; ".join([*parts, f"{result.seconds:.1f} s"])


def _print_sum(migration: Migration, dry_run: bool) -> None:
    counts = migration.counts
    kinds = [("done", "done"), ("failed", "failed"), ("interrupted", "interrupted"), ("waiting", "not begun")]
    told = ", ".join(f"{counts[status]} {words}" for status, words in kinds if counts[status] or status == "done")  # type: ignore[index]
    sums = f"{plural(len(migration.results), 'account')}: {told}"
    if not dry_run:
        reports = [result.report for result in migration.results if result.report is not None]
        sums += (
            f"; {sum(one.found for one in reports)} found, {sum(one.copied for one in reports)} copied "
            f"({sum(one.size for one in reports)} bytes), {sum(one.skipped for one in reports)} skipped, "
            f"{sum(one.failed for one in reports)} failed"
        )
    out()
    out(style(f"{sums}; {migration.seconds:.1f} s", "green" if migration.ok else "red"))
