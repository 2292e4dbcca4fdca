"""Writing records at the end of a locked mbox file: what its end lacks, the journal, the sync, and taking it back."""

from __future__ import annotations

from mailstore.drivers.mbox import note
from mailstore.formats.mbox.compose import Message
from mailstore.formats.mbox.dialect import MARK, Dialect
from mailstore.system import fs
from mailstore.system.calls import suppress

TYPE_CHECKING = False  # loading this loads next to nothing: a delivery starts a process for each mail
if TYPE_CHECKING:
    from collections.abc import Iterable

    from mailstore.drivers.mbox.staging import StagedMessage
    from mailstore.model.info import Meta

GATHER = 4 << 20
"""Bytes of records that are written by one call."""

TAIL = 16
"""Bytes of a file's end that tell what it lacks."""


def write_end(path: str, fd: int, size: int, guard: bytes, pieces: Iterable[bytes]) -> None:
    """Write ``guard`` and ``pieces`` behind the ``size`` bytes that the open file ``fd`` has. Durable on return.

    What could not be written wholly is cut off again: at once where it fails or is interrupted, by ``journal.recover``
    after a crash.
    """
    gathered, pending, at = [guard], len(guard), size
    under_way: note.Append | None = None
    try:
        for piece in pieces:
            gathered.append(piece)
            pending += len(piece)
            if pending >= GATHER:
                piece = b"".join(gathered)
                gathered = []  # the memory of both at once is not needed
                under_way = under_way or note.Append(path, fd, size, piece, -1)
                fs.pwrite_all(fd, piece, at)
                at += pending
                pending = 0
        data = b"".join(gathered)
        under_way = under_way or note.Append(path, fd, size, data, len(data))
        fs.pwrite_all(fd, data, at)
        fs.sync_file(fd)
        under_way.finish()
    except BaseException:  # a signal too: others would see half a message once the lock is released
        with suppress(OSError):
            fs.truncate(fd, size)
            fs.sync_file(fd)
            if under_way is not None:
                under_way.finish()
        raise


def missing_end(tail: bytes, dialect: Dialect) -> bytes:
    r"""Return what a file lacks so that a From_ line (in MMDF: a mark) may follow; ``tail`` are its last bytes.

    An empty line is a bare newline in a CRLF file too: before it a reader takes off just that, whatever the line end of
    the record's own From_ line is, and the message stays as it was.
    """
    newline, end = dialect.newline, b""
    if tail[-1:] != newline:
        end = dialect.eol[-1:] if tail[-1:] == b"\r" else dialect.eol
    if dialect.mmdf or (not end and (tail[-2:] == newline * 2 or tail[-3:] == b"\n\r\n")):
        return end
    return end + newline


def missing_close(tail: bytes, dialect: Dialect) -> bytes:
    """Return the same with the mark that an MMDF file lacks where its last message was not written to its end."""
    end = missing_end(tail, dialect)
    last = (tail + end).rstrip(b"\r\n").rpartition(b"\n")[2]
    return end + MARK + dialect.eol if dialect.mmdf and last != MARK else end


def message_of(staged: StagedMessage, meta: Meta, uid: int, now: int) -> Message:
    """Return what goes into a record besides the bytes; ``now``: seconds since 1970 UTC, ``uid`` 0: none."""
    return Message(
        now if meta.internal_date is None else meta.internal_date,
        meta.sender,
        meta.flags,
        meta.keywords,
        uid,
        meta.saved_date,
        meta.uidl,
        staged.key,
    )
