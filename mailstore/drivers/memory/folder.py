"""One folder of a store in memory: mailstore.spi.FolderDriver."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mailstore.drivers.memory.account import Account, StoredFolder, StoredMessage
from mailstore.errors import NoSuchFolder, NoSuchMessage
from mailstore.formats.headers import header_of
from mailstore.model.changes import Delta, FolderState, Token
from mailstore.model.flags import RECENT, SEEN
from mailstore.model.info import BODY, CHUNK, CRLF_SIZE, DIGEST, HEADER, Blob, Row, body_size
from mailstore.model.measure import crlf_size_of, digest_of
from mailstore.model.names import FolderPath
from mailstore.system.spool import Spool

_BATCH_BYTES = 1 << 20
_BATCH_ROWS = 1000


class MemoryFolder:
    """See mailstore.spi.FolderDriver."""

    def __init__(self, account: Account, folder: StoredFolder, path: FolderPath) -> None:
        self._account = account
        self._folder = folder
        self._path = path

    def state(self) -> FolderState:
        """See FolderDriver.state."""
        folder = self._here()
        flags = [message.meta.flags for message in folder.messages.values()]
        return FolderState(
            uidvalidity=folder.uidvalidity,
            uidnext=folder.uidnext,
            highest_modseq=folder.highest_modseq,
            messages=len(flags),
            unseen=sum(not bits & SEEN for bits in flags),
            recent=sum(bool(bits & RECENT) for bits in flags),
            size=sum(body_size(message.body) for message in folder.messages.values()),
        )

    def changes(self, since: Token | None, want: int) -> Delta:
        """See FolderDriver.changes."""
        folder = self._here()
        token = Token(self._account.epoch, folder.uidvalidity, folder.highest_modseq)
        messages = [folder.messages[uid] for uid in sorted(folder.messages)]
        if since is None or since[:2] != token[:2] or since.modseq > token.modseq:
            return Delta(token, True, (), _batches(messages, want))
        vanished = tuple(sorted(uid for modseq, uid in folder.vanished if modseq > since.modseq))
        changed = [message for message in messages if message.modseq > since.modseq]
        return Delta(token, False, vanished, _batches(changed, want))

    def fetch(self, uids: Sequence[int], want: int) -> Iterator[list[Row]]:
        """See FolderDriver.fetch."""
        folder = self._here()
        for uid in uids:
            message = folder.messages.get(uid)
            if message is None:
                gone = NoSuchMessage(f"folder {self._path} has no message {uid}", folder=str(self._path), uid=uid)
                yield [Row(uid, "", False, 0, 0, frozenset(), error=gone)]
            else:
                yield [_row(message, want)]

    def open(self, uid: int) -> Blob:
        """See FolderDriver.open."""
        message = self._here().messages.get(uid)
        if message is None:
            raise NoSuchMessage(f"folder {self._path} has no message {uid}", folder=str(self._path), uid=uid)
        return _View(message.body)

    def _here(self) -> StoredFolder:
        if self._account.folders.get(self._path) is not self._folder:
            raise NoSuchFolder(f"folder {self._path} is gone", folder=str(self._path))
        return self._folder


class _View:
    """A Blob over a body that the store owns: closing it leaves the body open."""

    def __init__(self, body: bytes | Spool) -> None:
        self._body = body
        self.size = body_size(body)

    def read_at(self, offset: int, size: int) -> bytes:
        if isinstance(self._body, bytes):
            return self._body[offset : offset + size]
        return self._body.read_at(offset, size)

    def close(self) -> None:
        """Nothing is held open."""


def _batches(messages: Sequence[StoredMessage], want: int) -> Iterator[list[Row]]:
    batch: list[Row] = []
    size = 0
    for message in messages:
        batch.append(_row(message, want))
        size += body_size(message.body) if want & BODY else 0
        if size >= _BATCH_BYTES or len(batch) >= _BATCH_ROWS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _row(message: StoredMessage, want: int) -> Row:
    body, meta = message.body, message.meta
    return Row(
        message.uid,
        message.key,
        True,
        message.modseq,
        meta.flags,
        meta.keywords,
        meta.internal_date,
        meta.saved_date,
        meta.sender,
        meta.uidl,
        body_size(body),
        crlf_size_of(body) if want & CRLF_SIZE else None,
        digest_of(body) if want & DIGEST else None,
        header_of(body) if want & HEADER else None,
        (body if isinstance(body, bytes) and len(body) <= CHUNK else _View(body)) if want & BODY else None,
    )
