"""Section 13 of the contract: quota."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mailstore import INBOX, Append, Arrival, Expunge, FolderPath, Meta, QuotaExceeded, QuotaRules, Store, Unsupported
from mailstore.model.flags import DELETED, SEEN
from mailstore.model.quota import STYLES, TRASH, FolderRule, QuotaStyle
from mailstore.quota import total
from mailstore.spi import FreshFolders, QuotaKeeping
from mailstore.testing.contract.base import Contract
from mailstore.testing.harness import Harness
from mailstore.testing.marks import both_ways, clause
from mailstore.testing.samples import BODIES

ONE, TWO, THREE = BODIES["ordinary"], BODIES["crlf"], BODIES["no final newline"]
BOX = FolderPath(["Box"])
FAR = 1 << 40
"""Bytes: a limit that nothing here reaches."""

styles = pytest.mark.parametrize("style", STYLES)


def keep(store: Store, rules: QuotaRules) -> bool:
    """Keep rules with the store; False where it keeps none."""
    try:
        store.quota.set_rules(rules)
    except Unsupported:
        assert not isinstance(store.driver, QuotaKeeping)
        return False
    return True


def check_sums(store: Store) -> None:
    """What the sums say is what a look at every message gives."""
    rules = store.quota.rules() or QuotaRules()
    looked_at = total(rules, store.quota.count())
    assert store.quota.usage() == looked_at
    if store.quota.recorded() is not None:
        assert store.quota.recorded() == looked_at
    assert store.quota.problems == []


def _append(store: Store) -> None:
    store.inbox.append(ONE, flags=SEEN)
    store.inbox.append_many([Arrival(TWO, Meta(DELETED)), Arrival(THREE), Arrival(ONE)])


def _deliver(store: Store) -> None:
    staged = store.stage([Arrival(TWO), Arrival(THREE)])
    store.commit([Append(INBOX, one) for one in (*staged, staged[0])], need_uids=False)


def _flag(store: Store) -> None:
    uids = [row.uid for row in store.inbox.rows(0)]
    store.inbox.remove_flags(uids[:2], ["\\Deleted"])
    store.inbox.set_flags(uids[2:4], ["\\Deleted", "\\Seen"])
    store.inbox.add_flags(uids[3:5], ["\\Flagged"])


def _file(store: Store) -> None:
    if not store.capabilities.folders:
        return
    box, trash = store.create(BOX), store.create(TRASH)
    uids = [row.uid for row in store.inbox.rows(0)]
    store.inbox.copy(uids[:3], box)
    store.inbox.move(uids[1:3], trash)
    trash.move([row.uid for row in trash.rows(0)][:1], box)
    trash.append(THREE, flags=DELETED)


def _expunge(store: Store) -> None:
    store.inbox.expunge()
    store.inbox.expunge([row.uid for row in store.inbox.rows(0)][:1], only_deleted=False)


def _rearrange(store: Store) -> None:
    if not store.capabilities.folders:
        return
    store.rename(TRASH, "Crate")
    check_sums(store)
    store.rename(BOX, TRASH)
    check_sums(store)
    store.delete(TRASH)


def _publish(store: Store) -> None:
    if not store.capabilities.folders or store.fresh_folders is None:
        return
    assert isinstance(store.driver, FreshFolders)
    for path in (FolderPath(["Fresh"]), TRASH):
        folder = store.driver.fresh(path)
        assert folder is not None
        folder.publish(folder.add([Arrival(ONE), Arrival(TWO, Meta(DELETED))]), None)


HISTORY: tuple[Callable[[Store], None], ...] = (_append, _deliver, _flag, _file, _expunge, _rearrange, _publish)


class QuotaContract(Contract):
    """Section 13: quota."""

    @clause("13.1")
    @both_ways
    @styles
    def test_sums_follow_every_change(self, harness: Harness, store: Store, style: QuotaStyle) -> None:
        """After any history of changes the sums are what a look at every message gives."""
        keep(store, QuotaRules(style=style, storage=FAR))
        for step in HISTORY:
            step(store)
            check_sums(store)
        store = harness.reopen(store)
        check_sums(store)
        before = store.quota.usage()
        assert before.messages > 0
        assert store.quota.recalculate() == before

    @clause("13.1")
    def test_sums_pass_over_ignored_folders(self, store: Store) -> None:
        """A folder that is ignored counts nowhere."""
        keep(store, QuotaRules(storage=FAR, folders=(FolderRule(BOX, ignore=True),)))
        for step in HISTORY[:4]:
            step(store)
            check_sums(store)

    @clause("13.2")
    def test_rules_and_notes_are_kept(self, harness: Harness, store: Store) -> None:
        """What one handle keeps another one finds; where nothing is left nothing is kept."""
        rules = QuotaRules(
            style="dovecot", storage=FAR, messages=7, message_size=1 << 20, folders=(FolderRule(BOX, ignore=True),)
        )
        if not keep(store, rules):
            return
        store.quota.set_note("a-note", "caf\u00e9\n")
        for opened in harness.now_and_reopened(store):
            assert (opened.quota.rules(), opened.quota.note("a-note")) == (rules, "caf\u00e9\n")
        opened.quota.set_note("a-note", "")
        opened.quota.set_rules(None)
        for last in harness.now_and_reopened(opened):
            assert (last.quota.rules(), last.quota.note("a-note")) == (None, "")

    @clause("13.3")
    def test_nothing_goes_over_a_limit(self, harness: Harness, store: Store) -> None:
        """A message that does not fit is refused, and everything is as it was; one that just fits is not."""
        first = store.inbox.append(ONE).uid
        room = store.quota.usage().size
        if not keep(store, QuotaRules(storage=2 * room, messages=2)):
            return
        store.inbox.append(ONE)
        state = store.inbox.state()
        with pytest.raises(QuotaExceeded):
            store.inbox.append(b"x")
        assert store.inbox.state() == state
        check_sums(store)
        store.inbox.expunge([first], only_deleted=False)
        store = harness.reopen(store)
        store.inbox.append(ONE)
        with pytest.raises(QuotaExceeded):
            store.inbox.append(b"x")
        check_sums(store)

    @clause("13.4")
    @both_ways
    def test_only_what_is_added_costs(self, store: Store) -> None:
        """In a full account a move, a replacement and a repeated message pass; a copy does not."""
        if not keep(store, QuotaRules(messages=2)):
            return
        key = bytes(range(16))
        first = store.inbox.append(ONE, key=key)
        second = store.inbox.append(TWO).uid
        if store.capabilities.idempotency:
            again = store.inbox.append(ONE, key=key)
            assert (again.known, again.uid) == (True, first.uid)
        with pytest.raises(QuotaExceeded):
            store.inbox.copy([second], store.inbox)
        if store.capabilities.folders:
            box = store.create(BOX)
            ((_, there),) = store.inbox.move([second], box).pairs
            ((_, second),) = box.move([there], store.inbox).pairs
        (staged,) = store.stage([Arrival(THREE)])
        outcomes = store.commit([Append(INBOX, staged), Expunge(INBOX, (second,))])
        store.discard([staged])
        assert [outcome.status for outcome in outcomes] == ["done", "done"]
        assert [message.bytes() for message in store.inbox] == [store.canonical(ONE), store.canonical(THREE)]
        check_sums(store)

    @clause("13.5")
    def test_a_batch_that_does_not_fit_changes_nothing(self, store: Store) -> None:
        """All of it is refused, though some would fit; whoever passes over limits on purpose is not refused."""
        if not keep(store, QuotaRules(messages=2)):
            return
        state = store.inbox.state()
        with pytest.raises(QuotaExceeded):
            store.inbox.append_many([Arrival(ONE), Arrival(TWO), Arrival(THREE)])
        assert store.inbox.state() == state
        with store.quota.unenforced():
            store.inbox.append_many([Arrival(ONE), Arrival(TWO), Arrival(THREE)])
        assert store.quota.usage().messages == 3
        check_sums(store)
