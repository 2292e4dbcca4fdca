"""A survey of many accounts: one after another, each named while it is looked at, none a reason to stop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from mailstore.errors import MailstoreError, StorageFailure
from mailstore.quota.group import Group
from mailstore.survey.look import look
from mailstore.survey.result import Depth, GroupQuota, Limits, Survey, Unreadable
from mailstore.survey.tally import Tally
from mailstore.survey.targets import Target
from mailstore.system import clock, fs


def survey(
    targets: Iterable[Target],
    *,
    depth: Depth = "sums",
    top: int = 10,
    lock_timeout: float = 60.0,
    progress: Callable[[int, str], None] | None = None,
) -> Survey:
    """Look at accounts and return what was found. Nothing of theirs is changed, not a byte, not an mtime.

    Memory grows with the accounts and their folders, not with the messages.

    Args:
        targets: see mailstore.survey.find_targets.
        depth: how close the look is (see Depth).
        top: how many of the largest messages to name, where ``depth`` is ``messages`` or ``senders``.
        lock_timeout: seconds to wait for another program's lock, at each account.
        progress: called with the number of accounts done and the name of the next.
    """
    found = Survey(clock.now(), depth)
    tally = Tally(top)
    for number, target in enumerate(targets):
        if progress is not None:
            progress(number, target.name)
        try:
            found.accounts.append(look(target, depth, tally, lock_timeout=lock_timeout))
        except MailstoreError as error:
            found.unreadable.append(Unreadable(target.name, target.location, error))
        except OSError as error:
            text = f"{fs.shown(target.location)}: {error.strerror or error}"
            found.unreadable.append(Unreadable(target.name, target.location, StorageFailure(text)))
    found.group_quotas.extend(_group_quotas(found))
    found.by_year.extend(tally.years())
    found.by_size.extend(tally.sizes())
    found.by_sender.extend(tally.senders())
    found.top.extend(tally.top())
    return found


def _group_quotas(found: Survey) -> list[GroupQuota]:
    members = Counter(path for account in found.accounts for path in account.groups)
    return [_group_quota(path, members[path]) for path in sorted(members)]


def _group_quota(path: str, members: int) -> GroupQuota:
    group = Group(path)
    try:
        rules = group.rules()
        return GroupQuota(path, Limits(rules.storage, rules.messages), group.usage(), members)
    except MailstoreError as error:
        return GroupQuota(path, Limits(), None, members, str(error))
