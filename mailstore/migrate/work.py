"""What the process of one account does: take on the rights that are right, then convert.

The problem. Run by root, a migration makes mail for many users, each of whom may write in his home directory, and some
of whom may be hostile: a symbolic link or hard link put there at the right moment would make root write elsewhere, a
link among his mail would make root read what he may not, a directory of his would be given away with what is in it.

The solution. Root's rights are not used there at all.

- Each account has a process of its own. It becomes the account's owner for good (groups, group, user: all of them)
  before anything of the source or the destination is opened. From then on the kernel tells what may be read and
  written; new files belong to the owner without being given to him, and are his alone (umask 077).
- Where the owner may not read the source (a directory of ``vmail``, a spool of root's), a second process reads it with
  the rights of the user to whom the source belongs, and nobody else's (see ``mailstore.migrate.relay``). That is done
  only where nobody but root and that user decides what the path leads to; anywhere else the account fails.
- What the owner may not make himself, since it lies in a directory of root's, root makes empty and gives him, before:
  the destination itself (``/var/mail/joe``), his journal and his directory for messages set aside where one place for
  all was named. That is done only in directories that belong to root all the way up (``mailstore.system.handover``).

Nothing of this concerns a process that is not root's: it does what it may, as itself.

A signal that stops the migration sets a flag here: the conversion ends between two batches, and its report is sent.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from mailstore import registry
from mailstore.convert import Conversion, Options, Progress, open_destination, plan
from mailstore.convert.workers import Tell
from mailstore.errors import CannotCreate, MailstoreError, StorageFailure
from mailstore.migrate.accounts import Account
from mailstore.migrate.owner import Owner, numbered, owner_of
from mailstore.migrate.relay import Relay
from mailstore.migrate.result import Result
from mailstore.spi import Location
from mailstore.store import Store, open_store
from mailstore.system import clock, fs, handover, priority, scratch

_TELLING = 0.2
"""Seconds between two words on how far it is."""
_NAP = 0.2
"""Seconds within which a stop is noticed while the pace makes us wait."""


@dataclass(frozen=True, slots=True)
class Task:
    """An account and how it is converted.

    Attributes:
        account: which.
        options: ``journal`` and ``rejected`` are those of this account.
        owner: see mailstore.migrate.owner, where the account does not say.
        lock_timeout: seconds to wait for another program's lock.
        idle: give way to all other programs.
        source_options: added to those of the source's location.
        dry_run: plan, and change nothing.
    """

    account: Account
    options: Options
    owner: str
    lock_timeout: float
    idle: bool
    source_options: Mapping[str, str]
    dry_run: bool = False


class _Stopped(BaseException):
    """The migration is to stop; nothing in a conversion catches it."""


class _Stop:
    """Whether a signal has asked to stop."""

    def __init__(self) -> None:
        self._asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def _ask(self, *_: object) -> None:
        self._asked = True

    def check(self) -> None:
        if self._asked:
            raise _Stopped

    def sleep(self, seconds: float) -> None:
        """Wait, unless it is to stop."""
        end = clock.monotonic() + seconds
        while (left := end - clock.monotonic()) > 0:
            self.check()
            clock.sleep(min(left, _NAP))


def work(task: Task, tell: Tell) -> Result:
    """Convert one account, in a process of its own; raises nothing. ``tell`` gets a Progress now and then."""
    result = Result(task.account)
    started = time.monotonic()
    try:
        _carry(task, result, _Stop(), tell)
    except _Stopped:
        result.status, result.reason = "interrupted", "it was stopped; run it again, and it goes on"
    except MailstoreError as error:
        _fail(result, type(error).__name__, str(error))
    except OSError as error:
        _fail(result, type(error).__name__, f"{error.filename or task.account.destination}: {error.strerror or error}")
    except Exception as error:  # noqa: BLE001 - the other accounts go on
        _fail(result, type(error).__name__, f"this is a defect of mailstore: {type(error).__name__}: {error}")
    result.seconds = time.monotonic() - started
    return result


def _fail(result: Result, error: str, reason: str) -> None:
    result.status, result.error, result.reason = "failed", error, reason


def _carry(task: Task, result: Result, stop: _Stop, tell: Tell) -> None:
    account = task.account
    options = replace(
        task.options,
        include=account.include or task.options.include,
        exclude=account.exclude or task.options.exclude,
    )
    if options.pace is not None:
        options.pace.sleep = stop.sleep
    if task.idle:
        priority.give_way()
    with ExitStack() as stack:
        old = _take_on(task, owner_of(account.user, account.owner or task.owner), stack)
        if task.dry_run:
            _plan(task, options, old, result)
            return
        tree = options.needs_folders(old.folders())
        new = stack.enter_context(
            open_destination(account.destination, folders=tree, lock_timeout=task.lock_timeout, source=old.location)
        )
        conversion = stack.enter_context(Conversion(old, new, options, _watching(stop, tell)))
        try:
            report = conversion.carry()
        finally:
            result.report = conversion.report
        there = {info.path for info in new.folders() if info.selectable}
    given_up = [str(one.folder) for one in report.folders if one.skipped and one.target not in there]
    result.given_up = tuple(given_up)
    if report.ok:
        result.status = "done"
    else:
        _fail(result, "", "")


def _plan(task: Task, options: Options, old: Store, result: Result) -> None:
    result.plan = planned = plan(old, registry.parse_location(task.account.destination), options)
    if planned.problems:
        _fail(result, "", "")
    else:
        result.status = "done"


def _watching(stop: _Stop, tell: Tell) -> Callable[[Progress], None]:
    told = 0.0

    def watch(step: Progress) -> None:
        nonlocal told
        stop.check()
        if (now := clock.monotonic()) - told >= _TELLING:
            told = now
            tell(step)

    return watch


# --- whose rights


def _take_on(task: Task, owner: Owner | None, stack: ExitStack) -> Store:
    """Become the owner, and return the source, open for reading."""
    source = task.account.source
    named: dict[str, Any] = dict(task.source_options)

    def open_source() -> Store:
        return open_store(source, readonly=True, lock_timeout=task.lock_timeout, **named)

    if owner is None:
        return stack.enter_context(open_source())
    path = path_of(source)
    relay = None
    if path and not owner.may_read(path):
        relay = stack.enter_context(Relay(open_source, _reader_of(path).become))
    if not task.dry_run:
        _make_room(task, owner)
    try:
        owner.become()
    except PermissionError as error:
        raise StorageFailure(f"this process cannot become {task.account.user}: {error.strerror}") from error
    return stack.enter_context(open_source() if relay is None else relay.open())


def path_of(text: str) -> str:
    """Return the path of a location; a bare one is not looked at. '' where it names none."""
    form, colon, _ = text.partition(":")
    if colon and registry.find_format(form) is not None:
        path = registry.parse_location(text).path
        return path if os.path.isabs(path) else ""
    return os.path.abspath(os.path.expanduser(text))


def _reader_of(path: str) -> Owner:
    """Return the user that a source belongs to whom the account's owner may not read.

    Raises:
        StorageFailure: somebody else could decide what the path leads to.
    """
    found = os.stat(path)
    if not handover.is_safe(path, found.st_uid):
        raise StorageFailure(
            f"{fs.shown(path)} is closed to the account's owner, and others may write above it: what it leads to is "
            "not sure, and it is not read with other rights; give it to the owner, or say --owner",
            path=path,
        )
    return numbered(found.st_uid, found.st_gid)


def _make_room(task: Task, owner: Owner) -> None:
    """Make, as root, what the owner may not make himself in directories of root's."""
    options, path = task.options, path_of(task.account.destination)
    try:
        if options.journal is not None:
            handover.make_for(options.journal, owner.uid, owner.gid, directory=False)
        if options.rejected is not None:
            handover.make_for(options.rejected, owner.uid, owner.gid, directory=True)
        if path and not os.path.lexists(path) and not _is_shared(os.path.dirname(path)):
            kind = _kind(task.account.destination)
            if kind is not None and handover.is_safe(path, crowded=kind == "file"):
                handover.make_for(path, owner.uid, owner.gid, directory=kind == "directory", new=True)
    except OSError as error:
        raise CannotCreate(f"{error.filename or path}: {error.strerror or error}", path=path) from error


def _is_shared(directory: str) -> bool:
    """Tell whether everybody may make files there, or nobody, so that no help is needed or would do."""
    return not os.path.isdir(directory) or bool(os.stat(directory).st_mode & 0o002)


def _kind(destination: str) -> str | None:
    """Return whether a new store there is a directory or an empty file; None where it is neither.

    The format is asked by having it make one elsewhere. A slash at the end asks for a form that holds folders.
    """
    location = registry.parse_location(destination)
    plain = {name: value for name, value in location.options.items() if os.sep not in value}
    with scratch.directory() as directory:
        path = os.path.join(directory, os.path.basename(location.path))
        open_store(str(Location(location.format, path, plain)), create=True, folders=destination.endswith("/")).close()
        if os.path.isdir(path):
            return "directory"
        return "file" if os.path.exists(path) and not os.path.getsize(path) else None
