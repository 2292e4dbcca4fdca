"""The policy server: connections on an event loop, looks at mailboxes in threads.

>>> server = Server(Settings(), Mailboxes("maildir:/srv/mail/%d/%n"))  # doctest: +SKIP
>>> serve(server, listen("127.0.0.1:10031"))  # doctest: +SKIP

Each question has an answer within ``Settings.timeout``, and no trouble of ours refuses mail unless that was asked for.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import NamedTuple

from mailstore.delivery.mailboxes import Mailboxes
from mailstore.errors import MailstoreError
from mailstore.model.quota import QuotaRules
from mailstore.policy.answers import Answers, Verdict, verdict_of
from mailstore.policy.lookups import Lookups
from mailstore.policy.mailbox import check
from mailstore.policy.protocol import BadRequest, Request, Session, render
from mailstore.service import Service

log = logging.getLogger("mailstore.policy")

_PIECE = 65536


@dataclass(frozen=True, slots=True)
class Settings:
    """How a server works.

    Attributes:
        answers: what is said to what was found out.
        connections: at most so many at once; one more is closed without an answer. Each process of an SMTP server
            has one.
        idle_timeout: seconds in which a request must have come; a connection that sends none for so long is closed.
            Postfix closes idle ones itself after 300 (``smtpd_policy_service_max_idle``).
        timeout: seconds that a look at a mailbox is waited for.
        cache: seconds that what was found in a mailbox holds; 0: each question looks.
        threads: how many mailboxes are looked at side by side.
        quota: rules that hold instead of those kept with each mailbox.
    """

    answers: Answers = field(default_factory=Answers)
    connections: int = 1000
    idle_timeout: float = 600.0
    timeout: float = 5.0
    cache: float = 2.0
    threads: int = 8
    quota: QuotaRules | None = None


class Place(NamedTuple):
    """What is looked at."""

    user: str
    folder: str


class Server(Service["Client"]):
    """A policy server; see the module."""

    def __init__(self, settings: Settings, mailboxes: Mailboxes) -> None:
        super().__init__(settings.connections, settings.idle_timeout)
        self.settings = settings
        self._mailboxes = mailboxes
        self._lookups: Lookups[Place] = Lookups(
            self._check, threads=settings.threads, timeout=settings.timeout, keep=settings.cache
        )

    def connect(self) -> asyncio.BaseProtocol:
        """Make the connection of a client."""
        return asyncio.StreamReaderProtocol(asyncio.StreamReader(), Client(self).talk)

    async def close(self) -> None:
        """Let the threads end."""
        self._lookups.close()

    async def action(self, request: Request) -> str:
        """Return the action that answers a request; never raises."""
        if not request.recipient:
            return self.settings.answers.action(Verdict.NOBODY)
        error = await self._lookups.find(Place(*self._mailboxes.split(request.recipient)), request.size)
        verdict = verdict_of(error)
        action = self.settings.answers.action(verdict)
        self._log(request, verdict, action, error)
        return action

    def _check(self, place: Place, size: int) -> None:
        location = self._mailboxes.location(place.user)
        check(location, place.folder, size, lock_timeout=self.settings.timeout, quota=self.settings.quota)

    def _log(self, request: Request, verdict: Verdict, action: str, error: BaseException | None) -> None:
        level, say = logging.INFO, "answered"
        if action[0].isdigit():
            level, say = logging.WARNING, "refused"
        elif verdict is Verdict.TROUBLE:
            level = logging.WARNING
        defect = error if verdict is Verdict.TROUBLE and not isinstance(error, MailstoreError | OSError) else None
        log.log(
            level,
            "<%s> from <%s>, client %s, %d bytes: %s: %s%s",
            request.get("recipient"),
            request.get("sender"),
            request.get("client_address") or "unknown",
            request.size,
            say,
            action,
            f" ({_one_line(error)})" if error is not None else "",
            exc_info=defect,
        )


def _one_line(error: BaseException) -> str:
    text = str(error) or type(error).__name__
    return "".join(one if one.isprintable() else "?" for one in text)


class Client:
    """One connection."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._session = Session()
        self._writer: asyncio.StreamWriter | None = None
        self._busy = False

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer requests until the client or the server ends."""
        self._writer = writer
        try:
            if self._server.admit(self):
                await self.converse(reader, writer)
            elif not self._server.stopping:
                log.warning("more than %d connections: one closed", self._server.settings.connections)
        finally:
            writer.close()
            self._server.forget(self)

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer requests in order, until there are no more, or something comes that is none."""
        try:
            while (request := await self._next(reader)) is not None:
                self._busy = True
                writer.write(render(await self._server.action(request)))
                async with asyncio.timeout(self._server.settings.idle_timeout):
                    await writer.drain()
                self._busy = False
        except BadRequest as error:
            log.warning("connection closed: %s is no policy request", error)
        except TimeoutError:
            log.info("connection closed: idle")
            writer.transport.abort()  # it may be waiting for a client that reads no answer
        except OSError as error:
            log.info("connection lost: %s", error)

    async def _next(self, reader: asyncio.StreamReader) -> Request | None:
        """Return the next request; None where there is none any more."""
        async with asyncio.timeout(self._server.settings.idle_timeout):
            while (request := self._session.next_request()) is None:
                if self._server.stopping and not self._session.within_request:
                    return None
                piece = await reader.read(_PIECE)
                if not piece:
                    if self._session.within_request:
                        log.info("connection lost within a request")
                    return None
                self._session.receive(piece)
        return request

    def end(self, *, at_once: bool = False) -> None:
        """Close: now, where no request is under way or ``at_once``; else when it is answered."""
        if self._writer is None:
            return
        if at_once:
            self._writer.transport.abort()
        elif not (self._busy or self._session.within_request):
            self._writer.close()
