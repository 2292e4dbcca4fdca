#!/usr/bin/env python3
r"""How an IMAP server serves IDLE (RFC 2177, RFC 9051 6.3.13) with ``mailstore.aio``.

    imap_idle.py LOCATION FOLDER        a line ``DONE`` on standard input ends the command

The client says IDLE and waits; whoever changes the folder, the server tells it as untagged responses, until the client
says DONE. Two things happen at once: the watch waits for events, the connection waits for DONE. The folder's sequence
numbers are kept by ``mailstore.view.SequenceView``, fed by ``changes(since)`` as in imap_select.py: the watch only says
when to look. Changes of this session's own would be left out with ``own=False``; this one makes none.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from typing import TextIO

from mailstore import Delta, flag_names
from mailstore.aio import AsyncFolder, AsyncWatch, open_store
from mailstore.view import SequenceView


class Session:
    """A selected folder, as one client knows it."""

    def __init__(self, folder: AsyncFolder, output: TextIO) -> None:
        self._folder = folder
        self._output = output
        self._view = SequenceView()

    async def select(self) -> None:
        """Learn what is there and tell how much that is."""
        delta = await self._folder.store.run(self._folder.folder.changes, None, 0)
        self._view.apply(delta)
        self._token = delta.token
        self._tell(f"* {len(self._view)} EXISTS")

    async def idle(self, watch: AsyncWatch, done: asyncio.Event) -> None:
        """Tell what changes until ``done``. Cancelling a wait loses no event, so that nothing is missed at the end."""
        self._tell("+ idling")
        ended = asyncio.create_task(done.wait())
        while not ended.done():
            waiting = asyncio.create_task(watch.batch())
            await asyncio.wait({waiting, ended}, return_when=asyncio.FIRST_COMPLETED)
            if waiting.done() and waiting.result():
                await self._catch_up()
            else:
                waiting.cancel()
        self._tell("OK IDLE terminated")

    async def _catch_up(self) -> None:
        delta = await self._folder.store.run(self._folder.folder.changes, self._token, 0)
        for line in self._responses(delta):
            self._tell(line)
        self._token = delta.token

    def _responses(self, delta: Delta) -> Iterator[str]:
        report = self._view.apply(delta)
        yield from (f"* {number} EXPUNGE" for number in report.expunged)
        if report.exists is not None:
            yield f"* {report.exists} EXISTS"
        for number, row in report.changed:
            flags = " ".join((*flag_names(row.flags), *sorted(row.keywords)))
            yield f"* {number} FETCH (UID {row.uid} FLAGS ({flags}))"

    def _tell(self, line: str) -> None:
        print(line, file=self._output, flush=True)


async def serve(location: str, folder: str) -> None:
    """Select, idle, and leave when the client says DONE or goes away."""
    done = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hear() -> None:
        line = sys.stdin.readline()
        if not line or line.strip().upper() == "DONE":
            loop.remove_reader(sys.stdin)
            done.set()

    loop.add_reader(sys.stdin, hear)
    async with await open_store(location) as store:
        selected = await store.folder(folder)
        async with await selected.watch() as watch:
            session = Session(selected, sys.stdout)
            await session.select()
            await session.idle(watch, done)


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:3]))
