"""One folder of a Maildir: mailstore.spi.FolderDriver and mailstore.spi.Shards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from mailstore.drivers.maildir import rows
from mailstore.drivers.maildir.first import FirstScan
from mailstore.drivers.maildir.view import View
from mailstore.drivers.sidecar import Entry
from mailstore.errors import MailstoreError, NoSuchMessage
from mailstore.formats import maildirname
from mailstore.model.changes import Delta, FolderState, Token
from mailstore.model.flags import SEEN
from mailstore.model.info import Blob, Row
from mailstore.system.spool import FileBlob

_TYPICAL = 4096
"""Bytes a message is guessed to have where its name does not say, for dividing a folder into equal parts."""


class MaildirFolder:
    """See mailstore.spi.FolderDriver."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._size: tuple[tuple[int, int], int | None] | None = None

    def state(self) -> FolderState:
        """See FolderDriver.state. The size is that of the names' ``,S=``, or of a stat where there is none."""
        known = self._view.refresh()
        entries = known.entries.values()
        return FolderState(
            uidvalidity=known.uidvalidity,
            uidnext=known.uidnext,
            highest_modseq=known.highest_modseq,
            messages=len(entries),
            unseen=sum([not entry[4] & SEEN for entry in entries]),
            recent=sum([entry[11][0] == "n" for entry in entries]),
            size=self.size(),
        )

    def size(self) -> int:
        """Return the bytes of all messages of the last refresh."""
        known = self._view.index_as_is
        moment = known.highest_modseq, len(known.entries)
        if self._size is None or self._size[0] != moment:
            self._size = moment, sum(self._size_of(entry) for entry in known.entries.values())
        return self._size[1] or 0

    def _size_of(self, entry: Entry) -> int:
        size = self._view.sizes.get(entry.key) or maildirname.size_of(entry.key)
        if size is None:
            with suppress(MailstoreError):
                size = rows.file_size(self._view, entry)
        return size or 0

    def changes(self, since: Token | None, want: int) -> Delta:
        """See FolderDriver.changes."""
        known = self._view.look()
        token = known.token()
        if since is None or not known.covers(since):
            if self._view.first is not None and not want & rows.FILES:
                return Delta(token, True, (), self._first(self._view.first))
            known = self._view.refresh() if self._view.first is not None else known
            entries = list(known.entries.values())
            return Delta(token, True, (), self._full(entries, want))
        if self._view.first is not None:  # the index has no entries before that is settled
            known = self._view.refresh()
            token = known.token()
        entries = known.changed_since(since.modseq)
        vanished = known.vanished_since(since.modseq)
        return Delta(token, False, vanished, rows.batches(self._view, entries, want, keep_gone=False))

    def _first(self, first: FirstScan) -> Iterator[list[Row]]:
        if self._view.strange:
            yield rows.strange_rows(self._view)
        yield from first.batches()

    def _full(self, entries: list[Entry], want: int) -> Iterator[list[Row]]:
        strange = rows.strange_rows(self._view)
        if strange:
            yield strange
        yield from rows.batches(self._view, entries, want, keep_gone=False)

    def fetch(self, uids: Sequence[int], want: int) -> Iterator[list[Row]]:
        """See FolderDriver.fetch."""
        known = self._view.refresh()
        found = [known.find(uid) for uid in uids]
        if all(found):
            yield from rows.batches(self._view, (entry for entry in found if entry), want, keep_gone=True)
            return
        for uid, entry in zip(uids, found, strict=True):
            if entry is None:
                yield [Row(uid, "", False, 0, 0, frozenset(), error=self._gone(uid))]
            else:
                yield from rows.batches(self._view, (entry,), want, keep_gone=True)

    def open(self, uid: int) -> Blob:
        """See FolderDriver.open. The bytes stay readable when the message is renamed or expunged."""
        entry = self._view.refresh().find(uid)
        if entry is None:
            raise self._gone(uid)
        fd, found = rows.open_message(self._view, entry)
        return FileBlob(fd, 0, found.st_size)

    def _gone(self, uid: int) -> NoSuchMessage:
        return NoSuchMessage(f"folder {self._view.path} has no message {uid}", folder=str(self._view.path), uid=uid)

    # --- reading in parallel

    def shards(self, count: int) -> list[object]:
        """See Shards.shards. A folder with entries that are no messages is read by its listing, which names them."""
        entries = list(self._view.refresh().entries.values())
        if rows.strange_rows(self._view):
            return []
        weights = [self._view.sizes.get(e.key) or maildirname.size_of(e.key) or _TYPICAL for e in entries]
        share = max(1, -(-(sum(weights) + len(weights)) // max(1, count)))
        parts: list[object] = []
        part: list[Entry] = []
        size = 0
        for entry, weight in zip(entries, weights, strict=True):
            part.append(entry)
            size += weight + 1
            if size >= share and len(parts) < count - 1:
                parts.append(part)
                part, size = [], 0
        if part:
            parts.append(part)
        return parts

    def read_shard(self, shard: object, want: int) -> Iterator[list[Row]]:
        """See Shards.read_shard."""
        assert isinstance(shard, list)
        return rows.batches(self._view, [Entry._make(entry) for entry in shard], want, keep_gone=False)
