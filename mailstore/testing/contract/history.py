"""Section 5 of the contract: history."""

from __future__ import annotations

import hashlib

from mailstore import (
    BODY,
    CRLF_SIZE,
    DIGEST,
    HEADER,
    INBOX,
    INTERNAL_DATE,
    META,
    SAVED_DATE,
    SENDER,
    SIZE,
    UIDL,
    Delta,
    NoSuchMessage,
    Store,
    Token,
)
from mailstore.model.flags import FLAGGED, SEEN
from mailstore.model.info import CHUNK, Row, body_size
from mailstore.testing.contract.base import Contract
from mailstore.testing.contract.uids import uids
from mailstore.testing.harness import Harness
from mailstore.testing.marks import clause, needs
from mailstore.testing.observe import bodies, body_bytes, listing
from mailstore.testing.samples import BODIES

ONE, TWO = BODIES["ordinary"], BODIES["crlf"]
FOREIGN = [b"Subject: foreign %d\n\nbody\n" % number for number in range(3)]


def rows(delta: Delta) -> list[Row]:
    """Read a delta's rows."""
    return [row for batch in delta.batches for row in batch]


def changed(delta: Delta) -> list[int]:
    """Read a delta's rows and return their UIDs."""
    return [row.uid for row in rows(delta)]


