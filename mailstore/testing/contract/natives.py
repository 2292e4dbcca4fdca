"""Section 11 of the contract: native shortcuts."""

from __future__ import annotations

from typing import cast

import pytest

from mailstore import (
    BODY,
    INBOX,
    META,
    Append,
    Arrival,
    FolderExists,
    FolderPath,
    Meta,
    NoSuchFolder,
    Row,
    SetState,
    Store,
)
from mailstore.model.flags import FLAGGED, SEEN
from mailstore.spi import FreshFolder, FreshFolders, Shards
from mailstore.testing.contract.base import Contract
from mailstore.testing.contract.uids import uids
from mailstore.testing.harness import Harness
from mailstore.testing.marks import both_ways, clause, needs
from mailstore.testing.observe import bodies, body_bytes, listing, paths
from mailstore.testing.samples import BODIES, MEBIBYTE, RESERVED, large

ONE, TWO = BODIES["ordinary"], BODIES["crlf"]
PATH = FolderPath(["Fresh", "one"])


def fresh(store: Store, path: FolderPath) -> FreshFolder | None:
    """Begin a fresh folder."""
    return cast("FreshFolders", store.driver).fresh(path)


def begun(store: Store, path: FolderPath = PATH) -> FreshFolder:
    """Begin a fresh folder where there is none yet."""
    folder = fresh(store, path)
    assert folder is not None
    return folder


