"""One folder of an mbox store: mailstore.spi.FolderDriver, and the shortcut ``shard``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from mailstore.drivers.mbox.reading import LargeBody, Parsed, Reading
from mailstore.drivers.mbox.scan import LIMIT
from mailstore.drivers.mbox.shards import split
from mailstore.drivers.mbox.source import Source
from mailstore.drivers.mbox.sync import Folder, place
from mailstore.drivers.sidecar import Entry
from mailstore.errors import MailstoreError, MessageChanged, NoSuchFolder, NoSuchMessage
from mailstore.formats.headers import header_of
from mailstore.model.changes import Delta, FolderState, Token
from mailstore.model.flags import NO_KEYWORDS, RECENT, SEEN
from mailstore.model.info import (
    BODY,
    CRLF_SIZE,
    DIGEST,
    HEADER,
    SENDER,
    UIDL,
    Blob,
    Row,
    body_size,
)
from mailstore.model.measure import crlf_size_of, digest_of
from mailstore.model.names import FolderPath

BATCH_BYTES = 1 << 20
BATCH_ROWS = 1000
_READ = SENDER | UIDL | CRLF_SIZE | HEADER | BODY
"""Fields that the index does not hold."""
_COMPUTED = CRLF_SIZE | DIGEST | HEADER


class _Shard(NamedTuple):
    start: int
    stop: int
    inode: int
    uidvalidity: int
    """Of a file whose UIDs are all recorded; else 0."""


class Bytes:
    """A small message as a Blob."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.size = len(body)

    def read_at(self, offset: int, size: int) -> bytes:
        """See Blob.read_at."""
        return self._body[offset : offset + size]

    def close(self) -> None:
        """Nothing is held open."""


class MboxFolder:
    """See mailstore.spi.FolderDriver."""

    def __init__(self, folder: Folder, path: FolderPath, exists: Callable[[], bool]) -> None:
        self._folder = folder
        self._path = path
        self._exists = exists

    def _look(self) -> Folder:
        if not self._exists():
            raise NoSuchFolder(f"folder {self._path} is gone", folder=str(self._path))
        self._folder.look()
        return self._folder

    def state(self) -> FolderState:
        """See FolderDriver.state."""
        if not self._exists():
            raise NoSuchFolder(f"folder {self._path} is gone", folder=str(self._path))
        counted = self._folder.count()
        if counted is not None:
            return counted
        known = self._folder.look()
        unseen = recent = size = 0
        for entry in known.entries.values():
            unseen += not entry.flags & SEEN
            recent += entry.flags & RECENT != 0
            size += entry.size or 0
        return FolderState(
            known.uidvalidity, known.uidnext, known.highest_modseq, len(known.entries), unseen, recent, size
        )

    def changes(self, since: Token | None, want: int) -> Delta:
        """See FolderDriver.changes."""
        known = self._look().index
        full = since is None or not known.covers(since)
        assert since is not None or full
        entries = list(known.entries.values()) if full else known.changed_since(since.modseq)  # type: ignore[union-attr]
        vanished = () if full or since is None else known.vanished_since(since.modseq)
        return Delta(known.token(), full, vanished, _batches(self._rows(entries, want)))

    def fetch(self, uids: Sequence[int], want: int) -> Iterator[list[Row]]:
        """See FolderDriver.fetch."""
        known = self._look().index

        def rows() -> Iterator[Row]:
            for uid in uids:
                entry = known.find(uid)
                if entry is None:
                    gone = NoSuchMessage(f"folder {self._path} has no message {uid}", folder=str(self._path), uid=uid)
                    yield Row(uid, "", False, 0, 0, NO_KEYWORDS, error=gone)
                else:
                    yield from self._rows([entry], want)

        return _batches(rows())

    def open(self, uid: int) -> Blob:
        """See FolderDriver.open."""
        folder = self._look()
        entry = folder.index.find(uid)
        if entry is None or folder.reading is None:
            raise NoSuchMessage(f"folder {self._path} has no message {uid}", folder=str(self._path), uid=uid)
        with folder.reading.source.shared():
            body = folder.reading.parse(folder.reading.reread(*place(entry))).body
        if isinstance(body, LargeBody) and folder.reading.source.packed is None:
            source = Source(folder.path, folder.rules)
            if source.status.st_ino != folder.reading.source.status.st_ino:
                source.close()
                raise MessageChanged(
                    f"folder {self._path} was replaced; list it again", folder=str(self._path), uid=uid
                )
            body.detach(source)
        return Bytes(body) if isinstance(body, bytes) else body  # type: ignore[return-value]

    # --- rows

    def _rows(self, entries: Sequence[Entry], want: int) -> Iterator[Row]:
        """Yield the rows of entries, reading the file in runs of neighbouring records."""
        folder = self._folder
        reading = folder.reading
        if reading is None or not (want & _READ or (want & DIGEST and any(entry.digest is None for entry in entries))):
            for entry in entries:
                yield _row(entry, want, None, folder.notes.get(entry.key, ()))
            return
        at, total = 0, len(entries)
        while at < total:
            run = [entries[at]]
            start, length = place(entries[at])
            end = start + length
            while at + len(run) < total:
                offset, size = place(entries[at + len(run)])
                if offset != end or end + size - start > BATCH_BYTES:
                    break
                run.append(entries[at + len(run)])
                end += size
            at += len(run)
            with reading.source.shared():
                try:
                    reading.mark.check(reading.source)
                    data = reading.source.read(start, end - start) if length <= LIMIT else b""
                    rows = [self._known_row(entry, want, data, start) for entry in run]
                except MessageChanged as error:
                    rows = [_failed(entry, error) for entry in run]
            yield from rows

    def _known_row(self, entry: Entry, want: int, data: bytes, base: int) -> Row:
        """Return the row of a message whose record is in ``data``, which begins at offset ``base`` of the file."""
        reading = self._folder.reading
        assert reading is not None
        start, length, how = entry.extra.split(" ", 3)[:3]
        begin, size = int(start), int(length)
        at = begin - base
        try:
            if size <= LIMIT:
                parsed = reading.parse(reading.known(data[at : at + size], begin, how))
            else:
                parsed = reading.parse(reading.reread(begin, size))
            # A date that is the file's mtime moves with every append; the index keeps the one that was shown.
            moved = parsed.date != entry.internal_date and not parsed.notes
            other = entry.recorded and parsed.content.marks.uid != entry.uid
            if moved or other or parsed.body is None or body_size(parsed.body) != entry.size:
                error = MessageChanged(f"folder {self._path}: the file changed while it was read; list it again")
                return _failed(entry, error)
        except MailstoreError as error:
            return _failed(entry, error)
        return _row(entry, want, parsed, parsed.notes)

    # --- shards

    def shards(self, count: int) -> list[object]:
        """See Shards.shards."""
        folder = self._folder
        folder.open()
        reading = folder.reading
        if reading is None:
            return []
        uidvalidity = 0
        if reading.base() is not None:
            self._look()
            if not folder.stamp.numbered:
                return []
            uidvalidity = folder.stamp.uidvalidity
        with folder.shared():  # its size is now that of whole records
            reading = folder.reading
            if reading is None:
                return []
            inode = reading.source.status.st_ino
            return [_Shard(start, stop, inode, uidvalidity) for start, stop in pairwise(split(reading, count))]

    def read_shard(self, shard: object, want: int) -> Iterator[list[Row]]:
        """See Shards.read_shard."""
        assert isinstance(shard, _Shard)
        folder = self._folder
        if folder.reading is None:
            folder.open()
        reading = folder.reading
        if reading is None or reading.source.status.st_ino != shard.inode:
            raise MessageChanged(f"folder {self._path} was replaced while it was read; list it again")
        return _locked(reading, _batches(self._shard_rows(shard, want)))

    def _shard_rows(self, shard: _Shard, want: int) -> Iterator[Row]:
        reading = self._folder.reading
        assert reading is not None
        end, body, simple = shard.start, bool(want & BODY), not want & _COMPUTED
        for extent in reading.extents(shard.start, shard.stop):
            end = extent[1]
            if simple and (row := reading.plain_row(extent, body=body)) is not None:
                yield row
                continue
            parsed = reading.parse(extent)
            if not parsed.hidden:
                yield fresh_row(parsed, want, shard.uidvalidity)
        if end != shard.stop and not reading.opening.mmdf:  # type: ignore[union-attr]
            raise MessageChanged(f"folder {self._path}: its parts do not fit together; list it again")


