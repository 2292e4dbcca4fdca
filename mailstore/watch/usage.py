"""What a watch tells of the quota: looked at when something else has changed."""

from __future__ import annotations

from mailstore.errors import MailstoreError
from mailstore.model.changes import Usage
from mailstore.model.events import Event, QuotaChanged, QuotaCrossed
from mailstore.quota.account import Quota
from mailstore.quota.crossing import crossings
from mailstore.system import clock


class QuotaWatch:
    """Remembers what was told of one account's quota. What others told of thresholds does not matter here."""

    def __init__(self, quota: Quota) -> None:
        self._quota = quota
        self._usage: Usage | None = None
        self._note = ""

    def look(self) -> list[Event]:
        """Return what is to be told; nothing the first time, and where the account has no quota.

        Raises:
            MailstoreError: rules or sums cannot be had now.
        """
        rules = self._quota.rules()
        if rules is None:
            self._usage = None
            return []
        before, self._usage = self._usage, self._quota.usage()
        crossed, self._note = crossings(rules, self._usage, self._note, clock.now())
        if before is None or before == self._usage:
            return []
        return [QuotaChanged(*self._usage), *(QuotaCrossed(*crossing) for crossing in crossed)]

    def begin(self) -> None:
        """Take in how things are now; what cannot be had is had later."""
        try:
            self.look()
        except MailstoreError:
            self._usage = None
