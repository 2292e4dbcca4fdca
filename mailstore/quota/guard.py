"""Whether the changes of a commit may be: called inside the commit, under the locks of its store.

The problem. A look at the sums and then a commit lets two deliveries through that fit only one by one; and a commit is
more than what it adds: a draft that is replaced frees the old one, a move within an account adds nothing, a message
that is there already is not stored again.

The solution. The driver calls the guard inside its commit, before the first change. The guard takes the sums as they
are then, credits all that the commit removes, and adds what enters message by message, in order, each against the
limits that hold in its folder. What a store lets in without a lock (Maildir) may be too much by the messages that are
in flight; see Capabilities.quota.

A commit that makes nothing grow is never refused, however full the account is, and neither is one that only sets flags.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from mailstore.errors import MailstoreError, MessageTooLarge, QuotaExceeded
from mailstore.model.changes import Append, Change, Expunge, Move, SetFlags, Usage
from mailstore.model.flags import DELETED
from mailstore.model.info import SIZE
from mailstore.model.names import FolderPath
from mailstore.model.quota import FolderRule, QuotaRules
from mailstore.spi import Driver

Sums = Callable[[bool], Usage | None]
"""Returns what counts now; True asks for sums that are sure. None: they cannot be had."""


class Entering(NamedTuple):
    """A message that a commit puts into a folder."""

    folder: FolderPath
    size: int
    counts: bool
    """It counts towards the account's limits."""
    key: bytes | None = None
    """Of a message that may be there already."""


class Effect(NamedTuple):
    """What a commit does to what an account holds."""

    entering: tuple[Entering, ...]
    """In order."""
    leaving: Counter[FolderPath]
    """How many messages go from each folder, counted or not."""
    sizes: Counter[int]
    """The sizes of all messages that go."""
    freed: Usage
    """What counted of them."""

    @property
    def net(self) -> Usage:
        """What counts more afterwards; less is negative."""
        sizes = [one.size for one in self.entering if one.counts]
        return Usage(len(sizes) - self.freed.messages, sum(sizes) - self.freed.size)

    def without(self, known: frozenset[bytes]) -> Effect:
        """Return the effect where messages of these keys are there already."""
        return self._replace(entering=tuple(one for one in self.entering if one.key not in known))


def grows(changes: Sequence[Change]) -> bool:
    """Tell whether anything may come in by the changes: whether they want a guard."""
    return any(isinstance(change, Append | Move) for change in changes)


def effect_of(changes: Sequence[Change], rules: QuotaRules, driver: Driver) -> Effect:
    """Return what the changes do, by what the store holds now; looks only at messages that go."""
    reading = _Reading(rules, driver)
    for change in changes:
        match change:
            case Append():
                reading.append(change)
            case Move():
                reading.move(change)
            case Expunge():
                reading.expunge(change)
            case SetFlags(folder, uids, mode, flags) if flags & DELETED and mode != "remove":
                reading.marked |= {(folder, uid) for uid in uids}
            case _:
                pass
    return reading.effect()


