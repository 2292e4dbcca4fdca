"""Where bodies lie: content-addressed, in chunks, collected when nothing uses them."""

import pickle
from pathlib import Path

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.privilege import remount, small_disk

from mailstore import (
    INBOX,
    Append,
    Arrival,
    Blob,
    MessageChanged,
    Meta,
    NoSuchMessage,
    StorageFull,
    Store,
    UsageError,
    open_store,
)
from mailstore.model.info import BODY, CHUNK, CRLF_SIZE, DIGEST
from mailstore.system import clock

MIB = 1 << 20


class Pattern:
    """A large body that is nowhere in memory."""

    def __init__(self, size: int, claimed: int = 0) -> None:
        self._real = size
        self.size = claimed or size

    def read_at(self, offset: int, size: int) -> bytes:
        size = max(0, min(size, self._real - offset))
        return (b"0123456789abcde\n" * (size // 16 + 2))[offset % 16 : offset % 16 + size]

    def close(self) -> None:
        pass


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.db"


@pytest.fixture
def store(path: Path):
    with open_store(f"sqlite:{path}", create=True) as store:
        yield store


def counts(path: Path) -> tuple[int, int, int]:
    connection = apsw.Connection(str(path))
    rows = tuple(connection.execute(f"SELECT count(*) FROM {table}").get for table in ("body", "chunk", "stage"))
    connection.close()
    return rows


def test_a_copy_costs_no_space(path: Path, store: Store) -> None:
    other = store.create("Other")
    store.inbox.append(b"small")
    store.inbox.append(Pattern(3 * MIB + 5))
    assert counts(path) == (2, 5, 0)
    store.inbox.copy([1, 2], other)
    store.inbox.append(b"small")
    other.append(Pattern(3 * MIB + 5))
    assert counts(path) == (2, 5, 0)
    other.expunge([1, 2, 3], only_deleted=False)
    store.inbox.expunge([2], only_deleted=False)
    assert counts(path) == (1, 1, 0)
    store.inbox.expunge([1], only_deleted=False)
    assert counts(path) == (1, 1, 0)
    store.inbox.expunge([3], only_deleted=False)
    assert counts(path) == (0, 0, 0)


def test_accounts_share_nothing(path: Path, store: Store) -> None:
    store.inbox.append(b"same")
    with open_store(f"sqlite:{path}?account=joe", create=True) as joe:
        joe.inbox.append(b"same")
        assert counts(path) == (2, 2, 0)
        joe.inbox.expunge([1], only_deleted=False)
    assert counts(path) == (1, 1, 0)
    assert store.inbox.get(1, BODY).row.body == b"same"


def test_deleting_a_folder_frees_its_bodies(path: Path, store: Store) -> None:
    folder = store.create("A")
    for body in (b"one", b"two", Pattern(MIB + 1)):
        folder.append(body)
    store.inbox.append(b"two")
    store.delete("A")
    assert counts(path) == (1, 1, 0)
    assert store.usage() == (1, 3)


def test_chunks_are_at_most_a_mebibyte(path: Path, store: Store) -> None:
    store.inbox.append(Pattern(2 * MIB + 1))
    store.inbox.append(b"x" * MIB)
    connection = apsw.Connection(str(path))
    sizes = list(connection.execute("SELECT body, n, length(data) FROM chunk ORDER BY body, n"))
    connection.close()
    assert sizes == [(1, 0, MIB), (1, 1, MIB), (1, 2, 1), (2, 0, MIB)]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3 * MIB + 20), st.integers(0, 2 * MIB)), max_size=5))
