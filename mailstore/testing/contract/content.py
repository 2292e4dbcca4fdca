"""Section 1 of the contract: bytes."""

from __future__ import annotations

import hashlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstore import BODY, CRLF_SIZE, DIGEST, HEADER, SIZE, Store
from mailstore.model.info import CHUNK, Blob
from mailstore.testing.contract.base import Contract
from mailstore.testing.harness import Harness
from mailstore.testing.marks import clause, needs
from mailstore.testing.observe import bodies, body_bytes, listing
from mailstore.testing.samples import BODIES, MEBIBYTE, RESERVED, large
from mailstore.testing.settings import EXAMPLES

SIZES = (MEBIBYTE - 1, MEBIBYTE, MEBIBYTE + 1, 3 * MEBIBYTE)


class Memory:
    """A Blob that lies in memory: what a caller of ``append`` may bring."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size = len(data)

    def read_at(self, offset: int, size: int) -> bytes:
        """See Blob.read_at."""
        return self.data[offset : offset + size]

    def close(self) -> None:
        """Nothing is held open."""


class ContentContract(Contract):
    """Section 1: bytes."""

    @clause("1.1")
    @pytest.mark.parametrize("body", BODIES.values(), ids=list(BODIES))
    def test_body_reads_back(self, harness: Harness, store: Store, body: bytes) -> None:
        """A body reads back as it was, and as it was again after a reopening."""
        expected = store.canonical(body)
        uid = store.inbox.append(body).uid
        assert store.inbox.get(uid).bytes() == expected
        assert harness.reopen(store).inbox.get(uid).bytes() == expected

    @clause("1.2")
    @pytest.mark.parametrize("body", RESERVED.values(), ids=list(RESERVED))
    def test_reserved_headers_are_content(self, harness: Harness, store: Store, body: bytes) -> None:
        """Headers that look like a store's own metadata are content."""
        before = store.inbox.append(BODIES["ordinary"], internal_date=1)
        uid = store.inbox.append(body, internal_date=2).uid
        after = store.inbox.append(BODIES["no final newline"], internal_date=3)
        state = store.inbox.state()
        for opened in harness.now_and_reopened(store):
            found = listing(opened.inbox)
            assert list(found) == [before.uid, uid, after.uid]
            assert found[uid].body == store.canonical(body)
            assert (found[uid].flags, found[uid].keywords) == (0, frozenset())
            assert [seen.internal_date for seen in found.values()] == [1, 2, 3]
            assert opened.inbox.state()[:2] == state[:2]

    @clause("1.3")
    @pytest.mark.parametrize("body", [*BODIES.values(), *RESERVED.values()], ids=[*BODIES, *RESERVED])
    def test_canonical_is_idempotent(self, store: Store, body: bytes) -> None:
        """``canonical`` of what it returns is the same, and so is a second call."""
        once = store.canonical(body)
        assert store.canonical(body) == once
        assert store.canonical(once) == once

    @clause("1.3")
    @needs("exact")
    @pytest.mark.parametrize("body", [*BODIES.values(), *RESERVED.values()], ids=[*BODIES, *RESERVED])
    def test_canonical_is_identity(self, store: Store, body: bytes) -> None:
        """An exact format changes nothing."""
        assert store.canonical(body) == body

    @clause("1.4")
    @pytest.mark.parametrize("body", [BODIES["ordinary"], BODIES["empty"], large(MEBIBYTE + 1)], ids=len)
    def test_every_way_to_read(self, harness: Harness, store: Store, body: bytes) -> None:
        """All ways to read agree."""
        uid = store.inbox.append(body).uid
        expected = store.canonical(body)
        for opened in harness.now_and_reopened(store):
            message = opened.inbox.get(uid)
            assert message.bytes() == expected
            with message.open() as file:
                assert file.read() == expected
                assert file.seek(len(expected) // 2) == len(expected) // 2
                assert file.read() == expected[len(expected) // 2 :]
            assert message.read(0, len(expected)) == expected
            assert body_bytes(opened.inbox.get(uid, BODY).row.body) == expected
            assert bodies(opened.inbox) == [expected]

    @clause("1.5")
    @pytest.mark.parametrize("body", [BODIES["every byte"], large(3 * MEBIBYTE)], ids=len)
    def test_read_range(self, store: Store, body: bytes) -> None:
        """A range is exactly that range."""
        message = store.inbox.get(store.inbox.append(body).uid)
        size = len(body)
        for offset in (0, 1, size // 2, size - 1, size, size + 5):
            for length in (0, 1, 10, 70_000, size + 5):
                assert message.read(offset, length) == body[offset : offset + length]

    @clause("1.6")
    @pytest.mark.parametrize(
        ("body", "header"),
        [
            (b"A: 1\nB: 2\n\nbody\n\nmore\n", b"A: 1\nB: 2\n\n"),
            (b"A: 1\r\nB: 2\r\n\r\nbody\r\n\r\n", b"A: 1\r\nB: 2\r\n\r\n"),
            (b"\nbody\n", b"\n"),
            (b"A: 1\n", b"A: 1\n"),
            (b"A: 1", b"A: 1"),
            (b"", b""),
            (b"A: " + b"x" * 100_000 + b"\n\nbody\n", b"A: " + b"x" * 100_000 + b"\n\n"),
            (b"A: 1\n\n" + large(2 * MEBIBYTE), b"A: 1\n\n"),
        ],
        ids=["lf", "crlf", "empty header", "no body", "no newline", "empty", "long", "large"],
    )
    def test_header(self, store: Store, body: bytes, header: bytes) -> None:
        """The header block ends with the empty line; by ``header()`` and in rows."""
        uid = store.inbox.append(body).uid
        assert store.canonical(body) == body
        assert store.inbox.get(uid).header() == header
        assert store.inbox.get(uid, HEADER).row.header == header

    @clause("1.7")
    @pytest.mark.parametrize("body", [*BODIES.values(), large(MEBIBYTE + 1)], ids=[*BODIES, "large"])
    def test_sizes_and_digests(self, store: Store, body: bytes) -> None:
        """Sizes and digests are those of the bytes that read back."""
        inbox = store.inbox
        inbox.append(body)
        read = store.canonical(body)
        (row,) = inbox.rows(SIZE | CRLF_SIZE | DIGEST)
        assert row.size == len(read)
        assert row.crlf_size == len(read) + read.count(b"\n") - read.count(b"\r\n")
        assert row.digest == hashlib.sha256(read).digest()
        assert inbox.get(row.uid).guid == hashlib.sha256(read).hexdigest()

    @clause("1.8")
    @pytest.mark.parametrize("body", [BODIES["ordinary"], BODIES["empty"], large(MEBIBYTE + 7)], ids=len)
    def test_kinds_of_body(self, store: Store, body: bytes) -> None:
        """Bytes, a file from its position, and a Blob give the same message."""
        file = io.BytesIO(b"skipped" + body)
        file.seek(len(b"skipped"))
        blob: Blob = Memory(body)
        for given_body in (body, bytearray(body), memoryview(body), file, blob):
            store.inbox.append(given_body)
        assert bodies(store.inbox) == [store.canonical(body)] * 5

    @clause("1.9")
    @pytest.mark.parametrize("size", SIZES)
    def test_large_bodies(self, harness: Harness, store: Store, size: int) -> None:
        """Large messages are kept among small ones, and travel as Blobs above 1 MiB."""
        sent = [BODIES["ordinary"], large(size), BODIES["no final newline"]]
        for body in sent:
            store.inbox.append(body)
        for opened in harness.now_and_reopened(store):
            rows = list(opened.inbox.rows(BODY))
            assert [body_bytes(row.body) for row in rows] == sent
            assert isinstance(rows[1].body, bytes) == (size <= CHUNK)

    @clause("1.10")
    def test_neighbours_stay_apart(self, harness: Harness, store: Store) -> None:
        """All odd bodies in one folder, in order, appended one by one and in bulk."""
        sent = [*BODIES.values(), *RESERVED.values()]
        expected = [store.canonical(body) for body in sent]
        for body in sent:
            store.inbox.append(body, internal_date=0)
        assert bodies(store.inbox) == expected
        assert bodies(harness.reopen(store).inbox) == expected

    @clause("1.10")
    def test_any_bytes_any_order(self, harness: Harness) -> None:
        """Hypothesis: lists of pieces that mean something to some format, glued together in any way."""
        store = harness.create()
        pieces = st.sampled_from(
            [b"From ", b">From ", b"From a@b Thu Jan  1 00:00:00 1970", b"\n", b"\r", b"\r\n", b"\0", b" ", b"\t",
             b"Status: RO", b"X-UID: 3", b"Content-Length: 4", b"X-IMAPbase: 1 0000000002", b"Subject: x", b"x",
             b"\x01\x01\x01\x01", b":", b"\xff", b"--"]
        )  # fmt: skip
        body = st.lists(pieces, max_size=12).map(b"".join)

        @EXAMPLES
        @given(st.lists(body, min_size=1, max_size=4))
        def run(sent: list[bytes]) -> None:
            inbox = store.inbox
            inbox.expunge([row.uid for row in inbox.rows(0)], only_deleted=False)
            for one in sent:
                inbox.append(one, internal_date=0)
            assert bodies(inbox) == [store.canonical(one) for one in sent]

        run()