def _failed(entry: Entry, error: MailstoreError) -> Row:
    return Row(entry.uid, entry.key, entry.recorded, entry.modseq, entry.flags, entry.keywords, error=error)


def _row(entry: Entry, want: int, parsed: Parsed | None, notes: tuple[str, ...]) -> Row:
    body = parsed.body if parsed is not None else None
    sender = uidl = None
    if parsed is not None:
        sentinel = parsed.content.sentinel
        sender = parsed.sender
        uidl = sentinel.uidl
    return Row(
        entry.uid,
        entry.key,
        entry.recorded,
        entry.modseq,
        entry.flags,
        entry.keywords,
        entry.internal_date,
        entry.saved_date,
        sender,
        uidl,
        entry.size,
        crlf_size_of(body) if want & CRLF_SIZE and body is not None else None,
        (entry.digest or (digest_of(body) if body is not None else None)) if want & DIGEST else None,
        header_of(body) if want & HEADER and body is not None else None,
        body if want & BODY else None,
        None,
        notes,
    )


def fresh_row(parsed: Parsed, want: int, uidvalidity: int) -> Row:
    """Return the row of a message without asking the index: its UID is known only where the file records it."""
    body, content = parsed.body, parsed.content
    assert body is not None
    marks, sentinel = content.marks, content.sentinel
    return Row(
        marks.uid if uidvalidity else 0,
        f"{uidvalidity}.{marks.uid}" if uidvalidity else str(parsed.extent.start),
        uidvalidity != 0,
        0,
        marks.flags,
        marks.keywords,
        parsed.date,
        sentinel.saved,
        parsed.sender,
        sentinel.uidl,
        body_size(body) if want & ~BODY else None,
        crlf_size_of(body) if want & CRLF_SIZE else None,
        digest_of(body) if want & DIGEST else None,
        header_of(body) if want & HEADER else None,
        body if want & BODY else None,
        None,
        parsed.notes,
    )


def _locked(reading: Reading, batches: Iterator[list[Row]]) -> Iterator[list[Row]]:
    """Read batch by batch, keeping other programs from writing only while one is read.

    Raises:
        MessageChanged: what was there has moved between two batches.
    """
    while True:
        with reading.source.shared():
            reading.mark.check(reading.source)
            batch = next(batches, None)
        if batch is None:
            return
        yield batch


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    batch: list[Row] = []
    size = 0
    for row in rows:
        batch.append(row)
        if isinstance(row.body, bytes):
            size += len(row.body)
        if size >= BATCH_BYTES or len(batch) >= BATCH_ROWS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
