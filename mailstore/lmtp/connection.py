"""One connection: the protocol engine between a transport and the deliveries.

The problem. A client may send faster than we deliver, read slower than we answer, stop in the middle of anything, or
stay for ever; none of that may cost more than its own connection, or more than a MiB or so of memory.

The solution. While an answer is awaited, a piece is written to the disk, or replies pile up, nothing more is read than
the one piece that may have been on its way (stopping before there is any would cost two system calls a mail); what
is larger than a MiB goes to a temporary file in pieces; and a connection that sends nothing for a while is closed.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

from mailstore.delivery.mailboxes import Mailbox
from mailstore.lmtp.batch import Result
from mailstore.lmtp.message import Collector, Message, received
from mailstore.lmtp.protocol import Content, End, Recipient, Session
from mailstore.lmtp.replies import Reply, reply_of, saved

if TYPE_CHECKING:
    from mailstore.lmtp.server import Server

log = logging.getLogger("mailstore.lmtp")

_ACCEPTED = Reply(250, "2.1.5", "OK")


class Connection(asyncio.Protocol):
    """One client; made by the server's factory."""

    def __init__(self, server: Server, serial: str) -> None:
        self._server = server
        self._serial = serial
        self._session = Session(server.hostname, server.settings.limits)
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._last = time.monotonic()
        self._peer = ""
        self._collector: Collector | None = None
        self._mailboxes: list[Mailbox] = []
        self._mailbox: Mailbox | None = None
        self._failure: BaseException | None = None
        self._messages = 0
        self._busy = False
        self._clogged = False
        self._reading = True

    # -- called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet, or send away where there are too many."""
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self._peer = str(peer[0]) if isinstance(peer, tuple) else ""
        if not self._server.admit(self):
            self._session.take_output()
            self._session.shut(Reply(421, "4.3.2", f"{self._server.hostname} too many connections"))
        self._timer = self._server.loop.call_later(self._server.settings.idle_timeout, self._look_at_the_clock)
        self._advance()

    def data_received(self, data: bytes) -> None:
        """Take input and work it off as far as can be."""
        self._last = time.monotonic()
        self._session.receive(data)
        self._advance()

    def eof_received(self) -> bool:
        """Keep the connection until the answer is sent, where one is awaited."""
        if self._session.waiting is not None or self._busy:
            self._session.closed = True
            return True
        return False

    def pause_writing(self) -> None:
        """Stop reading: the client does not take our replies."""
        self._clogged = True
        self._control_reading()

    def resume_writing(self) -> None:
        """Go on."""
        self._clogged = False
        self._advance()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Forget the client. What was handed over is delivered all the same; it cannot be told any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._transport = None
        if self._collector is not None and not self._busy:
            self._collector.close()
        self._server.forget(self)

    # -- called by the server

    @property
    def delivering(self) -> bool:
        """Whether a message that came wholly waits for its replies."""
        return isinstance(self._session.waiting, End)

    def end(self, *, at_once: bool = False) -> None:
        """Say goodbye: now, where no message is under way or ``at_once``; else when the one under way is answered."""
        if self.delivering or self._transport is None:
            return
        if at_once or not self._session.within_message:
            self._session.shut(Reply(421, "4.3.2", f"{self._server.hostname} shutting down"))
            self._advance()

    # -- within

    def _advance(self) -> None:
        """Work off the input until something has to be waited for; then send what there is to say."""
        session = self._session
        while self._transport is not None and not (self._busy or self._clogged):
            event = session.next_event()
            if event is None:
                break
            if isinstance(event, Content):
                self._take(event.data)
            elif isinstance(event, Recipient):
                self._check(event.address)
            elif isinstance(event, End):
                self._deliver(event)
            else:
                self._send()
                if self._transport is not None:
                    self._transport.close()
                return
        self._send()
        self._control_reading()

    def _send(self) -> None:
        output = self._session.take_output()
        if output and self._transport is not None:
            self._transport.write(output)

    def _control_reading(self) -> None:
        session = self._session
        stuck = session.waiting is not None and session.buffered > 0
        wanted = not (self._busy or self._clogged or stuck or session.closed)
        if self._transport is None or wanted == self._reading or self._transport.is_closing():
            return
        self._reading = wanted
        if wanted:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _look_at_the_clock(self) -> None:
        """Close where the client was silent for too long. The time that we take ourselves does not count."""
        if self._busy or self._session.waiting is not None:
            self._last = time.monotonic()
        left = self._last + self._server.settings.idle_timeout - time.monotonic()
        if left > 0:
            self._timer = self._server.loop.call_later(left, self._look_at_the_clock)
            return
        if self._transport is not None:
            self._transport.write(Reply(421, "4.4.2", f"{self._server.hostname} idle for too long").render())
            self._transport.close()
            self._timer = self._server.loop.call_later(10, self._transport.abort)

    # -- recipients

    def _check(self, address: str) -> None:
        """Decide about a recipient: at once where its mailbox was looked at just now."""
        try:
            self._mailbox = self._server.mailboxes.find(address)
        except Exception as error:  # noqa: BLE001 - whatever it is becomes the reply
            self._answer(address, error)
            return
        location = self._mailbox.location
        if self._server.is_known(location):
            self._answer(address, None)
            return
        self._server.look(location, lambda error: self._looked(address, error))

    def _looked(self, address: str, error: BaseException | None) -> None:
        self._answer(address, error)
        self._advance()

    def _answer(self, address: str, error: BaseException | None) -> None:
        if not isinstance(self._session.waiting, Recipient):
            return
        if error is None and self._mailbox is not None:
            if not self._session.accepted:
                self._mailboxes = []
            self._mailboxes.append(self._mailbox)
            self._session.answer_recipient(_ACCEPTED)
            return
        assert error is not None
        log.info("%s: <%s> refused: %s", self._serial, address, error)
        self._session.answer_recipient(self._server.reply_at_rcpt(error))

    # -- content

    def _take(self, piece: bytes) -> None:
        if self._collector is None:
            self._collector = Collector()
        if self._failure is None and self._collector.add(piece):
            self._flush(self._collector)

    def _flush(self, collector: Collector, then: Callable[[], None] | None = None) -> None:
        """Write what is held to the temporary file, in a thread; nothing is read meanwhile."""
        self._busy = True

        def flush() -> None:
            failure: BaseException | None = None
            try:
                collector.flush()
            except Exception as error:  # noqa: BLE001 - as above
                failure = error
            self._server.call(flushed, failure)

        def flushed(failure: BaseException | None) -> None:
            self._busy = False
            self._failure = self._failure or failure
            if self._transport is None:
                collector.close()
                return
            if then is not None:
                then()
            self._advance()

        self._server.group.run(flush)

    def _deliver(self, event: End) -> None:
        collector, self._collector = self._collector or Collector(), None
        if event.too_large:
            log.warning("%s: a message from <%s> is too large", self._serial, event.envelope.sender)
            collector.close()
            self._failure = None
        elif collector.is_large and self._failure is None:
            self._flush(collector, lambda: self._hand_over(collector, event))
        else:
            self._hand_over(collector, event)

    def _hand_over(self, collector: Collector, event: End) -> None:
        """Give a message that has come wholly to the group, or refuse it where it could not be kept."""
        failure, self._failure = self._failure, None
        recipients, sender = event.envelope.recipients, event.envelope.sender
        self._messages += 1
        serial = f"{self._serial}.{self._messages}"
        if failure is not None:
            collector.close()
            self._delivered(serial, event, [Result(failure)] * len(recipients))
            return
        now = int(time.time())
        only = recipients[0] if len(recipients) == 1 else None
        trace = received(
            client=self._session.client,
            peer=self._peer,
            hostname=self._server.hostname,
            serial=serial,
            recipient=only,
            date=now,
        )
        message = Message(
            collector.content(), sender=sender, recipient=only, trace=trace, date=now, once=self._server.settings.once
        )
        self._server.deliver(message, self._mailboxes, lambda results: self._answered(serial, event, results))

    def _answered(self, serial: str, event: End, results: Sequence[Result]) -> None:
        self._delivered(serial, event, results)
        self._advance()
        if self._server.stopping:
            self.end()

    def _delivered(self, serial: str, event: End, results: Sequence[Result]) -> None:
        replies = []
        for recipient, result in zip(event.envelope.recipients, results, strict=True):
            if result.error is None:
                replies.append(saved(recipient, result.known))
                log.info("%s: <%s> saved", serial, recipient)
            else:
                replies.append(reply_of(result.error, self._server.settings.over_quota))
                what = str(result.error) or type(result.error).__name__
                log.warning(
                    "%s: <%s> %s: %s", serial, recipient, replies[-1].code, what, exc_info=is_defect(result.error)
                )
        self._session.answer_message(replies)


def is_defect(error: BaseException) -> BaseException | None:
    """Return ``error`` where it is none that the library or the system raises, for the log to show where it was."""
    from mailstore.errors import MailstoreError

    return None if isinstance(error, MailstoreError | OSError) else error
