r"""The server's side of one LMTP connection, without any input or output: bytes in, events and replies out.

Sources: RFC 2033 (LMTP), 5321 (SMTP), 2920 (PIPELINING), 2034 and 3463 (ENHANCEDSTATUSCODES), 6152 (8BITMIME),
1870 (SIZE), 6531 (SMTPUTF8).

The problem. A client sends many commands at once, and some answers need a look at the disk; replies must come in the
order of the commands, however the bytes were cut. A client may send anything, at any length, and stop anywhere.

The solution. ``receive`` takes bytes, ``next_event`` works them off until it needs more of them or an answer from the
caller: a ``Recipient`` waits for ``answer_recipient``, an ``End`` for ``answer_message``; meanwhile nothing further is
read. What is to be sent is collected in order (``take_output``). Nothing is held but the unread input, one command
line of at most 4 KB, four bytes of a content, and the envelope.

>>> session = Session("mail.example.org")
>>> session.take_output()
b'220 mail.example.org LMTP mailstore\r\n'
>>> session.receive(b"NOOP\r\n"); session.next_event(); session.take_output()
b'250 2.0.0 OK\r\n'
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from mailstore.lmtp.addresses import BadArgument, parse_argument
from mailstore.lmtp.content import DataDecoder
from mailstore.lmtp.replies import TOO_LARGE, Reply

LONGEST_LINE = 4096
"""Bytes of a command line with its end; RFC 5321 asks for 512 and what extensions add."""

_MOST_SIZE_DIGITS = 20  # RFC 1870

_OK = Reply(250, "2.0.0", "OK")
_SEQUENCE = "bad sequence of commands"
_GO_ON = Reply(354, "", "end data with <CR><LF>.<CR><LF>")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one connection may ask for.

    Attributes:
        size: bytes of a message as RFC 1870 counts them; 0 is no limit.
        recipients: of one message.
        errors: commands that fail (unknown, out of sequence, malformed) until the connection is closed.
    """

    size: int = 50 << 20
    recipients: int = 1000
    errors: int = 20


@dataclass(slots=True)
class Envelope:
    """Sender ('' is the null sender) and accepted recipients of a message, as they were written, in order."""

    sender: str
    recipients: list[str] = field(default_factory=list)


class Recipient(NamedTuple):
    """RCPT names ``address``; wants ``answer_recipient``."""

    address: str


class Content(NamedTuple):
    """A piece of the message, never empty: the bytes to store."""

    data: bytes


class End(NamedTuple):
    """The message is complete; wants ``answer_message``."""

    envelope: Envelope
    too_large: bool
    """It went over the limit: what came of it is to be thrown away. It needs no answer: all recipients got theirs."""


class Close(NamedTuple):
    """The connection is to be closed when the output is sent."""


Event = Recipient | Content | End | Close


