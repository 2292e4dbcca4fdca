"""The LMTP server: connections on an event loop, deliveries in threads.

>>> server = Server(Settings(), Mailboxes("maildir:/srv/mail/%d/%n"))  # doctest: +SKIP
>>> asyncio.run(server.run(listen("unix:/run/mailstore/lmtp")))  # doctest: +SKIP

A reply 250 after a message is sent only when the message is durable (``mailstore.lmtp.group``). What was not answered
yet when the server, or the machine, dies may be there or not: the client sends it again, and it may be there twice.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mailstore.delivery.mailboxes import Mailbox, Mailboxes
from mailstore.delivery.warning import QuotaWarning
from mailstore.errors import MailstoreError, NoSuchStore, NoSuchUser, StorageFailure
from mailstore.lmtp.batch import Result
from mailstore.lmtp.connection import Connection, log
from mailstore.lmtp.group import GroupCommit
from mailstore.lmtp.message import Message
from mailstore.lmtp.protocol import Limits
from mailstore.lmtp.replies import UNKNOWN_USER, UNNAMED, OverQuota, Reply, reply_of
from mailstore.lmtp.stores import Stores, may_be_unmounted, most_open, path_of
from mailstore.model.names import INBOX
from mailstore.model.quota import QuotaRules
from mailstore.service import Service
from mailstore.store import Store

_KNOWN_FOR = 1.0
"""Seconds for which a mailbox that was there is taken to be there when it is named again."""
_MOST_KNOWN = 10_000


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
        quota: rules that hold instead of those kept with each mailbox.
        warning: what to do when a mailbox crosses a threshold of its rules; best one that runs its command in the
            background. What goes wrong with a quota, or with a warning, is a line of the log and refuses nothing.
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
    quota: QuotaRules | None = None
    warning: QuotaWarning | None = None


class Server(Service[Connection]):
    """An LMTP server; see the module. Its methods are for the thread of its event loop.

    Attributes:
        settings: see Settings.
        hostname: as clients see it.
        mailboxes: who has which.
        group: carries out deliveries.
    """

    def __init__(self, settings: Settings, mailboxes: Mailboxes) -> None:
        super().__init__(settings.connections, settings.idle_timeout)
        self.settings = settings
        self.hostname = settings.hostname or socket.gethostname() or "localhost"
        self.mailboxes = mailboxes
        folders = mailboxes.sub_address or mailboxes.folder.upper() != "INBOX"
        self._stores = Stores(
            create=settings.create,
            folders=folders,
            lock_timeout=settings.lock_timeout,
            most=most_open(settings.connections),
            quota=settings.quota,
            attend=self._attend,
        )
        self.group = GroupCommit(self._stores, create=settings.create, threads=settings.threads)
        self._known: dict[str, float] = {}
        self._serial = 0
        self._name = f"{int(time.time()):x}.{os.getpid():x}"

    def _attend(self, store: Store) -> None:
        """Have warned who fills up this mailbox, and logged what is wrong with its quota."""
        store.quota.on_trouble = lambda text: log.warning("%s: %s", store.location, text)
        if self.settings.warning is not None:
            self.settings.warning.attend(store)

    def connect(self) -> Connection:
        """Make the connection of a client."""
        self._serial += 1
        return Connection(self, f"{self._name}.{self._serial:x}")

    async def close(self) -> None:
        """Wait for the threads, and close the stores."""
        await asyncio.to_thread(self.group.close)
        self._stores.close()

    # -- what connections ask for

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
            except NoSuchStore as error:
                failure = error
                if may_be_unmounted(path := path_of(location)):
                    text = f"{path}: nothing at all is there; is its file system mounted?"
                    failure = StorageFailure(text, path=path)
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