def test_parts_of_a_large_body(large: Blob, asked: list[tuple[int, int]]) -> None:
    whole = (b"0123456789abcde\n" * (3 * MIB // 16 + 1))[: 3 * MIB + 7]
    for offset, size in asked:
        assert large.read_at(offset, size) == whole[offset : offset + size]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory):
    with open_store(f"sqlite:{tmp_path_factory.mktemp('large')}/x.db", create=True) as store:
        store.inbox.append(Pattern(3 * MIB + 7))
        blob = store.inbox.open(1)
        assert blob.size == 3 * MIB + 7
        yield blob


def test_crlf_size_across_chunks(store: Store) -> None:
    """A CRLF of which each half lies in a chunk of its own counts once."""
    body = b"x" * (CHUNK - 1) + b"\r\n" + b"y" * (CHUNK - 1) + b"\n\r\n"
    store.inbox.append(body)
    row = store.inbox.get(1, CRLF_SIZE | DIGEST).row
    assert (row.size, row.crlf_size) == (len(body), len(body) + 1)


def test_a_reader_of_an_expunged_body(store: Store) -> None:
    """It keeps what it has and is told of the rest; the next body gets another id."""
    store.inbox.append(Pattern(2 * MIB))
    blob = store.inbox.open(1)
    assert blob.read_at(0, 4) == b"0123"
    store.inbox.expunge([1], only_deleted=False)
    store.inbox.append(b"z" * (2 * MIB))
    assert blob.read_at(4, 4) == b"4567"
    with pytest.raises(MessageChanged, match="expunged"):
        blob.read_at(MIB, 4)


def test_a_body_that_ends_early(path: Path, store: Store) -> None:
    """Nothing stays of it, nor of what was staged with it."""
    short = Pattern(2 * MIB, claimed=3 * MIB)
    with pytest.raises(MessageChanged, match="2097152 bytes, not 3145728"):
        store.stage([Arrival(b"small"), Arrival(Pattern(MIB + 1)), Arrival(short)])
    assert counts(path) == (0, 0, 0)


def test_staged_messages_travel_between_processes(store: Store) -> None:
    staged = store.stage([Arrival(b"small", Meta(1)), Arrival(Pattern(MIB + 1), key=b"k" * 16)])
    copies = pickle.loads(pickle.dumps(staged))
    store.commit([Append(INBOX, one) for one in copies])
    assert [(row.size, row.flags) for row in store.inbox.rows()] == [(5, 1), (MIB + 1, 0)]
    assert store.resolve([b"k" * 16]) == {b"k" * 16: (INBOX, 2)}


def test_what_is_used_up_cannot_be_committed_again(path: Path, store: Store) -> None:
    (staged,) = store.stage([Arrival(Pattern(MIB + 1))])
    store.commit([Append(INBOX, staged)])
    store.inbox.expunge([1], only_deleted=False)
    with pytest.raises(NoSuchMessage, match="committed or discarded"):
        store.commit([Append(INBOX, staged)])
    assert counts(path) == (0, 0, 0)


def test_what_another_store_staged(store: Store) -> None:
    with open_store("memory:") as memory:
        (staged,) = memory.stage([Arrival(b"x")])
    with pytest.raises(UsageError, match="another store"):
        store.commit([Append(INBOX, staged)])


def test_a_clone_outlives_its_original(path: Path, store: Store) -> None:
    store.inbox.append(b"x", key=b"k" * 16)
    assert store.clone is not None
    (staged,) = store.clone(INBOX, [1])
    store.inbox.expunge([1], only_deleted=False)
    assert counts(path) == (1, 1, 1)
    store.commit([Append(INBOX, staged)])
    assert counts(path) == (1, 1, 0)
    assert store.inbox.get(2, BODY).row.body == b"x"


def test_stale_staging_is_removed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_store(f"sqlite:{path}", create=True) as store:
        store.stage([Arrival(Pattern(MIB + 1))])
    assert counts(path) == (1, 2, 1)
    now = clock.source()
    monkeypatch.setattr(clock, "source", lambda: now + 35 * 3600 * 10**9)
    with open_store(f"sqlite:{path}") as store:
        assert store.recover() == (0, 0, 0)
    assert counts(path) == (1, 2, 1)
    monkeypatch.setattr(clock, "source", lambda: now + 37 * 3600 * 10**9)
    with open_store(f"sqlite:{path}"):
        assert counts(path) == (0, 0, 0)


def test_known_keys_leave_no_body(path: Path, store: Store) -> None:
    for _ in range(2):
        store.inbox.append(Pattern(MIB + 1), key=b"k" * 16)
    assert (len(store.inbox), counts(path)) == (1, (1, 2, 0))


@pytest.mark.parametrize("size", [MIB // 2, 3 * MIB])
def test_a_full_disk(tmp_path: Path, size: int) -> None:
    """What was acknowledged is there, nothing else is, and with room again it goes on."""
    with small_disk(tmp_path / "disk", "size=8m") as disk:
        path = disk / "x.db"
        with open_store(f"sqlite:{path}", create=True) as store:
            store.inbox.append(b"first")
            stored = 1
            refused: StorageFull | None = None
            while refused is None:
                assert stored < 20
                try:
                    store.inbox.append(bytes([stored]) * size)
                    stored += 1
                except StorageFull as error:
                    refused = error
            assert "no space left" in str(refused)
            assert store.usage() == (stored, 5 + (stored - 1) * size)
            store.inbox.add_flags([1], ["\\Seen"])
            remount(disk, "size=64m")
            store.inbox.append(b"last")
        with open_store(f"sqlite:{path}") as store:
            assert [row.uid for row in store.inbox.rows()] == list(range(1, stored + 2))
            assert store.usage() == (stored + 1, 9 + (stored - 1) * size)
        assert counts(path)[0] == stored + 1
        assert counts(path)[2] == 0
