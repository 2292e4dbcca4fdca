"""What a survey found: values. Sizes are bytes, moments seconds since 1970 UTC."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

from mailstore.errors import MailstoreError
from mailstore.model.changes import Footprint, Usage
from mailstore.model.names import FolderPath
from mailstore.system.diskquota import Disk

Depth = Literal["sums", "folders", "messages", "senders"]
"""How closely accounts are looked at. ``sums``: what is kept, no scan where it can be trusted; ``folders``: messages
counted by folder, without reading or (with sizes in the names) touching one; ``messages``: each with its date;
``senders``: each opened for its From."""
DEPTHS: tuple[Depth, ...] = get_args(Depth)
By = Literal["account", "domain", "folder", "year", "size-class", "sender"]
GROUPINGS: tuple[By, ...] = get_args(By)


class Limits(NamedTuple):
    """The limits of an account; None is no limit."""

    size: int | None = None
    messages: int | None = None

    def filled(self, usage: Usage) -> float | None:
        """Return the greater one of bytes and messages in percent of the limit; None without a limit."""
        pairs = ((usage.size, self.size), (usage.messages, self.messages))
        return max((100 * used / limit for used, limit in pairs if limit), default=None)


class FolderShare(NamedTuple):
    """A folder of an account."""

    folder: FolderPath
    messages: int
    size: int
    counted: bool
    """It counts towards the limits (single messages of it may not)."""


@dataclass(frozen=True, slots=True)
class Account:
    """One account.

    Attributes:
        name, domain, location, format: see mailstore.survey.Target; ``format`` as in Capabilities.
        style: whose way to count; '' where the account has no quota.
        usage: what counts towards the limits.
        limits: of the account.
        kept: the sums as they stand in the store, right or not; None where it keeps none.
        total: all there is, counted or not; None where the survey was no closer than ``sums``.
        folders: by size, largest first; None as with ``total``.
        oldest, newest: internal dates; None where not looked at, or where there is no message.
        footprint: on disk; None where not looked at or not known.
        disk: the file system, where the system tells of it.
        groups: paths of the group quotas that it counts towards.
        problems: what could not be read, or was odd.
    """

    name: str
    domain: str
    location: str
    format: str
    style: str
    usage: Usage
    limits: Limits
    kept: Usage | None = None
    total: Usage | None = None
    folders: tuple[FolderShare, ...] | None = None
    oldest: int | None = None
    newest: int | None = None
    footprint: Footprint | None = None
    disk: Disk | None = None
    groups: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def percent(self) -> float | None:
        """How full it is: the greater one of bytes and messages in percent of the limit; None without a limit."""
        return self.limits.filled(self.usage)

    @property
    def distinct(self) -> int | None:
        """Bytes of all messages, what is stored once counted once."""
        return None if self.footprint is None or self.total is None else self.total.size - self.footprint.saved


class Unreadable(NamedTuple):
    """An account that could not be looked at."""

    name: str
    location: str
    error: MailstoreError


class GroupQuota(NamedTuple):
    """A quota that accounts share (see mailstore.quota.Group)."""

    path: str
    limits: Limits
    usage: Usage | None
    """Its running sum; None where there is none that can be believed: ``mstore quota recalc --group`` begins it."""
    members: int
    """How many of the accounts of this survey count towards it."""
    problem: str = ""
    """Why its rules cannot be read."""

    @property
    def percent(self) -> float | None:
        """How full it is; None without a limit or a sum."""
        return None if self.usage is None else self.limits.filled(self.usage)


class Group(NamedTuple):
    """One line of a grouping."""

    key: str
    messages: int
    size: int


class TopMessage(NamedTuple):
    """One of the largest messages; ordered by size."""

    size: int
    account: str
    folder: FolderPath
    uid: int
    date: int | None
    author: str
    subject: str


@dataclass(frozen=True, slots=True)
class Survey:
    """What a run found.

    Attributes:
        taken: when it began.
        depth: how close the look was.
        accounts: those that could be looked at, in the order given.
        unreadable: the others.
        group_quotas: those that the accounts count towards, by path.
        by_year: by the year of the internal date (UTC); '' unknown. Empty where not looked at, as what follows.
        by_size: by size class, smallest first.
        by_sender: by the address in From, largest first; the small ones of very many are ``(others)``.
        top: the largest messages.
    """

    taken: int
    depth: Depth
    accounts: list[Account] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    group_quotas: list[GroupQuota] = field(default_factory=list)
    by_year: list[Group] = field(default_factory=list)
    by_size: list[Group] = field(default_factory=list)
    by_sender: list[Group] = field(default_factory=list)
    top: list[TopMessage] = field(default_factory=list)

    def groups(self, by: By) -> list[Group]:
        """Return usage by something, largest first; size classes smallest, years newest first.

        By folder it is all there is, by account and domain what counts.
        """
        if by == "year":
            return sorted(self.by_year, key=lambda group: group.key, reverse=True)
        if by == "size-class":
            return self.by_size
        if by == "sender":
            return self.by_sender
        sums: dict[str, tuple[int, int]] = {}
        for account in self.accounts:
            for key, messages, size in _shares(account, by):
                before = sums.get(key, (0, 0))
                sums[key] = before[0] + messages, before[1] + size
        groups = [Group(key, *sum_) for key, sum_ in sums.items()]
        return sorted(groups, key=lambda group: (-group.size, group.key))

    @property
    def usage(self) -> Usage:
        """What counts, of all accounts."""
        return Usage(sum(one.usage.messages for one in self.accounts), sum(one.usage.size for one in self.accounts))


def _shares(account: Account, by: By) -> list[tuple[str, int, int]]:
    if by == "folder":
        return [(str(one.folder), one.messages, one.size) for one in account.folders or ()]
    key = account.name if by == "account" else account.domain
    return [(key, account.usage.messages, account.usage.size)]
