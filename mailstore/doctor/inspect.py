"""Put it all together: programs, locks held now, conflicts and advice for one store."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from mailstore.doctor import agents, readers, servers
from mailstore.doctor.advice import advise
from mailstore.doctor.conflicts import find_conflicts
from mailstore.doctor.kernel import locks_on, look
from mailstore.doctor.lockfiles import look_at
from mailstore.doctor.machine import Here, Machine
from mailstore.doctor.place import inspect_place
from mailstore.doctor.report import Advice, KernelLock, LockFile, LockReport, Program
from mailstore.doctor.targets import Targets, location_text, targets
from mailstore.errors import NoSuchStore, StorageFailure, Unsupported
from mailstore.registry import parse_location
from mailstore.system import clock
from mailstore.system.lockrules import PRESETS

_SPOOLS = ("/var/mail", "/var/spool/mail")


def inspect_locks(location: str, machine: Machine | None = None) -> LockReport:
    """Tell how the store at ``location`` is locked here: by which programs, by whom now, and how we should.

    Nothing is changed and no lock is taken. Installed programs are run to tell their configuration, each for ten
    seconds at most. Works for every user; ``unseen`` of the report says what only root could have seen.

    Args:
        location: a path, or ``format:path``; an mbox need not exist yet, its directory must.
        machine: where to look for programs; this machine if None.

    Raises:
        NoSuchStore: not even the directory is there.
        NotAStore, AmbiguousLocation, LocationError: see ``mailstore.open_store``.
        Unsupported: a store without files, such as ``memory:``.
        StorageFailure: the directory may not be looked at.
    """
    parsed = parse_location(location)
    found = targets(parsed)
    if found is None:
        raise Unsupported(f"{parsed.format}: has no files, and so no locks to look at", capability="locks")
    if parsed.format != "mbox" and not os.path.lexists(found.path):
        raise NoSuchStore(f"{location}: nothing is there", path=found.path)
    try:
        place = inspect_place(found.path, found.directory)
    except FileNotFoundError as error:
        raise NoSuchStore(f"{found.directory}: no such directory", path=found.directory) from error
    except OSError as error:
        raise StorageFailure(f"{found.directory}: {error.strerror}", path=found.directory) from error
    is_mbox = parsed.format == "mbox"
    programs = list(installed(machine or Here(), found.directory in _SPOOLS)) if is_mbox else []
    now = clock.now_ns() / 1e9
    held, files, unseen = _now(found, programs)
    return LockReport(
        location=location_text(parsed),
        format=parsed.format,
        taken=now,
        place=place,
        protocol=found.protocol,
        programs=tuple(programs),
        locks=tuple(held),
        lock_files=tuple(files),
        conflicts=tuple(find_conflicts(programs, place)),
        advice=(
            advise(location_text(parsed), programs, place, PRESETS)
            if is_mbox
            else Advice("", location_text(parsed), ("this format needs no preset",))
        ),
        unseen=tuple(unseen),
    )


def installed(machine: Machine, spool: bool) -> Iterable[Program]:
    """Yield the mail programs that are installed; ``spool``: for a mailbox of the system's spool directory."""
    yield from servers.postfix(machine)
    yield from servers.exim(machine)
    yield from servers.qmail(machine)
    yield from servers.dovecot(machine)
    yield from agents.procmail(machine)
    yield from agents.maildrop(machine)
    yield from readers.mutt(machine)
    yield from readers.neomutt(machine)
    yield from readers.mailutils(machine)
    yield from readers.s_nail(machine, spool)
    yield from readers.c_client(machine)
    yield from readers.python()
    yield from agents.liblockfile(machine)


def _now(found: Targets, programs: Sequence[Program]) -> tuple[list[KernelLock], list[LockFile], list[str]]:
    """Return the locks held at this moment, lock files that are there, and what could not be seen."""
    paths = dict.fromkeys([*found.files, *(path for path, _ in found.lock_files)])
    named = [there for path in paths if (there := look(path)) is not None]
    held, unseen = locks_on(named)
    busy = {lock.path for lock in held if not lock.waiting}
    files = []
    for path, guards in found.lock_files:
        lock = look_at(path, guards, guards not in busy, programs)
        if lock is None:
            continue
        files.append(lock)
        if lock.says is None:
            unseen.append(f"{path}: this user may not read what it says")
    return held, files, unseen
