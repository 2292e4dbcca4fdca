"""Quota rules: which limits an account has, what counts towards them, and when to warn. Values only.

Limits are kept as the field keeps them: one for the bytes and one for the messages of an account (RFC 9208 STORAGE and
MESSAGE), one for the number of its folders (MAILBOX), and, as Dovecot has them, for one message and one folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from mailstore.errors import UsageError
from mailstore.model.changes import Usage
from mailstore.model.flags import DELETED
from mailstore.model.names import FolderPath

QuotaStyle = Literal["courier", "exim", "dovecot"]
"""Whose sum of a Maildir it is. Courier leaves out the folder Trash and what is flagged ``\\Deleted``; Exim and Dovecot
count all (Dovecot leaves out the folders that it is told to ignore)."""

STYLES: tuple[QuotaStyle, ...] = get_args(QuotaStyle)
TRASH = FolderPath(("Trash",))
"""The folder that Courier does not count."""
DAY = 86400
"""Seconds."""
_LIMITS = ("storage", "messages", "message_size", "mailboxes", "folder_messages")


class Portion(NamedTuple):
    """A limit in terms of another one: ``percent`` of it and ``extra`` on top (bytes or messages, may be negative)."""

    percent: int = 100
    extra: int = 0

    def of(self, limit: int | None) -> int | None:
        """Return the limit that results; None (no limit) stays None."""
        return None if limit is None else max(limit * self.percent // 100 + self.extra, 0)


WHOLE = Portion()
NOTHING = Portion(0, 0)


@dataclass(frozen=True, slots=True)
class FolderRule:
    """What is different for one folder.

    Attributes:
        folder: its path; folders below it have rules of their own.
        ignore: its messages count nowhere, and no limit but those of a message and a folder holds there.
        storage: the account's limit of bytes as it holds for what enters this folder (Dovecot's ``Trash`` +100M).
        messages: the same of messages.
    """

    folder: FolderPath
    ignore: bool = False
    storage: Portion = WHOLE
    messages: Portion = WHOLE


@dataclass(frozen=True, slots=True)
class QuotaRules:
    r"""The quota of one account. None is no limit, and so is 0.

    Attributes:
        style: whose way to count.
        storage: bytes of all messages that count.
        messages: messages that count.
        message_size: bytes of one message.
        mailboxes: folders besides INBOX.
        folder_messages: messages in one folder, counted or not.
        grace: by how much the last message may go beyond ``storage``: percent of it and bytes.
        inclusive: a message that would go beyond a limit is refused. False: only when the limit is reached already.
        folders: what is different for single folders.
        warnings: percent of a limit, ascending: a crossing event each, upwards and downwards.
        hysteresis: percent of a limit that usage must fall below a threshold before it counts as under again.
        warning_interval: seconds that must pass before the same threshold tells of a crossing upwards again.
        groups: absolute paths of the group quotas (a domain, a department) that this account counts towards.
        members: of a group's own rules: the locations of its accounts, with ``*`` and ``?`` for any names in paths.
    """

    style: QuotaStyle = "courier"
    storage: int | None = None
    messages: int | None = None
    message_size: int | None = None
    mailboxes: int | None = None
    folder_messages: int | None = None
    grace: Portion = NOTHING
    inclusive: bool = True
    folders: tuple[FolderRule, ...] = ()
    warnings: tuple[int, ...] = ()
    hysteresis: int = 5
    warning_interval: int = DAY
    groups: tuple[str, ...] = ()
    members: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Take a limit of 0 for none, as every format does, and a group named twice for one.

        Raises:
            UsageError: a limit is below zero.
        """
        for name in _LIMITS:
            limit = getattr(self, name)
            if limit is not None and limit < 0:
                raise UsageError(f"quota rules: {name}: a limit cannot be {limit}")
            object.__setattr__(self, name, limit or None)
        object.__setattr__(self, "groups", tuple(dict.fromkeys(self.groups)))

    def rule(self, folder: FolderPath) -> FolderRule:
        """Return what is different for ``folder``."""
        return next((rule for rule in self.folders if rule.folder == folder), FolderRule(folder))

    def counts(self, folder: FolderPath, flags: int) -> bool:
        """Tell whether a message in ``folder`` with ``flags`` counts towards the account's limits."""
        if self.rule(folder).ignore:
            return False
        return self.style != "courier" or (folder != TRASH and not flags & DELETED)

    def counted(self, count: FolderCount) -> Usage:
        """Return what counts of what lies in a folder."""
        if self.counts(count.folder, DELETED):
            return Usage(count.messages, count.size)
        if self.counts(count.folder, 0):
            return Usage(count.messages - count.deleted_messages, count.size - count.deleted_size)
        return Usage(0, 0)


NO_RULES = QuotaRules()


class FolderCount(NamedTuple):
    r"""What lies in one folder, by a look at each message."""

    folder: FolderPath
    messages: int
    size: int
    """Bytes as stored."""
    deleted_messages: int
    r"""How many of ``messages`` are flagged ``\Deleted``."""
    deleted_size: int
