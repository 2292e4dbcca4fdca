r"""The protocol between Postfix and a policy server (SMTPD_POLICY_README), without input or output.

A request is lines ``name=value``, each ended by LF, and an empty line; the answer is ``action=…`` and an empty line. A
connection carries any number of requests, each answered before the next is read.

>>> session = Session()
>>> session.receive(b"request=smtpd_access_policy\nrecipient=joe@example.org\nsize=120\n\n")
>>> request = session.next_request()
>>> request.recipient, request.size
('joe@example.org', 120)
>>> render("DUNNO")
b'action=DUNNO\n\n'

What is no request is not answered: the README wants the server to log a warning and to disconnect, and the client does
then what it is configured to do without a server.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LONGEST = 65536
"""Bytes of a request. Postfix's are about 1 KB; its values are of SMTP commands, which it limits to 2 KB a line."""
_WITH_RECIPIENT = frozenset({b"RCPT", b"DATA", b"BDAT", b"END-OF-MESSAGE"})
_MOST_SIZE_DIGITS = 20


class BadRequest(Exception):
    """What came is no request of this protocol; nothing behind it on the connection can be understood."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Attributes:
        attributes: as they came; of a name that came twice the last one. Most are of no use here.
    """

    attributes: Mapping[bytes, bytes]

    @property
    def recipient(self) -> str:
        """Whom the question is about; '' where it is about nobody.

        That is so in the states of a mail in which there is no recipient yet, and at DATA, BDAT and END-OF-MESSAGE
        where there are several. An address that is no UTF-8 is given with the octets that are none escaped as lone
        surrogates.
        """
        if self.attributes.get(b"protocol_state", b"RCPT") not in _WITH_RECIPIENT:
            return ""
        return self.attributes.get(b"recipient", b"").decode("utf-8", "surrogateescape")

    @property
    def size(self) -> int:
        """Bytes of the message: as MAIL declared them, at END-OF-MESSAGE as they came; 0 where nobody said."""
        value = self.attributes.get(b"size", b"")
        return int(value) if value.isdigit() and len(value) <= _MOST_SIZE_DIGITS else 0

    def get(self, name: str) -> str:
        """Return an attribute for people to read: printable ASCII, at most 200 characters; '' where it is not there."""
        value = self.attributes.get(name.encode("ascii"), b"")[:200]
        return "".join(chr(octet) if 0x20 <= octet < 0x7F else "?" for octet in value)


class Session:
    """The requests of one connection. Holds no more than was given to it and not yet asked back."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0

    def receive(self, data: bytes) -> None:
        """Take input."""
        self._buffer += data

    @property
    def within_request(self) -> bool:
        """Whether a part of a request is there."""
        return bool(self._buffer)

    def next_request(self) -> Request | None:
        """Return the next request that has come wholly; None until there is one.

        Raises:
            BadRequest: what is there is none, or is too long to become one; ask no more then.
        """
        buffer = self._buffer
        if buffer.startswith(b"\n"):
            raise BadRequest("a request without attributes")
        end = buffer.find(b"\n\n", self._searched)
        if end > LONGEST - 2 or (end < 0 and len(buffer) > LONGEST):
            raise BadRequest(f"a request of more than {LONGEST} bytes")
        if end < 0:
            self._searched = max(len(buffer) - 1, 0)
            return None
        text = bytes(buffer[:end])
        del buffer[: end + 2]
        self._searched = 0
        return _parse(text)


def _parse(text: bytes) -> Request:
    if b"\0" in text:
        raise BadRequest("a NUL")
    attributes: dict[bytes, bytes] = {}
    for line in text.split(b"\n"):
        name, equals, value = line.partition(b"=")
        if not equals or not name:
            raise BadRequest("a line that is not name=value")
        attributes[name] = value
    if attributes.get(b"request") != b"smtpd_access_policy":
        raise BadRequest("not a request=smtpd_access_policy")
    return Request(attributes)


def render(action: str) -> bytes:
    """Return the answer that carries an action of access(5).

    Raises:
        ValueError: it is empty, or would not be one line of ASCII.
    """
    if not action or not action.isascii() or not action.isprintable():
        raise ValueError(f"no action: {action!r}")
    return f"action={action}\n\n".encode("ascii")
