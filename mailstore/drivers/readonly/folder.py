"""A folder in which each message is a file of its own, read only: mailstore.spi.FolderDriver.

The problem. Such a folder has no record of its own: no UIDs, no counter that grows when something changes; and a name
means little, since ``folder -pack`` gives message 12's name to message 13 and an editor writes another message under
the old name. Files come, grow and go while they are read, and among them lies anything: FIFOs, links, directories.

The solution. A message is a name together with what ``lstat`` says of the file (device, inode, size, mtime in
nanoseconds). Where the same name has another file, the old message vanished and a new one came; a row's key
holds inode and mtime, so that other sessions can tell. A reader opens the file without following links and without
blocking, and compares the same facts before and after: it gets the bytes of the message that was listed, or
MessageChanged. What is no regular file is a row with its error.
"""

from __future__ import annotations

import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Self

from mailstore.drivers.readonly.opened import Opened, lasting_key, sign
from mailstore.drivers.sidecar import Entry, FolderIndex, Found, Index, update
from mailstore.errors import MailstoreError, NoSuchFolder, NoSuchMessage, StorageFailure, UnreadableMessage
from mailstore.formats.headers import header_of
from mailstore.model.changes import Delta, FolderState, Token
from mailstore.model.flags import NO_KEYWORDS, RECENT, SEEN
from mailstore.model.info import (
    BODY,
    CHUNK,
    CRLF_SIZE,
    DIGEST,
    HEADER,
    INTERNAL_DATE,
    SIZE,
    Blob,
    Body,
    Row,
    body_size,
)
from mailstore.model.measure import crlf_size_of, digest_of
from mailstore.model.names import FolderPath
from mailstore.system import clock, fs

_BATCH_BYTES = 1 << 20
_BATCH_ROWS = 1000
_CONTENTS = BODY | DIGEST | CRLF_SIZE | HEADER
_FILES = _CONTENTS | INTERNAL_DATE | SIZE
_GRAIN = 2_000_000_000  # ns: a directory that changed less than this ago may change again and keep its mtime
_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFLNK: "a symbolic link, which is not followed",
}


class Listed(NamedTuple):
    """A name that should be a message's."""

    key: str
    """Stable, unique in the folder."""
    mode: int
    size: int
    signed: str
    """The ``sign`` of the file."""

    @classmethod
    def of(cls, key: str, status: os.stat_result) -> Self:
        """Return what is kept of what lstat says: a folder may have a million names."""
        return cls(key, status.st_mode, status.st_size, sign(status))


class Facts(NamedTuple):
    """What a message's file says."""

    flags: int = 0
    keywords: frozenset[str] = NO_KEYWORDS
    date: int | None = None
    """INTERNALDATE; None where it was not asked for."""
    notes: tuple[str, ...] = ()
    start: int = 0
    """Offset of the message in the file."""
    size: int | None = None
    """Its length; None is up to the end of the file."""