class Session:
    """One connection.

    Args:
        hostname: as the greeting shows it.
        limits: see Limits.

    Attributes:
        client: what the client said of itself in LHLO.
        waiting: an event waits for its answer; ``next_event`` returns None until then.
        closed: QUIT, or too many errors: nothing is read any more.
    """

    def __init__(self, hostname: str, limits: Limits | None = None) -> None:
        self.client = ""
        self.waiting: Recipient | End | None = None
        self.closed = False
        self._hostname = hostname
        self._limits = limits or Limits()
        self._input = b""
        self._at = 0
        self._output = bytearray()
        self._envelope: Envelope | None = None
        self._decoder: DataDecoder | None = None
        self._too_large = False
        self._complete = False
        self._skipping = False
        self._told = False
        self._errors = 0
        self._commands: dict[bytes, Callable[[bytes], Recipient | None]] = {
            b"LHLO": self._lhlo,
            b"HELO": self._no_smtp,
            b"EHLO": self._no_smtp,
            b"MAIL": self._mail,
            b"RCPT": self._rcpt,
            b"DATA": self._data,
            b"RSET": self._rset,
            b"NOOP": self._noop,
            b"VRFY": self._vrfy,
            b"QUIT": self._quit,
        }
        self._say(Reply(220, "", f"{hostname} LMTP mailstore"))

    # -- the caller's side

    def receive(self, data: bytes) -> None:
        """Take bytes that came from the client."""
        if not self.closed:
            self._input = self._input[self._at :] + data
            self._at = 0

    @property
    def buffered(self) -> int:
        """How many bytes of input wait to be worked off."""
        return len(self._input) - self._at

    @property
    def within_message(self) -> bool:
        """Whether a content is being received, or waits for its replies."""
        return self._decoder is not None or isinstance(self.waiting, End)

    @property
    def accepted(self) -> int:
        """How many recipients of the message under way are accepted so far."""
        return 0 if self._envelope is None else len(self._envelope.recipients)

    def take_output(self) -> bytes:
        """Return the replies since the last call, in order; empty where there are none."""
        output = bytes(self._output)
        self._output.clear()
        return output

    def next_event(self) -> Event | None:
        """Work off input; None when more of it is needed, or an answer."""
        while self.waiting is None:
            if self.closed:
                if self._told:
                    return None
                self._told = True
                self._input, self._at = b"", 0
                return Close()
            event = self._read_content() if self._decoder is not None else self._read_command()
            if event is None or isinstance(event, Recipient | Content | End):
                return event
        return None

    def answer_recipient(self, reply: Reply) -> None:
        """Accept or refuse the recipient that waits; a refused one gets no mail."""
        assert isinstance(self.waiting, Recipient)
        assert self._envelope is not None
        if reply.accepted:
            self._envelope.recipients.append(self.waiting.address)
        self.waiting = None
        self._say(reply)

    def answer_message(self, replies: Sequence[Reply]) -> None:
        """Give each accepted recipient its reply, in the order of the RCPTs.

        Raises:
            ValueError: not one reply for each.
        """
        assert isinstance(self.waiting, End)
        if len(replies) != len(self.waiting.envelope.recipients):
            raise ValueError("every recipient gets one reply")
        self.waiting = None
        for reply in replies:
            self._say(reply)

    def shut(self, reply: Reply) -> None:
        """Say ``reply`` (421) and read nothing any more; ``next_event`` closes once no answer is awaited."""
        self._say(reply)
        self.closed = True

    # -- within

    def _say(self, reply: Reply) -> None:
        self._output += reply.render()

    def _refuse(self, code: int, enhanced: str, text: str) -> None:
        """Refuse a command that a well-behaved client does not send; too many of them end the connection."""
        self._say(Reply(code, enhanced, text))
        self._errors += 1
        if self._errors >= self._limits.errors:
            self.shut(Reply(421, "4.7.0", f"{self._hostname} too many errors, closing"))

    def _read_content(self) -> Content | End | bool | None:
        """Read on in a content; True where there is nothing to tell, None when more input is needed."""
        assert self._decoder is not None
        if self._complete:
            return self._end()
        if self._at == len(self._input):
            return None
        data, rest = self._decoder.feed(self._input[self._at :])
        self._input, self._at = rest or b"", 0
        self._complete = rest is not None
        self._too_large = self._too_large or 0 < self._limits.size < self._decoder.size
        return Content(data) if data and not self._too_large else True

    def _end(self) -> End:
        assert self._envelope is not None
        end = End(self._envelope, self._too_large)
        if self._too_large:
            for _ in self._envelope.recipients:
                self._say(TOO_LARGE)
        else:
            self.waiting = end
        self._decoder = self._envelope = None
        self._too_large = self._complete = False
        return end

    def _read_command(self) -> Recipient | bool | None:
        """Read one command line; True when it is dealt with, None when it has not come wholly."""
        end = self._input.find(b"\n", self._at)
        if end < 0:
            self._input, self._at = self._input[self._at :], 0
            if len(self._input) >= LONGEST_LINE:
                self._skipping, self._input = True, b""
            return None
        line, self._at = self._input[self._at : end], end + 1
        if self._skipping or len(line) >= LONGEST_LINE:
            self._skipping = False
            self._refuse(500, "5.5.2", "line too long")
            return True
        verb, _, argument = line.removesuffix(b"\r").partition(b" ")
        command = self._commands.get(verb.upper())
        if command is None:
            self._refuse(500, "5.5.1", "unknown command")
            return True
        return command(argument) or True

    def _lhlo(self, argument: bytes) -> None:
        name = argument.strip().decode("ascii", "replace")
        if not name:
            self._refuse(501, "5.5.4", "say who you are: LHLO name")
            return
        self.client = name
        self._envelope = None
        size = f"SIZE {self._limits.size}" if self._limits.size else "SIZE"
        lines = [self._hostname, "PIPELINING", "ENHANCEDSTATUSCODES", "8BITMIME", size, "SMTPUTF8"]
        text = "".join(f"250-{line}\r\n" for line in lines[:-1]) + f"250 {lines[-1]}\r\n"
        self._output += text.encode("ascii", "replace")

    def _no_smtp(self, _: bytes) -> None:
        self._refuse(500, "5.5.1", "this is LMTP: say LHLO")

    def _mail(self, argument: bytes) -> None:
        if not self.client or self._envelope is not None:
            self._refuse(503, "5.5.1", _SEQUENCE)
            return
        if argument[:5].upper() != b"FROM:":
            self._refuse(501, "5.5.4", "MAIL FROM:<address>")
            return
        try:
            sender, parameters = parse_argument(argument[5:])
            size = _size_of(parameters)
        except BadArgument as error:
            self._refuse(error.code, error.enhanced, str(error))
            return
        if 0 < self._limits.size < size:
            self._say(TOO_LARGE)
            return
        self._envelope = Envelope(sender)
        self._say(Reply(250, "2.1.0", "OK"))

    def _rcpt(self, argument: bytes) -> Recipient | None:
        if self._envelope is None:
            self._refuse(503, "5.5.1", _SEQUENCE)
            return None
        if argument[:3].upper() != b"TO:":
            self._refuse(501, "5.5.4", "RCPT TO:<address>")
            return None
        try:
            address, parameters = parse_argument(argument[3:])
        except BadArgument as error:
            self._refuse(error.code, error.enhanced, str(error))
            return None
        if parameters:
            self._refuse(555, "5.5.4", "unknown parameter")
            return None
        if not address:
            self._refuse(501, "5.1.3", "bad address syntax")
            return None
        if len(self._envelope.recipients) >= self._limits.recipients:
            self._say(Reply(452, "4.5.3", "too many recipients"))
            return None
        self.waiting = Recipient(address)
        return self.waiting

    def _data(self, argument: bytes) -> None:
        if argument.strip():
            self._refuse(501, "5.5.4", "DATA takes no argument")
        elif self._envelope is None or not self._envelope.recipients:
            self._refuse(503, "5.5.1", "no valid recipients")
        else:
            self._decoder = DataDecoder()
            self._say(_GO_ON)

    def _rset(self, _: bytes) -> None:
        self._envelope = None
        self._say(_OK)

    def _noop(self, _: bytes) -> None:
        self._say(_OK)

    def _vrfy(self, _: bytes) -> None:
        self._say(Reply(252, "2.5.0", "send some mail, and see"))

    def _quit(self, _: bytes) -> None:
        self._say(Reply(221, "2.0.0", f"{self._hostname} bye"))
        self.closed = True


def _size_of(parameters: dict[str, str]) -> int:
    """Return what MAIL declares as SIZE, 0 where it does not.

    Raises:
        BadArgument: a parameter that is unknown, or has no value it can have.
    """
    for name, value in parameters.items():
        good = {
            "SIZE": value.isascii() and value.isdecimal() and len(value) <= _MOST_SIZE_DIGITS,
            "BODY": value.upper() in ("7BIT", "8BITMIME"),
            "SMTPUTF8": not value,
        }.get(name)
        if good is None:
            raise BadArgument(555, "5.5.4", "unknown parameter")
        if not good:
            raise BadArgument(501, "5.5.4", f"bad value of {name}")
    return int(parameters.get("SIZE", "0"))