class HistoryContract(Contract):
    """Section 5: history."""

    @clause("5.1")
    def test_whole_listing(self, store: Store) -> None:
        """No token: everything, by ascending UID, in batches that are not empty."""
        given = [store.inbox.append(body).uid for body in BODIES.values()]
        delta = store.inbox.changes(None, SIZE)
        assert (delta.full, delta.vanished) == (True, ())
        assert delta.token.uidvalidity == store.inbox.state().uidvalidity
        batches = list(delta.batches)
        assert all(batches)
        assert [row.uid for batch in batches for row in batch] == given

    @clause("5.1")
    def test_batches_are_bounded(self, store: Store) -> None:
        """A batch holds about 1 MB of bodies, not the folder."""
        body = b"Subject: x\n\n" + b"line\n" * 60_000
        for _ in range(12):
            store.inbox.append(body)
        batches = list(store.inbox.changes(None, BODY).batches)
        assert sum(map(len, batches)) == 12
        sizes = [sum(body_size(row.body) for row in batch if row.body is not None) for batch in batches]
        assert max(sizes) < 4 * CHUNK

    @clause("5.1")
    def test_empty_folder(self, store: Store) -> None:
        """An empty folder has a listing and a token too."""
        delta = store.inbox.changes()
        assert (delta.full, delta.vanished, rows(delta)) == (True, (), [])
        later = store.inbox.changes(delta.token)
        assert (later.full, later.vanished, rows(later)) == (False, (), [])

    @clause("5.2")
    def test_what_changed(self, store: Store) -> None:
        """New, changed and vanished messages, and no others."""
        first, second, third, fourth = (store.inbox.append(ONE).uid for _ in range(4))
        token = store.inbox.changes().token
        nothing = store.inbox.changes(token)
        assert (nothing.full, nothing.vanished, rows(nothing)) == (False, (), [])
        store.inbox.add_flags([second], ["\\Seen"])
        store.inbox.expunge([third], only_deleted=False)
        fifth = store.inbox.append(TWO).uid
        delta = store.inbox.changes(token, BODY)
        found = rows(delta)
        assert (delta.full, delta.vanished) == (False, (third,))
        assert [(row.uid, body_bytes(row.body)) for row in found] == [(second, ONE), (fifth, TWO)]
        assert all(row.modseq > token.modseq for row in found)
        after = store.inbox.changes(delta.token)
        assert (after.full, after.vanished, rows(after)) == (False, (), [])
        store.inbox.expunge([first, fourth, fifth], only_deleted=False)
        last = store.inbox.changes(delta.token)
        assert (last.vanished, rows(last)) == ((first, fourth, fifth), [])
        both = store.inbox.changes(token)
        assert set(both.vanished) - {fifth} == {first, third, fourth}
        assert changed(both) == [second]

    @clause("5.2")
    def test_listing_brings_a_token_of_its_moment(self, store: Store) -> None:
        """What is committed while a listing is read comes with the next call, if not with this one."""
        uid = store.inbox.append(ONE).uid
        delta = store.inbox.changes()
        store.inbox.append(TWO)
        store.inbox.add_flags([uid], ["\\Flagged"])
        rows(delta)
        later = store.inbox.changes(delta.token)
        assert len(changed(later)) == 2

    @clause("5.3")
    def test_token_after_reopening(self, harness: Harness, store: Store) -> None:
        """A token is good later, or its history is openly lost; both ways lead to the same listing."""
        first, second, third = (store.inbox.append(ONE).uid for _ in range(3))
        token = store.inbox.changes().token
        store.inbox.expunge([first], only_deleted=False)
        store = harness.reopen(store)
        store.inbox.add_flags([third], ["\\Seen"])
        delta = harness.reopen(store).inbox.changes(token)
        if harness.capabilities.modseqs:
            assert (delta.full, delta.vanished, changed(delta)) == (False, (first,), [third])
        else:
            assert (delta.full or delta.vanished == (first,)) is True
            assert set(changed(delta)) >= ({second, third} if delta.full else {third})

    @clause("5.3")
    @needs("modseqs")
    def test_modseqs_stay(self, harness: Harness, store: Store) -> None:
        """Modseqs are the same after a reopening."""
        store.inbox.append(ONE)
        store.inbox.add_flags([store.inbox.append(TWO).uid], ["\\Seen"])
        before = [(row.uid, row.modseq) for row in store.inbox.rows(0)]
        state = store.inbox.state()
        reopened = harness.reopen(store)
        assert [(row.uid, row.modseq) for row in reopened.inbox.rows(0)] == before
        assert reopened.inbox.state().highest_modseq == state.highest_modseq

    @clause("5.4")
    def test_foreign_tokens(self, store: Store) -> None:
        """A token of another life of the folder is answered with everything."""
        given = [store.inbox.append(ONE).uid for _ in range(2)]
        token = store.inbox.changes().token
        strangers = (
            token._replace(epoch="other"),
            token._replace(uidvalidity=token.uidvalidity + 1),
            Token("", 0, 0),
            token._replace(modseq=token.modseq + 1_000_000_000),
        )
        for stranger in strangers:
            delta = store.inbox.changes(stranger)
            assert (delta.full, delta.vanished, changed(delta)) == (True, (), given)

    @clause("5.5")
    def test_want(self, store: Store) -> None:
        """Every field asked for, alone and all together, by listing and by fetch."""
        body = BODIES["ordinary"]
        uid = store.inbox.append(body, internal_date=5).uid
        fields = {
            INTERNAL_DATE: "internal_date", SIZE: "size", CRLF_SIZE: "crlf_size",
            DIGEST: "digest", HEADER: "header", BODY: "body", SAVED_DATE: "saved_date",
        }  # fmt: skip
        everything = META | SIZE | CRLF_SIZE | DIGEST | HEADER | BODY
        whole = next(store.inbox.rows(everything))
        assert (whole.internal_date, whole.size, whole.digest) == (5, len(body), hashlib.sha256(body).digest())
        assert whole.header == body[: body.index(b"\n\n") + 2]
        for bits in (*fields, SENDER, UIDL, everything):
            (listed,) = store.inbox.rows(bits)
            fetched = store.inbox.get(uid, bits).row
            for bit, name in fields.items():
                if bits & bit:
                    assert getattr(fetched, name) is not None
                    assert getattr(listed, name) is not None
                    if bit != BODY:
                        assert getattr(listed, name) == getattr(fetched, name) == getattr(whole, name)
            assert (listed[:6], fetched[:6]) == (whole[:6], whole[:6])

    @clause("5.6")
    def test_fetch(self, store: Store) -> None:
        """In the order asked; what is gone is a row with its error."""
        given = [store.inbox.append(body).uid for body in (ONE, TWO, BODIES["empty"])]
        store.inbox.expunge([given[1]], only_deleted=False)
        asked = [given[2], given[1], 4_000_000_000, given[0], given[2]]
        found = list(store.inbox.fetch(asked, BODY))
        assert [message.uid for message in found] == asked
        assert [isinstance(message.error, NoSuchMessage) for message in found] == [False, True, True, False, False]
        assert [body_bytes(found[place].row.body) for place in (0, 3, 4)] == [b"", ONE, b""]
        assert list(store.inbox.fetch([], BODY)) == []

    @clause("5.7")
    @needs("foreign_writers")
    def test_foreign_append(self, harness: Harness, store: Store) -> None:
        """Mail delivered by others appears, and what was there stays as it was."""
        store.inbox.append(ONE, flags=["\\Seen"], internal_date=5)
        before = listing(store.inbox)
        token = store.inbox.changes().token
        for body in FOREIGN:
            harness.foreign_append(INBOX, body)
        delta = store.inbox.changes(token, BODY)
        fresh = rows(delta)
        assert not delta.full
        assert delta.vanished == ()
        assert sorted(body_bytes(row.body) for row in fresh) == FOREIGN
        found = listing(store.inbox)
        assert {uid: found[uid] for uid in before} == before
        assert list(found) == [*before, *(row.uid for row in fresh)]
        assert store.inbox.state().uidnext > max(found)
        own = store.inbox.append(TWO).uid
        assert own > max(found)
        reopened = harness.reopen(store)
        assert uids(reopened.inbox) == [*found, own]

    @clause("5.7")
    @needs("foreign_writers")
    def test_foreign_append_before_ours(self, harness: Harness, store: Store) -> None:
        """An append right after a foreign delivery that nobody listed yet loses neither."""
        store.inbox.append(ONE)
        harness.foreign_append(INBOX, FOREIGN[0])
        own = store.inbox.append(TWO).uid
        found = listing(store.inbox)
        assert found[own].body == TWO
        assert sorted(seen.body for seen in found.values()) == sorted([ONE, TWO, FOREIGN[0]])
        assert listing(harness.reopen(store).inbox) == found

    @clause("5.7")
    @needs("foreign_writers")
    def test_foreign_append_to_an_empty_folder(self, harness: Harness, store: Store) -> None:
        """Into an empty INBOX, before anything of ours was there."""
        harness.foreign_append(INBOX, FOREIGN[0])
        assert bodies(store.inbox) == [FOREIGN[0]]
        assert store.inbox.append(ONE).uid > uids(store.inbox)[0]

    @clause("5.9")
    @needs("foreign_writers")
    def test_foreign_changes(self, harness: Harness, store: Store) -> None:
        """Flags and removals by others, on their messages and on ours."""
        harness.foreign_append(INBOX, FOREIGN[0])
        assert bodies(store.inbox) == [FOREIGN[0]]
        for number, body in enumerate((ONE, FOREIGN[1], BODIES["every byte"], FOREIGN[2], ONE)):
            store.inbox.append(body, internal_date=number)
        before = listing(store.inbox)
        first, _, second, _, third, last = before
        token = store.inbox.changes().token
        harness.foreign_seen(INBOX, FOREIGN[1])
        delta = store.inbox.changes(token, SIZE)
        (row,) = rows(delta)
        assert (delta.full, delta.vanished, row.uid, row.flags & SEEN) == (False, (), second, SEEN)
        assert row.modseq > token.modseq
        harness.foreign_remove(INBOX, FOREIGN[0])
        harness.foreign_remove(INBOX, FOREIGN[2])
        delta = store.inbox.changes(delta.token)
        assert (delta.full, delta.vanished, rows(delta)) == (False, (first, third), [])
        expected = {uid: seen for uid, seen in before.items() if uid not in (first, third)}
        expected[second] = expected[second]._replace(flags=SEEN)
        for opened in harness.now_and_reopened(store):
            assert listing(opened.inbox) == expected
        assert opened.inbox.append(TWO).uid > last

    @clause("5.9")
    @needs("foreign_writers")
    def test_foreign_changes_unseen(self, harness: Harness, store: Store) -> None:
        """Changes by others that nobody listed before our own next change."""
        for body in (FOREIGN[0], ONE, FOREIGN[1]):
            store.inbox.append(body, internal_date=5)
        first, second, third = uids(store.inbox)
        harness.foreign_seen(INBOX, FOREIGN[1])
        harness.foreign_remove(INBOX, FOREIGN[0])
        store.inbox.add_flags([first, second, third], ["\\Flagged"])
        for opened in harness.now_and_reopened(store):
            found = {uid: (seen.body, seen.flags) for uid, seen in listing(opened.inbox).items()}
            assert found == {second: (ONE, FLAGGED), third: (FOREIGN[1], SEEN | FLAGGED)}

    @clause("5.8")
    def test_listing_changes_nothing(self, store: Store) -> None:
        """Reading leaves all counters and modseqs alone."""
        for body in (ONE, TWO):
            store.inbox.append(body)
        state, listed = store.inbox.state(), list(store.inbox.rows(META))
        for _ in range(2):
            bodies(store.inbox)
            store.inbox.get(listed[0].uid).header()
        assert (store.inbox.state(), list(store.inbox.rows(META))) == (state, listed)

    @clause("5.10")
    @needs("foreign_writers")
    def test_two_open_stores(self, harness: Harness, store: Store) -> None:
        """What one store commits the other sees, turn by turn."""
        other = harness.open()
        first = store.inbox.append(ONE).uid
        assert uids(other.inbox) == [first]
        second = other.inbox.append(TWO).uid
        assert uids(store.inbox) == [first, second]
        token = store.inbox.changes().token
        other.inbox.add_flags([first], ["\\Flagged"])
        assert changed(store.inbox.changes(token)) == [first]
        store.inbox.expunge([second], only_deleted=False)
        assert uids(other.inbox) == [first]
        third, fourth = other.inbox.append(ONE).uid, store.inbox.append(TWO).uid
        assert second < third < fourth
        assert listing(store.inbox) == listing(other.inbox)
        assert uids(store.inbox) == [first, third, fourth]
