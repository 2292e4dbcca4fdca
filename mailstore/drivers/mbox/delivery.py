"""Deliveries: appending to an mbox without reading it.

The problem. An append that answers with UIDs must know all that is in the file: a minute for 2 GB of somebody's
``/var/mail`` that no index knows yet, and 25 µs a message for each mail that comes in after that. A delivery wants no
UID. But how lines are quoted and messages counted is a property of the whole file, and a wrong guess must change no
message, neither the one that is added nor those that were there.

The solution. A delivery looks at the first 64 KiB and the last bytes of the file, and writes records without ``X-UID``
behind the end, as procmail does; whoever lists the folder next numbers them. The beginning tells line ends, MMDF, and
the dialect as far as it can. The guess may be wrong, and nothing hangs on it:

- *the record added* says itself how it is quoted: our block behind the From_ line, with ``rd`` or ``asis`` where
  needed, outweighs the dialect. No line in it may separate, whether somebody believes its ``Content-Length`` or not
  (``Dialect.alone``): in mboxcl2 a line that looks like a From_ line is quoted after all, other ones are not.
- *the records before* are judged without it (``mailstore.drivers.mbox.evidence``): what the file speaks for stays the
  same, however many deliveries come. The last of them gets the line end or the empty line that it lacks, no more.
"""

from __future__ import annotations

import os

from mailstore.drivers.mbox.appending import TAIL, missing_close, write_end
from mailstore.formats.mbox.dialect import DEFAULT, DIALECTS, Dialect
from mailstore.formats.mbox.separator import PROBE, is_dated

TYPE_CHECKING = False  # loading this loads next to nothing: a delivery starts a process for each mail
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


def deliver(
    path: str,
    fd: int,
    pinned: Dialect | None,
    records: Callable[[Dialect], Iterable[bytes]],
    beat: Callable[[], None],
) -> bool:
    """Append to the locked file ``fd``, without UIDs; durable on return.

    Args:
        path: the file's path.
        fd: open for reading and writing, locked; a crash's leftovers are cleared away.
        pinned: the dialect, where it is known already.
        records: gives the pieces of the records in a dialect.
        beat: called for every piece that is written: whoever holds a dotlock shows that way that it lives.

    Returns:
        Whether it was done; False: nothing was, the file is empty, or no mbox, and wants a closer look.
    """
    size = os.fstat(fd).st_size
    head = _read(fd, 0, min(size, PROBE))
    begins = _beginning(head)
    if begins is None:
        return False
    dialect = _dialect(fd, head, size, begins, pinned).alone()

    def pieces() -> Iterator[bytes]:
        for piece in records(dialect):
            beat()
            yield piece

    tail = _read(fd, max(size - TAIL, 0), TAIL)
    write_end(path, fd, size, missing_close(tail, dialect), pieces())
    return True


def _beginning(head: bytes) -> tuple[bytes, bool] | None:
    """Tell how a file begins: (its line end, whether it is MMDF); None where it is no mbox, or empty."""
    line, newline, _ = head.partition(b"\n")
    bare = line.removesuffix(b"\r")
    if newline and b"\r" not in bare and is_dated(bare):
        return line[len(bare) :] + newline, False
    from mailstore.formats.mbox.opening import read_opening  # late: most files begin like that

    opening = read_opening(head)
    return None if opening is None else (opening.eol, opening.mmdf)


def _dialect(fd: int, head: bytes, size: int, begins: tuple[bytes, bool], pinned: Dialect | None) -> Dialect:
    """Return the dialect to write in: the one that is known, or what the beginning of the file speaks for."""
    eol, mmdf = begins
    if mmdf:
        return DIALECTS["mmdf"].with_eol(eol)
    if pinned is not None and not pinned.mmdf:
        return pinned.with_eol(eol)
    if b"Content-Length:" not in head and b">From " not in head:
        return DEFAULT.with_eol(eol)
    from mailstore.drivers.mbox.evidence import evidence_of_beginning  # late: most files say nothing
    from mailstore.formats.mbox.opening import read_opening

    opening = read_opening(head)
    assert opening is not None
    return evidence_of_beginning(head, size, opening, lambda at, count: _read(fd, at, count)).dialect(opening)


def _read(fd: int, offset: int, size: int) -> bytes:
    """Return up to ``size`` bytes from ``offset``; fewer only at the end."""
    data = os.pread(fd, size, offset)
    while len(data) < size and (more := os.pread(fd, size - len(data), offset + len(data))):
        data += more
    return data
