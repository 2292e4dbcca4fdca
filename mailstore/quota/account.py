"""The quota of one account, as the users of a store see it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mailstore.errors import MailstoreError, Unsupported
from mailstore.model.changes import Change, Outcome, Usage
from mailstore.model.flags import DELETED
from mailstore.model.info import SIZE
from mailstore.model.names import INBOX, FolderPath
from mailstore.model.quota import NO_RULES, STYLES, FolderCount, QuotaRules
from mailstore.spi import Driver, Guard, QuotaKeeping

if TYPE_CHECKING:
    from mailstore.quota.crossing import Crossing
    from mailstore.quota.enforce import Enforcement
    from mailstore.quota.explain import Explanation

_MOST_PROBLEMS = 99


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
        self._notes: dict[str, str] = {}
        self._enforcement: Enforcement | None = None
        self._settled = Usage(0, 0)
        """How much of the driver's tally has been entered in the sums of the groups, or is none of theirs."""
        self._passing: set[int] = set()
        self._callbacks: list[Callable[[Crossing], None]] = []
        self.problems: list[str] = []
        self.on_trouble: Callable[[str], None] | None = None
        """Called with each line that is added to ``problems``."""

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
        from mailstore.quota.explain import explain  # late: a delivery asks for no explanation

        rules = rules or self.rules() or NO_RULES
        counts = self.count()
        return tuple(explain(counts, rules, style) for style in STYLES)

    def mailboxes(self) -> int:
        """Return how many folders there are besides INBOX (RFC 9208 MAILBOX)."""
        with self._lock:
            infos = self._driver.changes(None).folders
        return sum(info.selectable and not info.path.is_inbox for info in infos)

    def note(self, name: str) -> str:
        """Return a small text kept with the account (letters and hyphens name it); '' where there is none."""
        with self._lock:
            return self._notes.get(name, "") if self._keeping is None else self._keeping.quota_note(name)

    def set_note(self, name: str, text: str) -> None:
        """Keep a small text (up to 64 KiB) with the account; '' removes it. Durable where the store keeps a quota."""
        with self._lock:
            if self._keeping is None:
                self._notes[name] = text
            else:
                self._keeping.set_quota_note(name, text)

    # -- limits

    def check(self, size: int, folder: FolderPath = INBOX) -> None:
        """Tell whether a message of ``size`` bytes could be delivered into ``folder`` now.

        Raises:
            MessageTooLarge: it never could.
            QuotaExceeded: there is no room for it now.
        """
        with self._lock:
            rules = self._at_hand()
            if rules is not None:
                self._enforced().check(rules, size, folder)

    def check_new_folder(self) -> None:
        """Tell whether one folder more may be.

        Raises:
            QuotaExceeded: there are as many as there may be.
        """
        with self._lock:
            rules = self._at_hand()
            if rules is not None and rules.mailboxes is not None and self._enforcing:
                self._enforced().check_new_folder(rules, self.mailboxes())

    @contextmanager
    def unenforced(self) -> Iterator[None]:
        """Let changes that this thread makes in the block pass whatever the limits; the sums stay right.

        So does a conversion: what somebody has moved here by intent is not left half behind.
        """
        thread = threading.get_ident()
        if thread in self._passing:
            yield
            return
        self._passing.add(thread)
        try:
            yield
        finally:
            self._passing.discard(thread)

    @property
    def _enforcing(self) -> bool:
        return threading.get_ident() not in self._passing

    def on_crossing(self, callback: Callable[[Crossing], None]) -> None:
        """Call ``callback`` when a change through this store takes usage over, or under, a threshold of the rules.

        It is called when the change is durable and no lock is held, and may change the store. What it raises becomes
        a line of ``problems``. What was told is kept with the store, so that nobody tells it again (see
        ``QuotaRules.warnings``); thresholds crossed while nobody listens are told to the next who does.
        """
        self._callbacks.append(callback)

    # -- for the store

    def commit(self, changes: Sequence[Change], guard: Guard | None, *, need_uids: bool) -> list[Outcome]:
        """Commit with the limits in the driver's guard; the caller holds the store's lock and calls ``tell`` later."""
        rules = self._at_hand()
        try:
            if rules is not None and self._enforcing:
                return self._enforced().commit(rules, changes, guard, need_uids=need_uids)
            return self._driver.commit(changes, guard=guard, need_uids=need_uids)
        finally:
            self._settle(rules)

    def guard(self, changes: Sequence[Change]) -> Guard | None:
        """Return what is to guard a commit of these changes that is made otherwise than by ``commit``.

        The caller holds the store's lock from here to the end of the commit, and calls ``settle`` and ``tell`` then.
        None: no limit holds.
        """
        rules = self._at_hand()
        return self._enforced().guard(rules, changes) if rules is not None and self._enforcing else None

    def settle(self) -> None:
        """Enter what this handle has changed in the sums of the groups; the caller holds the store's lock."""
        if self._keeping is not None and (self._enforcement is not None or self._keeping.quota_tally != self._settled):
            self._settle(self._at_hand())

    def _settle(self, rules: QuotaRules | None) -> None:
        """Enter in the groups what the driver has tallied since the last time; what was before a group is not its."""
        if self._keeping is None:
            return
        tally, before = self._keeping.quota_tally, self._settled
        self._settled = tally
        if rules is not None and rules.groups:
            done = Usage(tally.messages - before.messages, tally.size - before.size)
            self._enforced().settle(rules, done)

    def locked(self) -> threading.RLock:
        """Return the store's lock, to make several calls one."""
        return self._lock

    def tell(self) -> None:
        """Tell of the thresholds that were crossed; the caller holds no lock."""
        if self._callbacks:
            from mailstore.quota.crossing import tell  # late: few processes listen

            tell(self, self._callbacks)

    def trouble(self, text: str) -> None:
        """Note what was wrong with the bookkeeping, once; of the last hundred lines."""
        if text in self.problems:
            return
        del self.problems[:-_MOST_PROBLEMS]
        self.problems.append(text)
        if self.on_trouble is not None:
            self.on_trouble(text)

    def _at_hand(self) -> QuotaRules | None:
        """Return the rules; None also where they cannot be read: bookkeeping refuses nothing."""
        try:
            return self.rules()
        except MailstoreError as error:
            self.trouble(f"no limit holds: {error}")
            return None

    def _enforced(self) -> Enforcement:
        if self._enforcement is None:
            from mailstore.quota.enforce import Enforcement  # late: most accounts have no quota

            self._enforcement = Enforcement(self._driver, self._sums, self.trouble)
        return self._enforcement

    def _sums(self, rules: QuotaRules, sure: bool) -> Usage | None:
        """Return what counts, for the guard; None where it cannot be found out."""
        try:
            if self._keeping is None:
                return self._counted(rules)
            return self._keeping.quota_usage(rules, sure=sure, messages=rules.messages is not None)
        except (MailstoreError, OSError) as error:
            self.trouble(f"a change was let pass, as nobody knows what is there: {error}")
            return None

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
