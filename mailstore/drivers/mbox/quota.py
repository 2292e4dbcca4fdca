"""The quota of an mbox store: mailstore.spi.QuotaKeeping.

Bytes are those of the files, with From_ lines and what is kept in the headers, as Exim counts them: no sum can be
wrong, whoever writes, and asking costs a stat for each folder. How many messages there are, and which are flagged as
deleted, the index tells, or a scan of what it does not know yet.

A commit to one file is alone with it. In a tree, where two deliveries may hold the locks of two files, the guard is
called under one lock of the store more.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from mailstore.drivers.mbox.kept import Kept
from mailstore.drivers.mbox.staging import are_plain
from mailstore.drivers.mbox.sync import Folder, place
from mailstore.errors import CorruptStore, MailstoreError, ReadOnlyStore, UsageError
from mailstore.model.changes import Append, Change, Usage
from mailstore.model.flags import DELETED
from mailstore.model.names import FolderPath
from mailstore.model.quota import NO_RULES, FolderCount, QuotaRules


class MboxQuota(ABC):
    """See mailstore.spi.QuotaKeeping.

    Args:
        kept: the texts kept with the store.
        given: the opener's rules.
        writable: the store can be changed.
    """

    def __init__(self, kept: Kept, given: QuotaRules | None, *, writable: bool) -> None:
        self._kept = kept
        self._given = given
        self._may_write = writable
        self._tally = Usage(0, 0)

    @abstractmethod
    def _quota_folders(self) -> dict[FolderPath, Folder]:
        """Return the folders there are that hold messages."""

    def quota_rules(self) -> QuotaRules | None:
        """See QuotaKeeping.quota_rules."""
        text = self._kept.read()
        if text is None:
            return None
        from mailstore.formats.quotarules import parse_rules  # late: few stores have a quota

        try:
            return parse_rules(text)
        except UsageError as error:
            raise CorruptStore(f"the rules kept with the store cannot be understood: {error}") from error

    def set_quota_rules(self, rules: QuotaRules | None) -> None:
        """See QuotaKeeping.set_quota_rules; the sums are always those of the files."""
        from mailstore.formats.quotarules import format_rules

        self._check_writable()
        self._kept.write(None if rules is None else format_rules(rules))

    def quota_usage(self, rules: QuotaRules, *, sure: bool = False, messages: bool = True) -> Usage:
        """See QuotaKeeping.quota_usage."""
        total = Usage(0, 0)
        for path, folder in self._quota_folders().items():
            if messages or (sure and rules.counts(path, 0) != rules.counts(path, DELETED)):
                total = _sum(total, rules.counted(_count(path, folder)))
            else:
                total = _sum(total, rules.counted(FolderCount(path, 0, _size(folder.path), 0, 0)))
        return total

    def recorded_quota(self) -> Usage | None:
        """See QuotaKeeping.recorded_quota: there are no sums."""
        return None

    def count_quota(self) -> Iterator[FolderCount]:
        """See QuotaKeeping.count_quota."""
        for path, folder in self._quota_folders().items():
            yield _count(path, folder)

    def recalculate_quota(self, rules: QuotaRules) -> Usage:
        """See QuotaKeeping.recalculate_quota: there is nothing that could be wrong."""
        return self.quota_usage(rules, sure=True)

    @property
    def quota_tally(self) -> Usage:
        """See QuotaKeeping.quota_tally."""
        return self._tally

    def quota_note(self, name: str) -> str:
        """See QuotaKeeping.quota_note."""
        return (self._kept.read(name) or b"").decode("utf-8", "replace")

    def set_quota_note(self, name: str, text: str) -> None:
        """See QuotaKeeping.set_quota_note."""
        self._check_writable()
        self._kept.write(text.encode() or None, name)

    def _check_writable(self) -> None:
        if not self._may_write:
            raise ReadOnlyStore("the mbox store was opened read-only, or is a packed file")

    # -- the tally

    def _quota_at_hand(self) -> QuotaRules:
        """Return the rules at hand; none where they cannot be read: whoever asks for them is told."""
        try:
            return self._given or self.quota_rules() or NO_RULES
        except MailstoreError:
            return NO_RULES

    @contextmanager
    def _tallied(self) -> Iterator[None]:
        """Add to the tally what the block changes."""
        rules = self._quota_at_hand()
        if not rules.groups:
            yield
            return
        before = self.quota_usage(rules)
        try:
            yield
        finally:
            self._enter(before, self.quota_usage(rules))

    @contextmanager
    def _tallied_changes(self, path: FolderPath, folder: Folder, changes: Sequence[Change]) -> Iterator[None]:
        """Add to the tally what the block, under the folder's lock, makes of these changes.

        Deliveries are not looked at: each of them adds one message, and the file's length tells the bytes.
        """
        rules = self._quota_at_hand()
        if not rules.groups:
            yield
            return
        unseen = are_plain(changes) and not any(_is_deleted(change) for change in changes)

        def counted(messages: int) -> Usage:
            count = FolderCount(path, messages, _size(folder.path), 0, 0) if unseen else _count(path, folder)
            return rules.counted(count)

        before = counted(0)
        yield
        self._enter(before, counted(len(changes)))

    def _enter(self, before: Usage, after: Usage) -> None:
        more = Usage(after.messages - before.messages, after.size - before.size)
        self._tally = _sum(self._tally, more)


def _is_deleted(change: Change) -> bool:
    if not isinstance(change, Append):
        return False
    meta = change.staged.meta if change.meta is None else change.meta
    return bool(meta.flags & DELETED)


def _count(path: FolderPath, folder: Folder) -> FolderCount:
    entries = folder.look().entries.values()
    deleted = [place(entry)[1] for entry in entries if entry.flags & DELETED]
    return FolderCount(path, len(entries), _size(folder.path), len(deleted), sum(deleted))


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _sum(one: Usage, other: Usage) -> Usage:
    return Usage(one.messages + other.messages, one.size + other.size)