class _Reading:
    """Follows the changes of a commit, in order, on messages as they are before the first of them."""

    def __init__(self, rules: QuotaRules, driver: Driver) -> None:
        self._rules = rules
        self._driver = driver
        self._entering: list[Entering] = []
        self._leaving: list[tuple[FolderPath, int, int]] = []
        """Folder, size, flags."""
        self._keys: set[bytes] = set()
        self._gone: set[tuple[FolderPath, int]] = set()
        self.marked: set[tuple[FolderPath, int]] = set()
        r"""What the commit flags as ``\Deleted`` itself."""

    def append(self, change: Append) -> None:
        key = change.staged.key
        if key is not None:
            if key in self._keys:
                return
            self._keys.add(key)
        flags = (change.staged.meta if change.meta is None else change.meta).flags
        counts = self._rules.counts(change.folder, flags)
        self._entering.append(Entering(change.folder, change.staged.size, counts, key))

    def move(self, change: Move) -> None:
        for size, flags in self._take(change.folder, change.uids):
            counts = self._rules.counts(change.destination, flags)
            self._entering.append(Entering(change.destination, size, counts))

    def expunge(self, change: Expunge) -> None:
        for _ in self._take(change.folder, change.uids, only_deleted=change.only_deleted):
            pass

    def _take(
        self, folder: FolderPath, uids: Sequence[int], *, only_deleted: bool = False
    ) -> Iterator[tuple[int, int]]:
        """Note that messages go, those that are there still, and yield size and flags of each."""
        wanted = [uid for uid in dict.fromkeys(uids) if (folder, uid) not in self._gone]
        for rows in self._driver.folder(folder).fetch(wanted, SIZE) if wanted else ():
            for row in rows:
                named = (folder, row.uid)
                if row.error is not None or (only_deleted and not row.flags & DELETED and named not in self.marked):
                    continue
                self._gone.add(named)
                self._leaving.append((folder, row.size or 0, row.flags))
                yield row.size or 0, row.flags

    def effect(self) -> Effect:
        freed = [size for folder, size, flags in self._leaving if self._rules.counts(folder, flags)]
        return Effect(
            tuple(self._entering),
            Counter(folder for folder, _, _ in self._leaving),
            Counter(size for _, size, _ in self._leaving),
            Usage(len(freed), sum(freed)),
        )


def is_within(changes: Sequence[Change], rules: QuotaRules) -> bool:
    """Tell without a look at any message that the changes only move messages between folders that count alike."""
    return rules.folder_messages is None and all(
        not isinstance(change, Append) and (not isinstance(change, Move) or _alike(change, rules)) for change in changes
    )


def _alike(move: Move, rules: QuotaRules) -> bool:
    counting = (rules.counts(folder, flags) for flags in (0, DELETED) for folder in (move.folder, move.destination))
    here, there, here_deleted, there_deleted = counting
    return (here, here_deleted) == (there, there_deleted)


class Check:
    """The guard of one commit. Called by the driver; raises what it refuses with.

    Attributes:
        known: idempotency keys of messages that are there already: those cost nothing.
        refusal: what it refused with.
    """

    def __init__(self, rules: QuotaRules, driver: Driver, sums: Sums, reserve: Callable[[Effect], None]) -> None:
        """Begin.

        Args:
            rules: of the account.
            driver: of the store.
            sums: see ``Sums``.
            reserve: takes room in the groups that the account counts towards, or raises.
        """
        self._rules = rules
        self._driver = driver
        self._sums = sums
        self._reserve = reserve
        self._prepared: tuple[Effect, QuotaExceeded | None] | None = None
        self.known: frozenset[bytes] = frozenset()
        self.refusal: MailstoreError | None = None

    def prepare(self, changes: Sequence[Change]) -> None:
        """Look at what the changes do, before the commit: where the store may not be asked under its locks."""
        effect = effect_of(changes, self._rules, self._driver).without(self.known)
        self._prepared = effect, no_place_in_folder(effect, self._rules, self._driver)

    def __call__(self, changes: Sequence[Change]) -> None:
        """Let the changes pass.

        Raises:
            MessageTooLarge: a message is larger than one may be, or than the whole quota.
            QuotaExceeded: there is no room for it now.
        """
        if self._prepared is None:
            self.prepare(changes)
        assert self._prepared is not None
        (effect, refusal), self._prepared = self._prepared, None
        try:
            if refusal is not None:
                raise refusal
            judge(effect, self._rules, self._sums)
            self._reserve(effect)
        except (QuotaExceeded, MessageTooLarge) as error:
            self.refusal = error
            raise


