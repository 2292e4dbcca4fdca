"""A look at one account, as close as asked.

What others do to it meanwhile is no trouble: a message or folder that vanishes is passed over, and what cannot be read
is named while the rest goes on.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from mailstore.errors import CorruptStore, MailstoreError, NoSuchFolder, NoSuchMessage, Scope
from mailstore.folder import Folder
from mailstore.model.changes import Footprint, Usage
from mailstore.model.flags import DELETED
from mailstore.model.info import HEADER, INTERNAL_DATE, SIZE, Row
from mailstore.model.names import FolderPath
from mailstore.model.quota import NO_RULES, FolderCount, QuotaRules
from mailstore.quota.account import total
from mailstore.store import Store, open_store
from mailstore.survey.result import DEPTHS, Account, Depth, FolderShare, Limits, TopMessage
from mailstore.survey.tally import Tally
from mailstore.survey.targets import Target
from mailstore.survey.text import author_of, subject_of
from mailstore.system.diskquota import Disk, disk_of

_T = TypeVar("_T")
_FROM_AND_SUBJECT = 64 << 10
"""Bytes of a header that are kept of one of the largest messages."""


@dataclass(slots=True)
class _Scan:
    """What the messages of an account told."""

    counts: list[FolderCount]
    problems: list[str]
    oldest: int | None = None
    newest: int | None = None


def look(target: Target, depth: Depth, tally: Tally, *, disks: bool = True, lock_timeout: float = 60.0) -> Account:
    """Return what is known of an account after a look at it; nothing there is changed.

    Args:
        target: which one.
        depth: how close.
        tally: takes in each message, where ``depth`` is ``messages`` or ``senders``.
        disks: also ask for the file system.
        lock_timeout: seconds to wait for another program's lock.

    Raises:
        MailstoreError: it cannot be opened, or not be read at all.
    """
    if target.error is not None:
        raise target.error
    with open_store(target.location, readonly=True, lock_timeout=lock_timeout) as store:
        problems: list[str] = []
        rules = _asked(store.quota.rules, problems)
        scan = _scan(store, target, depth, tally)
        usage = _asked(store.quota.usage, problems)
        if usage is None:
            usage = total(NO_RULES, store.quota.count())
        kept = _asked(store.quota.recorded, problems)
        path = store.location.path
        return Account(
            name=target.name,
            domain=target.domain,
            location=target.location,
            format=store.capabilities.format,
            style=rules.style if rules else "",
            usage=usage,
            limits=Limits(rules.storage, rules.messages) if rules else Limits(),
            kept=kept,
            total=None if scan is None else _total(scan.counts),
            folders=None if scan is None else _shares(scan.counts, rules or NO_RULES),
            oldest=scan.oldest if scan else None,
            newest=scan.newest if scan else None,
            footprint=_footprint(store, problems) if DEPTHS.index(depth) >= DEPTHS.index("messages") else None,
            disk=_disk(path) if disks else None,
            groups=rules.groups if rules else (),
            problems=(*problems, *store.quota.problems, *(scan.problems if scan else ())),
        )


def _asked(ask: Callable[[], _T | None], problems: list[str]) -> _T | None:
    """Return what the account's own record says; where it is damaged that is a problem, and mail is counted anyway."""
    try:
        return ask()
    except CorruptStore as error:
        if str(error) not in problems:
            problems.append(str(error))
        return None


def _scan(store: Store, target: Target, depth: Depth, tally: Tally) -> _Scan | None:
    if depth == "sums":
        return None
    if depth == "folders":
        return _Scan(store.quota.count(), [])
    scan = _Scan([], [])
    want = INTERNAL_DATE | SIZE | (HEADER if depth == "senders" else 0)
    for info in store.folders():
        if not info.selectable:
            continue
        try:
            folder = store.folder(info.path)
            scan.counts.append(_read(folder, target, want, tally, scan))
        except NoSuchFolder:
            continue  # deleted meanwhile
        except MailstoreError as error:
            if error.scope is Scope.STORE and info.path.is_inbox:
                raise
            scan.problems.append(f"{info.path}: {error}")
    return scan


def _read(folder: Folder, target: Target, want: int, tally: Tally, scan: _Scan) -> FolderCount:
    """Go through a folder's messages once: count them, enter them into the sums, remember the largest."""
    messages = size = deleted_messages = deleted_size = unreadable = 0
    largest = _Largest(folder, target, tally)
    for row in folder.rows(want):
        if row.error is not None:
            unreadable += not isinstance(row.error, NoSuchMessage)
            continue
        bytes_ = row.size or 0
        messages += 1
        size += bytes_
        if row.flags & DELETED:
            deleted_messages += 1
            deleted_size += bytes_
        date = row.internal_date
        if date is not None:
            scan.oldest = date if scan.oldest is None or date < scan.oldest else scan.oldest
            scan.newest = date if scan.newest is None or date > scan.newest else scan.newest
        tally.add(bytes_, date)
        if row.header is not None:
            tally.add_sender(author_of(row.header), bytes_)
        largest.see(row)
    largest.enter()
    if unreadable:
        scan.problems.append(f"{folder.path}: {unreadable} messages cannot be read")
    return FolderCount(folder.path, messages, size, deleted_messages, deleted_size)


class _Largest:
    """The largest messages of one folder: their headers are read when the folder is done, and of no other one."""

    def __init__(self, folder: Folder, target: Target, tally: Tally) -> None:
        self._folder = folder
        self._target = target
        self._tally = tally
        self._found: list[tuple[int, int, int | None]] = []

    def see(self, row: Row) -> None:
        """Take a look at a message."""
        size = row.size or 0
        if row.uid and self._tally.large_enough(size):
            entry = (size, row.uid, row.internal_date)
            if len(self._found) < self._tally.most:
                heapq.heappush(self._found, entry)
            elif entry > self._found[0]:
                heapq.heapreplace(self._found, entry)

    def enter(self) -> None:
        """Enter those that are among the largest of all."""
        for size, uid, date in sorted(self._found, reverse=True):
            if not self._tally.large_enough(size):
                return
            header = b""
            with suppress(MailstoreError, OSError):
                message = next(self._folder.fetch((uid,), HEADER), None)
                header = (message.row.header or b"")[:_FROM_AND_SUBJECT] if message is not None else b""
            path = self._folder.path
            self._tally.add_large(
                TopMessage(size, self._target.name, path, uid, date, author_of(header), subject_of(header))
            )


def _total(counts: Iterable[FolderCount]) -> Usage:
    pairs = [(count.messages, count.size) for count in counts]
    return Usage(sum(messages for messages, _ in pairs), sum(size for _, size in pairs))


def _shares(counts: Iterable[FolderCount], rules: QuotaRules) -> tuple[FolderShare, ...]:
    shares = [FolderShare(one.folder, one.messages, one.size, rules.counts(one.folder, 0)) for one in counts]
    return tuple(sorted(shares, key=lambda share: (-share.size, share.folder)))


def _footprint(store: Store, problems: list[str]) -> Footprint | None:
    try:
        return store.footprint()
    except MailstoreError as error:
        problems.append(str(error))
        return None


def _disk(path: str) -> Disk | None:
    return disk_of(path) if os.path.isabs(path) else None


def folder_of(account: Account) -> FolderPath | None:
    """Return the account's biggest folder; None where it was not looked at or is empty."""
    first = next(iter(account.folders or ()), None)
    return first.folder if first is not None and first.size else None
