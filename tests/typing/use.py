"""Use of the public API as a type checker sees it; lines that end in "wrong" must be errors. Checked, never run."""

from datetime import UTC, datetime
from io import BytesIO
from typing import BinaryIO, assert_type

from mailstore import (
    INBOX,
    META,
    SIZE,
    Append,
    Appended,
    Arrival,
    Capabilities,
    Delta,
    FlagsResult,
    Folder,
    FolderInfo,
    FolderPath,
    FolderState,
    MailstoreError,
    Message,
    Meta,
    Outcome,
    Row,
    SetFlags,
    Store,
    Token,
    UidMap,
    Unsupported,
    Usage,
    open_store,
)
from mailstore.aio import AsyncStore
from mailstore.aio import open_store as open_async


def stores() -> None:
    with open_store("maildir:~/Maildir", readonly=True, mask={"clone"}, layout="++") as store:
        assert_type(store, Store)
        assert_type(store.capabilities, Capabilities)
        assert_type(store.folders(), list[FolderInfo])
        assert_type(store.inbox, Folder)
        assert_type(store.folder("a/b", create=True), Folder)
        assert_type(store.folder(FolderPath(["a", "b"])), Folder)
        assert_type(store.usage(), Usage)
        store.folder(["a", "b"])  # wrong
        store.create(INBOX, special_use=5)  # wrong
        store.capabilities.format = "other"  # wrong
    open_store(5)  # wrong
    open_store("memory:", create="yes")  # wrong


def messages(folder: Folder) -> None:
    for message in folder:
        assert_type(message, Message)
        assert_type(message.flags, frozenset[str])
        assert_type(message.internal_date, datetime | None)
        assert_type(message.header(), bytes)
        assert_type(message.read(0, 10), bytes)
        assert_type(message.error, MailstoreError | None)
        with message.open() as file:
            assert_type(file, BinaryIO)
        message.uid = 5  # wrong
    for row in folder.rows(META | SIZE):
        assert_type(row, Row)
        assert_type(row.meta, Meta)
        row.uid = 5  # wrong
    state = folder.state()
    assert_type(state, FolderState)
    assert_type(state.size, int | None)


def changes(folder: Folder, other: Folder) -> None:
    appended = folder.append(b"x", flags=["\\Seen"], internal_date=datetime.now(UTC), key=bytes(16))
    assert_type(appended, Appended)
    folder.append(BytesIO(b"x"), flags=5, sender="")
    folder.append("text")  # wrong
    folder.append(b"x", internal_date="yesterday")  # wrong
    assert_type(folder.append_many([Arrival(b"x", Meta(1))]), list[Appended])
    assert_type(folder.add_flags([appended.uid], ["$Forwarded"], unchanged_since=5), FlagsResult)
    assert_type(folder.expunge(), tuple[int, ...])
    assert_type(folder.copy([1], other), UidMap)
    folder.move([1], "other")  # wrong


def verbs(store: Store, token: Token | None) -> None:
    delta = store.inbox.changes(token)
    assert_type(delta, Delta)
    assert_type([row for batch in delta.batches for row in batch], list[Row])
    staged = store.stage([Arrival(b"x")])
    outcomes = store.commit([Append(INBOX, staged[0]), SetFlags(INBOX, (1,), "add", 1)], need_uids=False)
    assert_type(outcomes, list[Outcome])
    store.commit([SetFlags(INBOX, (1,), "toggle", 1)])  # wrong
    store.commit(["append"])  # wrong
    try:
        store.subscribe("a")
    except Unsupported as error:
        assert_type(error.capability, str)
        assert_type(error.temporary, bool)


async def asynchronous() -> None:
    async with await open_async("memory:") as store:
        assert_type(store, AsyncStore)
        inbox = await store.inbox()
        assert_type(await inbox.append(b"x"), Appended)
        async for message in inbox:
            assert_type(await message.bytes(), bytes)
        assert_type(await inbox.append("x"), Appended)  # wrong
