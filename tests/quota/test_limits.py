"""Which changes a quota allows, in every store: each limit, folder rules, grace, moves, copies, known messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mailstore import (
    Append,
    Arrival,
    Expunge,
    FolderPath,
    MessageTooLarge,
    Meta,
    Outcome,
    QuotaExceeded,
    QuotaRules,
    Store,
    open_store,
)
from mailstore.model.flags import DELETED
from mailstore.quota import FolderRule, Portion

STORES = {
    "memory": "memory:limits",
    "mbox": "mbox:{root}/tree?layout=sbd",
    "maildir++": "maildir:{root}/m",
    "maildir": "maildir:{root}/f?layout=fs",
    "sqlite": "sqlite:{root}/s",
}
INBOX, TRASH, OLD = FolderPath(("INBOX",)), FolderPath(("Trash",)), FolderPath(("Old",))
Opener = Callable[[QuotaRules | None], Store]


@pytest.fixture(params=STORES)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    """Open the store, empty at first, under rules that the opener brings."""
    from mailstore.drivers import memory

    location = STORES[request.param].format(root=tmp_path)
    stores: list[Store] = []

    def opener(rules: QuotaRules | None) -> Store:
        stores.append(open_store(location, create=True, folders=True, quota=rules))
        return stores[-1]

    yield opener
    for store in stores:
        store.close()
    memory._NAMED.clear()


def body(size: int) -> bytes:
    return b"Subject: x\n\n".ljust(size - 1, b"b") + b"\n"


def room(store: Store, rules: QuotaRules, size: int) -> QuotaRules:
    """Return the rules with so much storage that ``size`` bytes are free."""
    from dataclasses import replace

    used = Store(store.location, store.driver, rules).quota.usage().size
    return replace(rules, storage=used + size)


def under(store: Store, rules: QuotaRules) -> Store:
    return Store(store.location, store.driver, rules)


def messages(store: Store) -> int:
    return store.usage().messages


def test_a_message_that_fits_exactly_comes_in_and_one_byte_more_does_not(opened: Opener) -> None:
    store = opened(None)
    store.inbox.append(body(500))
    limited = under(store, room(store, QuotaRules(), 100))
    with pytest.raises(QuotaExceeded) as caught:
        limited.inbox.append(body(101))
    assert caught.value.resource == "STORAGE"
    assert caught.value.wanted == 1
    assert messages(store) == 1
    limited.inbox.append(body(100))
    assert messages(store) == 2
    assert limited.quota.problems == []


def test_messages_are_counted(opened: Opener) -> None:
    store = opened(QuotaRules(messages=2))
    store.inbox.append(body(50))
    store.create("Old").append(body(50))
    with pytest.raises(QuotaExceeded) as caught:
        store.inbox.append(body(50))
    assert (caught.value.resource, caught.value.limit, caught.value.usage, caught.value.wanted) == ("MESSAGE", 2, 2, 1)
    assert "2 of 2 messages" in str(caught.value)


def test_a_batch_is_taken_whole_or_not_at_all(opened: Opener) -> None:
    store = opened(QuotaRules(messages=3))
    with pytest.raises(QuotaExceeded):
        store.inbox.append_many([Arrival(body(50), Meta())] * 4)
    assert messages(store) == 0
    store.inbox.append_many([Arrival(body(50), Meta())] * 3)
    assert messages(store) == 3


def test_a_message_may_be_too_large_for_ever(opened: Opener) -> None:
    store = opened(QuotaRules(message_size=200, storage=1 << 30))
    with pytest.raises(MessageTooLarge, match="201 bytes; 200 are allowed"):
        store.inbox.append(body(201))
    store.inbox.append(body(200))
    with pytest.raises(MessageTooLarge, match="the whole quota is 100"):
        under(store, QuotaRules(storage=100, grace=Portion(50))).inbox.append(body(151))
    assert messages(store) == 1


def test_folders_are_counted(opened: Opener) -> None:
    store = opened(QuotaRules(mailboxes=2))
    store.create("a")
    store.folder("b", create=True)
    for make in (lambda: store.create("c"), lambda: store.folder("c", create=True), lambda: store.rename("INBOX", "c")):
        with pytest.raises(QuotaExceeded) as caught:
            make()
        assert (caught.value.resource, caught.value.limit, caught.value.usage) == ("MAILBOX", 2, 2)
    store.folder("a", create=True)
    store.rename("a", "c")
    assert store.quota.mailboxes() == 2


def test_a_folder_holds_so_many_messages(opened: Opener) -> None:
    store = opened(QuotaRules(folder_messages=2, folders=(FolderRule(OLD, ignore=True),)))
    store.inbox.append_many([Arrival(body(50), Meta())] * 2)
    old = store.create("Old")
    for change in (
        lambda: store.inbox.append(body(50)),
        lambda: old.append_many([Arrival(body(50), Meta())] * 3),
    ):
        with pytest.raises(QuotaExceeded, match="of 2 messages"):
            change()
    uid = old.append(body(50)).uid
    with pytest.raises(QuotaExceeded, match="INBOX holds 2 of 2"):
        old.move([uid], store.inbox)
    store.inbox.move([1], old)
    assert [len(store.inbox), len(old)] == [1, 2]


def test_grace_is_for_the_last_message(opened: Opener) -> None:
    store = opened(None)
    store.inbox.append(body(500))
    rules = room(store, QuotaRules(grace=Portion(0, 10)), 100)
    with pytest.raises(QuotaExceeded):
        under(store, rules).inbox.append(body(111))
    under(store, rules).inbox.append(body(110))
    with pytest.raises(QuotaExceeded):
        under(store, rules).inbox.append(body(20))


def test_only_a_full_account_refuses_where_a_limit_is_not_inclusive(opened: Opener) -> None:
    store = opened(None)
    store.inbox.append(body(500))
    rules = room(store, QuotaRules(inclusive=False), 1)
    under(store, rules).inbox.append(body(5000))
    with pytest.raises(QuotaExceeded):
        under(store, rules).inbox.append(body(20))


def test_a_folder_has_a_limit_of_its_own(opened: Opener) -> None:
    store = opened(None)
    store.inbox.append(body(500))
    store.create("Sent")
    more, half = FolderRule(OLD, storage=Portion(100, 300)), FolderRule(FolderPath(("Sent",)), storage=Portion(50))
    rules = room(store, QuotaRules(folders=(more, half)), 100)
    limited = under(store, rules)
    with pytest.raises(QuotaExceeded):
        limited.folder("Sent").append(body(20))
    with pytest.raises(QuotaExceeded):
        limited.inbox.append(body(150))
    limited.folder("Old", create=True).append(body(150))
    with pytest.raises(QuotaExceeded):
        limited.inbox.append(body(20))


def test_an_ignored_folder_is_neither_counted_nor_limited(opened: Opener) -> None:
    store = opened(QuotaRules(messages=1, style="dovecot", folders=(FolderRule(OLD, ignore=True),)))
    old = store.create("Old")
    old.append_many([Arrival(body(50), Meta())] * 3)
    store.inbox.append(body(50))
    assert store.quota.usage().messages == 1
    with pytest.raises(QuotaExceeded):
        old.move([1], store.inbox)
    with pytest.raises(QuotaExceeded):
        old.copy([1], store.inbox)
    store.inbox.move([1], old)
    old.move([1], store.inbox)
    assert store.quota.usage().messages == 1


def test_moving_within_a_full_account_costs_nothing_and_copying_does(opened: Opener) -> None:
    store = opened(None)
    store.inbox.append(body(500))
    old = store.create("Old")
    limited = under(store, room(store, QuotaRules(messages=1, message_size=100), 0))
    with pytest.raises((QuotaExceeded, MessageTooLarge)):
        limited.inbox.copy([1], limited.folder("Old"))
    assert [len(store.inbox), len(old)] == [1, 0]
    limited.inbox.move([1], limited.folder("Old"))
    assert [len(store.inbox), len(old)] == [0, 1]


def test_out_of_the_trash_is_a_delivery_as_courier_counts(opened: Opener) -> None:
    store = opened(QuotaRules(messages=1))
    trash = store.create("Trash")
    trash.append(body(50))
    store.inbox.append(body(50))
    with pytest.raises(QuotaExceeded):
        trash.move([1], store.inbox)
    store.inbox.move([1], trash)
    assert (store.quota.usage().messages, len(trash)) == (0, 2)
    trash.move([1], store.inbox)
    assert store.quota.usage().messages == 1


def test_what_is_flagged_as_deleted_makes_room_as_courier_counts_and_flags_are_never_refused(opened: Opener) -> None:
    store = opened(QuotaRules(messages=1))
    store.inbox.append(body(50))
    store.inbox.add_flags([1], [r"\Deleted"])
    store.inbox.append(body(50))
    with pytest.raises(QuotaExceeded):
        store.inbox.append(body(50))
    store.inbox.append(body(50), flags=[r"\Deleted"])
    store.inbox.remove_flags([1], [r"\Deleted"])
    assert store.quota.usage().messages == 2


def test_a_message_that_takes_the_place_of_another_needs_only_the_difference(opened: Opener) -> None:
    store = opened(None)
    store.inbox.append_many([Arrival(body(500), Meta()), Arrival(body(400), Meta(DELETED)), Arrival(body(100), Meta())])
    limited = under(store, room(store, QuotaRules(messages=2), 20))

    def put(size: int, expunge: Expunge) -> list[Outcome]:
        (staged,) = limited.stage([Arrival(body(size), Meta())])
        try:
            return limited.commit([Append(INBOX, staged), expunge])
        finally:
            limited.discard([staged])

    gone, uncounted, not_deleted = Expunge(INBOX, (99,)), Expunge(INBOX, (2,)), Expunge(INBOX, (1,), only_deleted=True)
    for expunge in (gone, uncounted, not_deleted):
        with pytest.raises(QuotaExceeded):
            put(21, expunge)
    with pytest.raises(QuotaExceeded):
        put(540, Expunge(INBOX, (1, 1)))
    assert messages(store) == 3
    assert [outcome.status for outcome in put(510, Expunge(INBOX, (1, 1)))] == ["done", "done"]
    assert [row.size for row in store.inbox.rows()] == [400, 100, 510]


def test_a_message_that_is_there_already_costs_nothing(opened: Opener) -> None:
    store = opened(QuotaRules(messages=1))
    key = bytes(range(16))
    first = store.inbox.append(body(50), key=key)
    again = store.inbox.append(body(50), key=key)
    assert (again.known, again.uid) == (True, first.uid)
    with pytest.raises(QuotaExceeded):
        store.inbox.append(body(50), key=bytes(16))
    staged = store.stage([Arrival(body(50), Meta(), key), Arrival(body(50), Meta(), bytes(16))])
    with pytest.raises(QuotaExceeded):
        store.commit([Append(INBOX, one) for one in staged])
    store.discard(staged)
    assert messages(store) == 1


def test_a_guard_of_the_caller_goes_first(opened: Opener) -> None:
    store = opened(QuotaRules(messages=0))

    def refuse(changes: object) -> None:
        raise QuotaExceeded("mine", resource="STORAGE", limit=1, usage=1, wanted=1)

    staged = store.stage([Arrival(body(50), Meta())])
    with pytest.raises(QuotaExceeded, match="mine"):
        store.commit([Append(INBOX, staged[0])], guard=refuse)
    store.discard(staged)


def test_limits_can_be_passed_over_by_whoever_says_so(opened: Opener) -> None:
    store = opened(QuotaRules(messages=1))
    with store.quota.unenforced():
        store.inbox.append_many([Arrival(body(50), Meta())] * 3)
    assert store.quota.usage().messages == 3
    with pytest.raises(QuotaExceeded):
        store.inbox.append(body(50))


def test_a_verdict_can_be_asked_for_before(opened: Opener) -> None:
    store = opened(None)
    store.inbox.append(body(500))
    store.create("Trash")
    limited = under(store, room(store, QuotaRules(message_size=400), 100))
    limited.quota.check(100)
    limited.quota.check(400, TRASH)
    with pytest.raises(QuotaExceeded):
        limited.quota.check(101)
    with pytest.raises(MessageTooLarge):
        limited.quota.check(401, TRASH)


def test_without_a_quota_everything_may_be_delivered(opened: Opener) -> None:
    opened(None).quota.check(1 << 40)


def test_rules_are_kept_with_the_store(opened: Opener) -> None:
    rules = QuotaRules(messages=1, storage=1 << 20, style="dovecot", folders=(FolderRule(OLD, ignore=True),))
    store = opened(None)
    assert store.quota.rules() is None
    store.quota.set_rules(rules)
    again = opened(None)
    assert again.quota.rules() == rules
    again.inbox.append(body(50))
    with pytest.raises(QuotaExceeded):
        again.inbox.append(body(50))
    brought = opened(QuotaRules(messages=2))
    brought.inbox.append(body(50))
    assert brought.quota.rules() == QuotaRules(messages=2)
    again.quota.set_rules(None)
    assert again.quota.rules() is None
    again.inbox.append(body(50))
    assert messages(store) == 3


def test_notes_are_kept_with_the_store(opened: Opener) -> None:
    store = opened(None)
    assert store.quota.note("a-note") == ""
    store.quota.set_note("a-note", "one\ntwo ü\n")
    assert opened(None).quota.note("a-note") == "one\ntwo ü\n"
    store.quota.set_note("a-note", "")
    assert opened(None).quota.note("a-note") == ""
