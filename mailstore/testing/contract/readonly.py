"""Section 14 of the contract: formats that are only read. The stores are written by other programs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest

from mailstore import (
    BODY,
    CRLF_SIZE,
    DIGEST,
    HEADER,
    INBOX,
    META,
    SIZE,
    Arrival,
    CannotCreate,
    Expunge,
    FolderPath,
    NoSuchFolder,
    NoSuchMessage,
    NoSuchStore,
    ReadOnlyStore,
    SetFlags,
    Store,
)
from mailstore.model.flags import SEEN
from mailstore.model.info import Row
from mailstore.model.measure import crlf_size_of
from mailstore.testing.contract.base import Contract
from mailstore.testing.marks import clause
from mailstore.testing.observe import body_bytes, listing, paths, tree
from mailstore.testing.readonly import ReadOnlyHarness
from mailstore.testing.samples import BODIES, RESERVED, large

FOREIGN = [b"Subject: foreign %d\n\nbody %d\n" % (number, number) for number in range(4)]
EVERYTHING = META | SIZE | CRLF_SIZE | DIGEST | HEADER | BODY
BELOW = FolderPath(("Work", "Below"))


class ReadOnlyContract(Contract):
    """Section 14: formats that are only read. Subclass it, and set ``harness_class`` to a ReadOnlyHarness."""

    @pytest.fixture
    def store(self, harness: ReadOnlyHarness) -> Store:
        """Return a store with four messages, one of them in a folder below another."""
        harness.foreign_make()
        for body in FOREIGN[:3]:
            harness.foreign_append(INBOX, body)
        harness.foreign_append(BELOW, FOREIGN[3])
        return harness.open()

    @clause("14.1")
    def test_nothing_is_made(self, harness: ReadOnlyHarness) -> None:
        """What is not there is not there, and is not made."""
        with pytest.raises(NoSuchStore):
            harness.open()
        with pytest.raises(CannotCreate):
            harness.open(create=True)
        assert list(harness.directory.glob("store*")) == []

    @clause("14.2")
    def test_every_write_is_refused(self, harness: ReadOnlyHarness, store: Store) -> None:
        """By every verb, with words that name the place, and without a trace; however it is opened."""
        before = tree(harness.directory)
        assert not store.capabilities.writable
        assert store.capabilities.native <= {"shard"}  # the one shortcut that reads
        driver = store.driver
        calls: list[Callable[[], object]] = [
            lambda: store.inbox.append(FOREIGN[0]),
            lambda: driver.stage([Arrival(FOREIGN[0])]),
            lambda: driver.commit([Expunge(INBOX, (1,))]),
            lambda: driver.commit([SetFlags(INBOX, (1,), "add", SEEN)]),
            lambda: driver.commit([]),
            lambda: store.inbox.add_flags([1], ["\\Flagged"]),
            lambda: store.inbox.expunge([1], only_deleted=False),
            lambda: store.inbox.copy([1], store.inbox),
            lambda: store.inbox.move([1], store.folder(BELOW)),
            lambda: store.create("New"),
            lambda: store.delete(BELOW),
            lambda: store.rename(BELOW, "Other"),
            lambda: store.subscribe("A"),
            lambda: store.unsubscribe("A"),
        ]
        for opened in (store, harness.open(create=True), harness.open(readonly=True)):
            assert not opened.capabilities.writable
        for call in calls:
            with pytest.raises(ReadOnlyStore) as caught:
                call()
            assert str(harness.root) in str(caught.value)
        assert store.resolve([b"k" * 16]) == {}
        store.discard([])
        assert tuple(store.recover()) == (0, 0, 0)
        assert tree(harness.directory) == before

    @clause("14.3")
    def test_all_that_is_there(self, store: Store) -> None:
        """Folders, messages, and every way to read them."""
        assert paths(store)[0] == "INBOX"
        assert "Work/Below" in paths(store)
        rows = list(store.inbox.rows(EVERYTHING))
        assert sorted(body_bytes(row.body) for row in rows) == FOREIGN[:3]
        assert [body_bytes(row.body) for row in store.folder(BELOW).rows(BODY)] == FOREIGN[3:]
        assert [row.uid for row in rows] == sorted({row.uid for row in rows})
        assert len({row.key for row in rows}) == 3
        for row in rows:
            body = body_bytes(row.body)
            assert not row.recorded
            assert row.header == body[: body.index(b"\n\n") + 2]
            assert (row.size, row.crlf_size) == (len(body), crlf_size_of(body))
            assert row.digest == hashlib.sha256(body).digest()
            assert isinstance(row.internal_date, int)
            assert store.inbox.get(row.uid, EVERYTHING).row == row
            blob = store.inbox.open(row.uid)
            assert (blob.size, blob.read_at(0, 1 << 20), blob.read_at(3, 4)) == (len(body), body, body[3:7])
            assert blob.read_at(len(body), 5) == b""
            blob.close()
            blob.close()

    @clause("14.3")
    def test_exact_bytes(self, harness: ReadOnlyHarness) -> None:
        """Of whatever sort: no line end, no header, NULs, large ones."""
        harness.foreign_make()
        bodies = [*BODIES.values(), *RESERVED.values(), large((1 << 20) - 1), large((1 << 20) + 1), large(3 << 20)]
        bodies = list(filter(harness.foreign_holds, bodies))
        assert len(bodies) > 5
        for body in bodies:
            harness.foreign_append(INBOX, body)
        store = harness.open()
        wanted = sorted(hashlib.sha256(body).digest() for body in bodies)
        rows = list(store.inbox.rows(DIGEST))
        assert sorted(row.digest or b"" for row in rows) == wanted
        read = [body_bytes(row.body) for row in store.inbox.rows(BODY)]
        assert sorted(hashlib.sha256(body).digest() for body in read) == wanted
        for row in rows:
            blob = store.inbox.open(row.uid)
            assert hashlib.sha256(blob.read_at(0, blob.size)).digest() == row.digest
            blob.close()

    @clause("14.4")
    def test_counters(self, store: Store) -> None:
        """State and usage agree with the listing."""
        state = store.inbox.state()
        assert (state.messages, state.unseen, state.size) == (3, 3, sum(map(len, FOREIGN[:3])))
        assert state.uidnext > max(listing(store.inbox))
        assert store.usage() == (4, sum(map(len, FOREIGN)))
        assert store.folder(BELOW).state().messages == 1

    @clause("14.5")
    def test_what_others_change(self, harness: ReadOnlyHarness, store: Store) -> None:
        """What other programs add, remove and mark comes with the next call, and nothing else."""
        delta = store.inbox.changes(None, BODY)
        before = {body_bytes(row.body): row.uid for batch in delta.batches for row in batch}
        assert (delta.full, delta.vanished) == (True, ())

        def since(token: object) -> tuple[bool, tuple[int, ...], list[Row]]:
            found = store.inbox.changes(token, BODY)  # type: ignore[arg-type]
            tokens.append(found.token)
            return found.full, found.vanished, [row for batch in found.batches for row in batch]

        tokens = [delta.token]
        assert since(tokens[-1]) == (False, (), [])
        harness.foreign_append(INBOX, FOREIGN[3])
        full, vanished, rows = since(tokens[-1])
        assert (full, vanished, [body_bytes(row.body) for row in rows]) == (False, (), [FOREIGN[3]])
        assert rows[0].uid > max(before.values())
        assert rows[0].modseq > tokens[-2].modseq
        harness.foreign_remove(INBOX, FOREIGN[1])
        assert since(tokens[-1]) == (False, (before[FOREIGN[1]],), [])
        if store.capabilities.flags & SEEN:
            harness.foreign_seen(INBOX, FOREIGN[2])
            full, _, rows = since(tokens[-1])
            # where flags stand in the message's own file it is another file, and so another message
            assert (full, [row.flags & SEEN for row in rows]) == (False, [SEEN])
        for stranger in (tokens[0]._replace(epoch="other"), tokens[0]._replace(uidvalidity=1)):
            full, vanished, rows = since(stranger)
            assert (full, vanished, len(rows)) == (True, (), 3)

    @clause("14.5")
    def test_folders_that_come_and_go(self, harness: ReadOnlyHarness, store: Store) -> None:
        """The next listing has them."""
        token = store.changes().token
        assert store.changes(token).folders == ()
        harness.foreign_append(FolderPath(("New",)), FOREIGN[0])
        delta = store.changes(token)
        assert "New" in {str(info.path) for info in delta.folders if info.selectable}
        assert [seen.body for seen in listing(store.folder("New")).values()] == [FOREIGN[0]]
        with pytest.raises(NoSuchFolder):
            store.folder("Absent")

    @clause("14.6")
    def test_nothing_is_written(self, harness: ReadOnlyHarness, store: Store) -> None:
        """Reading all there is leaves no trace: not a byte, not an mtime, no file beside it."""
        before = tree(harness.directory)
        for opened in (store, harness.open(readonly=True)):
            for info in opened.folders():
                if info.selectable:
                    folder = opened.folder(info.path)
                    for row in folder.rows(EVERYTHING):
                        folder.open(row.uid).close()
                    folder.state()
            opened.usage()
            assert opened.evidence
            opened.close()
        assert tree(harness.directory) == before

    @clause("14.7")
    def test_keys_stay(self, harness: ReadOnlyHarness, store: Store) -> None:
        """A journal finds each message again by its key, in another session too."""
        keys = {row.key: body_bytes(row.body) for row in store.inbox.rows(BODY)}
        again = harness.open()
        assert {row.key: body_bytes(row.body) for row in again.inbox.rows(BODY)} == keys

    @clause("14.8")
    def test_messages_that_are_gone(self, harness: ReadOnlyHarness, store: Store) -> None:
        """Are rows with NoSuchMessage, and no listing has them."""
        uids = {seen.body: uid for uid, seen in listing(store.inbox).items()}
        gone = uids[FOREIGN[0]]
        harness.foreign_remove(INBOX, FOREIGN[0])
        found = list(store.inbox.fetch([gone, uids[FOREIGN[1]], 77], BODY))
        assert [isinstance(message.error, NoSuchMessage) for message in found] == [True, False, True]
        with pytest.raises(NoSuchMessage):
            store.inbox.open(gone)
        assert gone not in listing(store.inbox)