class NativeContract(Contract):
    """Section 11: native shortcuts."""

    @clause("11.1")
    @both_ways
    def test_mask(self, harness: Harness, store: Store) -> None:
        """What is masked is not at work."""
        assert store.capabilities.native == harness.capabilities.native - harness.mask
        assert (store.clone is None) == ("clone" not in store.capabilities.native)
        assert (store.adopt is None) == ("adopt" not in store.capabilities.native)
        assert (store.fresh_folders is None) == ("fresh" not in store.capabilities.native)

    @clause("11.2")
    @needs("native:fresh", "folders")
    def test_fresh_folder(self, harness: Harness, store: Store) -> None:
        """Filled in two turns, published in the order of the receipts, with the numbering given."""
        sent = [*BODIES.values(), *RESERVED.values(), large(MEBIBYTE + 1)]
        arrivals = [
            Arrival(body, Meta((SEEN, FLAGGED, 0)[place % 3], internal_date=1_000_000_000 + place), uid=10 + 2 * place)
            for place, body in enumerate(sent)
        ]
        folder = begun(store)
        first, second = folder.add(arrivals[:20]), folder.add(arrivals[20:])
        assert paths(store) == ["INBOX"]
        assert paths(harness.open(readonly=True)) == ["INBOX"]
        given = folder.publish([*first, *second], SetState(PATH, 4_000_000, 500, 77))
        folder.discard()
        assert given == [arrival.uid for arrival in arrivals]
        for opened in harness.now_and_reopened(store):
            found = listing(opened.folder(PATH))
            assert list(found) == given
            assert [seen.body for seen in found.values()] == [opened.canonical(body) for body in sent]
            assert [(seen.flags, seen.internal_date) for seen in found.values()] == [
                (arrival.meta.flags, arrival.meta.internal_date) for arrival in arrivals
            ]
            assert opened.folder(PATH).state()[:2] == (4_000_000, 500)
        assert opened.folder(PATH).append(ONE).uid == 500

    @clause("11.2")
    @needs("native:fresh", "folders")
    def test_fresh_folder_without_numbering(self, harness: Harness, store: Store) -> None:
        """UIDs are given in order; keywords and metadata travel; an empty folder can be published over."""
        store.create(PATH)
        folder = begun(store)
        metas = [Meta(keywords=frozenset({"Work"})) if harness.capabilities.keywords != 0 else Meta(), Meta(FLAGGED)]
        receipts = folder.add([Arrival(body, meta) for body, meta in zip((ONE, TWO), metas, strict=True)])
        given = folder.publish(receipts[::-1], None)
        assert given == sorted(given)
        for opened in harness.now_and_reopened(store):
            found = listing(opened.folder(PATH))
            assert list(found) == given
            assert [(seen.body, seen.flags, seen.keywords) for seen in found.values()] == [
                (TWO, FLAGGED, frozenset()),
                (ONE, 0, metas[0].keywords),
            ]

    @clause("11.3")
    @needs("native:fresh", "folders")
    def test_discard(self, harness: Harness, store: Store) -> None:
        """What was filled and not published is gone, and its name is free."""
        folder = begun(store)
        folder.add([Arrival(ONE), Arrival(TWO)])
        folder.discard()
        folder.discard()
        assert [str(info.path) for info in harness.reopen(store).folders()] == ["INBOX"]
        store = harness.open()
        again = begun(store)
        again.publish(again.add([Arrival(TWO)]), None)
        assert bodies(store.folder(PATH)) == [TWO]

    @clause("11.4")
    @needs("native:fresh", "folders")
    def test_not_fresh(self, store: Store) -> None:
        """A folder with messages, or with a past, is not begun again."""
        inbox_uid = store.inbox.append(ONE).uid
        store.inbox.expunge([inbox_uid], only_deleted=False)
        store.create("A").append(ONE)
        assert fresh(store, store.inbox.path) is None
        assert fresh(store, FolderPath(["A"])) is None

    @clause("11.4")
    @needs("native:fresh", "folders")
    def test_publish_over_messages(self, harness: Harness, store: Store) -> None:
        """Mail that came meanwhile is safe."""
        folder = begun(store)
        receipts = folder.add([Arrival(TWO)])
        store.folder(PATH, create=True).append(ONE)
        with pytest.raises(FolderExists):
            folder.publish(receipts, None)
        folder.discard()
        assert bodies(harness.reopen(store).folder(PATH)) == [ONE]

    @clause("11.2")
    @needs("native:fresh", "folders")
    def test_publish_nothing(self, harness: Harness, store: Store) -> None:
        """An empty fresh folder is an empty folder."""
        with pytest.raises(NoSuchFolder):
            store.folder(PATH)
        assert begun(store).publish([], SetState(PATH, 99, 5)) == []
        opened = harness.reopen(store)
        assert (bodies(opened.folder(PATH)), opened.folder(PATH).state()[:2]) == ([], (99, 5))

    @clause("11.6")
    @needs("native:adopt")
    @pytest.mark.parametrize("first", ["commit", "discard", "last"])
    def test_adopt(self, harness: Harness, store: Store, first: str) -> None:
        """Committed here and there, dropped there, or committed there last: it is here as it was staged."""
        sent = Meta(SEEN, internal_date=1_000_000_000)
        with harness.sibling("other").closing() as elsewhere:
            other = elsewhere.create()
            staged = other.stage([Arrival(ONE, sent)])[0]
            assert store.adopt is not None
            adopted = store.adopt(staged)
            assert adopted is not None
            assert (adopted.size, adopted.meta, adopted.key) == (len(ONE), sent, None)
            if first == "discard":
                other.discard([staged])
            if first == "commit":
                assert other.commit([Append(INBOX, staged)])[0].status == "done"
            assert store.commit([Append(INBOX, adopted), Append(INBOX, adopted)], need_uids=False)[1].status == "done"
            if first == "last":
                assert other.commit([Append(INBOX, staged)])[0].status == "done"
            for opened in harness.now_and_reopened(store):
                found = list(listing(opened.inbox).values())
                assert [(seen.body, seen.flags, seen.internal_date) for seen in found] == [
                    (ONE, SEEN, 1_000_000_000)
                ] * 2
            assert bodies(elsewhere.reopen(other).inbox) == ([] if first == "discard" else [ONE])

    @clause("11.6")
    @needs("native:adopt")
    def test_what_cannot_be_adopted(self, store: Store, memory: Store) -> None:
        """What a store of another format staged is not taken, and stays where it is."""
        staged = memory.stage([Arrival(ONE)])[0]
        assert store.adopt is not None
        assert store.adopt(staged) is None
        assert memory.commit([Append(INBOX, staged)])[0].status == "done"

    @clause("11.5")
    @needs("native:shard")
    @pytest.mark.parametrize("count", [1, 2, 3, 16])
    def test_shards(self, harness: Harness, store: Store, count: int) -> None:
        """Their rows, one shard after the other, are those of the listing."""
        sent = [*BODIES.values(), *RESERVED.values(), large(MEBIBYTE + 1), ONE]
        for number, body in enumerate(sent):
            store.inbox.append(body, flags=number & 31, internal_date=number)
        inbox = harness.reopen(store).inbox
        listed = list(inbox.rows(META | BODY))
        shards = cast("Shards", inbox.store.driver.folder(inbox.path))
        parts = shards.shards(count)
        assert 1 <= len(parts) <= count
        found = [row for part in parts for batch in shards.read_shard(part, META | BODY) for row in batch]

        def facts(row: Row) -> tuple[object, ...]:
            return (body_bytes(row.body), row.flags, row.keywords, row.internal_date, row.sender, row.uidl)

        assert [facts(row) for row in found] == [facts(row) for row in listed]
        assert all(row.uid in (0, other.uid) for row, other in zip(found, listed, strict=True))

    @clause("11.5")
    @needs("native:shard")
    def test_shards_of_an_empty_folder(self, store: Store) -> None:
        """No messages, no rows."""
        shards = cast("Shards", store.driver.folder(store.inbox.path))
        rows = [row for part in shards.shards(4) for batch in shards.read_shard(part, BODY) for row in batch]
        assert rows == []
        assert uids(store.inbox) == []
