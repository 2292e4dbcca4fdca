"""An account's part in the quotas of its groups: room taken before a commit, and put right after it."""

from __future__ import annotations

from collections.abc import Callable

from mailstore.errors import MailstoreError, MessageTooLarge, QuotaExceeded
from mailstore.model.changes import Usage
from mailstore.model.quota import QuotaRules
from mailstore.quota.group import Group
from mailstore.quota.guard import Effect, judge

_NOTHING = Usage(0, 0)


class Membership:
    """What an account's handle has entered in the sums of its groups.

    A group whose files cannot be read or written limits nothing; ``trouble`` is told.
    """

    def __init__(self, trouble: Callable[[str], None]) -> None:
        self._trouble = trouble
        self._reserved: dict[str, Usage] = {}

    def judge(self, rules: QuotaRules, effect: Effect) -> None:
        """Let what a commit would do pass, as far as the groups go; nothing is entered.

        Raises:
            MessageTooLarge, QuotaExceeded: a group does not allow it.
        """
        for path in rules.groups:
            group = Group(path)
            try:
                judge(effect, group.rules(), lambda _, group=group: group.usage())  # type: ignore[misc]
            except (QuotaExceeded, MessageTooLarge) as error:
                raise _of_group(error, path) from error
            except MailstoreError as error:
                self._trouble(f"a group limits nothing: {error}")

    def reserve(self, rules: QuotaRules, effect: Effect) -> None:
        """Take room for what a commit will do in each group; ``settle`` puts it right.

        Raises:
            MessageTooLarge, QuotaExceeded: a group does not allow it; no room was taken in any.
        """
        more = Usage(max(effect.net.messages, 0), max(effect.net.size, 0))
        if not any(more):
            return
        for path in rules.groups:
            try:
                group = Group(path)
                limits = group.rules()
                group.add(more, lambda usage, limits=limits: judge(effect, limits, lambda _: usage))  # type: ignore[misc]
                self._reserved[path] = more
            except (QuotaExceeded, MessageTooLarge) as error:
                self._give_back()
                raise _of_group(error, path) from error
            except MailstoreError as error:
                self._trouble(f"a group limits nothing: {error}")

    def _give_back(self) -> None:
        reserved, self._reserved = self._reserved, {}
        for path, more in reserved.items():
            self._add(path, Usage(-more.messages, -more.size))

    def settle(self, rules: QuotaRules, done: Usage) -> None:
        """Enter what the driver has tallied since the last time, beyond what was reserved."""
        reserved, self._reserved = self._reserved, {}
        for path in rules.groups:
            had = reserved.get(path, _NOTHING)
            self._add(path, Usage(done.messages - had.messages, done.size - had.size))

    def _add(self, path: str, more: Usage) -> None:
        try:
            if any(more):
                Group(path).add(more)
        except MailstoreError as error:
            self._trouble(f"the sum of a group is wrong now: {error}")


def _of_group(error: QuotaExceeded | MessageTooLarge, path: str) -> QuotaExceeded | MessageTooLarge:
    """Return the refusal, saying whose it is."""
    text = f"quota of the group {path}: {error}"
    if isinstance(error, MessageTooLarge):
        return MessageTooLarge(text, folder=error.folder)
    return QuotaExceeded(text, resource=error.resource, limit=error.limit, usage=error.usage, wanted=error.wanted)
