"""A folder filled out of sight and published at once: mailstore.spi.FreshFolder.

Messages are written, as records without numbers, into hidden files beside the mailbox, one for each process that adds.
``publish`` copies them, in the order of the receipts, into one more hidden file, with UIDs and the folder's counters;
that is synced and takes the mailbox's name. Where an empty file has that name already, another program may have it open
and wait for its lock: it is written to as by an append, under the lock, which a crash takes back as a whole.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from typing import NamedTuple, cast

from mailstore.drivers.mbox import render
from mailstore.drivers.mbox.appending import GATHER, write_end
from mailstore.drivers.mbox.locking import locked
from mailstore.drivers.mbox.sync import Folder
from mailstore.drivers.mbox.writing import pseudo
from mailstore.errors import FolderExists
from mailstore.formats.mbox.block import write_base
from mailstore.formats.mbox.dialect import DEFAULT, MARK, Dialect
from mailstore.formats.mbox.metadata import Base
from mailstore.formats.mbox.record import Message
from mailstore.model.changes import SetState
from mailstore.model.info import CHUNK, Arrival
from mailstore.model.names import FolderPath
from mailstore.system import clock, fs


class Receipt(NamedTuple):
    """Where a message was put."""

    part: str
    start: int
    stop: int
    uid_at: int
    """Offset of the digits that say its UID."""
    hint: int
    keywords: tuple[str, ...]


_ANY = 9_999_999_999
"""Holds the place of a UID: ten digits."""
_ROOM = Base(9_999_999_999, 9_999_999_999)


class MboxFresh:
    """See mailstore.spi.FreshFolder."""

    def __init__(
        self,
        file: str,
        dialect: Dialect | None,
        folder: Callable[[], Folder],
        path: FolderPath,
        tallied: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._file = file
        self._dialect = dialect or DEFAULT
        self._folder = folder
        self._path = path
        self._tallied = tallied
        self._id = os.urandom(8).hex()
        self._fd = -1
        self._pid = 0
        self._part = ""
        self._size = 0

    def add(self, arrivals: Sequence[Arrival]) -> list[object]:
        """See FreshFolder.add."""
        with fs.errors(self._file):
            self._begin()
            return list(self._write(arrivals))

    def _begin(self) -> None:
        """Open this process's part."""
        if self._pid == os.getpid():
            return
        self._pid = os.getpid()
        self._part = os.path.join(os.path.dirname(self._file), f"{fs.TEMPORARY}{self._id}.{self._pid}")
        self._fd = fs.create(self._part)
        self._size = 0

    def _write(self, arrivals: Sequence[Arrival]) -> list[Receipt]:
        now, dialect = clock.now(), self._dialect
        receipts: list[Receipt] = []
        pieces: list[bytes] = []
        at = begin = self._size
        for arrival in arrivals:
            meta = arrival.meta
            message = Message(
                now if meta.internal_date is None else meta.internal_date,
                meta.sender,
                meta.flags,
                meta.keywords,
                _ANY,
                meta.saved_date,
                meta.uidl,
                arrival.key,
                None if at else _ROOM,
            )
            uid_at, start = -1, at
            for piece in render.record(arrival.body, message, dialect):
                if uid_at < 0:
                    uid_at = start + piece.index(b"\nX-UID: ") + 8
                pieces.append(piece)
                at += len(piece)
                if at - begin >= GATHER:
                    fs.write_all(self._fd, b"".join(pieces))
                    pieces, begin = [], at
            receipts.append(Receipt(self._part, start, at, uid_at, arrival.uid, tuple(meta.keywords)))
        fs.write_all(self._fd, b"".join(pieces))
        self._size = at
        return receipts

    def publish(self, receipts: Sequence[object], state: SetState | None) -> list[int]:
        """See FreshFolder.publish."""
        with fs.errors(self._file):
            folder = self._folder()
            known = folder.look()
            uidvalidity, uidnext = known.number(), 1
            if state is not None:
                known.adopt(state.uidvalidity, state.uidnext, state.highest_modseq)
                uidvalidity, uidnext = known.uidvalidity, state.uidnext
            uids, last = [], 0
            for receipt in cast("Sequence[Receipt]", receipts):
                last = max(last + 1, receipt.hint)
                uids.append(last)
            words = sorted({word for receipt in cast("Sequence[Receipt]", receipts) for word in receipt.keywords})
            base = Base(uidvalidity, max(uidnext - 1, last), tuple(words))
            pieces = self._whole(cast("Sequence[Receipt]", receipts), uids, base)
            if os.path.lexists(self._file):
                with self._tallied():
                    self._fill(folder, pieces)
            else:
                whole = self._written(pieces)
                with self._tallied():
                    self._show(whole)
            folder.store(known)
            return uids

    def _whole(self, receipts: Sequence[Receipt], uids: Sequence[int], base: Base) -> Iterator[bytes]:
        """Yield the file's contents."""
        if not receipts:
            if base.uidlast:
                yield pseudo(base, self._dialect)
            return
        first = True
        at, total = 0, len(receipts)
        while at < total:
            part, start, stop = receipts[at][:3]
            upto = at + 1
            while upto < total and receipts[upto].part == part and receipts[upto].start == stop:
                if receipts[upto].stop - start > GATHER:
                    break
                stop = receipts[upto].stop
                upto += 1
            for piece in self._run(part, start, stop, receipts[at:upto], uids[at:upto]):
                if start == 0 or first:
                    yield self._with_base(piece, base if first else None, start == 0)
                    first, start = False, -1
                else:
                    yield piece
            at = upto

    def _run(
        self, part: str, start: int, stop: int, receipts: Sequence[Receipt], uids: Sequence[int]
    ) -> Iterator[bytes]:
        """Yield a run of neighbouring records of one part with their UIDs filled in."""
        fd = os.open(part, os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = bytearray(os.pread(fd, min(stop - start, GATHER), start))
            for receipt, uid in zip(receipts, uids, strict=True):
                where = receipt.uid_at - start
                data[where : where + 10] = b"%-10d" % uid
            yield bytes(data)
            at = start + len(data)
            while at < stop:
                more = os.pread(fd, min(stop - at, CHUNK), at)
                at += len(more)
                yield more
        finally:
            os.close(fd)

    def _with_base(self, piece: bytes, base: Base | None, has_room: bool) -> bytes:
        """Put the folder's counters into a part's first record, or take the place held for them out."""
        eol = self._dialect.eol
        line_stop = piece.index(eol, len(MARK + eol) if self._dialect.mmdf else 0) + len(eol)
        rest = line_stop + (len(write_base(_ROOM, eol)) if has_room else 0)
        return piece[:line_stop] + (write_base(base, eol) if base is not None else b"") + piece[rest:]

    def _written(self, pieces: Iterator[bytes]) -> str:
        """Make the folder's file under a hidden name, synced; returns its path."""
        path = os.path.join(os.path.dirname(self._file), f"{fs.TEMPORARY}{self._id}.whole")
        fd = fs.create(path)
        try:
            fs.copy_body(fd, pieces)
            fs.sync_file(fd)
        finally:
            fs.close(fd)
        return path

    def _show(self, path: str) -> None:
        """Give the finished file the folder's name, durable on return."""
        try:
            fs.rename_noreplace(path, self._file)
        except FileExistsError:
            raise FolderExists(f"folder {self._path} came about meanwhile", folder=str(self._path)) from None
        fs.sync_directory(os.path.dirname(self._file))

    def _fill(self, folder: Folder, pieces: Iterator[bytes]) -> None:
        """Write everything into the folder's empty file, durable on return.

        Raises:
            FolderExists: it is not empty any more.
        """
        with locked(folder) as held:
            if os.fstat(held.fd).st_size:
                raise FolderExists(f"folder {self._path} got messages meanwhile", folder=str(self._path))
            write_end(self._file, held.fd, 0, b"", held.refreshing(pieces))

    def discard(self) -> None:
        """See FreshFolder.discard."""
        if self._fd >= 0 and self._pid == os.getpid():
            os.close(self._fd)
            self._fd = -1
        directory = os.path.dirname(self._file)
        with suppress(OSError):
            for name in os.listdir(directory):
                if name.startswith(f"{fs.TEMPORARY}{self._id}."):
                    fs.unlink(os.path.join(directory, name), missing_ok=True)
