"""Section 4 of the contract: UIDs."""

from __future__ import annotations

from mailstore import INBOX, Arrival, Folder, FolderPath, SetState, Store
from mailstore.testing.contract.base import Contract
from mailstore.testing.harness import Harness
from mailstore.testing.marks import clause, needs
from mailstore.testing.observe import bodies, recorded
from mailstore.testing.samples import BODIES

ONE, TWO = BODIES["ordinary"], BODIES["crlf"]


def uids(folder: Folder) -> list[int]:
    """Return the UIDs of a folder as listed."""
    return [row.uid for row in folder.rows(0)]


class UidContract(Contract):
    """Section 4: UIDs."""

    @clause("4.1")
    def test_uids_ascend(self, harness: Harness, store: Store) -> None:
        """One by one and in bulk, UIDs ascend in the order given."""
        given = [store.inbox.append(ONE).uid]
        given += [appended.uid for appended in store.inbox.append_many([Arrival(TWO), Arrival(ONE), Arrival(TWO)])]
        given.append(store.inbox.append(ONE).uid)
        assert given == sorted(set(given))
        assert given[0] > 0
        for opened in harness.now_and_reopened(store):
            assert uids(opened.inbox) == given
            assert bodies(opened.inbox) == [ONE, TWO, ONE, TWO, ONE]

    @clause("4.1")
    def test_same_bytes_many_times(self, harness: Harness, store: Store) -> None:
        """Equal messages are as many messages."""
        given = [appended.uid for appended in store.inbox.append_many([Arrival(ONE)] * 20)]
        assert len(set(given)) == 20
        for opened in harness.now_and_reopened(store):
            assert uids(opened.inbox) == given

    @clause("4.2")
    def test_uidnext_never_falls(self, harness: Harness, store: Store) -> None:
        """UIDs of expunged messages are not given again, not even the last one's."""
        given = [store.inbox.append(ONE).uid for _ in range(3)]
        uidnext = store.inbox.state().uidnext
        assert uidnext > given[-1]
        store.inbox.expunge(given[1:], only_deleted=False)
        assert store.inbox.state().uidnext >= uidnext
        store = harness.reopen(store)
        assert store.inbox.state().uidnext >= uidnext
        store.inbox.expunge(given, only_deleted=False)
        store = harness.reopen(store)
        assert uids(store.inbox) == []
        assert store.inbox.state().uidnext >= uidnext
        assert store.inbox.append(ONE).uid >= uidnext

    @clause("4.3")
    def test_uidvalidity_stays(self, harness: Harness, store: Store) -> None:
        """Nothing ordinary changes UIDVALIDITY."""
        appended = store.inbox.append(ONE)
        assert appended.uidvalidity == store.inbox.state().uidvalidity > 0
        store.inbox.expunge([appended.uid], only_deleted=False)
        reopened = harness.reopen(store)
        assert reopened.inbox.state().uidvalidity == appended.uidvalidity
        assert reopened.inbox.append(ONE).uidvalidity == appended.uidvalidity

    @clause("4.3")
    @needs("folders")
    def test_new_folder_new_uidvalidity(self, harness: Harness, store: Store) -> None:
        """A folder made anew, or another put in its place, is not taken for the old one."""
        seen = set()
        for _ in range(3):
            folder = store.create("A")
            seen.add(folder.append(ONE).uidvalidity)
            store.delete("A")
        other = store.create("B")
        seen.add(other.append(ONE).uidvalidity)
        store.rename("B", "A")
        assert len(seen) == 4
        assert harness.reopen(store).folder("A").state().uidvalidity in seen

    @clause("4.3")
    @needs("folders", "foreign_writers")
    def test_new_folder_in_the_place_of_a_renamed_one(self, harness: Harness, store: Store) -> None:
        """Within the same second, with mail that only others wrote: no name gets a UIDVALIDITY twice."""
        seen = set()
        for name in ("X", "Y", "Z"):
            path = store.create("A").path
            harness.foreign_append(path, b"Subject: foreign\n\nbody\n")
            assert len(uids(store.folder("A"))) == 1
            seen.add(store.folder("A").state().uidvalidity)
            store.rename("A", name)
        seen.add(store.create("A").state().uidvalidity)
        assert len(seen) == 4

    @clause("4.4")
    def test_hints(self, harness: Harness, store: Store) -> None:
        """A hint at or above UIDNEXT is honoured; one below gets a new UID."""
        inbox = store.inbox
        assert inbox.append(ONE, uid=7).uid == 7
        assert inbox.append(ONE, uid=8).uid == 8
        assert inbox.append(ONE, uid=3).uid == 9
        assert inbox.append(ONE, uid=9).uid == 10
        appended = inbox.append_many([Arrival(ONE, uid=100), Arrival(TWO), Arrival(ONE, uid=4_000_000_000)])
        assert [one.uid for one in appended] == [100, 101, 4_000_000_000]
        assert inbox.state().uidnext == 4_000_000_001
        for opened in harness.now_and_reopened(store):
            assert uids(opened.inbox) == [7, 8, 9, 10, 100, 101, 4_000_000_000]

    @clause("4.5")
    @needs("folders")
    def test_set_state_on_a_new_folder(self, harness: Harness, store: Store) -> None:
        """A folder that never showed a UID takes another store's numbering."""
        folder = store.create("A")
        modseq = folder.state().highest_modseq + 1_000_000_000_000
        path = FolderPath(["A"])
        (outcome,) = store.commit([SetState(path, 123_456_789, 500, modseq)])
        assert outcome.status == "done"
        for opened in harness.now_and_reopened(store):
            state = opened.folder("A").state()
            assert (state.uidvalidity, state.uidnext) == (123_456_789, 500)
            assert state.highest_modseq >= modseq
        assert opened.folder("A").append(ONE)[:2] == (123_456_789, 500)

    @clause("4.5")
    def test_set_state_on_inbox(self, harness: Harness, store: Store) -> None:
        """INBOX of a new store takes it too, and appends with hints below the new UIDNEXT may not reuse UIDs."""
        (outcome,) = store.commit([SetState(INBOX, 4_294_967_295, 20)])
        assert (outcome.status, outcome.uidvalidity) == ("done", 4_294_967_295)
        assert store.inbox.append(ONE, uid=5)[:2] == (4_294_967_295, 20)
        reopened = harness.reopen(store)
        assert reopened.inbox.state()[:2] == (4_294_967_295, 21)

    @clause("4.5")
    def test_set_state_only_raises(self, harness: Harness, store: Store) -> None:
        """A folder that showed UIDs keeps its UIDVALIDITY; no counter is lowered."""
        store.inbox.append(ONE)
        state = store.inbox.state()
        (outcome,) = store.commit([SetState(INBOX, state.uidvalidity + 5, 1000)])
        assert outcome.status == "unchanged"
        assert store.inbox.state() == state
        store.commit([SetState(INBOX, state.uidvalidity, 50)])
        assert store.inbox.state()[:2] == (state.uidvalidity, 50)
        store.commit([SetState(INBOX, state.uidvalidity, 2, 1)])
        for opened in harness.now_and_reopened(store):
            after = opened.inbox.state()
            assert after[:2] == (state.uidvalidity, 50)
            assert after.highest_modseq >= state.highest_modseq

    @clause("4.5")
    def test_set_state_after_expunge(self, store: Store) -> None:
        """A folder that is empty again did show UIDs."""
        uid = store.inbox.append(ONE).uid
        state = store.inbox.state()
        store.inbox.expunge([uid], only_deleted=False)
        (outcome,) = store.commit([SetState(INBOX, state.uidvalidity + 5, 1000)])
        assert outcome.status == "unchanged"
        assert store.inbox.state()[:2] == state[:2]

    @clause("4.6")
    @needs("uids", "persistent")
    def test_numbering_is_recorded(self, harness: Harness, store: Store) -> None:
        """UIDs and UIDVALIDITY are found without any index, and every row says that its UID is recorded."""
        store.commit([SetState(INBOX, 77_777, 10)])
        for uid, body in zip((10, 15, 99), (ONE, TWO, BODIES["empty"]), strict=True):
            saved = 1_600_000_000 if harness.capabilities.saved_date else None
            store.inbox.append(body, uid=uid, internal_date=uid, saved_date=saved)
        assert all(row.recorded for row in store.inbox.rows(0))
        before = recorded(store.inbox)
        store.close()
        lost = harness.open(readonly=True, index="memory")
        state = lost.inbox.state()
        assert (state.uidvalidity, state.uidnext) == (77_777, 100)
        assert all(row.recorded for row in lost.inbox.rows(0))
        assert recorded(lost.inbox) == before

    @clause("4.7")
    def test_state_agrees(self, harness: Harness, store: Store) -> None:
        """Counters are those of the listing."""
        sent = list(BODIES.values())
        for number, body in enumerate(sent):
            store.inbox.append(body, flags=["\\Seen"] if number % 3 else [])
        store.inbox.expunge([store.inbox.state().uidnext - 1], only_deleted=False)
        kept = [store.canonical(body) for body in sent[:-1]]
        unseen = sum(1 for number in range(len(kept)) if number % 3 == 0)
        for opened in harness.now_and_reopened(store):
            state = opened.inbox.state()
            assert (state.messages, state.unseen) == (len(kept), unseen)
            assert state.size in (None, sum(map(len, kept)))
            assert len(opened.inbox) == len(kept)
