"""The asyncio wrapper gives what the synchronous façade gives."""

import asyncio

import pytest

import mailstore
from mailstore import aio


def run(coroutine):
    return asyncio.run(coroutine)


def test_a_server_can_do_its_work():
    async def work():
        async with await aio.open_store("memory:") as store:
            inbox = await store.inbox()
            kept = await inbox.append(b"Subject: one\n\nbody\n", flags=["\\Seen"], sender="")
            gone = await inbox.append(b"two")
            assert (await inbox.state()).messages == 2
            archive = await store.create("Archive/2026", special_use="\\Archive")
            moved = await inbox.move([gone.uid], archive)
            assert moved.pairs == ((gone.uid, 1),)
            copied = await inbox.copy([kept.uid], archive)
            assert copied.pairs == ((kept.uid, 2),)
            assert [message.uid async for message in archive] == [1, 2]
            message = await inbox.get(kept.uid)
            assert await message.bytes() == b"Subject: one\n\nbody\n"
            assert await message.header() == b"Subject: one\n\n"
            assert message.flags == {"\\Seen"}
            delta = await inbox.changes()
            assert [row.uid async for row in delta.rows] == [kept.uid]
            assert (await inbox.add_flags([kept.uid], ["\\Deleted"])).changed == (kept.uid,)
            assert await inbox.expunge() == (kept.uid,)
            later = await inbox.changes(delta.token)
            assert (later.full, later.vanished) == (False, (kept.uid,))
            await store.subscribe("Archive/2026")
            return [(str(info.path), info.subscribed) for info in await store.folders()]

    assert run(work()) == [("INBOX", False), ("Archive", False), ("Archive/2026", True)]


def test_errors_come_through_and_close_may_be_called_twice():
    async def work():
        store = await aio.open_store("memory:")
        with pytest.raises(mailstore.NoSuchFolder):
            await store.folder("missing")
        await store.close()
        await store.close()
        with pytest.raises(mailstore.NoSuchStore):
            await aio.open_store("memory:not-there")

    run(work())


def test_many_tasks_share_one_store():
    async def work():
        async with await aio.open_store("memory:") as store:
            inbox = await store.inbox()
            results = await asyncio.gather(*(inbox.append(b"%d" % number) for number in range(200)))
            return sorted(appended.uid for appended in results)

    assert run(work()) == list(range(1, 201))
