r"""The journal of a conversion: what was stored in the destination, so that a rerun neither doubles nor loses.

The problem. A conversion can be killed after any system call, and no two stores share a transaction: between the
moment a batch is durable in the destination and the moment we write that down lies a gap. A rerun that believes
the note too little stores the batch twice; one that believes it too much loses it.

The solution. Before each commit the *intent* is written and synced: which messages (the source's key and SHA-256 of
each), and the destination folder's UIDVALIDITY and UIDNEXT as they are before. After the commit comes *done* with
the UIDs. An intent without *done* is resolved at the next run by looking: among the destination's messages from that
UIDNEXT on, those with the digests of the intent have arrived, each counted once; the others have not. *done* itself
need not be synced: losing it makes an unresolved intent.

A journal that outlives its destination must not hide mail: where the destination folder is gone, has another
UIDVALIDITY, a UIDNEXT lower than recorded, or other messages under some of the UIDs, all its entries are looked up
again by digest.

The format is text, appended to only; fields are separated by tabs, percent-encoded where they hold anything but
printable ASCII. Docs in ``docs/convert.md``:

    mailstore journal 1
    source      LOCATION [-> OPTIONS]           the lines below are about this source (and account of the destination)
    folder      NAME [TARGET]                   ... and about this folder (one-string form), and the destination's where
                                                that is called otherwise
    message     KEY SHA256 [SHA256-AS-STORED]   one message of the intent that follows
    intent      COUNT UIDVALIDITY UIDNEXT       the messages above are about to be committed
    done        UIDVALIDITY UIDS                they are (UIDVALIDITY 0: not asked for); UIDS in order as ``1:500,502``,
                                                0 where one was refused
    nothing                                     the intent came to nothing
    forget                                      what was noted of this folder so far no longer holds
    verified                                    all that was noted of this folder so far was compared

A last line without its end was torn by a crash and does not count.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple, Protocol, Self
from urllib.parse import quote, unquote

from mailstore.errors import CannotCreate, CorruptStore
from mailstore.model.names import FolderPath
from mailstore.spi import Location
from mailstore.system import fs, locks

_MAGIC = "mailstore journal 1"
_SAFE = " !#$&'()*+,/:;<=>?@[]^`{|}\\\""


class Way(NamedTuple):
    """A folder of the source, and the one of the destination that it goes into."""

    path: FolderPath
    target: FolderPath

    def __str__(self) -> str:
        return _encode(str(self.path)) + ("" if self.path == self.target else f"\t{_encode(str(self.target))}")


class Entry(NamedTuple):
    """A message that the journal knows."""

    key: str
    digest: bytes
    """Of the source's bytes."""
    stored: bytes
    """Of the bytes that the destination gives back: another one only where it alters bytes."""
    uid: int = 0
    """In the destination."""


class Message(Protocol):
    """What an intent says of a message; an Entry, or a Fact of the pipeline."""

    @property
    def key(self) -> str:
        """The source driver's name of it."""
        ...

    @property
    def digest(self) -> bytes:
        """Of the source's bytes."""
        ...

    @property
    def stored(self) -> bytes:
        """Of the bytes that the destination gives back."""
        ...


class Intent(NamedTuple):
    """A commit of which it is not known whether it happened."""

    entries: list[Message]
    uidvalidity: int
    """Of the destination folder before; 0 where it was not there."""
    uidnext: int


@dataclass(slots=True)
class FolderRecord:
    """What is noted of one folder of one source."""

    entries: list[Entry] = field(default_factory=list)
    verified: int = 0
    """The first so many entries were compared."""
    uidvalidity: int = 0
    """Of the destination folder at the last commit; 0 where it was not asked for."""
    unresolved: Intent | None = None


def journal_path(location: Location) -> str | None:
    """Return where the journal of a destination lies: hidden in its directory, or beside its file; None if neither.

    No mail program takes a file ``..mstore-journal.lock`` in a Maildir or mail directory for mail or a folder (in a
    Maildir++ the second dot makes a name that no folder has), nor a hidden file beside an mbox or database.
    """
    path = location.path
    if not os.path.isabs(path):
        return None
    if os.path.isdir(path):
        return os.path.join(path, "..mstore-journal.lock")
    return os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.mstore-journal")


