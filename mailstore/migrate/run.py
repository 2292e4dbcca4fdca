"""Many accounts, side by side, each in a process of its own, none a reason to stop for the others.

The parent converts nothing: it starts the processes, hears how far they are, and keeps what they report. A process
that dies (killed, out of memory, a bus error of a broken disk) has failed with its account; its journal tells the next
run where to go on. One that is stopped, by a user who wants to hold up the others, is let go on, and has failed where
that happens again and again. When the migration is stopped, no more are begun, those at work are asked to end after
their batch, and killed where they do not within ten seconds, which is as safe.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from urllib.parse import quote

from mailstore import registry
from mailstore.convert import Options, Progress
from mailstore.convert.workers import Child, Tell, can_fork
from mailstore.errors import CannotCreate, MailstoreError, UsageError
from mailstore.migrate.accounts import Account
from mailstore.migrate.order import Turns, in_order
from mailstore.migrate.owner import KEEP
from mailstore.migrate.result import Migration, Result
from mailstore.migrate.work import Task, work
from mailstore.system import clock, fs, handover

_LOOK = 0.3
"""Seconds within which a stop is noticed."""
_GRACE = 10.0
"""Seconds that a process has to end in good order."""
_HALTS = 20
"""A process is let go on so many times where something has stopped it."""

Watch = Callable[[Account, Progress | Result], None]
"""Told how far an account is, now and then, and what became of it, once."""


@dataclass(slots=True)
class _Running:
    """An account at work."""

    number: int
    child: Child
    started: float
    halts: int = 0


def migrate(
    accounts: Sequence[Account],
    options: Options | None = None,
    *,
    jobs: int = 0,
    owner: str = "",
    max_errors: int | None = None,
    journals: str | None = None,
    rejected: str | None = None,
    lock_timeout: float = 60.0,
    idle: bool = False,
    source_options: Mapping[str, str] | None = None,
    dry_run: bool = False,
    watch: Watch | None = None,
    stop: Callable[[], bool] = bool,
) -> Migration:
    """Convert many accounts. Safe to stop at any moment, and to run again: see ``convert``, which does each of them.

    Those that an earlier run has not finished come first, and of those the largest.

    Args:
        accounts: see ``read_accounts`` and ``find_accounts``; each user once.
        options: for all of them; ``processes``, ``journal`` and ``rejected`` are not used.
        jobs: how many accounts at once; 0 is one for each CPU, four at most. Where fewer are left, the folders of one
            are divided among the rest.
        owner: whom the mail is to belong to: ``user``, ``keep``, the name of a system's account, ``UID:GID``; '' is
            ``user`` for root and ``keep`` for anybody else. See ``mailstore.migrate.work`` for what root does.
        max_errors: begin no more accounts once so many have failed; None is never.
        journals: a directory for the journals of all accounts; None is beside each destination.
        rejected: a directory in which each account has one for messages set aside; None is beside each destination.
        lock_timeout: seconds to wait for another program's lock.
        idle: give way to all other programs: nice 19, and the idle class of the disk.
        source_options: options of every source's location, added to those it carries.
        dry_run: plan each conversion, and change nothing: ``Result.plan``.
        watch: called in this process; must start no thread.
        stop: asked now and then; True stops the migration.

    Raises:
        UsageError: arguments that make no sense; or this process has threads, and cannot fork.
        CannotCreate: ``journals`` or ``rejected`` cannot be used.
        KeyboardInterrupt …: what ``watch`` or a signal handler raises; the processes are killed before.
    """
    if len({account.user for account in accounts}) < len(accounts):
        raise UsageError("an account is there twice")
    if max_errors is not None and max_errors < 1:
        raise UsageError("max_errors must be 1 at least")
    if not can_fork():
        raise UsageError("a process with threads cannot migrate: each account needs a process of its own")
    options = options or Options()
    for directory in (journals, rejected):
        if directory is not None and not dry_run:
            _prepare(directory)
    if os.geteuid() == 0 and not all((account.owner or owner) == KEEP for account in accounts):
        _load(accounts)
    supervisor = _Supervisor(accounts, options, jobs, max_errors, Turns(None if dry_run else journals), watch, stop)
    started = time.monotonic()
    begun = clock.now()

    def task(account: Account, processes: int) -> Task:
        name = quote(account.user, safe="@", errors="surrogateescape")
        journal = None if journals is None else os.path.join(journals, f"{name}.journal")
        aside = None if rejected is None else os.path.join(rejected, name)
        chosen = replace(options, processes=processes, journal=journal, rejected=aside)
        return Task(account, chosen, owner, lock_timeout, idle, source_options or {}, dry_run)

    results = supervisor.run(task)
    stopped = supervisor.stopping and any(result.status in ("interrupted", "waiting") for result in results)
    return Migration(results, begun, time.monotonic() - started, stopped)


class _Supervisor:
    """Starts the processes of accounts and hears them."""

    def __init__(
        self,
        accounts: Sequence[Account],
        options: Options,
        jobs: int,
        max_errors: int | None,
        turns: Turns,
        watch: Watch | None,
        stop: Callable[[], bool],
    ) -> None:
        self._accounts = accounts
        self._jobs = jobs or replace(options, processes=0, pace=None).workers
        self._max_errors = max_errors
        self._turns = turns
        self._watch = watch
        self._stop = stop
        self._results = [Result(account) for account in accounts]
        self._running: dict[int, _Running] = {}
        self.stopping = False
        self._end = 0.0

    def run(self, task: Callable[[Account, int], Task]) -> list[Result]:
        """Return what became of each account, in order."""
        waiting = deque(in_order(self._accounts, self._turns.last()))
        try:
            while True:
                self._heed_stop()
                while waiting and len(self._running) < self._jobs and not self._no_more():
                    share = max(1, self._jobs // (len(self._running) + len(waiting)))
                    number = waiting.popleft()
                    self._start(number, task(self._accounts[number], share))
                if not self._running:
                    return self._results
                for pipe in select.select(list(self._running), [], [], _LOOK)[0]:
                    self._hear(self._running[pipe])
                self._let_go_on()
        finally:
            for running in self._running.values():
                running.child.end()

    def _no_more(self) -> bool:
        failed = sum(result.status == "failed" for result in self._results)
        return self.stopping or (self._max_errors is not None and failed >= self._max_errors)

    def _start(self, number: int, task: Task) -> None:
        others = list(self._running)

        def job(tell: Tell) -> Result:
            for pipe in others:
                os.close(pipe)  # or a process whose parent died would not find its pipe broken
            return work(task, tell)

        child = Child(job)
        self._running[child.pipe] = _Running(number, child, time.monotonic())

    def _hear(self, running: _Running) -> None:
        account = self._accounts[running.number]
        try:
            over, told = running.child.receive()
        except MailstoreError:
            self._finish(running, None)
            return
        if over:
            self._finish(running, told)
        elif self._watch is not None:
            self._watch(account, told)

    def _finish(self, running: _Running, result: Result | None) -> None:
        del self._running[running.child.pipe]
        running.child.end()
        if result is None:
            result = Result(self._accounts[running.number], seconds=time.monotonic() - running.started)
            if self.stopping:
                result.status, result.reason = "interrupted", "it was stopped; run it again, and it goes on"
            else:
                result.status, result.error = "failed", "Died"
                result.reason = f"its process {_end(running.child.status)}; run it again, and it goes on"
        self._results[running.number] = result
        self._turns.note(result)
        if self._watch is not None:
            self._watch(result.account, result)

    def _let_go_on(self) -> None:
        for running in list(self._running.values()):
            if not _is_halted(running.child.pid):
                continue
            running.halts += 1
            if running.halts <= _HALTS:
                os.kill(running.child.pid, signal.SIGCONT)
            else:
                reason = "its process was stopped again and again; run it again, and it goes on"
                self._finish(running, Result(self._accounts[running.number], "failed", error="Died", reason=reason))

    def _heed_stop(self) -> None:
        if not self.stopping and self._stop():
            self.stopping = True
            self._end = time.monotonic() + _GRACE
            for running in self._running.values():
                with suppress(ProcessLookupError):
                    os.kill(running.child.pid, signal.SIGTERM)
        if self.stopping and time.monotonic() > self._end:
            for running in list(self._running.values()):
                self._finish(running, None)


def _is_halted(pid: int) -> bool:
    """Tell whether a child was stopped since this was asked last."""
    if not hasattr(os, "waitid"):
        return False  # macOS with Python before 3.13
    try:
        return os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOHANG) is not None
    except ChildProcessError:
        return False  # it has ended, and is not waited for yet


def _end(status: int | None) -> str:
    """Say how a process ended."""
    if status is None or status >= 0:
        return f"ended with exit code {status}" if status else "ended without a word"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"


def _prepare(directory: str) -> None:
    try:
        if os.geteuid() == 0:
            handover.make_private(directory)
        else:
            fs.make_directories(directory)
    except OSError as error:
        raise CannotCreate(
            f"{fs.shown(directory)}: no place for the accounts' journals or messages ({error.strerror})", path=directory
        ) from error


def _load(accounts: Sequence[Account]) -> None:
    """Load all that accounts may need: who gives up root may not be able to read code any more."""
    forms = {one.partition(":")[0] for account in accounts for one in (account.source, account.destination)}
    for form in sorted(forms):
        registry.load_wholly(form if registry.find_format(form) is None else f"{form}:")
