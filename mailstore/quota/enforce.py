"""Limits at work: a commit with its guard, and the account's part in the sums of its groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from mailstore.errors import MessageTooLarge, QuotaExceeded
from mailstore.model.changes import Append, Change, Outcome, Usage
from mailstore.model.names import FolderPath
from mailstore.model.quota import QuotaRules
from mailstore.quota.guard import Check, Effect, Entering, grows, is_within, judge, no_place_in_folder
from mailstore.quota.membership import Membership
from mailstore.spi import Driver, Guard

NOTHING = Usage(0, 0)


class Enforcement:
    """Enforces the rules of one account.

    Args:
        driver: of the store.
        sums: returns what counts by the rules, sure or believed; None where that cannot be found out.
        trouble: takes a line about bookkeeping that failed.
    """

    def __init__(
        self, driver: Driver, sums: Callable[[QuotaRules, bool], Usage | None], trouble: Callable[[str], None]
    ) -> None:
        self._driver = driver
        self._sums = sums
        self._groups = Membership(trouble)

    def commit(
        self, rules: QuotaRules, changes: Sequence[Change], guard: Guard | None, *, need_uids: bool
    ) -> list[Outcome]:
        """Commit changes that the rules allow; a message that is there already costs nothing.

        Raises: as Driver.commit, and MessageTooLarge, QuotaExceeded: nothing was changed.
        """
        if not grows(changes) or is_within(changes, rules):
            return self._driver.commit(changes, guard=guard, need_uids=need_uids)
        check = self._check(rules)

        def inside(seen: Sequence[Change]) -> None:
            if guard is not None:
                guard(seen)
            check(seen)

        while True:
            try:
                if self._driver.capabilities.quota != "exact":
                    check.prepare(changes)
                return self._driver.commit(changes, guard=inside, need_uids=need_uids)
            except (QuotaExceeded, MessageTooLarge) as error:
                if error is not check.refusal or not self._finds_known(check, changes):
                    raise

    def guard(self, rules: QuotaRules, changes: Sequence[Change]) -> Guard:
        """See Quota.guard."""
        check = self._check(rules)
        self._finds_known(check, changes)
        if self._driver.capabilities.quota != "exact":
            check.prepare(changes)
        return check

    def _check(self, rules: QuotaRules) -> Check:
        return Check(
            rules,
            self._driver,
            lambda sure: self._sums(rules, sure),
            lambda effect: self._groups.reserve(rules, effect),
        )

    def _finds_known(self, check: Check, changes: Sequence[Change]) -> bool:
        """Tell the check of messages that are stored already; False where it knows of all there are."""
        keys = {change.staged.key for change in changes if isinstance(change, Append)}
        wanted = [key for key in keys if key is not None and key not in check.known]
        known = frozenset(self._driver.resolve(wanted)) if wanted else frozenset()
        check.known |= known
        return bool(known)

    def check(self, rules: QuotaRules, size: int, folder: FolderPath) -> None:
        """See Quota.check."""
        entering = Entering(folder, size, rules.counts(folder, 0))
        effect = Effect((entering,), Counter(), Counter(), NOTHING)
        refusal = no_place_in_folder(effect, rules, self._driver)
        if refusal is not None:
            raise refusal
        judge(effect, rules, lambda sure: self._sums(rules, sure))
        self._groups.judge(rules, effect)

    def check_new_folder(self, rules: QuotaRules, have: int) -> None:
        """See Quota.check_new_folder."""
        most = rules.mailboxes
        if most is not None and have + 1 > most:
            raise QuotaExceeded(
                f"there are {have} of {most} folders", resource="MAILBOX", limit=most, usage=have, wanted=1
            )

    def settle(self, rules: QuotaRules, done: Usage) -> None:
        """Enter what the driver has tallied since the last time in the sums of the groups."""
        self._groups.settle(rules, done)
