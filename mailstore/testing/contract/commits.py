"""Section 6 of the contract: stage and commit."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from mailstore import INBOX, Append, Arrival, Expunge, FolderPath, Meta, NoSuchFolder, SetFlags, Store
from mailstore.model.changes import Change
from mailstore.model.flags import DELETED, FLAGGED, SEEN
from mailstore.testing.contract.base import Contract
from mailstore.testing.contract.uids import uids
from mailstore.testing.harness import Harness
from mailstore.testing.marks import clause, needs
from mailstore.testing.observe import bodies, listing
from mailstore.testing.samples import BODIES, MEBIBYTE, large

ONE, TWO = BODIES["ordinary"], BODIES["crlf"]
KEY, OTHER_KEY = bytes(range(16)), b"\xff" * 16
NOWHERE = FolderPath(["Nowhere"])


class Refusal(Exception):
    """What a guard raises here."""


class CommitContract(Contract):
    """Section 6: stage and commit."""

    @clause("6.1")
    def test_staged_is_invisible(self, harness: Harness, store: Store) -> None:
        """Staging shows nothing, discarding leaves nothing; both again and again."""
        store.inbox.append(ONE)
        state = store.inbox.state()
        staged = store.stage([Arrival(TWO), Arrival(large(MEBIBYTE + 1)), Arrival(b"")])
        assert [one.size for one in staged] == [len(TWO), MEBIBYTE + 1, 0]
        assert (bodies(store.inbox), store.inbox.state()) == ([ONE], state)
        assert store.usage().messages == 1
        store.discard(staged)
        store.discard(staged)
        reopened = harness.reopen(store)
        assert (bodies(reopened.inbox), reopened.inbox.state().uidnext) == ([ONE], state.uidnext)

    @clause("6.1")
    def test_discard_passes_over_what_was_committed(self, harness: Harness, store: Store) -> None:
        """Discarding all of a batch of which some was committed is how callers clean up."""
        staged = store.stage([Arrival(ONE), Arrival(TWO), Arrival(b"x")])
        store.commit([Append(INBOX, staged[1])])
        store.discard(staged)
        assert bodies(store.inbox) == [TWO]
        assert bodies(harness.reopen(store).inbox) == [TWO]

    @clause("6.1")
    def test_staged_for_later(self, harness: Harness, store: Store) -> None:
        """Other commits may come between stage and commit."""
        staged = store.stage([Arrival(ONE, Meta(SEEN, internal_date=5)), Arrival(TWO)])
        store.inbox.append(b"between")
        store.commit([Append(INBOX, staged[1]), Append(INBOX, staged[0])])
        found = list(listing(harness.reopen(store).inbox).values())
        assert [seen.body for seen in found] == [b"between", TWO, ONE]
        assert (found[2].flags, found[2].internal_date) == (SEEN, 5)

    @clause("6.2")
    def test_changes_in_order(self, harness: Harness, store: Store) -> None:
        """Append, flags and expunge in one commit, one outcome each."""
        first, second, third = (store.inbox.append(ONE).uid for _ in range(3))
        (staged,) = store.stage([Arrival(TWO)])
        changes: list[Change] = [
            SetFlags(INBOX, (first, second), "add", FLAGGED),
            Append(INBOX, staged),
            Expunge(INBOX, (second, third)),
            SetFlags(INBOX, (first, second), "replace", SEEN),
        ]
        outcomes = store.commit(changes)
        assert [outcome.status for outcome in outcomes] == ["done"] * 4
        assert [outcome.uids for outcome in outcomes[::2]] == [(first, second), (second, third)]
        assert outcomes[3].uids == (first,)
        (fourth,) = outcomes[1].uids
        for opened in harness.now_and_reopened(store):
            found = listing(opened.inbox)
            assert {uid: (seen.body, seen.flags) for uid, seen in found.items()} == {
                first: (ONE, SEEN),
                fourth: (TWO, 0),
            }

    @clause("6.2")
    @needs("folders")
    def test_changes_over_folders(self, harness: Harness, store: Store) -> None:
        """One commit, three folders."""
        paths = [INBOX, store.create("A").path, store.create("A/B").path]
        staged = store.stage([Arrival(body) for body in (ONE, TWO, b"three")])
        outcomes = store.commit([Append(path, one) for path, one in zip(paths, staged, strict=True)])
        assert [outcome.status for outcome in outcomes] == ["done"] * 3
        for opened in harness.now_and_reopened(store):
            assert [bodies(opened.folder(path)) for path in paths] == [[ONE], [TWO], [b"three"]]
            assert [opened.folder(path).state().uidvalidity for path in paths] == [one.uidvalidity for one in outcomes]

    @clause("6.2")
    def test_no_changes(self, store: Store) -> None:
        """An empty commit and an empty staging do nothing."""
        state = store.inbox.state()
        assert store.stage([]) == []
        assert store.commit([]) == []
        assert store.inbox.state() == state

    @clause("6.3")
    def test_guard_refuses(self, harness: Harness, store: Store) -> None:
        """A guard sees the changes; what it raises comes through, and nothing was done."""
        first = store.inbox.append(ONE).uid
        state, before = store.inbox.state(), listing(store.inbox)
        (staged,) = store.stage([Arrival(TWO)])
        changes: list[Change] = [SetFlags(INBOX, (first,), "add", FLAGGED), Append(INBOX, staged)]
        seen: list[Change] = []

        def refuse(given: Sequence[Change]) -> None:
            seen.extend(given)
            raise Refusal

        with pytest.raises(Refusal):
            store.commit(changes, guard=refuse)
        assert seen == changes
        assert (store.inbox.state(), listing(store.inbox)) == (state, before)
        outcomes = store.commit(changes, guard=lambda _: None)
        assert [outcome.status for outcome in outcomes] == ["done", "done"]
        assert [(one.body, one.flags) for one in listing(harness.reopen(store).inbox).values()] == [
            (ONE, FLAGGED),
            (TWO, 0),
        ]

    @clause("6.4")
    def test_no_such_folder(self, harness: Harness, store: Store) -> None:
        """A folder that is not there is found before anything is changed."""
        first = store.inbox.append(ONE).uid
        state = store.inbox.state()
        staged = store.stage([Arrival(TWO), Arrival(b"x")])
        later: list[Change] = [
            Append(NOWHERE, staged[1]),
            SetFlags(NOWHERE, (1,), "add", SEEN),
            Expunge(NOWHERE, (1,)),
        ]
        for change in later:
            with pytest.raises(NoSuchFolder):
                store.commit([SetFlags(INBOX, (first,), "add", SEEN), Append(INBOX, staged[0]), change])
        assert (bodies(store.inbox), store.inbox.state()) == ([ONE], state)
        store.discard(staged)
        assert bodies(harness.reopen(store).inbox) == [ONE]

    @clause("6.5")
    def test_without_uids(self, harness: Harness, store: Store) -> None:
        """A delivery without a UID is numbered by whoever lists next."""
        first = store.inbox.append(ONE).uid
        staged = store.stage([Arrival(TWO, Meta(FLAGGED, internal_date=5)), Arrival(b"x")])
        outcomes = store.commit([Append(INBOX, one) for one in staged], need_uids=False)
        assert [outcome.status for outcome in outcomes] == ["done", "done"]
        found = listing(store.inbox)
        assert sorted(seen.body for seen in found.values()) == sorted([ONE, TWO, b"x"])
        assert (found[first].body, next(iter(found))) == (ONE, first)
        delivered = next(seen for seen in found.values() if seen.body == TWO)
        assert (delivered.flags, delivered.internal_date) == (FLAGGED, 5)
        assert store.inbox.append(b"y").uid > max(found)
        reopened = listing(harness.reopen(store).inbox)
        assert {uid: reopened[uid] for uid in found} == found

    @clause("6.6")
    @needs("folders")
    def test_staged_once_appended_twice(self, harness: Harness, store: Store) -> None:
        """One mail for two recipients; the second with metadata of its own."""
        other = store.create("A")
        for body in (ONE, large(MEBIBYTE + 1)):
            (staged,) = store.stage([Arrival(body, Meta(SEEN, internal_date=5))])
            changes = [Append(INBOX, staged), Append(other.path, staged, meta=Meta(FLAGGED, internal_date=6))]
            assert [outcome.status for outcome in store.commit(changes)] == ["done", "done"]
        store = harness.reopen(store)
        expected = [ONE, large(MEBIBYTE + 1)]
        for path, flags, date in (("INBOX", SEEN, 5), ("A", FLAGGED, 6)):
            found = listing(store.folder(path)).values()
            assert [(seen.body, seen.flags, seen.internal_date) for seen in found] == [
                (body, flags, date) for body in expected
            ]
        store.inbox.add_flags(uids(store.inbox), ["\\Deleted"])
        assert store.inbox.expunge() != ()
        assert bodies(store.folder("A")) == expected

    @clause("6.7")
    def test_expunge(self, harness: Harness, store: Store) -> None:
        r"""Those marked ``\Deleted``, those named, those named and marked."""
        given = [store.inbox.append(BODIES["every byte"], flags=DELETED * (number % 2)).uid for number in range(6)]
        outcome = store.commit([Expunge(INBOX, tuple(given[:2]), only_deleted=True)])[0]
        assert (outcome.uids, outcome.refused) == ((given[1],), (given[0],))
        assert store.inbox.expunge([given[1], given[2], given[3]]) == (given[3],)
        assert store.inbox.expunge() == (given[5],)
        assert store.inbox.expunge() == ()
        assert store.inbox.expunge([given[2], given[5]], only_deleted=False) == (given[2],)
        assert uids(store.inbox) == [given[0], given[4]]
        assert uids(harness.reopen(store).inbox) == [given[0], given[4]]

    @clause("6.7")
    def test_expunge_in_the_middle(self, harness: Harness, store: Store) -> None:
        """What stands around an expunged message stays exact."""
        sent = list(BODIES.values())
        given = [store.inbox.append(body).uid for body in sent]
        store.inbox.expunge(given[1::2], only_deleted=False)
        kept = dict(zip(given[::2], [store.canonical(body) for body in sent[::2]], strict=True))
        for opened in harness.now_and_reopened(store):
            assert {uid: seen.body for uid, seen in listing(opened.inbox).items()} == kept

    @clause("6.8")
    @needs("idempotency")
    def test_known_key(self, harness: Harness, store: Store) -> None:
        """The second append with a key changes nothing and says where the message is."""
        first = store.inbox.append(ONE, key=KEY)
        state = store.inbox.state()
        again = store.inbox.append(ONE, key=KEY)
        assert (again.uid, again.known, first.known) == (first.uid, True, False)
        assert store.inbox.state() == state
        store = harness.reopen(store)
        assert store.inbox.append(ONE, key=KEY)[1:] == (first.uid, True)
        other = store.inbox.append(ONE, key=OTHER_KEY)
        assert (other.known, other.uid > first.uid) == (False, True)
        assert uids(harness.reopen(store).inbox) == [first.uid, other.uid]

    @clause("6.8")
    @needs("idempotency")
    def test_known_after_a_flag_change(self, harness: Harness, store: Store) -> None:
        """The key stays known whatever happened to the message's flags."""
        uid = store.inbox.append(ONE, key=KEY).uid
        store.inbox.add_flags([uid], ["\\Seen", "\\Flagged"])
        store = harness.reopen(store)
        assert store.inbox.append(ONE, key=KEY)[1:] == (uid, True)

    @clause("6.8")
    @needs("idempotency")
    def test_same_key_twice_in_a_commit(self, store: Store) -> None:
        """Of two messages with one key the first is stored."""
        staged = store.stage([Arrival(ONE, key=KEY), Arrival(ONE, key=KEY), Arrival(TWO, key=OTHER_KEY)])
        outcomes = store.commit([Append(INBOX, one) for one in staged])
        assert [outcome.status for outcome in outcomes] == ["done", "known", "done"]
        assert outcomes[0].uids == outcomes[1].uids
        assert bodies(store.inbox) == [ONE, TWO]

    @clause("6.8")
    @needs("idempotency")
    def test_rerun_of_a_batch(self, harness: Harness, store: Store) -> None:
        """A batch sent again stores what was missing, and only that."""
        keys = [bytes([number]) * 16 for number in range(10)]
        arrivals = [Arrival(b"Subject: %d\n\n" % number, key=key) for number, key in enumerate(keys)]
        store.inbox.append_many(arrivals[:6])
        store = harness.reopen(store)
        appended = store.inbox.append_many(arrivals)
        assert [one.known for one in appended] == [True] * 6 + [False] * 4
        assert bodies(store.inbox) == [arrival.body for arrival in arrivals]
        assert [one.uid for one in appended] == uids(harness.reopen(store).inbox)

    @clause("6.9")
    @needs("idempotency")
    def test_resolve(self, harness: Harness, store: Store) -> None:
        """Stored keys with folder and UID; others are left out."""
        uid = store.inbox.append(ONE, key=KEY).uid
        store.inbox.append(TWO)
        for opened in harness.now_and_reopened(store):
            assert opened.resolve([OTHER_KEY, KEY]) == {KEY: (INBOX, uid)}
        assert opened.resolve([]) == {}

    @clause("6.9")
    @needs("idempotency", "folders")
    def test_resolve_in_a_folder(self, harness: Harness, store: Store) -> None:
        """A key is known to the store, not to one folder alone."""
        folder = store.create("A/B")
        uid = folder.append(ONE, key=KEY).uid
        for opened in harness.now_and_reopened(store):
            assert opened.resolve([KEY]) == {KEY: (folder.path, uid)}

    @clause("6.10")
    def test_outcomes(self, store: Store) -> None:
        """UIDVALIDITY, UIDs and modseq are those of the folder."""
        (staged,) = store.stage([Arrival(ONE)])
        (appended,) = store.commit([Append(INBOX, staged)])
        state = store.inbox.state()
        assert (appended.uidvalidity, appended.uids, appended.modseq) == (
            state.uidvalidity, (state.uidnext - 1,), state.highest_modseq,
        )  # fmt: skip
        (flagged,) = store.commit([SetFlags(INBOX, appended.uids, "add", SEEN)])
        assert (flagged.uidvalidity, flagged.modseq) == (state.uidvalidity, store.inbox.state().highest_modseq)
        (expunged,) = store.commit([Expunge(INBOX, appended.uids)])
        assert (expunged.uids, expunged.modseq) == (appended.uids, store.inbox.state().highest_modseq)
        assert expunged.modseq > flagged.modseq > appended.modseq