class Journal:
    """A journal open for one source; a context manager. Without a path it is kept in memory for the run."""

    def __init__(self, path: str | None, source: str, lock_timeout: float = 10.0) -> None:
        """Open or begin the journal at ``path``.

        Raises:
            StoreBusy: another conversion is writing to it.
            CannotCreate: there is no place for it; say another one.
            CorruptStore: it is no journal, or damaged in other ways than a crash does.
        """
        self.path = path
        self._source = source
        self._records: dict[str, FolderRecord] = {}
        self._fd = -1
        self._folder: str | None = None
        self._close = ExitStack()
        if path is not None:
            with self._close:
                self._open(path, lock_timeout)
                self._close = self._close.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self._close.close()

    def record(self, way: Way) -> FolderRecord:
        """Return what is noted of a folder."""
        return self._records.setdefault(str(way), FolderRecord())

    def others(self, way: Way) -> Iterator[int]:
        """Yield the UIDs, in the folder that ``way`` leads into, of what came there from other folders."""
        mine = str(way)
        for name, record in self._records.items():
            if name != mine and name.split("\t")[-1] == mine.split("\t")[-1]:
                yield from (entry.uid for entry in record.entries)

    def intend(self, way: Way, entries: Sequence[Message], uidvalidity: int, uidnext: int) -> None:
        """Note that ``entries`` are about to be committed; durable on return."""
        self.record(way).unresolved = Intent(list(entries), uidvalidity, uidnext)
        lines = [
            f"message\t{_encode(one.key)}\t{one.digest.hex()}\n"
            if one.digest == one.stored
            else f"message\t{_encode(one.key)}\t{one.digest.hex()}\t{one.stored.hex()}\n"
            for one in entries
        ]
        lines.append(f"intent\t{len(entries)}\t{uidvalidity}\t{uidnext}\n")
        self._append(way, "".join(lines), sync=True)

    def done(self, way: Way, uidvalidity: int, uids: Sequence[int]) -> None:
        """Note the UIDs that the messages of the last intent got; 0 for one that was not stored."""
        record = self.record(way)
        _resolve(record, uidvalidity, uids)
        self._append(way, f"done\t{uidvalidity}\t{format_uids(uids)}\n" if any(uids) else "nothing\n")

    def forget(self, way: Way) -> None:
        """Note that nothing noted of the folder so far holds."""
        self._records[str(way)] = FolderRecord()
        self._append(way, "forget\n")

    def verified(self, way: Way) -> None:
        """Note that everything noted of the folder was compared with the destination."""
        record = self.record(way)
        if record.verified != len(record.entries):
            record.verified = len(record.entries)
            self._append(way, "verified\n")

    def sync(self) -> None:
        """Make the last notes durable."""
        if self._fd >= 0:
            with fs.errors(self.path or ""):
                fs.sync_data(self._fd)

    # -- within

    def _open(self, path: str, lock_timeout: float) -> None:
        try:
            self._fd = _open_or_create(path)
        except OSError as error:
            raise CannotCreate(
                f"{fs.shown(path)}: no place for the journal ({error.strerror}); name another with --journal", path=path
            ) from error
        self._close.callback(os.close, self._fd)
        self._close.enter_context(locks.file_lock(self._fd, True, lock_timeout, path))
        with fs.errors(path):
            with open(self._fd, "rb", closefd=False) as file:
                text = _whole_lines(file.read())
            if os.fstat(self._fd).st_size != len(text):
                fs.truncate(self._fd, len(text))
            if not text:
                fs.write_all(self._fd, f"{_MAGIC}\n".encode())
        if text:
            self._records = _parse(text.decode("ascii", "replace"), path).get(self._source, {})

    def _append(self, way: Way, lines: str, sync: bool = False) -> None:
        if self._fd < 0:
            return
        name = str(way)
        with fs.errors(self.path or ""):
            if self._folder is None:
                lines = f"source\t{_encode(self._source)}\nfolder\t{name}\n{lines}"
            elif self._folder != name:
                lines = f"folder\t{name}\n{lines}"
            fs.write_all(self._fd, lines.encode("ascii"))
            self._folder = name
            if sync:
                fs.sync_data(self._fd)