def judge(effect: Effect, rules: QuotaRules, sums: Sums) -> None:
    """Let what a commit does pass, as far as the sums and single messages go.

    Raises:
        MessageTooLarge: a message is larger than one may be, or than the whole quota.
        QuotaExceeded: there is no room for it now.
    """
    for one in effect.entering:
        if one.size not in effect.sizes:  # else it was here before, perhaps under wider limits
            _check_size(one, rules)
    limited = rules.storage is not None or rules.messages is not None
    if not limited or (effect.net.size <= 0 and effect.net.messages <= 0):
        return
    for sure in (False, True):
        usage = sums(sure)
        refusal = None if usage is None else refused(effect, rules, usage)
        if refusal is None:
            return
    assert refusal is not None
    raise refusal


def _check_size(one: Entering, rules: QuotaRules) -> None:
    """Refuse a message that there can never be room for.

    Raises:
        MessageTooLarge: it is larger than a message may be, or than the whole quota.
    """
    if rules.message_size is not None and one.size > rules.message_size:
        raise MessageTooLarge(
            f"the message has {one.size} bytes; {rules.message_size} are allowed", folder=str(one.folder)
        )
    limit = rules.rule(one.folder).storage.of(rules.storage)
    if limit is not None and one.counts and rules.inclusive and one.size > limit + _grace(rules):
        raise MessageTooLarge(f"the message has {one.size} bytes, the whole quota is {limit}", folder=str(one.folder))


def no_place_in_folder(effect: Effect, rules: QuotaRules, driver: Driver) -> QuotaExceeded | None:
    """Return why a folder cannot take as many messages as enter it; None where it can."""
    most = rules.folder_messages
    if most is None:
        return None
    for folder, coming in Counter(one.folder for one in effect.entering).items():
        more = coming - effect.leaving[folder]
        have = driver.folder(folder).state().messages if more > 0 else 0
        if more > 0 and have + more > most:
            text = f"folder {folder} holds {have} of {most} messages"
            return QuotaExceeded(text, resource="MESSAGE", limit=most, usage=have, wanted=more)
    return None


def refused(effect: Effect, rules: QuotaRules, usage: Usage) -> QuotaExceeded | None:
    """Return why an account that holds ``usage`` has no room for what enters; None where it has."""
    net = effect.net
    size, messages = usage.size - effect.freed.size, usage.messages - effect.freed.messages
    for one in effect.entering:
        if not one.counts:
            continue
        rule = rules.rule(one.folder)
        if net.size > 0 and not _fits(size, one.size, rule.storage.of(rules.storage), rules):
            return _no_room(rule, rules, usage, net)
        if net.messages > 0 and not _has_place(messages, rule.messages.of(rules.messages)):
            return _no_place(rule, rules, usage, net)
        size += one.size
        messages += 1
    return None


def _fits(used: int, size: int, limit: int | None, rules: QuotaRules) -> bool:
    if limit is None or used + size <= limit:
        return True
    if used >= limit:
        return False
    return not rules.inclusive or used + size <= limit + _grace(rules)


def _has_place(used: int, limit: int | None) -> bool:
    return limit is None or used < limit


def _grace(rules: QuotaRules) -> int:
    """Return the bytes by which the last message may go beyond the limit."""
    return rules.grace.of(rules.storage) or 0


def _no_room(rule: FolderRule, rules: QuotaRules, usage: Usage, net: Usage) -> QuotaExceeded:
    limit = rule.storage.of(rules.storage) or 0
    return QuotaExceeded(
        f"the mailbox is full: {usage.size} of {limit} bytes are used, {net.size} more do not fit",
        resource="STORAGE",
        limit=limit >> 10,
        usage=_kib(usage.size),
        wanted=_kib(net.size),
    )


def _no_place(rule: FolderRule, rules: QuotaRules, usage: Usage, net: Usage) -> QuotaExceeded:
    limit = rule.messages.of(rules.messages) or 0
    return QuotaExceeded(
        f"the mailbox is full: it holds {usage.messages} of {limit} messages",
        resource="MESSAGE",
        limit=limit,
        usage=usage.messages,
        wanted=net.messages,
    )


def _kib(size: int) -> int:
    return -(-size // 1024)
