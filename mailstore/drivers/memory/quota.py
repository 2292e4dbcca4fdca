"""The quota of a store in memory: mailstore.spi.QuotaKeeping."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mailstore.drivers.memory.account import Account
from mailstore.errors import ReadOnlyStore
from mailstore.model.changes import Usage
from mailstore.model.flags import DELETED
from mailstore.model.info import body_size
from mailstore.model.quota import NO_RULES, FolderCount, QuotaRules
from mailstore.spi import Settings


class MemoryQuota:
    """See mailstore.spi.QuotaKeeping: nothing is summed up beforehand, so that no sum can be wrong."""

    def __init__(self, account: Account, settings: Settings) -> None:
        self._account = account
        self._readonly = settings.readonly
        self._given = settings.quota
        self._tally = Usage(0, 0)

    def quota_rules(self) -> QuotaRules | None:
        """See QuotaKeeping.quota_rules."""
        return self._account.quota

    def set_quota_rules(self, rules: QuotaRules | None) -> None:
        """See QuotaKeeping.set_quota_rules."""
        self._write()
        self._account.quota = rules

    def quota_usage(self, rules: QuotaRules, *, sure: bool = False, messages: bool = True) -> Usage:  # noqa: ARG002
        """See QuotaKeeping.quota_usage."""
        parts = [rules.counted(count) for count in self.count_quota()]
        return Usage(sum(part.messages for part in parts), sum(part.size for part in parts))

    def recorded_quota(self) -> Usage | None:
        """See QuotaKeeping.recorded_quota: there are no sums."""
        return None

    def count_quota(self) -> Iterator[FolderCount]:
        """See QuotaKeeping.count_quota."""
        for path, folder in list(self._account.folders.items()):
            sizes = [(body_size(message.body), message.meta.flags & DELETED) for message in folder.messages.values()]
            deleted = [size for size, flag in sizes if flag]
            yield FolderCount(path, len(sizes), sum(size for size, _ in sizes), len(deleted), sum(deleted))

    def recalculate_quota(self, rules: QuotaRules) -> Usage:
        """See QuotaKeeping.recalculate_quota."""
        self._write()
        return self.quota_usage(rules)

    @property
    def quota_tally(self) -> Usage:
        """See QuotaKeeping.quota_tally."""
        return self._tally

    def quota_note(self, name: str) -> str:
        """See QuotaKeeping.quota_note."""
        return self._account.notes.get(name, "")

    def set_quota_note(self, name: str, text: str) -> None:
        """See QuotaKeeping.set_quota_note."""
        self._write()
        self._account.notes[name] = text

    @contextmanager
    def _tallied(self) -> Iterator[None]:
        """Add to the tally what the block changes."""
        rules = self._given or self._account.quota or NO_RULES
        if not rules.groups:
            yield
            return
        before = self.quota_usage(rules)
        try:
            yield
        finally:
            after = self.quota_usage(rules)
            messages, size = self._tally
            self._tally = Usage(messages + after.messages - before.messages, size + after.size - before.size)

    def _write(self) -> None:
        if self._readonly:
            raise ReadOnlyStore("the store in memory was opened read-only")
