"""A message that is being delivered: its header block as it will be stored, and the rest as it streams in.

Loading this loads nothing but ``formats``: a delivery starts a process for each mail.
"""

from __future__ import annotations

from mailstore.formats.delivered import address, return_path, sender_of, split_from_line, stamp
from mailstore.formats.headers import header_end

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from mailstore.model.info import Body

PIECE = 1 << 20
"""Bytes: the most of a message that is held in memory, its header block included."""
_READ = 1 << 16


class Incoming:
    """One message, read once: ``head`` first, then ``rest``; or ``body`` for both.

    Args:
        message: its bytes, or a binary file that is read to its end. A From_ line in front is taken off.
        sender: the envelope sender; '' is the null sender. None: the one that the From_ line names.
        recipient: the envelope recipient, None where none is to be shown.

    Attributes:
        sender: the envelope sender; where none was given, that of the From_ line or of Return-Path; None unknown.

    Raises:
        UsageError: the message is empty: what a pipe delivers whose first program failed.
        StorageFailure: it cannot be read.
    """

    __slots__ = ("_begun", "_head", "_recipient", "_stamped", "_stream", "sender")

    def __init__(self, message: bytes | BinaryIO, *, sender: str | None = None, recipient: str | None = None) -> None:
        if isinstance(message, bytes):
            self._stream, data = None, message
        else:
            self._stream = message
            data = _read_head(message)
        from_line, data = split_from_line(data)
        if not data:
            from mailstore.errors import UsageError  # late, as all errors here: most messages raise none

            raise UsageError("the message is empty: nothing was delivered")
        end = header_end(data)
        if end == len(data) > PIECE:  # no end in sight: what is known to be header lines
            end = data.rfind(b"\n", 0, PIECE) + 1
        self._head, self._begun = data[:end], data[end:]
        named = sender_of(from_line) if from_line else None
        self._stamped = named if sender is None else address(sender)
        self._recipient = recipient
        self.sender = return_path(self._head) if self._stamped is None else self._stamped

    def head(self, drop: frozenset[str] = frozenset()) -> bytes:
        """Return the header block as it is stored, without the fields that ``drop`` names in lower case."""
        return stamp(self._head, sender=self._stamped, recipient=self._recipient, drop=drop)

    def rest(self) -> Iterator[bytes]:
        """Yield what follows the header block, in pieces of up to a MiB. Only once.

        Raises:
            StorageFailure: it cannot be read on.
        """
        if self._begun:
            yield self._begun
        if self._stream is not None:
            while piece := _read(self._stream, PIECE):
                yield piece

    def whole(self, drop: frozenset[str] = frozenset()) -> bytes | None:
        """Return the whole message as it is stored, None where that is more than a MiB. ``rest`` gives it all the same.

        Raises:
            StorageFailure: it cannot be read.
        """
        pieces, size = [self._begun], len(self._begun)
        while self._stream is not None and size <= PIECE:
            piece = _read(self._stream, PIECE)
            if piece:
                pieces.append(piece)
                size += len(piece)
            else:
                self._stream = None
        self._begun = b"".join(pieces)
        head = self.head(drop)
        return head + self._begun if self._stream is None and len(head) + len(self._begun) <= PIECE else None

    def body(self, drop: frozenset[str] = frozenset()) -> Body:
        """Return the whole message as it is stored: as bytes up to a MiB, above in a temporary file.

        Raises:
            StorageFull, StorageFailure: the temporary file could not be written, or the message not be read.
        """
        small = self.whole(drop)
        if small is not None:
            return small
        from mailstore.system import fs
        from mailstore.system.spool import Spool

        with fs.errors("the temporary directory"):
            spool = Spool()
            try:
                spool.append((self.head(drop),))
                spool.append(self.rest())
            except BaseException:
                spool.close()
                raise
        return spool


def _read(stream: BinaryIO, size: int) -> bytes:
    """Read up to ``size`` bytes; none only at the end."""
    try:
        return stream.read(size)
    except OSError as error:
        from mailstore.errors import StorageFailure

        raise StorageFailure(f"the message cannot be read: {error.strerror or error}") from error


def _read_head(stream: BinaryIO) -> bytes:
    """Read until the header block has ended, but not much more than a MiB."""
    data = more = _read(stream, _READ)
    while more and len(data) <= PIECE and header_end(data) >= len(data) - 4:
        more = _read(stream, _READ)
        data += more
    return data
