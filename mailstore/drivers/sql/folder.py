"""Reading a folder: its counters, its listing, what changed, and the bytes of a message."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any

import apsw

from mailstore.drivers.sql import statements as sql
from mailstore.drivers.sql.database import Database
from mailstore.drivers.sql.dialect import SQLITE
from mailstore.drivers.sql.rows import FolderRow
from mailstore.drivers.sql.text import decode_keywords, decode_text
from mailstore.errors import CorruptStore, MessageChanged, NoSuchFolder, NoSuchMessage, UnreadableMessage
from mailstore.formats.headers import header_end
from mailstore.model.changes import Delta, FolderState, Token
from mailstore.model.info import BODY, CHUNK, CRLF_SIZE, DIGEST, HEADER, SIZE, Blob, Body, Row
from mailstore.model.names import FolderPath

_BATCH_BYTES = 1 << 20
_BATCH_ROWS = 1000
_RESCUE_ROWS = 64

_Raw = tuple[Any, ...]
"""A row as ``statements.listing`` describes it."""


class SqlFolder:
    """See mailstore.spi.FolderDriver."""

    def __init__(self, database: Database, account: int, epoch: str, row: FolderRow) -> None:
        self._database = database
        self._account = account
        self._epoch = epoch
        self._path: FolderPath = row.path
        self._folder: int = row.folder

    def state(self) -> FolderState:
        """See FolderDriver.state."""
        row = self._database.read(self._here)
        return FolderState(
            uidvalidity=row.uidvalidity,
            uidnext=row.uidnext,
            highest_modseq=row.modseq,
            messages=row.messages,
            unseen=row.unseen,
            recent=row.recent,
            size=row.size,
        )

    def changes(self, since: Token | None, want: int) -> Delta:
        """See FolderDriver.changes."""

        def ask(connection: apsw.Connection) -> tuple[FolderRow, list[int] | None, tuple[int, ...]]:
            row = self._here(connection)
            if since is None or since[:2] != (self._epoch, row.uidvalidity) or since.modseq > row.modseq:
                return row, None, ()
            values = (self._account, self._folder, since.modseq)
            changed = sorted(uid for (uid,) in connection.execute(SQLITE.render(sql.CHANGED_UIDS), values))
            vanished = sorted(uid for (uid,) in connection.execute(SQLITE.render(sql.VANISHED), values))
            return row, changed, tuple(vanished)

        row, changed, vanished = self._database.read(ask)
        token = Token(self._epoch, row.uidvalidity, row.modseq)
        if changed is None:
            return Delta(token, True, (), self._list(row.uidnext, want))
        return Delta(token, False, vanished, self._present(changed, want))

    def fetch(self, uids: Sequence[int], want: int) -> Iterator[list[Row]]:
        """See FolderDriver.fetch."""
        wanted = iter(uids)
        while part := list(islice(wanted, sql.WIDTHS[-1])):
            for group in self._groups(part, want):
                found = {row.uid: row for row in self._chosen(group, want)}
                yield [found.get(uid) or self._gone(uid) for uid in group]

    def open(self, uid: int) -> Blob:
        """See FolderDriver.open."""
        row = next(iter(self._chosen([uid], BODY)), None)
        if row is None:
            raise self._no_such(uid)
        if row.error is not None:
            raise row.error
        assert row.body is not None
        return _Bytes(row.body) if isinstance(row.body, bytes) else row.body

    # -- within

    def _here(self, connection: apsw.Connection) -> FolderRow:
        row = FolderRow.find(connection, self._account, self._path)
        if row is None or row.folder != self._folder:
            raise NoSuchFolder(f"folder {self._path} is gone", folder=str(self._path))
        return row

    def _list(self, uidnext: int, want: int) -> Iterator[list[Row]]:
        """Yield all messages below ``uidnext``. Each batch is a query of its own, so that no snapshot is held."""
        query = SQLITE.render(sql.listing(want, sql.PAGE))
        last = 0
        while True:
            values = (self._account, self._folder, last, uidnext, _BATCH_ROWS)
            try:
                raw = self._database.read(partial(_take, query, values))
                rows = [self._row(one, want) for one in raw]
            except CorruptStore:
                rows = self._rescue(last, uidnext, want)
            if not rows:
                # a folder deleted meanwhile is not a folder that ends here
                self._database.read(self._here)
                return
            last = rows[-1].uid
            yield rows

    def _rescue(self, last: int, uidnext: int, want: int) -> list[Row]:
        """List a few messages from ``last`` on one by one, so that a damaged body spoils no other."""
        query = SQLITE.render(sql.listing(0, sql.PAGE))
        values = (self._account, self._folder, last, uidnext, _RESCUE_ROWS)
        raw = self._database.read(partial(_take, query, values))
        return self._chosen([one[0] for one in raw], want)

    def _present(self, uids: Sequence[int], want: int) -> Iterator[list[Row]]:
        for at in range(0, len(uids), sql.WIDTHS[-1]):
            for group in self._groups(uids[at : at + sql.WIDTHS[-1]], want):
                rows = self._chosen(group, want)
                if rows:
                    yield rows

    def _groups(self, uids: Sequence[int], want: int) -> Iterator[Sequence[int]]:
        """Cut ``uids`` so that the bodies of a group come to about 1 MB."""
        if not want & (BODY | HEADER):
            yield uids
            return
        sizes = {row.uid: row.size or 0 for row in self._chosen(uids, SIZE)}
        group: list[int] = []
        total = 0
        for uid in uids:
            group.append(uid)
            total += min(sizes.get(uid, 0), CHUNK)
            if total >= _BATCH_BYTES:
                yield group
                group, total = [], 0
        if group:
            yield group

    def _chosen(self, uids: Sequence[int], want: int) -> list[Row]:
        """Return those of a few UIDs that are there, ascending; one whose body is damaged has an ``error``."""
        rows: list[Row] = []
        for part, width in sql.in_lists([uid for uid in uids if 0 < uid < 1 << 63]):
            query = SQLITE.render(sql.listing(want, sql.CHOSEN), width)
            values = (self._account, self._folder, *part, width)
            try:
                raw = self._database.read(partial(_take, query, values, limit=False))
            except CorruptStore as error:
                if not want & (BODY | HEADER):
                    raise
                if width > 1:
                    rows += [row for uid in sorted(set(part)) for row in self._chosen([uid], want)]
                else:
                    known = self._chosen(part, want & ~(BODY | HEADER | CRLF_SIZE | DIGEST))
                    rows += [row._replace(error=self._unreadable(row.uid, str(error))) for row in known]
            else:
                rows += [self._row(one, want) for one in raw]
        return rows

    def _row(self, raw: _Raw, want: int) -> Row:
        uid, modseq, flags, keywords, internal, saved, sender, uidl, size, body, crlf_size, digest, data = raw
        row = Row(
            uid,
            f"{self._folder}.{uid}",
            True,
            modseq,
            flags,
            decode_keywords(keywords),
            internal,
            saved,
            None if sender is None else decode_text(sender),
            None if uidl is None else decode_text(uidl),
            size,
            crlf_size,
            digest,
        )
        return self._with_bytes(row, body, data, want) if want & (BODY | HEADER) else row

    def _with_bytes(self, row: Row, body: int, data: bytes | None, want: int) -> Row:
        size = row.size or 0
        if size > CHUNK:
            content: Body = SqlBlob(self._database, self._account, body, size)
        else:
            content = b"" if data is None and size == 0 else data or b""
            if len(content) != size:
                found = f"{len(content)} of its {size} bytes are in the database"
                return row._replace(error=self._unreadable(row.uid, found))
        header = None
        if want & HEADER and data is not None:
            header = data[: header_end(data)]
        elif want & HEADER:
            header = b""
        return row._replace(header=header, body=content if want & BODY else None)

    def _unreadable(self, uid: int, reason: str) -> UnreadableMessage:
        text = f"message {uid} of folder {self._path} cannot be read: {reason}"
        return UnreadableMessage(text, folder=str(self._path), uid=uid)

    def _gone(self, uid: int) -> Row:
        return Row(uid, "", False, 0, 0, frozenset(), error=self._no_such(uid))

    def _no_such(self, uid: int) -> NoSuchMessage:
        return NoSuchMessage(f"folder {self._path} has no message {uid}", folder=str(self._path), uid=uid)


def _take(query: str, values: Sequence[int], connection: apsw.Connection, *, limit: bool = True) -> list[_Raw]:
    """Return the rows, or with ``limit`` the first up to about 1 MB of bodies."""
    raw: list[_Raw] = []
    total = 0
    cursor = connection.execute(query, values)
    for row in cursor:
        raw.append(row)
        total += len(row[-1] or b"")
        if limit and total >= _BATCH_BYTES:
            cursor.close()
            break
    return raw


class _Bytes:
    """A Blob over a small body, read when it was opened."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.size = len(content)

    def read_at(self, offset: int, size: int) -> bytes:
        """See Blob.read_at."""
        return self._content[offset : offset + size]

    def close(self) -> None:
        """Nothing is held open."""


class SqlBlob:
    """A Blob over the chunks of a large body; holds the chunk read last. Gone when the last message with it is."""

    def __init__(self, database: Database, account: int, body: int, size: int) -> None:
        self.size = size
        self._database = database
        self._account = account
        self._body = body
        self._chunk = (-1, b"")

    def read_at(self, offset: int, size: int) -> bytes:
        """See Blob.read_at."""
        end = min(offset + size, self.size)
        pieces = []
        while offset < end:
            n, start = divmod(offset, CHUNK)
            pieces.append(self._load(n)[start : start + end - offset])
            offset += len(pieces[-1])
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def close(self) -> None:
        """Let go of the chunk."""
        self._chunk = (-1, b"")

    def _load(self, n: int) -> bytes:
        if self._chunk[0] != n:
            values = (self._account, self._body, n)
            data = self._database.read(lambda connection: connection.execute(SQLITE.render(sql.CHUNK_DATA), values).get)
            if data is None or len(data) != min(CHUNK, self.size - n * CHUNK):
                raise MessageChanged("the message was expunged while it was read; list the folder again")
            self._chunk = (n, data)
        return self._chunk[1]