def read_records(path: str | None, source: str) -> dict[str, FolderRecord]:
    """Return what the journal at ``path`` notes of ``source``, by ``str(Way)``; nothing where there is no journal."""
    if path is None or not os.path.exists(path):
        return {}
    with fs.errors(path), open(path, "rb") as file:
        text = _whole_lines(file.read())
    return _parse(text.decode("ascii", "replace"), path).get(source, {}) if text else {}


def format_uids(uids: Sequence[int]) -> str:
    """Return UIDs in their order as an IMAP-like set: ``1:3,7,0,9``."""
    runs: list[list[int]] = []
    for uid in uids:
        if runs and uid and uid == runs[-1][1] + 1 and runs[-1][0]:
            runs[-1][1] = uid
        else:
            runs.append([uid, uid])
    return ",".join(str(first) if first == last else f"{first}:{last}" for first, last in runs)


def parse_uids(text: str) -> list[int]:
    """Return what ``format_uids`` was given."""
    return list(chain.from_iterable(_run(run) for run in text.split(",")))


def _run(text: str) -> range:
    first, _, last = text.partition(":")
    return range(int(first), int(last or first) + 1)


def _open_or_create(path: str) -> int:
    try:
        return fs.open_update(path, append=True)
    except FileNotFoundError:
        with suppress(FileExistsError):  # another conversion was faster
            os.close(fs.create(path))
            fs.sync_directory(os.path.dirname(path))
        return fs.open_update(path, append=True)


def _encode(text: str) -> str:
    if text.isascii() and text.isprintable() and "%" not in text:
        return text
    return quote(text, _SAFE, errors="surrogatepass")


def _decode(text: str) -> str:
    return unquote(text, errors="surrogatepass")


def _whole_lines(data: bytes) -> bytes:
    """Drop what a crash can leave at the end: a torn line, or blocks that were never filled."""
    data = data.rstrip(b"\0")
    return data[: data.rfind(b"\n") + 1]


def _resolve(record: FolderRecord, uidvalidity: int, uids: Sequence[int]) -> None:
    assert record.unresolved is not None
    entries = record.unresolved.entries
    if len(uids) != len(entries):
        raise ValueError("the number of UIDs is not that of the messages")
    record.entries += [
        Entry(one.key, one.digest, one.stored, uid) for one, uid in zip(entries, uids, strict=True) if uid
    ]
    record.uidvalidity = uidvalidity
    record.unresolved = None


def _parse(text: str, path: str) -> dict[str, dict[str, FolderRecord]]:
    lines = text.split("\n")[:-1]
    if lines[0] != _MAGIC:
        raise CorruptStore(f"{fs.shown(path)}: not a journal of mstore; name another with --journal", path=path)
    sources: dict[str, dict[str, FolderRecord]] = {}
    try:
        _read_lines(iter(lines[1:]), sources)
    except (ValueError, IndexError, AssertionError, KeyError) as error:
        raise CorruptStore(
            f"{fs.shown(path)}: the journal is damaged ({error}); moving it away makes the next run copy everything",
            path=path,
        ) from error
    return sources


def _read_lines(lines: Iterator[str], sources: dict[str, dict[str, FolderRecord]]) -> None:
    records: dict[str, FolderRecord] = {}
    record, name, pending = FolderRecord(), "", list[Message]()
    for line in lines:
        word, *fields = line.split("\t")
        match word:
            case "message":
                digest = bytes.fromhex(fields[1])
                pending.append(Entry(_decode(fields[0]), digest, bytes.fromhex(fields[2]) if fields[2:] else digest))
                continue
            case "source":
                records = sources.setdefault(_decode(fields[0]), {})
            case "folder":
                name = "\t".join([fields[0], *fields[1:2]])
                record = records.setdefault(name, FolderRecord())
            case "intent":
                if len(pending) != int(fields[0]):
                    raise ValueError("an intent of another length")
                record.unresolved = Intent(pending, int(fields[1]), int(fields[2]))
            case "done":
                _resolve(record, int(fields[0]), parse_uids(fields[1]))
            case "nothing":
                record.unresolved = None
            case "forget":
                record = records[name] = FolderRecord()
            case "verified":
                record.verified = len(record.entries)
            case _:
                raise ValueError(f"unknown line {word[:20]!r}")
        pending = []  # messages without an intent were torn off by a crash: every run begins with "source"
