"""The quota of one account, as the users of a store see it."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from mailstore.errors import Unsupported
from mailstore.model.changes import Usage
from mailstore.model.flags import DELETED
from mailstore.model.info import SIZE
from mailstore.model.names import FolderPath
from mailstore.model.quota import NO_RULES, STYLES, FolderCount, QuotaRules
from mailstore.quota.explain import Explanation, explain
from mailstore.spi import Driver, QuotaKeeping


class Quota:
    """What an account may hold and what it holds: ``store.quota``.

    Every method may raise StoreBusy, StorageFailure and CorruptStore, and, where it writes, ReadOnlyStore and
    StorageFull. A store that keeps no sums is counted by its listing.

    Attributes:
        problems: what was wrong with the bookkeeping and refused no mail for that, as text for people.
    """

    def __init__(self, driver: Driver, lock: threading.RLock, given: QuotaRules | None = None) -> None:
        self._driver = driver
        self._lock = lock
        self._given = given
        self._keeping = driver if isinstance(driver, QuotaKeeping) else None
        self.problems: list[str] = []

    def rules(self) -> QuotaRules | None:
        """Return the rules that hold: those that the opener brought, else those kept with the store; None without.

        Raises:
            CorruptStore: what is kept cannot be understood; the text names it.
        """
        if self._given is not None or self._keeping is None:
            return self._given
        with self._lock:
            return self._keeping.quota_rules()

    def set_rules(self, rules: QuotaRules | None) -> None:
        """Keep other rules with the store, or none; durable on return. What the opener brought holds before them.

        Raises:
            Unsupported: the store keeps none.
        """
        if self._keeping is None:
            name = self._driver.capabilities.format
            raise Unsupported(f"{name} keeps no quota rules; give them when opening", capability="quota")
        with self._lock:
            self._keeping.set_quota_rules(rules)

    def usage(self) -> Usage:
        """Return what counts by the rules that hold (by Courier's way where there are none)."""
        rules = self.rules() or NO_RULES
        with self._lock:
            return self._counted(rules) if self._keeping is None else self._keeping.quota_usage(rules)

    def recorded(self) -> Usage | None:
        """Return the sums as the store's own record has them, right or not; None without one that can be read."""
        with self._lock:
            return None if self._keeping is None else self._keeping.recorded_quota()

    def count(self) -> list[FolderCount]:
        """Look at every message and return what lies in each folder, INBOX first; writes nothing."""
        with self._lock:
            counts = self._listed() if self._keeping is None else list(self._keeping.count_quota())
        return sorted(counts, key=lambda count: (not count.folder.is_inbox, count.folder))

    def recalculate(self) -> Usage:
        """Make the store's sums anew by a look at every message, and return them; safe while mail comes in."""
        rules = self.rules() or NO_RULES
        with self._lock:
            return self._counted(rules) if self._keeping is None else self._keeping.recalculate_quota(rules)

    def explain(self, rules: QuotaRules | None = None) -> tuple[Explanation, ...]:
        """Return the arithmetic of each style, Courier's first: what counts in each folder, and what does not and why.

        Args:
            rules: whose folders to leave out; None: those that hold.
        """
        rules = rules or self.rules() or NO_RULES
        counts = self.count()
        return tuple(explain(counts, rules, style) for style in STYLES)

    def mailboxes(self) -> int:
        """Return how many folders there are besides INBOX (RFC 9208 MAILBOX)."""
        with self._lock:
            infos = self._driver.changes(None).folders
        return sum(info.selectable and not info.path.is_inbox for info in infos)

    # -- for a store that keeps no sums

    def _counted(self, rules: QuotaRules) -> Usage:
        return total(rules, self._listed())

    def _listed(self) -> list[FolderCount]:
        infos = self._driver.changes(None).folders
        return [self._list(info.path) for info in infos if info.selectable]

    def _list(self, path: FolderPath) -> FolderCount:
        messages = size = deleted_messages = deleted_size = 0
        for rows in self._driver.folder(path).changes(None, SIZE).batches:
            for row in rows:
                messages += 1
                size += row.size or 0
                if row.flags & DELETED:
                    deleted_messages += 1
                    deleted_size += row.size or 0
        return FolderCount(path, messages, size, deleted_messages, deleted_size)


def total(rules: QuotaRules, counts: Iterable[FolderCount]) -> Usage:
    """Return what counts by ``rules`` of what lies in the folders."""
    parts = [rules.counted(count) for count in counts]
    return Usage(sum(part.messages for part in parts), sum(part.size for part in parts))
