r"""The journal of a conversion: what was stored in the destination, so that a rerun neither doubles nor loses.

The problem. A conversion can be killed after any system call, and no two stores share a transaction: between the
moment a batch is durable in the destination and the moment we write that down lies a gap. A rerun that believes
the note too little stores the batch twice; one that believes it too much loses it.

The solution. Before each commit the *intent* is written and synced: which messages (the source's key and SHA-256 of
each), and the destination folder's UIDVALIDITY and UIDNEXT as they are before. After the commit comes *done* with
the UIDs. An intent without *done* is resolved at the next run by looking: among the destination's messages from that
UIDNEXT on, those with the digests of the intent have arrived, each counted once; the others have not. *done* itself
need not be synced: losing it makes an unresolved intent.

A move within the destination is an intent too, which says where the messages come *from*: its *done* takes them over
from there in the same line. Where it is missing, what has arrived is taken out where it came from, if it still is
there, and what has not stays where it is.

Expunges need no such care, since doing them again does no harm: *dropped* is written when they are durable. *rename* is
written before, as it changes the name under which everything is noted. Flags have *marking* before and *marks* after:
where the latter is missing, the source may have taken a flag back that had arrived, and both are what was there before.

A journal that outlives its destination must not hide mail: where the destination folder is gone, has another
UIDVALIDITY, a UIDNEXT lower than recorded, or other messages under some of the UIDs, all its entries are looked up
again by digest.

When most lines of a journal are outdated it is written anew, beside it, and renamed into its place. Who waits for the
lock of the old file looks whether it still is the one of that name.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from typing import IO, Self

from mailstore.convert import notes
from mailstore.convert.merge import Marks
from mailstore.convert.record import DROPPED, FolderRecord, Message, Noted, Origin, Way
from mailstore.errors import CannotCreate, CorruptStore
from mailstore.model.changes import Token
from mailstore.spi import Location
from mailstore.system import fs, locks

COMPACT_FROM = 1000
"""Outdated lines: a journal with fewer of them is left as it is."""
_CHUNK = 1000


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
        self._reader = notes.Reader(source)
        self._way: Way | None = None
        self._fd = -1
        self._size = 0
        self._close = ExitStack()
        if path is not None:
            self._open(path, lock_timeout)
        else:
            self._reader.take(f"source\t{notes.encode(source)}", 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self._close.close()

    @property
    def ways(self) -> dict[Way, FolderRecord]:
        """What is noted of each way."""
        return self._reader.sources.setdefault(self._source, {})

    def record(self, way: Way) -> FolderRecord:
        """Return what is noted of a way."""
        return self.ways.get(way) or self.ways.setdefault(way, FolderRecord())

    def others(self, way: Way) -> Iterator[int]:
        """Yield the UIDs, in the folder that ``way`` leads into, of what came there by other ways."""
        for other, record in self.ways.items():
            if other != way and other.target == way.target:
                yield from record.places

    def intend(
        self, way: Way, messages: Sequence[Message], uidvalidity: int, uidnext: int, origin: Origin | None = None
    ) -> None:
        """Note that ``messages`` are about to be committed, or moved from ``origin``; durable on return."""
        tail = "" if origin is None else notes.origin_line(origin)
        self._note(way, messages, f"{tail}intent\t{len(messages)}\t{uidvalidity}\t{uidnext}\n")
        self.sync()

    def done(self, way: Way, uidvalidity: int, uids: Sequence[int]) -> None:
        """Note the UIDs that the messages of the last intent got; 0 for one that was not stored."""
        self._note(way, (), f"done\t{uidvalidity}\t{notes.format_uids(uids)}\n" if any(uids) else "nothing\n")

    def passed(self, way: Way, messages: Sequence[Message], origin: Origin) -> None:
        """Note messages that are not to be moved since they were deleted in the destination where they were."""
        self._note(way, messages, f"{notes.origin_line(origin)}passed\t{len(messages)}\n")

    def marking(self, way: Way, numbers: Sequence[int], marks: Marks) -> None:
        """Note flags and keywords that are about to be carried over; ``sync`` makes it durable."""
        self._note(way, (), f"marking\t{notes.format_numbers(numbers)}\t{notes.marks_text(*marks)}\n")

    def marks(self, way: Way, numbers: Sequence[int], marks: Marks) -> None:
        """Note flags and keywords of the source as carried over to these messages."""
        self._note(way, (), f"marks\t{notes.format_numbers(numbers)}\t{notes.marks_text(*marks)}\n")

    def state(self, way: Way, word: notes.State, numbers: Sequence[int]) -> None:
        """Note that the source has messages no more, too many to be true, or again; or that they are of no concern."""
        if numbers:
            self._note(way, (), notes.numbers_line(word, numbers))

    def again(self, way: Way, number: int, key: str, size: int, uid: int, digest: bytes | None = None) -> None:
        """Note that the source calls a message otherwise now, and has it with another digest, if that is so."""
        tail = "" if digest is None else f"\t{digest.hex()}"
        self._note(way, (), f"again\t{notes.encode(key)}\t{size}\t{uid}\t{number + 1}{tail}\n")

    def uids(self, way: Way) -> None:
        """Note the UIDs that the messages have in the source now."""
        self._note(way, (), f"uids\t{notes.format_uids(self.record(way).uids)}\n")

    def forget(self, way: Way) -> None:
        """Note that nothing noted so far holds."""
        self._note(way, (), "forget\n")

    def verified(self, way: Way) -> None:
        """Note that everything noted was compared with the destination."""
        record = self.record(way)
        if record.verified != len(record):
            self._note(way, (), "verified\n")

    def seen(self, way: Way, token: Token | None, folder_id: str) -> None:
        """Note up to where in the source's history everything was carried, and the source's id of the folder."""
        record = self.record(way)
        lines = ""
        if token is not None and token != record.token:
            lines += _seen_line(token)
        if folder_id and folder_id != record.folder_id:
            lines += _id_line(folder_id)
        if lines:
            self._note(way, (), lines)

    def unseen(self, way: Way) -> None:
        """Note that what was seen of the source's history does not count: the folder is to be listed as a whole."""
        if self.record(way).token not in (None, _NOTHING_SEEN):
            self._note(way, (), _seen_line(_NOTHING_SEEN))

    def made(self, way: Way) -> None:
        """Note that the folder in the destination is about to come about by us."""
        self._note(way, (), "made\n")

    def rename(self, old: Way, new: Way) -> None:
        """Note that the folder in the destination is about to be renamed; durable on return."""
        self._note(old, (), "rename" + notes.folder_line(new)[len("folder") :])
        self._way = new
        self.sync()

    def renamed(self, way: Way) -> None:
        """Note that it was."""
        self._note(way, (), "renamed\n")

    def sync(self) -> None:
        """Make the last notes durable."""
        if self._fd >= 0:
            with fs.errors(self.path or ""):
                fs.sync_data(self._fd)

    def compact(self) -> None:
        """Write the journal anew where most of it is outdated."""
        records = self.ways.values()
        outdated = self._reader.lines - sum(record.live for record in records)
        if self._fd < 0 or outdated < COMPACT_FROM + sum(record.live for record in records):
            return
        if any(record.unresolved or record.renaming or record.marking for record in records):
            return
        path = self.path or ""
        with fs.errors(path), open(self._fd, "rb", closefd=False) as file:
            everything = notes.Reader()
            _read_lines(file, everything, path)
            self._replace(path, file, everything.sources)
        self._close.close()
        self._open(path, 0.0)

    def noted(self, record: FolderRecord, number: int) -> Noted:
        """Return a message as it is noted; without its key where the journal is kept in memory."""
        if self._fd < 0:
            return record.noted(number, "", 0)
        with fs.errors(self.path or ""), open(self._fd, "rb", closefd=False) as file:
            return _noted(record, number, file)

    # -- within

    def _open(self, path: str, lock_timeout: float) -> None:
        with ExitStack() as stack:
            while True:
                fd = _open_or_create(path)
                stack.callback(os.close, fd)
                stack.enter_context(locks.file_lock(fd, True, lock_timeout, path))
                with suppress(FileNotFoundError):
                    if os.path.samestat(os.fstat(fd), os.stat(path, follow_symlinks=False)):
                        break
                stack.close()  # it was written anew while we waited
            with fs.errors(path):
                self._reader = notes.Reader(self._source)
                with open(fd, "rb", closefd=False) as file:
                    size = _read_lines(file, self._reader, path)
                if os.fstat(fd).st_size != size:
                    fs.truncate(fd, size)
                if not size:
                    fs.write_all(fd, notes.MAGIC.encode())
                    size = len(notes.MAGIC)
            self._fd, self._size, self._way = fd, size, None
            self._close = stack.pop_all()

    def _note(self, way: Way, messages: Sequence[Message], lines: str) -> None:
        """Append lines about ``messages`` and then ``lines``, and take in what they say."""
        head = ""
        if self._way is None and self._fd >= 0:
            head = f"source\t{notes.encode(self._source)}\n"
        if self._way != way:
            head += notes.folder_line(way)
        told = [notes.message_line(message) for message in messages]
        with fs.errors(self.path or ""):
            if self._fd >= 0:
                fs.write_all(self._fd, "".join([head, *told, lines]).encode("ascii"))
        self._way = way
        at = self._take(head, self._size)
        for message, line in zip(messages, told, strict=True):
            self._reader.take_message(message, at)
            at += len(line)
        self._reader.lines += len(told)
        self._size = self._take(lines, at)

    def _take(self, lines: str, at: int) -> int:
        for line in lines.splitlines():
            self._reader.take(line, at)
            at += len(line) + 1
        return at

    def _replace(self, path: str, old: IO[bytes], sources: notes.Sources) -> None:
        """Put what ``sources`` say in the place of the file."""
        fd, temporary = fs.temporary_beside(path)
        try:
            fs.write_all(fd, notes.MAGIC.encode())
            for source, ways in sources.items():
                fs.write_all(fd, f"source\t{notes.encode(source)}\n".encode())
                for way, record in ways.items():
                    for lines in _compact_lines(way, record, old):
                        fs.write_all(fd, lines.encode("ascii"))
        except BaseException:
            fs.close(fd)
            fs.unlink(temporary)
            raise
        fs.publish(fd, temporary, path)


