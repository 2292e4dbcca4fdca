"""Section 8 of the contract, second half: ids, what changed among the folders, subscriptions, special use."""

from __future__ import annotations

from mailstore import Store
from mailstore.testing.contract.base import Contract
from mailstore.testing.harness import Harness
from mailstore.testing.marks import clause, needs


def ids(store: Store) -> dict[str, str]:
    """Return the ids of all folders that hold messages, by path."""
    return {str(info.path): info.id for info in store.folders() if info.selectable}


def subscribed(store: Store) -> dict[str, bool]:
    """Return the subscribed names, with whether a folder is there."""
    return {str(info.path): info.selectable for info in store.folders() if info.subscribed}


class FolderListingContract(Contract):
    """Section 8: what is said of folders."""

    @clause("8.10")
    @needs("folders", "folder_ids")
    def test_ids(self, harness: Harness, store: Store) -> None:
        """An id goes with the folder, and dies with it."""
        for name in ("A", "A/B", "C"):
            store.create(name)
        before = ids(store)
        assert len(set(before.values())) == len(before) >= 4
        assert all(before.values())
        store = harness.reopen(store)
        assert ids(store) == before
        store.rename("A", "X")
        store = harness.reopen(store)
        after = ids(store)
        assert (after["X"], after["X/B"], after["C"]) == (before["A"], before["A/B"], before["C"])
        store.delete("C")
        store.create("C")
        assert ids(harness.reopen(store))["C"] not in before.values()

    @clause("8.11")
    @needs("folders")
    def test_changes(self, harness: Harness, store: Store) -> None:
        """What changed since a token, or everything; the same listing either way."""
        for name in ("A", "B"):
            store.create(name)
        first = store.changes()
        assert first.full
        nothing = store.changes(first.token)
        assert nothing.full or (nothing.folders, nothing.gone) == ((), ())
        known = {info.id: info for info in first.folders}
        store.rename("A", "New")
        store.delete("B")
        store.create("C/D")
        delta = harness.reopen(store).changes(first.token)
        if delta.full:
            known = {}
        for gone in delta.gone:
            known.pop(gone, None)
        known.update((info.id or str(info.path), info) for info in delta.folders)
        assert {str(info.path) for info in known.values() if info.selectable} >= {"INBOX", "New", "C/D"}
        assert {"A", "B"}.isdisjoint(str(info.path) for info in known.values())

    @clause("8.12")
    @needs("subscriptions", "folders")
    def test_subscriptions(self, harness: Harness, store: Store) -> None:
        """Set, set again, of folders that exist and that do not; cleared, cleared again."""
        store.create("A/B")
        odd = "n\u00fcll and more/sp ace"
        for name in ("INBOX", "A/B", "Absent", odd, "Absent"):
            store.subscribe(name)
        everything = {"INBOX": True, "A/B": True, "Absent": False, odd: False}
        for opened in harness.now_and_reopened(store):
            assert subscribed(opened) == everything
        opened.unsubscribe("A/B")
        opened.unsubscribe("A/B")
        opened.unsubscribe("Never")
        opened.unsubscribe("Absent")
        assert subscribed(harness.reopen(opened)) == {"INBOX": True, odd: False}

    @clause("8.12")
    @needs("subscriptions", "folders")
    def test_subscription_outlives_the_folder(self, harness: Harness, store: Store) -> None:
        """A client subscribed to the name (RFC 9051 section 6.3.8): deleting or renaming the folder changes nothing."""
        for name in ("A", "B"):
            store.create(name)
            store.subscribe(name)
        store.delete("A")
        store.rename("B", "C")
        assert subscribed(harness.reopen(store)) == {"A": False, "B": False}
        store = harness.open() if harness.capabilities.persistent else store
        store.create("A")
        assert subscribed(store) == {"A": True, "B": False}

    @clause("8.13")
    @needs("special_use", "folders")
    def test_special_use(self, harness: Harness, store: Store) -> None:
        """Given when a folder is made or later; it goes along with a rename, and can be cleared."""
        store.create("Gesendet", special_use="\\Sent")
        store.create("Other")
        store.set_special_use("Other", "\\Junk")
        store.rename("Other", "Moved")
        store = harness.reopen(store)
        uses = {str(info.path): info.special_use for info in store.folders()}
        assert uses == {"INBOX": None, "Gesendet": "\\Sent", "Moved": "\\Junk"}
        store.set_special_use("Gesendet", None)
        uses = {str(info.path): info.special_use for info in harness.reopen(store).folders()}
        assert uses == {"INBOX": None, "Gesendet": None, "Moved": "\\Junk"}
