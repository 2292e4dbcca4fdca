"""An mbox writer for every dialect, written from the formats' descriptions alone.

It knows nothing of mailstore, so that both can be wrong only independently. Sources: qmail's mbox(5) for the four
quoting conventions, RFC 4155 Appendix A, MMDF's folder of four control-A lines, Dovecot's notes on Content-Length.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

DATE = 1_234_567_890


class Letter(NamedTuple):
    """One message and its From_ line."""

    body: bytes
    sender: str = "joe@example.org"
    date: int = DATE


def from_line(letter: Letter) -> bytes:
    """Return the separator line of RFC 4155: one space each, 24 octets of ctime in UTC."""
    stamp = time.strftime("%a %b ", time.gmtime(letter.date)) + time.strftime(
        f"{time.gmtime(letter.date).tm_mday:2d} %H:%M:%S %Y", time.gmtime(letter.date)
    )
    return f"From {letter.sender} {stamp}\n".encode()


def split_header(message: bytes) -> tuple[bytes, bytes]:
    """Return (header block with its last line end, the empty line and the body)."""
    if message.startswith(b"\n"):
        return b"", message
    at = message.find(b"\n\n")
    return (message, b"") if at < 0 else (message[: at + 1], message[at + 1 :])


def quote_o(text: bytes) -> bytes:
    """Mboxo: ``From `` at the start of a line becomes ``>From ``."""
    return re.sub(rb"(?m)^From ", b">From ", text)


def quote_rd(text: bytes) -> bytes:
    """Mboxrd: any number of ``>`` and ``From `` gets one more ``>``."""
    return re.sub(rb"(?m)^(>*From )", rb">\1", text)


def unquote_o(text: bytes) -> bytes:
    """What a reader of mboxo gives back: it cannot tell a quoted line from one that was so already."""
    return re.sub(rb"(?m)^>From ", b"From ", text)


def _end(text: bytes) -> bytes:
    """End a record: one LF more, two where the message does not end in one."""
    return text + (b"\n" if text.endswith(b"\n") else b"\n\n")


def _counted(message: bytes, quote: Callable[[bytes], bytes]) -> bytes:
    header, rest = split_header(message)
    body = quote(rest[1:])
    return header + b"Content-Length: %d\n" % len(body) + b"\n" + body


def mboxo(letter: Letter) -> bytes:
    return from_line(letter) + _end(quote_o(letter.body))


def mboxrd(letter: Letter) -> bytes:
    return from_line(letter) + _end(quote_rd(letter.body))


def mboxcl(letter: Letter) -> bytes:
    return from_line(letter) + _end(_counted(letter.body, quote_o))


def mboxcl2(letter: Letter) -> bytes:
    return from_line(letter) + _end(_counted(letter.body, lambda body: body))


def rfc4155(letter: Letter) -> bytes:
    return from_line(letter) + _end(letter.body)


def mmdf(letter: Letter) -> bytes:
    mark = b"\1\1\1\1\n"
    body = letter.body if letter.body.endswith(b"\n") else letter.body + b"\n"
    return mark + from_line(letter) + body + mark


RENDERERS: dict[str, Callable[[Letter], bytes]] = {
    "mboxo": mboxo,
    "mboxrd": mboxrd,
    "mboxcl": mboxcl,
    "mboxcl2": mboxcl2,
    "rfc4155": rfc4155,
    "mmdf": mmdf,
}


def survives(dialect: str, message: bytes) -> bytes:
    """Return what a reader of ``dialect`` must give back of ``message``: the message, but for what quoting loses."""
    ended = message if message.endswith(b"\n") else message + b"\n"
    if dialect in ("mboxo", "mboxcl"):
        return unquote_o(quote_o(ended))
    return ended


def render(dialect: str, letters: Iterable[Letter], *, newline: bytes = b"\n") -> bytes:
    """Return a whole mbox; ``newline`` other than LF changes every line end."""
    text = b"".join(map(RENDERERS[dialect], letters))
    return text if newline == b"\n" else text.replace(b"\n", newline)