def read_ways(path: str | None, source: str) -> dict[Way, FolderRecord]:
    """Return what the journal at ``path`` notes of ``source``; nothing where there is no journal."""
    if path is None or not os.path.exists(path):
        return {}
    reader = notes.Reader(source)
    with fs.errors(path), open(path, "rb") as file:
        _read_lines(file, reader, path)
    return reader.sources.get(source, {})


def _open_or_create(path: str) -> int:
    try:
        try:
            return fs.open_update(path, append=True)
        except FileNotFoundError:
            with suppress(FileExistsError):  # another conversion was faster
                os.close(fs.create(path))
                fs.sync_directory(os.path.dirname(path))
            return fs.open_update(path, append=True)
    except OSError as error:
        raise CannotCreate(
            f"{fs.shown(path)}: no place for the journal ({error.strerror}); name another with --journal", path=path
        ) from error


def _read_lines(file: IO[bytes], reader: notes.Reader, path: str) -> int:
    """Take a journal in; returns the length of its whole lines: what a crash tore off at the end does not count.

    Raises:
        CorruptStore: it is none, or damaged.
    """
    file.seek(0)
    head = file.readline(len(notes.MAGIC) + 1)
    if not head.rstrip(b"\0") or (notes.MAGIC.encode().startswith(head.rstrip(b"\0")) and not head.endswith(b"\n")):
        return 0
    if head != notes.MAGIC.encode():
        raise CorruptStore(f"{fs.shown(path)}: not a journal of mstore; name another with --journal", path=path)
    size = len(head)
    try:
        for line in file:
            if not line.endswith(b"\n"):
                break
            reader.take(line[:-1].decode("ascii"), size)
            size += len(line)
    except (ValueError, IndexError, KeyError, AssertionError) as error:
        raise CorruptStore(
            f"{fs.shown(path)}: the journal is damaged ({error}); moving it away makes the next run copy everything",
            path=path,
        ) from error
    return size


