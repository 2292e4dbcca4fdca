"""Carrying out a commit: the two barriers, the order, what a failure leaves.

The problem. Renames are atomic one by one only, other programs rename the same files without any lock, and a power cut
may keep a name and lose the contents or the UID behind it.

The solution, in this order, under Dovecot's lock of every folder concerned, taken by name:
1. the contents of all that is appended are synced;
2. the records (keyword letters, then uidlist lines) are written and synced: a line without a message is harmless;
3. the renames, links and unlinks, change by change. A name that is not there any more is searched for by its base and
   what was decided from it is decided anew;
4. the directories are synced; only then are outcomes told.
A failure in 1 and 2 has changed nothing and is raised. In 3 it ends the commit: what went before is synced and stays.

A delivery that needs no UID and holds nothing that needs a record goes without lock and record: the next reader
numbers it (``deliver``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress

from mailstore.drivers.maildir import deliver
from mailstore.drivers.maildir.account import Account
from mailstore.drivers.maildir.append import Appends
from mailstore.drivers.maildir.keys import Keys
from mailstore.drivers.maildir.update import expunge, move, set_flags, set_state
from mailstore.drivers.maildir.view import View, views_locked
from mailstore.errors import MailstoreError, Unsupported
from mailstore.model.changes import Append, Change, Expunge, Move, Outcome, SetFlags, SetState
from mailstore.model.names import FolderPath
from mailstore.spi import Guard
from mailstore.system import fs
from mailstore.system.locks import Dotlock

FindView = Callable[[FolderPath], View]


def commit(
    account: Account, find_view: FindView, keys: Keys, changes: Sequence[Change], guard: Guard | None, need_uids: bool
) -> list[Outcome]:
    """See Driver.commit."""
    views = _views(account, find_view, changes)
    if not need_uids and deliver.are_plain(changes):
        return deliver.alone(deliver.steps(account, changes, views, guard), account.anchor)
    wanted = [c.staged.key for c in changes if isinstance(c, Append) and c.staged.key is not None]
    if wanted:
        keys.look_for(wanted)
    with views_locked(views.values()) as held:
        _refresh(views, changes, bool(wanted))
        _make_room(views, changes)
        if wanted:
            keys.look(views.values())
        if guard is not None:
            guard(changes)
        outcomes = _carry_out(account, views, changes, held, keys)
    return (
        outcomes if need_uids else [_without_uids(change, one) for change, one in zip(changes, outcomes, strict=True)]
    )


def delivery(
    account: Account, find_view: FindView, changes: Sequence[Append], guard: Guard | None
) -> deliver.Steps | None:
    """Return a commit without UIDs that can pass the barriers together with others; None where it needs a lock.

    Raises:
        NoSuchFolder: see Driver.commit.
    """
    if not deliver.are_plain(changes):
        return None
    return deliver.steps(account, changes, _views(account, find_view, changes), guard)


def _views(account: Account, find_view: FindView, changes: Sequence[Change]) -> dict[FolderPath, View]:
    """Find the folders that the changes are about; those that take messages are made complete."""
    views: dict[FolderPath, View] = {}
    for change in changes:
        for path in (change.folder, change.destination) if isinstance(change, Move) else (change.folder,):
            if path not in views:
                views[path] = find_view(path)
    targets = {change.folder for change in changes if isinstance(change, Append)}
    for path in targets | {change.destination for change in changes if isinstance(change, Move)}:
        _complete(account, views[path])
    return views


def _without_uids(change: Change, outcome: Outcome) -> Outcome:
    if isinstance(change, Append) and outcome.status == "done":
        return outcome._replace(uids=(), uidvalidity=0)
    return outcome


def _complete(account: Account, view: View) -> None:
    """Make those of tmp, new and cur that are missing; a reader may have removed them, or never made them."""
    with fs.errors(view.directory):
        account.make_subdirectories(view.directory)


def _refresh(views: dict[FolderPath, View], changes: Sequence[Change], keyed: bool) -> None:
    """Bring up to date what the changes look at; a folder that is only appended to needs no scan."""
    looked_at = {change.folder for change in changes if not isinstance(change, Append)}
    looked_at |= {change.destination for change in changes if isinstance(change, Move)}
    for path, view in views.items():
        same = view.index.uidvalidity == view.records.uidvalidity != 0
        view.scanned = keyed or path in looked_at or not same or not view.records.ours
        if view.scanned:
            view.refresh()
            view.records.load()


def _make_room(views: dict[FolderPath, View], changes: Sequence[Change]) -> None:
    """See to it that there are UIDs for all that arrives; a folder that has none left is numbered anew.

    Raises:
        Unsupported: and other changes name that folder's messages by the UIDs they had.
    """
    arriving: Counter[FolderPath] = Counter()
    for change in changes:
        if isinstance(change, Append):
            arriving[change.folder] += 1
        elif isinstance(change, Move):
            arriving[change.destination] += len(change.uids)
    named = {change.folder for change in changes if not isinstance(change, Append)}
    for path, count in arriving.items():
        if views[path].has_room(count):
            continue
        if path in named:
            raise Unsupported(f"folder {path} has given its last UID: append to it alone", capability="uids")
        views[path].number_anew()


def _carry_out(
    account: Account, views: dict[FolderPath, View], changes: Sequence[Change], held: Sequence[Dotlock], keys: Keys
) -> list[Outcome]:
    appends = Appends(account, views, keys)
    with fs.errors(account.root):
        appends.prepare(changes)
    touched: dict[str, None] = {}
    outcomes: list[Outcome] = []
    failure: MailstoreError | None = None
    for number, change in enumerate(changes):
        view = views[change.folder]
        try:
            if number % 64 == 0:
                for lock in held:
                    lock.refresh()
            with fs.errors(view.directory):
                match change:
                    case Append():
                        outcomes.append(appends.carry_out(number, outcomes, touched))
                    case SetFlags():
                        outcomes.append(set_flags(view, change, touched))
                    case Expunge():
                        outcomes.append(expunge(view, change, touched))
                    case Move():
                        outcomes.append(move(view, views[change.destination], change, touched))
                    case SetState():
                        outcomes.append(set_state(view, change))
        except MailstoreError as error:
            failure = error
            break
    return _finish(account, views, outcomes, touched, failure, len(changes))


def _finish(
    account: Account,
    views: dict[FolderPath, View],
    outcomes: list[Outcome],
    touched: dict[str, None],
    failure: MailstoreError | None,
    count: int,
) -> list[Outcome]:
    """Sync the names, enter the sums, make the index lasting; what is not sure to be on the disk has failed."""
    try:
        for directory in touched:
            with fs.errors(directory):
                fs.sync_directory(directory)
    except MailstoreError as error:
        account.ledger.enter()
        return [Outcome("failed", error=error)] * count
    account.ledger.enter()
    for view in views.values():
        view.clean_stamp()
        if not view.store():  # somebody else stored this folder: the next look takes our changes in
            with suppress(MailstoreError):
                view.refresh()
    if failure is not None:
        outcomes += [Outcome("failed", error=failure)] * (count - len(outcomes))
    return outcomes
