"""One folder of a Takeout: mailstore.spi.FolderDriver.

UIDs are the messages' places in the whole Takeout, counted from 1: one message has the same UID in all its folders.
They are not recorded, and mean something only as long as the files are as they are.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence

from mailstore.drivers.mbox.folder import Bytes
from mailstore.drivers.mbox.takeout.index import Messages
from mailstore.errors import MailstoreError, NoSuchMessage
from mailstore.formats.gmail.placing import Placed
from mailstore.formats.headers import header_of
from mailstore.model.changes import Delta, FolderState, Token
from mailstore.model.flags import SEEN
from mailstore.model.info import BODY, CRLF_SIZE, DIGEST, HEADER, SENDER, Blob, Row
from mailstore.model.measure import crlf_size_of, digest_of
from mailstore.model.names import FolderPath

_BATCH_BYTES = 1 << 20
_BATCH_ROWS = 1000
_READ = SENDER | CRLF_SIZE | DIGEST | HEADER | BODY


class Contents:
    """A folder's messages as of one look at the files."""

    def __init__(self, messages: Messages, placed: Sequence[Placed], numbers: array[int]) -> None:
        self.messages = messages
        self.placed = placed
        self.numbers = numbers

    def flags(self, number: int) -> int:
        """Return a message's flags."""
        return self.placed[self.messages.sets[number]].flags

    def has(self, uid: int) -> bool:
        """Tell whether the folder has a message with that UID."""
        at = bisect_left(self.numbers, uid - 1)
        return at < len(self.numbers) and self.numbers[at] == uid - 1


class TakeoutFolder:
    """See mailstore.spi.FolderDriver.

    Args:
        path: the folder's name.
        look: returns what is in it now.
    """

    def __init__(self, path: FolderPath, look: Callable[[FolderPath], Contents]) -> None:
        self._path = path
        self._look = look

    def _token(self, contents: Contents) -> Token:
        changed = contents.messages.changed
        return Token("takeout", max(changed // 1_000_000_000 & 0xFFFF_FFFF, 1), max(changed // 1000, 1))

    def state(self) -> FolderState:
        """See FolderDriver.state."""
        contents = self._look(self._path)
        _, uidvalidity, modseq = self._token(contents)
        numbers, sizes = contents.numbers, contents.messages.sizes
        unseen = sum(not contents.flags(number) & SEEN for number in numbers)
        size = sum(sizes[number] for number in numbers)
        return FolderState(uidvalidity, len(contents.messages) + 1, modseq, len(numbers), unseen, 0, size)

    def changes(self, since: Token | None, want: int) -> Delta:
        """See FolderDriver.changes: nothing, or all of it."""
        contents = self._look(self._path)
        token = self._token(contents)
        if since == token:
            return Delta(token, False, (), iter(()))
        return Delta(token, True, (), _batches(self._rows(contents, contents.numbers, want)))

    def fetch(self, uids: Sequence[int], want: int) -> Iterator[list[Row]]:
        """See FolderDriver.fetch."""
        contents = self._look(self._path)

        def rows() -> Iterator[Row]:
            for uid in uids:
                if contents.has(uid):
                    yield from self._rows(contents, [uid - 1], want)
                else:
                    yield Row(uid, "", False, 0, 0, frozenset(), error=self._no_such(uid))

        return _batches(rows())

    def open(self, uid: int) -> Blob:
        """See FolderDriver.open."""
        contents = self._look(self._path)
        if not contents.has(uid):
            raise self._no_such(uid)
        body = contents.messages.detached(uid - 1).body
        return Bytes(body) if isinstance(body, bytes) else body  # type: ignore[return-value]

    def _no_such(self, uid: int) -> NoSuchMessage:
        return NoSuchMessage(f"folder {self._path} has no message {uid}", folder=str(self._path), uid=uid)

    def _rows(self, contents: Contents, numbers: Sequence[int], want: int) -> Iterator[Row]:
        modseq = self._token(contents).modseq
        if not want & _READ:
            for number in numbers:
                yield _row(contents, number, modseq, want, None)
            return
        messages = contents.messages
        at = 0
        while at < len(numbers):
            try:
                for run, data in messages.runs(numbers[at:] if at else numbers, _BATCH_BYTES):
                    for number in run:
                        body = messages.parse(number, data, run[0]).body
                        at += 1
                        yield _row(contents, number, modseq, want, body)
            except MailstoreError as error:
                yield _row(contents, numbers[at], modseq, 0, None)._replace(error=error)
                at += 1


def _row(contents: Contents, number: int, modseq: int, want: int, body: bytes | Blob | None) -> Row:
    messages = contents.messages
    placed = contents.placed[messages.sets[number]]
    return Row(
        number + 1,
        messages.key(number),
        False,
        modseq,
        placed.flags,
        placed.keywords,
        messages.dates[number],
        None,
        None,
        None,
        messages.sizes[number],
        crlf_size_of(body) if want & CRLF_SIZE and body is not None else None,
        digest_of(body) if want & DIGEST and body is not None else None,
        header_of(body) if want & HEADER and body is not None else None,
        body if want & BODY else None,
        None,
        messages.notes.get(number, ()),
    )


def _batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    batch: list[Row] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += len(row.body) if isinstance(row.body, bytes) else 0
        if size >= _BATCH_BYTES or len(batch) >= _BATCH_ROWS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
