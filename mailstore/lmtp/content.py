"""The content of a DATA command as it streams in: where it ends, and the bytes that are stored.

The problem. Servers that take a lone LF, or a lone CR, for an end of line find the end of the content where the sender
put none; what follows is then taken for commands: a mail inside a mail ("SMTP smuggling"). And the five bytes that end
it may come in any number of pieces.

The solution. Only CR LF ends a line here. Content ends at CR LF ``.`` CR LF (or at once, by ``.`` CR LF). A line that
begins with a dot loses that one dot (RFC 5321 section 4.5.2). CR LF becomes LF, as mail is stored in the field; a CR or
LF alone is kept as it is. Whatever could yet become the end is held back, at most four bytes.
"""

from __future__ import annotations

_END = b"\r\n.\r\n"


class DataDecoder:
    """Decodes the content of one DATA command.

    Attributes:
        size: octets of the message so far as RFC 1870 counts them: CR LF as two, stuffed dots not at all.
    """

    __slots__ = ("_first", "_held", "size")

    def __init__(self) -> None:
        self._held = b"\r\n"  # as if a line had ended: a dot at the very beginning begins a line
        self._first = True
        self.size = 0

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        """Take what came in.

        Returns:
            what is decided of the message, and what stood behind the end of the content; None where it goes on.
        """
        data = self._held + data
        end = data.find(_END)
        if end >= 0:
            self._held = b""
            return self._decoded(data[: end + 2]), data[end + 5 :]
        keep = next((length for length in (4, 3, 2, 1) if data.endswith(_END[:length])), 0)
        self._held = data[len(data) - keep :]
        return self._decoded(data[: len(data) - keep]), None

    def _decoded(self, wire: bytes) -> bytes:
        if not wire:
            return b""
        wire = wire.replace(b"\r\n.", b"\r\n") if b"\r\n." in wire else wire
        self.size += len(wire)
        stored = wire.replace(b"\r\n", b"\n")
        if self._first:
            self._first = False
            self.size -= 2
            return stored[1:]
        return stored
