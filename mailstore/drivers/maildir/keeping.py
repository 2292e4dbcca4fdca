"""The quota of an open Maildir: mailstore.spi.QuotaKeeping, by way of its ledger."""

from __future__ import annotations

from collections.abc import Iterator

from mailstore.drivers.maildir.account import Account
from mailstore.errors import ReadOnlyStore
from mailstore.model.changes import Usage
from mailstore.model.quota import FolderCount, QuotaRules
from mailstore.system import fs


class Keeping:
    """See mailstore.spi.QuotaKeeping."""

    _account: Account

    def _write(self) -> None:
        if self._account.readonly:
            raise ReadOnlyStore(f"{fs.shown(self._account.root)} was opened read-only", path=self._account.root)

    def quota_rules(self) -> QuotaRules | None:
        """See QuotaKeeping.quota_rules."""
        return self._account.ledger.rules()

    def set_quota_rules(self, rules: QuotaRules | None) -> None:
        """See QuotaKeeping.set_quota_rules. The limits of bytes and messages go into ``maildirsize``."""
        self._write()
        self._account.ledger.set_rules(rules)

    def quota_usage(self, rules: QuotaRules, *, sure: bool = False, messages: bool = True) -> Usage:  # noqa: ARG002
        """See QuotaKeeping.quota_usage."""
        return self._account.ledger.usage(rules, sure)

    def recorded_quota(self) -> Usage | None:
        """See QuotaKeeping.recorded_quota."""
        found = self._account.ledger.sums.read_leniently()
        return None if found is None or not found[0].lines else Usage(found[0].count, found[0].size)

    def count_quota(self) -> Iterator[FolderCount]:
        """See QuotaKeeping.count_quota."""
        return self._account.ledger.count()

    def recalculate_quota(self, rules: QuotaRules) -> Usage:
        """See QuotaKeeping.recalculate_quota."""
        return self._account.ledger.recalculate(rules)

    @property
    def quota_tally(self) -> Usage:
        """See QuotaKeeping.quota_tally."""
        return self._account.ledger.tally

    def quota_note(self, name: str) -> str:
        """See QuotaKeeping.quota_note."""
        return self._account.ledger.kept.note(name)

    def set_quota_note(self, name: str, text: str) -> None:
        """See QuotaKeeping.set_quota_note."""
        self._write()
        self._account.ledger.kept.set_note(name, text)
