"""What servers have in common: listening, connections that are counted, ending without cutting anybody off, signals.

Work that blocks is done in threads, which give results back with ``Service.call``; all else happens in the thread of
the event loop.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from mailstore.system.sockets import inherited, listen, remove

__all__ = ["Ending", "Service", "inherited", "listen", "serve"]

# Loaded here and not when needed: a server that was started by root may not be able to read code later.
_new_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
with suppress(ImportError):
    import uvloop

    _new_loop = uvloop.new_event_loop

log = logging.getLogger("mailstore.service")

_SWITCH = 0.0005
"""Seconds after which a thread gives way: one that returns from the disk waits that long for the event loop."""


class Ending(Protocol):
    """A connection that can be asked to end."""

    def end(self, *, at_once: bool = False) -> None:
        """End: now, where nothing is under way or ``at_once``; else when what is under way is answered."""
        ...


_Connection = TypeVar("_Connection", bound=Ending)


class Service(ABC, Generic[_Connection]):
    """A server on any number of sockets. Its methods are for the thread of its event loop, except ``call``.

    Args:
        connections: at most so many at once.
        idle_timeout: seconds of silence after which a connection is closed; also what an ending server waits for one
            that is in the middle of something.

    Attributes:
        stopping: no connection is taken any more.
        loop: the event loop, while it runs.
    """

    def __init__(self, connections: int, idle_timeout: float) -> None:
        self.stopping = False
        self.loop: asyncio.AbstractEventLoop = None  # type: ignore[assignment]  # until ``run``
        self._most = connections
        self._idle_timeout = idle_timeout
        self._connections: set[_Connection] = set()
        self._calls: deque[Callable[[], None]] = deque()
        self._calling = threading.Lock()
        self._stop: asyncio.Event | None = None
        self._changed: asyncio.Event | None = None

    @abstractmethod
    def connect(self) -> asyncio.BaseProtocol:
        """Make the protocol object for a client that connected; it calls ``admit`` and ``forget``."""

    @abstractmethod
    async def close(self) -> None:
        """End threads and close what is open; called once, when no connection is left."""

    async def run(self, sockets: Sequence[socket.socket], ready: Callable[[], None] | None = None) -> None:
        """Serve on listening sockets until ``stop``; then answer what is under way, and close everything.

        Args:
            sockets: see mailstore.system.sockets.listen; closed at the end, files of UNIX sockets removed.
            ready: called once connections are taken.
        """
        self.loop = asyncio.get_running_loop()
        self._stop, self._changed = asyncio.Event(), asyncio.Event()
        before = sys.getswitchinterval()
        sys.setswitchinterval(min(before, _SWITCH))
        servers = []
        try:
            for sock in sockets:
                start = self.loop.create_unix_server if sock.family == socket.AF_UNIX else self.loop.create_server
                servers.append(await start(self.connect, sock=sock))
            if ready is not None:
                ready()
            await self._stop.wait()
            for sock in sockets:
                remove(sock)
            for server in servers:
                server.close()
            await self._drain()
        finally:
            await self.close()
            sys.setswitchinterval(before)

    def stop(self) -> None:
        """Take no more connections, end those that are idle, answer what is under way, then let ``run`` return."""
        assert self._stop is not None
        self.stopping = True
        self._stop.set()

    async def _drain(self) -> None:
        """Wait for what is under way; for what is still coming no longer than a silent client may take."""
        assert self._changed is not None
        for connection in list(self._connections):
            connection.end()
        deadline = self.loop.time() + self._idle_timeout
        while self._connections:
            self._changed.clear()
            try:
                async with asyncio.timeout_at(deadline):
                    await self._changed.wait()
            except TimeoutError:
                for connection in list(self._connections):
                    connection.end(at_once=True)
                deadline = self.loop.time() + 1.0

    def admit(self, connection: _Connection) -> bool:
        """Take a connection in; False where there are too many, or the server is ending."""
        full = self.stopping or len(self._connections) >= self._most
        self._connections.add(connection)
        return not full

    def forget(self, connection: _Connection) -> None:
        """A connection is gone."""
        self._connections.discard(connection)
        if self._changed is not None:
            self._changed.set()

    def call(self, function: Callable[..., None], *arguments: Any) -> None:
        """Have the event loop call ``function`` soon; from any thread. Many calls wake it once."""
        with self._calling:
            self._calls.append(partial(function, *arguments))
            if len(self._calls) > 1:
                return
        self.loop.call_soon_threadsafe(self._carry_out_calls)

    def _carry_out_calls(self) -> None:
        with self._calling:
            calls = list(self._calls)
            self._calls.clear()
        for call in calls:
            call()


def serve(server: Service[Any], sockets: Sequence[socket.socket], ready: Callable[[], None] | None = None) -> None:
    """Run a server until SIGTERM or SIGINT; a second one ends the process at once, as the signal would.

    With uvloop installed (``pip install mailstore[lmtp]``) its event loop is used.
    """

    async def main() -> None:
        loop = asyncio.get_running_loop()

        def stop(number: int) -> None:
            if server.stopping:
                os._exit(128 + number)
            log.warning("signal %d: answering what is under way", number)
            server.stop()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop, number)
        await server.run(sockets, ready)

    with asyncio.Runner(loop_factory=_new_loop) as runner:
        runner.run(main())
