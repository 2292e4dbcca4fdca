"""Deliveries that need neither a lock nor a record: commits that stop at each barrier, so that several can pass as one.

The problem. A server with mail for thirty Maildirs passes two barriers for each of them; on a busy file system one
takes as long as all sixty together would.

The solution. A commit is a generator. It yields what has to be on the disk before it may go on, first contents, then
directories; whoever drives it syncs that, and tells it of a failure. ``alone`` drives one commit, ``together`` many at
once, each with an outcome of its own: what fails in one Maildir is thrown into that commit only. Between the barriers
nothing is shared.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import NamedTuple

from mailstore.drivers.maildir.account import Account
from mailstore.drivers.maildir.append import Plan, place, plan
from mailstore.drivers.maildir.naming import Namer, needs_record
from mailstore.drivers.maildir.staging import StagedFile
from mailstore.drivers.maildir.view import View
from mailstore.errors import MailstoreError
from mailstore.model.changes import Append, Change, Outcome
from mailstore.model.names import FolderPath
from mailstore.spi import Guard
from mailstore.system import fs
from mailstore.system.barrier import sync_directories, sync_files


class Unsynced(NamedTuple):
    """What has to be on the disk before a commit goes on: contents of files, or names in directories."""

    files: Sequence[StagedFile] = ()
    directories: Sequence[str] = ()


Steps = Generator[Unsynced, None, list[Outcome]]
"""A commit; an OSError of a barrier is thrown into it."""


def are_plain(changes: Sequence[Change]) -> bool:
    """Tell whether all are Appends that need neither a record nor a new keyword letter nor a look at what is there."""
    for change in changes:
        if not isinstance(change, Append) or change.staged.key is not None:
            return False
        meta = change.staged.meta if change.meta is None else change.meta
        if needs_record(meta) or meta.keywords or change.uid:
            return False
    return True


def steps(account: Account, changes: Sequence[Change], views: dict[FolderPath, View], guard: Guard | None) -> Steps:
    """Commit plain deliveries (see ``are_plain``), as Driver.commit does without UIDs.

    Raises:
        MailstoreError: before anything was changed.
    """
    if guard is not None:
        guard(changes)
    plans: list[Plan] = []
    uses: dict[str, int] = {}
    namers: dict[FolderPath, Namer] = {}
    with fs.errors(account.root):
        for change in changes:
            assert isinstance(change, Append)
            assert isinstance(change.staged, StagedFile)
            view = views[change.folder]
            namer = namers.get(change.folder) or namers.setdefault(change.folder, Namer(view.records))
            plans.append(plan(account, view, namer, change, 0))
            uses[change.staged.path] = uses.get(change.staged.path, 0) + 1
        yield Unsynced(files=[one.staged for one in plans])
    outcomes: list[Outcome] = []
    touched: dict[str, None] = {}
    failure: MailstoreError | None = None
    for one in plans:
        uses[one.staged.path] -= 1
        try:
            with fs.errors(one.view.directory):
                place(one, touched, last=uses[one.staged.path] == 0)
        except MailstoreError as error:
            failure = error
            break
        outcomes.append(Outcome("done"))
        account.ledger.entered(one.view.path, one.meta.flags, one.staged.size)
    try:
        with fs.errors(account.root):
            yield Unsynced(directories=list(touched))
    except MailstoreError as error:
        account.ledger.enter()
        return [Outcome("failed", error=error)] * len(plans)
    account.ledger.enter()
    if failure is not None:
        outcomes += [Outcome("failed", error=failure)] * (len(plans) - len(outcomes))
    return outcomes


def alone(commit: Steps, anchor: Callable[[], int]) -> list[Outcome]:
    """Carry out one commit.

    Args:
        commit: from ``steps``.
        anchor: gives a descriptor of the file system, opened before anything of the commit was written.

    Raises:
        MailstoreError: nothing was changed.
    """
    (result,) = together([commit], anchor)
    if isinstance(result, Exception):
        raise result
    return result


def together(commits: Sequence[Steps], anchor: Callable[[], int]) -> list[list[Outcome] | Exception]:
    """Carry out commits into Maildirs of one file system, all through the same barriers; arguments as of ``alone``.

    Returns:
        of each its outcomes, or the error that it raised before it changed anything.
    """
    results: dict[int, list[Outcome] | Exception] = {}
    going = dict(enumerate(commits))
    failure: OSError | None = None
    while going:
        wanted: list[Unsynced] = []
        for number, commit in list(going.items()):
            try:
                wanted.append(next(commit) if failure is None else commit.throw(failure))
            except StopIteration as end:
                results[number] = end.value
                del going[number]
            except Exception as error:  # noqa: BLE001 - a defect met by one must not reach the others
                results[number] = error
                del going[number]
        failure = _pass(wanted, anchor) if wanted else None
    return [results[number] for number in range(len(commits))]


def _pass(wanted: Sequence[Unsynced], anchor: Callable[[], int]) -> OSError | None:
    """Sync what all of them want; after an error nobody knows what is on the disk."""
    files = [file for one in wanted for file in one.files if not file.synced]
    directories = list(dict.fromkeys(directory for one in wanted for directory in one.directories))
    try:
        if files:
            sync_files([file.path for file in files], anchor())
        if directories:
            sync_directories(directories, anchor())
    except OSError as error:
        return error
    for file in files:
        file.synced = True
    return None