class FilesFolder(ABC):
    """See mailstore.spi.FolderDriver. A format gives ``listed``, ``file`` and ``facts``.

    Args:
        index: where what was seen is remembered.
        path: the folder's name.
        place: its directory; '' for a folder that is not there, which is empty.
    """

    marks_in_files = True
    """Flags, keywords and size are told by the files: each new one is opened once when the folder is looked at."""

    def __init__(self, index: Index, path: FolderPath, place: str) -> None:
        self.path = path
        self.place = place
        self._index = index
        self._known: FolderIndex | None = None
        self._strange: list[Listed] = []

    # --- what a format says

    @abstractmethod
    def listed(self) -> list[Listed]:
        """Return the folder's messages in their order. What vanishes meanwhile is passed over.

        Raises:
            OSError: a directory cannot be read.
        """

    @abstractmethod
    def file(self, key: str) -> str:
        """Return the path of a message's file."""

    @abstractmethod
    def facts(self, file: Opened, *, dated: bool) -> Facts:
        """Return what an open file says; never raises for what it holds. ``dated``: the date is wanted."""

    def marks(self, key: str) -> tuple[int, frozenset[str]]:  # noqa: ARG002 - for those who override it
        """Return flags and keywords of a message whose file does not tell them (``marks_in_files`` is false)."""
        return 0, NO_KEYWORDS

    def notes(self, key: str) -> tuple[str, ...]:  # noqa: ARG002 - for those who override it
        """Return what is to be told of a message besides what its file says."""
        return ()

    def sources(self) -> list[str]:
        """Return the paths whose mtimes change when messages come, go or are marked."""
        return [self.place]

    # --- mailstore.spi.FolderDriver

    def state(self) -> FolderState:
        """See FolderDriver.state."""
        known = self._look()
        entries = known.entries.values()
        return FolderState(
            uidvalidity=known.uidvalidity,
            uidnext=known.uidnext,
            highest_modseq=known.highest_modseq,
            messages=len(entries),
            unseen=sum(not entry.flags & SEEN for entry in entries),
            recent=sum(bool(entry.flags & RECENT) for entry in entries),
            size=sum(entry.size or 0 for entry in entries),
        )

    def changes(self, since: Token | None, want: int) -> Delta:
        """See FolderDriver.changes."""
        known = self._look()
        token = known.token()
        if since is None or not known.covers(since):
            return Delta(token, True, (), self._full(list(known.entries.values()), want))
        rows = self._batches(known.changed_since(since.modseq), want)
        return Delta(token, False, known.vanished_since(since.modseq), rows)

    def fetch(self, uids: Sequence[int], want: int) -> Iterator[list[Row]]:
        """See FolderDriver.fetch."""
        known = self._current()
        for uid in uids:
            entry = known.find(uid)
            yield [self._row(entry, want) if entry is not None else self._error_row(uid, "", self._gone(uid))]

    def open(self, uid: int) -> Blob:
        """See FolderDriver.open.

        Raises:
            MessageChanged: there is another file now; list the folder again.
        """
        entry = self._current().find(uid)
        if entry is None:
            raise self._gone(uid)
        file = self._open(entry, 0)
        try:
            facts = self.facts(file, dated=False)
            file.check()
        except BaseException:
            file.close()
            raise
        return file.blob(facts.start, facts.size)

    # --- looking

    def _look(self) -> FolderIndex:
        """Take in what the directory holds now.

        Raises:
            NoSuchFolder: it is gone.
            StorageFailure: it cannot be read.
        """
        if self.place and not os.path.isdir(self.place):
            raise NoSuchFolder(f"folder {self.path} is gone", folder=str(self.path))
        stamp = self._stamp()
        with fs.errors(self.place, StorageFailure):
            listed = self.listed() if self.place else []
        self._known = update(self._index, self.place, lambda known: self._take_in(known, listed, stamp))
        return self._known

    def _current(self) -> FolderIndex:
        """Return what is known, after a look where something may have changed since the last."""
        known = self._known
        return known if known is not None and known.stamp and known.stamp == self._stamp() else self._look()

    def _stamp(self) -> str:
        """Return what stays the same as long as nothing comes, goes or is marked; '' where that cannot be told yet."""
        found = []
        now = clock.now_ns()
        for path in self.sources() if self.place else ():
            try:
                status = os.stat(path)
            except OSError:
                found.append("-")
                continue
            if now - status.st_mtime_ns < _GRAIN:
                return ""
            found.append(f"{status.st_ino:x}.{status.st_mtime_ns:x}")
        return " ".join(found) or "empty"

    def _take_in(self, known: FolderIndex, listed: Iterable[Listed], stamp: str) -> None:
        found, replaced = [], []
        self._strange = []
        for one in listed:
            if not stat.S_ISREG(one.mode):
                self._strange.append(one)
                continue
            entry = known.entries.get(one.key)
            if entry is not None and entry.extra != one.signed:
                replaced.append(one.key)
                entry = None
            found.append(self._found(one, entry))
        if replaced:
            known.drop(replaced, known.advance())
        known.reconcile(found, uidvalidity=0, uidnext=0, stamp=stamp)

    def _found(self, one: Listed, entry: Entry | None) -> Found:
        key, _, size, signed = one
        if not self.marks_in_files:
            flags, keywords = self.marks(key)
        elif entry is not None:
            flags, keywords, size = entry.flags, entry.keywords, entry.size or 0
        else:
            flags, keywords, size = self._read_marks(key, signed, size)
        return Found(key, 0, flags, keywords, size=size, extra=signed)

    def _read_marks(self, key: str, signed: str, size: int) -> tuple[int, frozenset[str], int]:
        try:
            with Opened(self.file(key), signed, 0) as file:
                facts = self.facts(file, dated=False)
        except (OSError, MailstoreError):  # reading it says what is wrong
            return 0, NO_KEYWORDS, size
        return facts.flags, facts.keywords, size - facts.start if facts.size is None else facts.size

    # --- rows

    def _full(self, entries: Iterable[Entry], want: int) -> Iterator[list[Row]]:
        if self._strange:
            yield [self._strange_row(one) for one in self._strange]
        yield from self._batches(entries, want)

    def _batches(self, entries: Iterable[Entry], want: int) -> Iterator[list[Row]]:
        batch: list[Row] = []
        size = 0
        for entry in entries:
            row = self._row(entry, want)
            if isinstance(row.error, NoSuchMessage):
                continue
            batch.append(row)
            size += body_size(row.body) if isinstance(row.body, bytes) else 0
            if size >= _BATCH_BYTES or len(batch) >= _BATCH_ROWS:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    def _row(self, entry: Entry, want: int) -> Row:
        bare = Row(*entry[:6])._replace(key=lasting_key(entry.key, entry.extra))
        if not want & _FILES:
            return bare
        if not want & (_CONTENTS | INTERNAL_DATE):
            return bare._replace(size=entry.size)
        try:
            file = self._open(entry, want & _CONTENTS)
        except MailstoreError as error:
            return bare._replace(error=error)
        keep = False
        try:
            facts = self.facts(file, dated=bool(want & INTERNAL_DATE))
            size = file.size - facts.start if facts.size is None else facts.size
            body: Body = b""
            if want & _CONTENTS:
                body = file.read_at(facts.start, size) if size <= CHUNK else file.blob(facts.start, size)
            row = bare._replace(
                internal_date=facts.date,
                size=size,
                crlf_size=crlf_size_of(body) if want & CRLF_SIZE else None,
                digest=digest_of(body) if want & DIGEST else None,
                header=header_of(body) if want & HEADER else None,
                body=body if want & BODY else None,
                notes=(*facts.notes, *self.notes(entry.key)),
            )
            file.check()
            keep = want & BODY != 0 and not isinstance(body, bytes)
        except MailstoreError as error:
            return bare._replace(error=error)
        except OSError as error:
            return bare._replace(error=self._unreadable(entry, error.strerror or str(error)))
        finally:
            if not keep:
                file.close()
        return row

    def _open(self, entry: Entry, contents: int) -> Opened:
        try:
            return Opened(self.file(entry.key), entry.extra, CHUNK if contents else 0)
        except FileNotFoundError:
            raise self._gone(entry.uid) from None
        except OSError as error:
            raise self._unreadable(entry, error.strerror or str(error)) from error

    def _strange_row(self, one: Listed) -> Row:
        kind = _KINDS.get(stat.S_IFMT(one.mode), "a device")
        text = f"{fs.shown(self.file(one.key))}: {kind}, not a message"
        return self._error_row(0, one.key, UnreadableMessage(text, folder=str(self.path), key=one.key))

    def _error_row(self, uid: int, key: str, error: MailstoreError) -> Row:
        return Row(uid, key, False, 0, 0, NO_KEYWORDS, error=error)

    def _gone(self, uid: int) -> NoSuchMessage:
        return NoSuchMessage(f"folder {self.path} has no message {uid}", folder=str(self.path), uid=uid)

    def _unreadable(self, entry: Entry, why: str) -> UnreadableMessage:
        name = fs.shown(self.file(entry.key))
        return UnreadableMessage(f"{name}: {why}", folder=str(self.path), uid=entry.uid, key=entry.key)
