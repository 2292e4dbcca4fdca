"""``mstore doctor``: look at the machine and a store, say what is wrong, change nothing."""

from __future__ import annotations

from typing import Literal

import click

from mailstore.doctor import (
    Breaker,
    Conflict,
    KernelLock,
    LockFile,
    LockReport,
    Process,
    Program,
    inspect_locks,
)
from mailstore_cli import options
from mailstore_cli.exitcodes import FAILED, OK
from mailstore_cli.names import safe
from mailstore_cli.render import local, out, out_json, plural, style, table


@click.group(
    short_help="Find out what is wrong here.",
    context_settings=options.CONTEXT,
    epilog=options.examples("mstore doctor locks /var/mail/joe", "mstore doctor locks ~/Maildir"),
)
def doctor() -> None:
    """Look at this machine and a mail store, and say what is wrong. Nothing is ever changed."""


@doctor.command(
    "locks",
    short_help="Who locks a store, how, and do they get along?",
    context_settings=options.CONTEXT,
    epilog=options.examples(
        "mstore doctor locks /var/mail/joe",
        "mstore doctor locks mbox:~/mail/inbox",
        "mstore doctor locks ~/Maildir --json | jq '.locks[].processes[].pid'",
        notes=(
            "Programs are asked for their configuration; users' own are not read. Only root sees every process.",
            "Exit code 0: nothing is wrong. 1: programs conflict, or a stale lock was found.",
        ),
    ),
)
@options.location
@options.json_flag("One JSON object.")
def locks(location: str, as_json: bool) -> int:
    """Show what locks the store at LOCATION: the mail programs installed, who holds a lock now, and what to do.

    Nothing is changed, and no lock is taken. An mbox need not exist yet.
    """
    report = inspect_locks(location)
    if as_json:
        out_json(report.to_dict())
    else:
        _show(report)
    return OK if report.ok else FAILED


def _show(report: LockReport) -> None:
    out(safe(f"{report.location}: {_place(report)}"))
    for line in (*report.place.notes, *report.protocol):
        out(safe(f"  {line}"))
    if report.programs:
        _show_programs(report)
    _show_locks(report)
    if report.conflicts:
        _heading("Conflicts")
        for conflict in report.conflicts:
            out(style(safe(f"  {conflict.kind}: {conflict.explanation}"), _colour(conflict)))
    if report.advice.preset:
        _heading("Advice")
        out(style(safe(f"  {report.advice.location}"), "bold"))
        for reason in report.advice.reasons:
            out(safe(f"  {reason}"))
    out()
    stale = sum(lock.stale for lock in report.lock_files)
    verdict = f"{plural(len(report.conflicts), 'conflict')}, {plural(stale, 'stale lock')}"
    out(style(verdict if not report.ok else "nothing is wrong", "green" if report.ok else "red"))


def _show_programs(report: LockReport) -> None:
    _heading("Programs")
    table(
        ("Program", "Version", "Writes under", "Reads under", "Known", "Waits"),
        [_program(program) for program in report.programs],
    )
    for program in report.programs:
        for note in program.notes:
            out(safe(f"  {program.name}: {note}"))


def _show_locks(report: LockReport) -> None:
    _heading("Locks now")
    if not report.locks and not report.lock_files:
        out("  none")
    if report.locks:
        table(
            ("File", "Lock", "Process", "Program", "User", "Not before", ""),
            [row for lock in report.locks for row in _kernel_lock(lock)],
        )
    for lock in report.lock_files:
        _lock_file(lock)
    for line in report.unseen:
        out(safe(f"  not seen: {line}"))


def _colour(conflict: Conflict) -> Literal["red", "yellow"]:
    return "yellow" if conflict.kind == "opposite-order" else "red"


def _heading(text: str) -> None:
    out()
    out(style(text, "bold"))


def _place(report: LockReport) -> str:
    place = report.place
    there = "" if place.exists else "not there yet, "
    kind = f"on {place.filesystem} ({place.device}), " if place.filesystem else ""
    owner = f"of {place.owner}, " if place.exists else ""
    maker = _MAKERS[place.dotlock].format(owner=place.owner, group=place.group)
    rights = f"{place.mode} {place.directory_owner}:{place.group}"
    dotlock = f"; a dotlock there can be made by {maker}" if report.programs else ""
    return f"{there}{owner}{kind}in {place.directory} ({rights}{dotlock})"


_MAKERS = {"owner": "{owner}", "group": "group {group} alone", "root": "root alone"}


def _program(program: Program) -> tuple[str, ...]:
    reads = "-" if program.read is None else _list(program.read)
    known = program.basis if program.uses_mbox else f"{program.basis}, unused"
    cells = (program.name, program.version or "-", _list(program.write), reads, known, _waits(program))
    return tuple(safe(cell) for cell in cells)


def _list(methods: tuple[str, ...]) -> str:
    return " > ".join(methods) if methods else "nothing"


def _waits(program: Program) -> str:
    if program.gives_up == 0:
        return "not at all"
    limit = "for ever" if program.gives_up is None else _duration(program.gives_up)
    return f"{limit}, keeping its locks" if program.keeps and len(program.write) > 1 else limit


def _duration(seconds: float) -> str:
    """Return a length of time for people: 45 s, 3 min, 2 h, 3 d."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _kernel_lock(lock: KernelLock) -> list[tuple[str, ...]]:
    """Return the table's rows for a lock: one for each process that has it."""
    what = f"{lock.kind} {lock.mode}" + (" (waiting)" if lock.waiting else "")
    end = "" if lock.last is None else str(lock.last)
    extent = lock.meaning or ("" if (lock.first, lock.last) == (0, None) else f"bytes {lock.first}-{end}")
    processes: tuple[Process | None, ...] = lock.processes or (None,)
    return [
        tuple(
            safe(cell)
            for cell in (
                lock.path,
                what,
                "?" if one is None else str(one.pid),
                "?" if one is None else one.program,
                "?" if one is None else one.user,
                "-" if one is None or one.since is None else local(int(one.since)),
                extent,
            )
        )
        for one in processes
    ]


def _lock_file(lock: LockFile) -> None:
    says = (
        "may not be read" if lock.says is None else f"says {lock.says.strip()!r}" if lock.says.strip() else "is empty"
    )
    if lock.process is not None:
        who = f"process {lock.process.pid} ({lock.process.program}, {lock.process.user}) lives"
    elif lock.dead:
        who = f"process {lock.pid} is dead"
    elif lock.pid is not None:
        who = f"process {lock.pid} of another host"
    else:
        who = "names no process"
    age = f"untouched for {_duration(lock.age)}, since {local(int(lock.since))}"
    text = f"  {lock.path} of {lock.user} {says}: {who}; {age}"
    out(style(safe(text + ("; stale" if lock.stale else "")), *(("red",) if lock.stale else ())))
    for breaker in lock.breakers:
        out(safe(f"    {breaker.program} {_breaks(breaker)}"))


def _breaks(breaker: Breaker) -> str:
    if breaker.seconds is None:
        return "leaves it"
    return f"removes it in {_duration(breaker.seconds)}" if breaker.seconds else "removes it now"
