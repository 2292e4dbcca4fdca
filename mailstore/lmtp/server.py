"""The LMTP server: connections on an event loop, deliveries in threads.

>>> server = Server(Settings(), Mailboxes("maildir:/srv/mail/%d/%n"))  # doctest: +SKIP
>>> asyncio.run(server.run(listen("unix:/run/mailstore/lmtp")))  # doctest: +SKIP

A reply 250 after a message is sent only when the message is durable (``mailstore.lmtp.group``). What was not answered
yet when the server, or the machine, dies may be there or not: the client sends it again, and it may be there twice.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from mailstore.errors import MailstoreError, NoSuchStore, NoSuchUser
from mailstore.lmtp.batch import Result
from mailstore.lmtp.connection import Connection
from mailstore.lmtp.group import GroupCommit
from mailstore.lmtp.mailboxes import Mailbox, Mailboxes
from mailstore.lmtp.message import Message
from mailstore.lmtp.protocol import Limits
from mailstore.lmtp.replies import UNKNOWN_USER, UNNAMED, OverQuota, Reply, reply_of
from mailstore.lmtp.stores import Stores
from mailstore.model.names import INBOX
from mailstore.system.sockets import remove

# Loaded here and not when needed: a server that was started by root may not be able to read code later.
_new_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
with suppress(ImportError):
    import uvloop

    _new_loop = uvloop.new_event_loop

log = logging.getLogger("mailstore.lmtp")

_KNOWN_FOR = 1.0
"""Seconds for which a mailbox that was there is taken to be there when it is named again."""
_MOST_KNOWN = 10_000
_SWITCH = 0.0005
"""Seconds after which a thread gives way: one that returns from the disk waits that long for the event loop."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a server works.

    Attributes:
        hostname: as greeting and Received say it; '' is this host's name.
        limits: of one connection.
        connections: at most so many at once; one more is told 421.
        idle_timeout: seconds of silence after which a connection is closed (RFC 5321: at least 300).
        over_quota: whether a full mailbox is a temporary failure or a permanent one.
        create: make mailboxes and folders that are not there; no recipient is then unknown.
        once: duplicate suppression: None, ``message-id`` or ``content``.
        lock_timeout: seconds to wait for another program's lock on a mailbox.
        threads: how many stores are written to side by side.
    """

    hostname: str = ""
    limits: Limits = field(default_factory=Limits)
    connections: int = 200
    idle_timeout: float = 300.0
    over_quota: OverQuota = "temporary"
    create: bool = False
    once: str | None = None
    lock_timeout: float = 60.0
    threads: int = 8


class Server:
    """An LMTP server; see the module. Its methods are for the thread of its event loop.

    Attributes:
        settings: see Settings.
        hostname: as clients see it.
        mailboxes: who has which.
        stopping: no connection is taken any more.
        group: carries out deliveries.
        loop: the event loop, while it runs.
    """

    def __init__(self, settings: Settings, mailboxes: Mailboxes) -> None:
        self.settings = settings
        self.hostname = settings.hostname or socket.gethostname() or "localhost"
        self.mailboxes = mailboxes
        self.stopping = False
        self.loop: asyncio.AbstractEventLoop = None  # type: ignore[assignment]  # until ``run``
        folders = mailboxes.sub_address or mailboxes.folder.upper() != "INBOX"
        self._stores = Stores(create=settings.create, folders=folders, lock_timeout=settings.lock_timeout)
        self.group = GroupCommit(self._stores, create=settings.create, threads=settings.threads)
        self._connections: set[Connection] = set()
        self._known: dict[str, float] = {}
        self._serial = 0
        self._name = f"{int(time.time()):x}.{os.getpid():x}"
        self._calls: deque[Callable[[], None]] = deque()
        self._calling = threading.Lock()
        self._stop: asyncio.Event | None = None
        self._changed: asyncio.Event | None = None

    # -- running

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
                servers.append(await start(self._connect, sock=sock))
            if ready is not None:
                ready()
            await self._stop.wait()
            for sock in sockets:
                remove(sock)
            for server in servers:
                server.close()
            await self._drain()
        finally:
            await asyncio.to_thread(self.group.close)
            self._stores.close()
            sys.setswitchinterval(before)

    def stop(self) -> None:
        """Take no more connections, end those that are idle, answer what is under way, then let ``run`` return."""
        assert self._stop is not None
        self.stopping = True
        self._stop.set()

    async def _drain(self) -> None:
        """Wait for messages under way; for those still coming no longer than a silent client may take."""
        assert self._changed is not None
        for connection in list(self._connections):
            connection.end()
        deadline = self.loop.time() + self.settings.idle_timeout
        while self._connections:
            self._changed.clear()
            try:
                async with asyncio.timeout_at(deadline):
                    await self._changed.wait()
            except TimeoutError:
                for connection in list(self._connections):
                    connection.end(at_once=True)
                deadline = self.loop.time() + 1.0

    def _connect(self) -> Connection:
        self._serial += 1
        return Connection(self, f"{self._name}.{self._serial:x}")

    # -- what connections ask for

    def admit(self, connection: Connection) -> bool:
        """Take a connection in; False where there are too many, or the server is ending."""
        full = self.stopping or len(self._connections) >= self.settings.connections
        self._connections.add(connection)
        return not full

    def forget(self, connection: Connection) -> None:
        """A connection is gone."""
        self._connections.discard(connection)
        if self._changed is not None:
            self._changed.set()

    def is_known(self, location: str) -> bool:
        """Whether the mailbox at ``location`` was there a moment ago, or will be made."""
        return self.settings.create or self._known.get(location, 0.0) > self.loop.time()

    def look(self, location: str, answer: Callable[[BaseException | None], None]) -> None:
        """Open the mailbox at ``location``, in a thread; ``answer`` gets None, or why it cannot be."""

        def work() -> None:
            failure: BaseException | None = None
            try:
                with self._stores.use(location) as store:
                    store.folder(INBOX)
            except Exception as error:  # noqa: BLE001 - whatever it is becomes the reply
                failure = error
            self.call(looked, failure)

        def looked(failure: BaseException | None) -> None:
            if failure is None:
                if len(self._known) >= _MOST_KNOWN:
                    self._known.clear()
                self._known[location] = self.loop.time() + _KNOWN_FOR
            answer(failure)

        self.group.run(work)

    def reply_at_rcpt(self, error: BaseException) -> Reply:
        """Return the reply for a recipient that cannot get mail: permanent only where nobody is there."""
        if isinstance(error, NoSuchStore | NoSuchUser):
            return UNKNOWN_USER
        if isinstance(error, MailstoreError) and error.temporary:
            return reply_of(error, "temporary")
        return UNNAMED

    def deliver(
        self, message: Message, mailboxes: Sequence[Mailbox], answer: Callable[[Sequence[Result]], None]
    ) -> None:
        """Deliver, in threads; ``answer`` gets one result for each mailbox, in order."""
        self.group.submit(message, mailboxes, lambda results: self.call(answer, results))

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


def serve(server: Server, sockets: Sequence[socket.socket], ready: Callable[[], None] | None = None) -> None:
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
