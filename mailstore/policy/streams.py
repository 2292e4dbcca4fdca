"""One client on standard input and output, as inetd and Postfix' spawn(8) start a program for each connection."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mailstore.errors import UsageError
from mailstore.policy.server import Client, Server

_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def serve_streams(server: Server, source: int = 0, target: int = 1) -> None:
    """Answer the requests of one client until it sends no more.

    Args:
        server: what answers; it ends with its client.
        source: descriptor where requests come from: of a pipe, a terminal, or a socket, which takes the answers too.
        target: descriptor where answers go, of a pipe or terminal. Both descriptors stay open.

    Raises:
        UsageError: one of them is something else, such as a file.
    """
    asyncio.run(_converse(server, source, target))


async def _converse(server: Server, source: int, target: int) -> None:
    is_socket = stat.S_ISSOCK(os.fstat(source).st_mode)
    try:
        async with _socket(source) if is_socket else _pipes(source, target) as (reader, writer):
            try:
                await Client(server).converse(reader, writer)
            finally:
                writer.close()
                await writer.wait_closed()
    finally:
        await server.close()


@asynccontextmanager
async def _socket(source: int) -> AsyncIterator[_Streams]:
    yield await asyncio.open_connection(sock=socket.socket(fileno=os.dup(source)))


@asynccontextmanager
async def _pipes(source: int, target: int) -> AsyncIterator[_Streams]:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    with open(os.dup(source), "rb", buffering=0) as requests, os.fdopen(os.dup(target), "wb", buffering=0) as answers:
        try:
            await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), requests)
            # this protocol is there for its flow control: nothing is read from the target
            transport, protocol = await loop.connect_write_pipe(
                lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), answers
            )
        except ValueError as error:
            raise UsageError("standard input and output have to be a pipe, a socket or a terminal") from error
        yield reader, asyncio.StreamWriter(transport, protocol, None, loop)
