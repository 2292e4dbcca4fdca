"""Section 3 of the contract: changing flags."""

from __future__ import annotations

from mailstore import Folder, Store
from mailstore.model.flags import ANSWERED, DELETED, FLAGGED, SEEN
from mailstore.testing.contract.base import Contract
from mailstore.testing.harness import Harness
from mailstore.testing.marks import clause, needs
from mailstore.testing.observe import Seen, listing
from mailstore.testing.samples import BODIES


def three(store: Store) -> list[int]:
    """Append three messages: seen, answered, none; return their UIDs."""
    return [store.inbox.append(BODIES["ordinary"], flags=flags).uid for flags in (SEEN, ANSWERED, 0)]


def flags_of(folder: Folder) -> list[int]:
    r"""Return the flag bits of every message, without ``\Recent``."""
    return [seen.flags for seen in listing(folder).values()]


def modseqs(folder: Folder) -> dict[int, int]:
    """Return the modseq of every message."""
    return {row.uid: row.modseq for row in folder.rows(0)}


class FlagsContract(Contract):
    """Section 3: changing flags."""

    @clause("3.1")
    def test_add_remove_replace(self, harness: Harness, store: Store) -> None:
        """Each mode on two of three messages."""
        first, second, third = three(store)
        added = store.inbox.add_flags([first, second], ["\\Flagged", "\\Seen"])
        assert added.changed == (first, second)
        assert flags_of(store.inbox) == [SEEN | FLAGGED, SEEN | FLAGGED | ANSWERED, 0]
        removed = store.inbox.remove_flags([first, third], ["\\Seen"])
        assert removed.changed == (first,)
        assert flags_of(store.inbox) == [FLAGGED, SEEN | FLAGGED | ANSWERED, 0]
        replaced = store.inbox.set_flags([second, third], ["\\Deleted"])
        assert replaced.changed == (second, third)
        for opened in harness.now_and_reopened(store):
            assert flags_of(opened.inbox) == [FLAGGED, DELETED, DELETED]

    @clause("3.1", "3.5")
    @needs("keywords")
    def test_keywords(self, harness: Harness, store: Store) -> None:
        """Keywords are changed like flags, whatever their case."""
        uid = store.inbox.append(BODIES["ordinary"], keywords=["Work"]).uid
        other = store.inbox.append(BODIES["ordinary"], keywords=["Home"]).uid
        store.inbox.add_flags([uid], ["WORK", "Later", "$forwarded"])
        assert listing(store.inbox)[uid].keywords == {"Work", "Later", "$Forwarded"}
        store.inbox.remove_flags([uid], ["later", "absent"])
        assert listing(store.inbox)[uid].keywords == {"Work", "$Forwarded"}
        store.inbox.set_flags([uid], ["work", "\\Seen", "New"])
        for opened in harness.now_and_reopened(store):
            found = listing(opened.inbox)
            assert (found[uid].keywords, found[uid].flags) == (frozenset({"Work", "New"}), SEEN)
            assert (found[other].keywords, found[other].flags) == (frozenset({"Home"}), 0)

    @clause("3.1")
    def test_set_to_none(self, harness: Harness, store: Store) -> None:
        """Everything can be taken away again."""
        uid = store.inbox.append(BODIES["ordinary"], flags=["\\Seen", "\\Flagged", "\\Draft"]).uid
        store.inbox.set_flags([uid], [])
        for opened in harness.now_and_reopened(store):
            assert flags_of(opened.inbox) == [0]

    @clause("3.2")
    def test_unchanged_since(self, store: Store) -> None:
        """What changed since the modseq is refused, the rest is changed."""
        first, second, third = three(store)
        then = store.inbox.state().highest_modseq
        store.inbox.add_flags([second], ["\\Flagged"])
        result = store.inbox.add_flags([first, second, third], ["\\Deleted"], unchanged_since=then)
        assert (result.changed, result.refused) == ((first, third), (second,))
        assert flags_of(store.inbox) == [SEEN | DELETED, ANSWERED | FLAGGED, DELETED]
        again = store.inbox.set_flags([second], [], unchanged_since=modseqs(store.inbox)[second])
        assert (again.changed, again.refused) == ((second,), ())

    @clause("3.3")
    def test_gone_are_passed_over(self, store: Store) -> None:
        """UIDs that are gone, or never were, do not disturb."""
        first, second, third = three(store)
        store.inbox.expunge([second], only_deleted=False)
        result = store.inbox.add_flags([first, second, third, third + 100], ["\\Flagged"])
        assert (result.changed, result.refused) == ((first, third), ())
        assert flags_of(store.inbox) == [SEEN | FLAGGED, FLAGGED]

    @clause("3.4")
    def test_modseq_grows(self, harness: Harness, store: Store) -> None:
        """A changed message has the folder's new modseq; others keep theirs."""
        first, second, third = three(store)
        before, state = modseqs(store.inbox), store.inbox.state()
        assert max(before.values()) <= state.highest_modseq
        result = store.inbox.add_flags([second], ["\\Deleted"])
        after = modseqs(store.inbox)
        assert state.highest_modseq < after[second] == result.modseq == store.inbox.state().highest_modseq
        assert (after[first], after[third]) == (before[first], before[third])
        reopened = harness.reopen(store)
        assert reopened.inbox.state().highest_modseq >= result.modseq

    @clause("3.4")
    def test_no_change_no_modseq(self, store: Store) -> None:
        """What is so already changes nothing."""
        first, second, third = three(store)
        before, state = modseqs(store.inbox), store.inbox.state()
        result = store.inbox.add_flags([first], ["\\Seen"])
        assert (result.changed, result.refused, result.modseq) == ((), (), 0)
        assert store.inbox.remove_flags([second, third], ["\\Seen"]).changed == ()
        assert store.inbox.set_flags([third], []).changed == ()
        assert (modseqs(store.inbox), store.inbox.state()) == (before, state)

    @clause("3.6")
    def test_all_else_stays(self, harness: Harness, store: Store) -> None:
        """Bytes, dates, sender and ids are no business of a flag change; nor are the neighbours."""
        kept = harness.capabilities
        for number, body in enumerate(BODIES.values()):
            store.inbox.append(
                body,
                internal_date=1_000_000_000 + number,
                sender=f"s{number}@example.org" if kept.sender else None,
                uidl=f"u{number}" if kept.keeps_uidl(f"u{number}") else None,
            )
        before = listing(store.inbox)
        store.inbox.add_flags(list(before)[::2], ["\\Seen", "\\Flagged"])
        store.inbox.remove_flags(list(before)[::4], ["\\Seen"])

        def expected(place: int, seen: Seen) -> Seen:
            return seen._replace(flags=(FLAGGED if place % 4 == 0 else SEEN | FLAGGED) if place % 2 == 0 else 0)

        after = {uid: expected(place, seen) for place, (uid, seen) in enumerate(before.items())}
        for opened in harness.now_and_reopened(store):
            assert listing(opened.inbox) == after
