"""Watching with asyncio: iteration, an end from another task, a wait that is cancelled."""

from __future__ import annotations

import asyncio
from pathlib import Path

from mailstore import FolderPath
from mailstore.aio import open_store
from mailstore.watch import MessageAppended

MAIL = b"Subject: x\n\nbody\n"
INBOX = FolderPath(("INBOX",))


def test_events_come_one_by_one_until_it_is_closed(tmp_path: Path) -> None:
    async def follow() -> list[int]:
        uids = []
        store = await open_store(f"maildir:{tmp_path}/M", create=True)
        async with store, await store.watch() as watch:
            inbox = await store.folder(INBOX)
            for _ in range(3):
                await inbox.append(MAIL)
            async for event in watch:
                assert isinstance(event, MessageAppended)
                uids.append(event.uid)
                if len(uids) == 3:
                    asyncio.get_running_loop().call_soon(asyncio.create_task, watch.close())
        return uids

    assert asyncio.run(follow()) == [1, 2, 3]


def test_a_wait_that_is_cancelled_loses_no_event(tmp_path: Path) -> None:
    async def follow() -> list[int]:
        async with await open_store(f"maildir:{tmp_path}/M", create=True) as store:
            inbox = await store.folder(INBOX)
            uids: list[int] = []
            async with await inbox.watch() as watch:
                for _ in range(20):
                    waiting = asyncio.create_task(watch.batch())
                    await inbox.append(MAIL)
                    waiting.cancel()
                    await asyncio.wait({waiting})
                    if not waiting.cancelled():
                        uids += [event.uid for event in waiting.result()]
                while len(uids) < 20:
                    uids += [event.uid for event in await watch.batch(20)]
            return uids

    assert asyncio.run(follow()) == list(range(1, 21))
