"""Section 7 of the contract: copy and move."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mailstore import Folder, Store, open_store
from mailstore.model.flags import FLAGGED, SEEN
from mailstore.system import clock
from mailstore.testing.contract.base import Contract
from mailstore.testing.contract.uids import uids
from mailstore.testing.harness import Harness
from mailstore.testing.marks import both_ways, clause, needs
from mailstore.testing.observe import Seen, listing
from mailstore.testing.samples import BODIES, MEBIBYTE, RESERVED, large


def filled(harness: Harness, folder: Folder) -> dict[int, Seen]:
    """Fill a folder with odd messages that carry all there is; return its listing."""
    capabilities = harness.capabilities
    for number, body in enumerate([*BODIES.values(), *RESERVED.values(), large(MEBIBYTE + 1)]):
        optional: dict[str, Any] = {}
        if capabilities.keywords != 0:
            optional["keywords"] = [f"K{number % 4}"]
        if capabilities.sender:
            optional["sender"] = (None, "", "a@example.org")[number % 3]
        folder.append(body, flags=number & capabilities.flags & 31, internal_date=1_000_000_000 + number, **optional)
    return listing(folder)


def travelled(found: dict[int, Seen]) -> list[Seen]:
    """Return what a copy takes along: all but the saved date and the POP3 unique id."""
    return [seen._replace(saved_date=None, uidl=None) for seen in found.values()]


class TransferContract(Contract):
    """Section 7: copy and move."""

    @pytest.fixture
    def memory(self) -> Iterator[Store]:
        """Return a store in memory: one of another format."""
        with open_store("memory:") as store:
            yield store

    @clause("7.1")
    @needs("folders")
    @both_ways
    def test_copy(self, harness: Harness, store: Store) -> None:
        """Everything arrives, in order; the source stays."""
        before = filled(harness, store.inbox)
        there = store.create("There")
        there.append(b"first")
        copied = store.inbox.copy(before, there)
        assert [pair[0] for pair in copied.pairs] == list(before)
        assert copied.uidvalidity == there.state().uidvalidity
        for opened in harness.now_and_reopened(store):
            found = listing(opened.folder("There"))
            assert list(found)[1:] == [pair[1] for pair in copied.pairs]
            assert travelled(found)[1:] == travelled(before)
            assert listing(opened.inbox) == before

    @clause("7.1")
    @needs("folders")
    @both_ways
    def test_copies_are_independent(self, harness: Harness, store: Store) -> None:
        """A flag change or an expunge of the one leaves the other."""
        before = filled(harness, store.inbox)
        there = store.create("There")
        pairs = dict(store.inbox.copy(before, there).pairs)
        store.inbox.set_flags(before, ["\\Answered"])
        assert travelled(listing(there)) == travelled(before)
        store.inbox.expunge(before, only_deleted=False)
        store = harness.reopen(store)
        assert travelled(listing(store.folder("There"))) == travelled(before)
        assert uids(store.folder("There")) == list(pairs.values())

    @clause("7.2")
    @needs("folders")
    @both_ways
    def test_move(self, harness: Harness, store: Store) -> None:
        """Everything arrives and nothing stays; what was not named stays."""
        before = filled(harness, store.inbox)
        there = store.create("There")
        there.append(b"first")
        going = list(before)[::2]
        token = store.inbox.changes().token
        moved = store.inbox.move(going, there)
        assert [pair[0] for pair in moved.pairs] == going
        delta = store.inbox.changes(token)
        assert (delta.full, delta.vanished, list(delta.batches)) == (False, tuple(going), [])
        for opened in harness.now_and_reopened(store):
            found = listing(opened.folder("There"))
            assert list(found)[1:] == [pair[1] for pair in moved.pairs]
            assert travelled(found)[1:] == travelled({uid: before[uid] for uid in going})
            assert listing(opened.inbox) == {uid: seen for uid, seen in before.items() if uid not in going}

    @clause("7.2")
    @needs("folders")
    @both_ways
    def test_move_there_and_back(self, harness: Harness, store: Store) -> None:
        """A message that comes back has a new UID, and its old one stays vanished."""
        uid = store.inbox.append(BODIES["ordinary"], internal_date=5, flags=FLAGGED).uid
        there = store.create("There")
        ((_, away),) = store.inbox.move([uid], there).pairs
        ((_, back),) = there.move([away], store.inbox).pairs
        assert back > uid
        for opened in harness.now_and_reopened(store):
            assert uids(opened.folder("There")) == []
            found = listing(opened.inbox)
            assert [(one, seen.flags, seen.internal_date) for one, seen in found.items()] == [(back, FLAGGED, 5)]

    @clause("7.3")
    @both_ways
    def test_copy_within_a_folder(self, harness: Harness, store: Store) -> None:
        """New messages with new UIDs."""
        before = filled(harness, store.inbox)
        copied = store.inbox.copy(before, store.inbox)
        for opened in harness.now_and_reopened(store):
            found = listing(opened.inbox)
            assert list(found) == [*before, *(pair[1] for pair in copied.pairs)]
            assert travelled(found) == travelled(before) * 2

    @clause("7.3")
    @both_ways
    def test_move_within_a_folder(self, harness: Harness, store: Store) -> None:
        """All messages are there once, under old UIDs or new ones."""
        before = filled(harness, store.inbox)
        store.inbox.move(before, store.inbox)
        assert travelled(listing(harness.reopen(store).inbox)) == travelled(before)

    @clause("7.4")
    @needs("folders")
    @both_ways
    def test_transfer_passes_over_the_gone(self, harness: Harness, store: Store) -> None:
        """UIDs that are gone are not in the map."""
        first, second, third = (store.inbox.append(BODIES["ordinary"]).uid for _ in range(3))
        store.inbox.expunge([second], only_deleted=False)
        there = store.create("There")
        assert [pair[0] for pair in store.inbox.copy([second, third, first, 999], there).pairs] == [first, third]
        assert [pair[0] for pair in store.inbox.move([second, third, 999], there).pairs] == [third]
        assert store.inbox.copy([second], there).pairs == ()
        assert store.inbox.move([], there).pairs == ()
        assert store.inbox.copy([], there).uidvalidity == there.state().uidvalidity
        store = harness.reopen(store)
        assert (uids(store.inbox), len(store.folder("There"))) == ([first], 3)

    @clause("7.5")
    @both_ways
    def test_between_stores(self, harness: Harness, store: Store, memory: Store) -> None:
        """To memory by copy, back from memory by move."""
        before = filled(harness, store.inbox)
        copied = store.inbox.copy(before, memory.inbox)
        assert list(listing(memory.inbox)) == [pair[1] for pair in copied.pairs]
        assert travelled(listing(memory.inbox)) == travelled(before)
        store.inbox.expunge(before, only_deleted=False)
        moved = memory.inbox.move([pair[1] for pair in copied.pairs], store.inbox)
        assert len(memory.inbox) == 0
        found = listing(harness.reopen(store).inbox)
        assert list(found) == [pair[1] for pair in moved.pairs]
        assert travelled(found) == travelled(before)

    @clause("7.5")
    @needs("persistent")
    @both_ways
    def test_between_two_stores_of_a_format(self, harness: Harness, store: Store) -> None:
        """Two stores of the same kind are two stores."""
        before = filled(harness, store.inbox)
        with harness.sibling("other").closing() as elsewhere:
            other = elsewhere.create()
            store.inbox.move(list(before)[:5], other.inbox)
            assert travelled(listing(elsewhere.reopen(other).inbox)) == travelled(before)[:5]
        assert listing(harness.reopen(store).inbox) == dict(list(before.items())[5:])

    @clause("7.6")
    @needs("folders", "saved_date")
    @both_ways
    def test_saved_date_is_new(self, store: Store) -> None:
        """The copy entered its folder when it was copied; the original long ago."""
        first, second = (
            store.inbox.append(BODIES["ordinary"], saved_date=5, internal_date=6, flags=SEEN).uid for _ in range(2)
        )
        there = store.create("There")
        earliest = clock.now()
        store.inbox.copy([first], there)
        store.inbox.move([second], there)
        for seen in listing(there).values():
            assert seen.saved_date is not None
            assert earliest <= seen.saved_date <= clock.now()
            assert (seen.internal_date, seen.flags) == (6, SEEN)
        assert listing(store.inbox)[first].saved_date == 5