_NOTHING_SEEN = Token("", 0, 0)
"""A point in no folder's history: asked what changed since then, a source lists everything."""


def _seen_line(token: Token) -> str:
    return f"seen\t{token.uidvalidity}\t{notes.encode(token.epoch)}\t{token.modseq}\n"


def _id_line(folder_id: str) -> str:
    return f"id\t{notes.encode(folder_id)}\n"


def _compact_lines(way: Way, record: FolderRecord, old: IO[bytes]) -> Iterator[str]:
    """Yield the fewest lines that say what ``record`` does; keys are found in the ``old`` file."""
    yield notes.folder_line(way)
    if record.made:
        yield "made\n"
    if record.folder_id:
        yield _id_line(record.folder_id)
    kept = [number for number, state in enumerate(record.states) if state != DROPPED]
    for at in range(0, len(kept), _CHUNK):
        for part in _alike(kept[at : at + _CHUNK], record):
            yield "".join(notes.message_line(_noted(record, number, old)) for number in part)
            if record.places[part[0]]:
                uids = notes.format_uids(record.places[number] for number in part)
                yield f"intent\t{len(part)}\t{record.uidvalidity}\t1\ndone\t{record.uidvalidity}\t{uids}\n"
            else:
                yield f"passed\t{len(part)}\n"
            if part[-1] < record.verified:
                yield "verified\n"
    for word, state in notes.GONE:
        numbers = [number for number, old_number in enumerate(kept) if record.states[old_number] == state]
        if numbers:
            yield notes.numbers_line(word, numbers)
    if record.token is not None:
        yield _seen_line(record.token)


def _alike(numbers: Sequence[int], record: FolderRecord) -> Iterator[list[int]]:
    """Split ``numbers`` where messages that were compared end, or those that the destination has."""
    part: list[int] = []
    for number in numbers:
        if part and (
            (part[0] < record.verified) != (number < record.verified)
            or bool(record.places[part[0]]) != bool(record.places[number])
        ):
            yield part
            part = []
        part.append(number)
    if part:
        yield part


def _noted(record: FolderRecord, number: int, file: IO[bytes]) -> Noted:
    """Return a message as it is noted; the journal's ``file`` tells its key."""
    file.seek(record.lines[number])
    _, key, size, *_ = file.readline().rstrip(b"\n").decode("ascii").split("\t")
    return record.noted(number, notes.decode(key), int(size))
