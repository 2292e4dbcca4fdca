"""Any sequence of changes under any rules, in every store, against a model that knows nothing of stores."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mailstore import (
    Arrival,
    FolderPath,
    MessageTooLarge,
    Meta,
    QuotaExceeded,
    QuotaRules,
    Usage,
    open_store,
)
from mailstore.model.flags import DELETED
from mailstore.quota import FolderRule, Portion

NAMES = ("INBOX", "Trash", "Old", "Sent")
FOLDERS = st.sampled_from(NAMES)
SIZES = st.integers(20, 300)
LIMITS = st.none() | st.integers(100, 3000)


class Mail(NamedTuple):
    size: int
    deleted: bool


@dataclass
class Account:
    """What an account holds, and what its rules would say to more, as the documentation has it."""

    rules: QuotaRules
    folders: dict[str, dict[int, Mail]] = field(default_factory=lambda: {name: {} for name in NAMES})

    def rule(self, name: str) -> FolderRule:
        return {str(one.folder): one for one in self.rules.folders}.get(name, FolderRule(FolderPath((name,))))

    def counts(self, name: str, mail: Mail) -> bool:
        courier = self.rules.style == "courier"
        return not (self.rule(name).ignore or (courier and (name == "Trash" or mail.deleted)))

    def counted(self) -> list[Mail]:
        return [mail for name, mails in self.folders.items() for mail in mails.values() if self.counts(name, mail)]

    def usage(self) -> Usage:
        return Usage(len(self.counted()), sum(mail.size for mail in self.counted()))

    def allows(self, used: Usage, name: str, coming: list[Mail], going: list[Mail], going_from: str) -> bool:
        """Tell whether messages may come into a folder in one commit that takes others away."""
        rules, gone = self.rules, [mail for mail in going if self.counts(going_from, mail)]
        sizes = [mail.size for mail in going]
        entering = [mail for mail in coming if self.counts(name, mail)]
        for mail in coming:
            if rules.message_size is not None and mail.size > rules.message_size and mail.size not in sizes:
                return False
        here = len(self.folders[name]) + len(coming) - (len(going) if going_from == name else 0)
        if rules.folder_messages is not None and here > rules.folder_messages and here > len(self.folders[name]):
            return False
        more = sum(mail.size for mail in entering) - sum(mail.size for mail in gone)
        if more > 0 and not self._fit(used.size - sum(mail.size for mail in gone), [m.size for m in entering], name):
            return False
        limit = self.rule(name).messages.of(rules.messages)
        return len(entering) <= len(gone) or limit is None or used.messages - len(gone) + len(entering) <= limit

    def _fit(self, used: int, sizes: list[int], name: str) -> bool:
        limit = self.rule(name).storage.of(self.rules.storage)
        if limit is None or self.rules.storage is None:
            return True
        grace = self.rules.grace.percent * self.rules.storage // 100 + self.rules.grace.extra
        for size in sizes:
            fits = used + size <= limit
            last = used < limit and (not self.rules.inclusive or used + size <= limit + grace)
            if not (fits or last):
                return False
            used += size
        return True


@st.composite
def rule_sets(draw: st.DrawFn) -> QuotaRules:
    portions = st.sampled_from([Portion(), Portion(50), Portion(150), Portion(100, 200), Portion(100, -50)])
    named = draw(st.sets(st.sampled_from(NAMES[1:]), max_size=2))
    return QuotaRules(
        style=draw(st.sampled_from(["courier", "exim", "dovecot"])),
        storage=draw(LIMITS),
        messages=draw(st.none() | st.integers(1, 8)),
        message_size=draw(st.none() | st.integers(100, 300)),
        folder_messages=draw(st.none() | st.integers(1, 5)),
        grace=draw(st.sampled_from([Portion(0), Portion(10), Portion(0, 50)])),
        inclusive=draw(st.booleans()),
        folders=tuple(
            FolderRule(FolderPath((name,)), draw(st.booleans()), draw(portions), draw(portions))
            for name in sorted(named)
        ),
    )


class Machine(RuleBasedStateMachine):
    """One account, changed in every way."""

    location = "memory:"
    by_file = False
    """Bytes are those of files."""

    @initialize(rules=rule_sets())
    def begin(self, rules: QuotaRules) -> None:
        self.root = tempfile.mkdtemp(prefix="mailstore-quota-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
        self.store = open_store(self.location.format(root=self.root), create=True, folders=True, quota=rules)
        self.account = Account(rules)
        with self.store.quota.unenforced():
            for name in NAMES[1:]:
                self.store.create(name)

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.root)

    def used(self) -> Usage:
        usage = self.account.usage()
        return Usage(usage.messages, self.store.quota.usage().size) if self.by_file else usage

    def attempt(self, allowed: bool, change: Callable[[], object]) -> bool:
        before = self.used()
        try:
            change()
        except (QuotaExceeded, MessageTooLarge):
            assert not allowed
            assert self.used() == before
            return False
        assert allowed
        return True

    @rule(name=FOLDERS, mails=st.lists(st.builds(Mail, SIZES, st.booleans()), min_size=1, max_size=3))
    def append(self, name: str, mails: list[Mail]) -> None:
        arrivals = [Arrival(b"s: x\n\n".ljust(mail.size, b"b"), Meta(DELETED * mail.deleted)) for mail in mails]
        folder = self.store.folder(name)
        done: list[int] = []
        allowed = self.account.allows(self.used(), name, mails, [], name)
        if self.attempt(allowed, lambda: done.extend(one.uid for one in folder.append_many(arrivals))):
            self.account.folders[name].update(zip(done, mails, strict=True))

    @rule(source=FOLDERS, into=FOLDERS, move=st.booleans(), count=st.integers(1, 3))
    def transfer(self, source: str, into: str, move: bool, count: int) -> None:
        here = self.account.folders[source]
        uids = sorted(here)[:count]
        if not uids:
            return
        mails = [here[uid] for uid in uids]
        allowed = self.account.allows(self.used(), into, mails, mails if move else [], source)
        one, other = self.store.folder(source), self.store.folder(into)
        pairs: list[tuple[int, int]] = []
        change = one.move if move else one.copy
        if self.attempt(allowed, lambda: pairs.extend(change(uids, other).pairs)):
            if move:
                for uid in uids:
                    del here[uid]
            for (_, uid), mail in zip(pairs, mails, strict=True):
                self.account.folders[into][uid] = mail

    @rule(name=FOLDERS, deleted=st.booleans(), count=st.integers(1, 3))
    def mark(self, name: str, deleted: bool, count: int) -> None:
        here = self.account.folders[name]
        uids = sorted(here)[:count]
        folder = self.store.folder(name)
        (folder.add_flags if deleted else folder.remove_flags)(uids, [r"\Deleted"])
        for uid in uids:
            here[uid] = here[uid]._replace(deleted=deleted)

    @rule(name=FOLDERS, count=st.integers(1, 3))
    def expunge(self, name: str, count: int) -> None:
        here = self.account.folders[name]
        uids = sorted(here)[-count:]
        self.store.folder(name).expunge(uids, only_deleted=False)
        for uid in uids:
            del here[uid]

    @rule(name=st.sampled_from(NAMES[1:]))
    def rename(self, name: str) -> None:
        """To and fro, so that what counts differs on the way."""
        self.store.rename(name, "Elsewhere")
        mails = self.account.folders.pop(name)
        self.account.folders["Elsewhere"] = mails
        assert self.store.quota.usage().messages == self.account.usage().messages
        self.store.rename("Elsewhere", name)
        self.account.folders[name] = self.account.folders.pop("Elsewhere")

    @rule(name=st.sampled_from(NAMES[1:]))
    def remake(self, name: str) -> None:
        self.store.delete(name)
        self.store.create(name)
        self.account.folders[name].clear()

    @precondition(lambda self: self.store.capabilities.persistent)
    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = open_store(self.location.format(root=self.root), quota=self.account.rules)

    @invariant()
    def the_sums_are_right(self) -> None:
        if not hasattr(self, "store"):
            return
        usage = self.store.quota.usage()
        assert usage.messages == self.account.usage().messages
        if not self.by_file:
            assert usage == self.account.usage()
        elif self.account.rules.style != "courier":
            ignored = {str(one.folder) for one in self.account.rules.folders if one.ignore}
            files = [name for name in NAMES if name not in ignored]
            assert usage.size == sum(self.file_size(name) for name in files)
        assert self.store.quota.problems == []
        assert self.total() == usage

    def total(self) -> Usage:
        from mailstore.quota import total

        return total(self.account.rules, self.store.quota.count())

    def file_size(self, name: str) -> int:
        path = os.path.join(self.root, "tree", {"INBOX": "inbox"}.get(name, name))
        return os.path.getsize(path) if os.path.exists(path) else 0


class Mbox(Machine):
    location = "mbox:{root}/tree?layout=sbd"
    by_file = True


class Maildir(Machine):
    location = "maildir:{root}/m"


class PlainMaildir(Machine):
    location = "maildir:{root}/m?layout=fs"


class Sqlite(Machine):
    location = "sqlite:{root}/s.db"


@pytest.mark.parametrize("machine", [Machine, Mbox, Maildir, PlainMaildir, Sqlite])
def test_verdicts_and_sums_are_those_of_the_model(machine: type[Machine]) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    examples = 40 if machine is Machine else 10
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine,
        settings=settings(
            max_examples=examples, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


def test_the_model_refuses_and_allows() -> None:
    """The model itself, where it could agree by accident."""
    account = Account(QuotaRules(storage=100, messages=2))
    assert account.allows(Usage(1, 50), "INBOX", [Mail(50, False)], [], "INBOX")
    assert not account.allows(Usage(1, 51), "INBOX", [Mail(50, False)], [], "INBOX")
    assert not account.allows(Usage(2, 5), "INBOX", [Mail(50, False)], [], "INBOX")
    assert account.allows(Usage(2, 100), "Trash", [Mail(50, False)], [], "INBOX")
    assert account.allows(Usage(2, 100), "INBOX", [Mail(50, False)], [Mail(50, False)], "INBOX")
