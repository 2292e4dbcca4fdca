r"""Changes to one mbox file, under its locks.

The problem. A reader may look at any moment, the process may die after any system call, other programs hold a
descriptor of the file and wait for a lock; and 10 GB must not be copied because one flag changed.

The solution.

- *Append*: the folder's last UID is raised first (ten digits in place; harmless where no message follows), then the
  records are written at the end by one call, then the file is synced. What could not be written wholly is cut off
  again, at once or by ``recover`` (``mailstore.drivers.mbox.journal``). A file that lacks its last line end or empty
  line gets them first.
- *Flags* are changed in place where the record's own lines have room (ours are padded).
- Everything else *rewrites* in place (``mailstore.drivers.mbox.inplace``): a complete copy first, which is then copied
  over the old contents.

On the way a rewrite gives every message its UID (X-UID, X-IMAPbase), as Dovecot does on its first visit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Literal, NamedTuple

from mailstore.drivers.mbox import inplace, journal, render
from mailstore.drivers.mbox.appending import TAIL, message_of, missing_close, missing_end, write_end
from mailstore.drivers.mbox.scan import LINE
from mailstore.drivers.mbox.staging import StagedMessage
from mailstore.drivers.mbox.sync import Folder, place
from mailstore.drivers.sidecar import Entry
from mailstore.errors import CorruptStore
from mailstore.formats.mbox import metadata
from mailstore.formats.mbox.dialect import DEFAULT, MARK, Dialect
from mailstore.formats.mbox.from_line import Kind, write
from mailstore.formats.mbox.metadata import Base
from mailstore.formats.mbox.record import HEAD, Message, read_head
from mailstore.model.info import CHUNK, Meta
from mailstore.system import clock, fs
from mailstore.system.dotlocks import Dotlock


class New(NamedTuple):
    """A message to be appended."""

    staged: StagedMessage
    meta: Meta
    hint: int


class Marked(NamedTuple):
    """What a message's flags and keywords are to be."""

    flags: int
    keywords: frozenset[str]


class Locked:
    """A folder's file, locked. Made by ``mailstore.drivers.mbox.locking.locked``.

    All but a delivery begins with ``Folder.look``.
    """

    def __init__(self, folder: Folder, fd: int, dotlock: Dotlock | None) -> None:
        self.folder = folder
        self.fd = fd
        self._dotlock = dotlock
        pending = journal.is_pending(folder.path)
        self.recovered = journal.recover(folder.path, fd, self.refresh) if pending else (0, 0)

    def refresh(self) -> None:
        """Show others that the dotlock has a living owner. Cheap: call it in every loop over data.

        Raises:
            StoreBusy: somebody took the lock away; stop writing.
        """
        if self._dotlock is not None:
            self._dotlock.refresh()

    # --- append

    def append(self, news: Sequence[New]) -> list[Entry]:
        """Append messages; returns their entries, in order. Durable on return."""
        folder = self.folder
        reading = folder.reading
        assert reading is not None
        known, stamp, now = folder.index, folder.stamp, clock.now()
        if not known.entries and self._holds_counters_only():
            return self._append_first(news, now)
        empty = reading.opening is None
        numbered = empty or bool(stamp.numbered)
        uidvalidity = known.number()
        uid = known.uidnext
        messages, last = [], uid - 1
        for new in news:
            last = max(new.hint, last + 1)
            messages.append(message_of(new.staged, new.meta, last if numbered else 0, now))
        if numbered and messages:
            words = {word for new in news for word in new.meta.keywords}
            if empty:
                base = Base(uidvalidity, last, _words((), words))
                messages[0] = messages[0].with_base(base)
            elif not self._raise_base(last, words):
                self.rewrite({}, uidlast=last, words=words)
                return self.append([new._replace(hint=m.uid) for new, m in zip(news, messages, strict=True)])
        self._write_end(news, messages, self._dialect() if numbered else self._dialect().alone())
        return self._appended(now, len(news))

    def _holds_counters_only(self) -> bool:
        """Tell whether the file's only record is c-client's pseudo message."""
        reading = self.folder.reading
        if reading is None or reading.opening is None or self.folder.stamp.last != reading.opening.start:
            return False
        base = reading.base()
        return base is not None and base.pseudo

    def _appended(self, now: int, count: int) -> list[Entry]:
        known = self.folder.look(saved=now)
        return list(known.entries.values())[-count:] if count else []

    def _append_first(self, news: Sequence[New], now: int) -> list[Entry]:
        """Append to a file that holds nothing but the folder's counters: the first message takes those over."""
        known = self.folder.index
        uid, messages = known.uidnext - 1, []
        for new in news:
            uid = max(new.hint, uid + 1)
            messages.append(message_of(new.staged, new.meta, uid, now))
        words = {word for new in news for word in new.meta.keywords}
        messages[0] = messages[0].with_base(Base(known.number(), uid, _words((), words)))
        dialect = self._dialect()

        def pieces() -> Iterator[bytes]:
            for new, message in zip(news, messages, strict=True):
                yield from render.record(new.staged.body, message, dialect)

        self._replace(pieces())
        return self._appended(now, len(news))

    def _write_end(self, news: Sequence[New], messages: Sequence[Message], dialect: Dialect) -> None:
        reading = self.folder.reading
        assert reading is not None
        size = reading.source.size
        guard = missing_close(reading.source.read(max(size - TAIL, 0), TAIL), dialect) if size else b""
        records = (
            render.record(new.staged.body, message, dialect) for new, message in zip(news, messages, strict=True)
        )
        write_end(self.folder.path, self.fd, size, guard, self.refreshing(chain.from_iterable(records)))

    # --- the folder's counters

    def _raise_base(self, uidlast: int, words: set[str]) -> bool:
        """Write the last UID and the keywords into X-IMAPbase, in place; False where there is no room."""
        reading = self.folder.reading
        assert reading is not None
        base = reading.base()
        if base is None or reading.opening is None:
            return False
        wanted = base._replace(uidlast=max(base.uidlast, uidlast), keywords=_words(base.keywords, words))
        if wanted == base:
            return True
        raw = reading.source.read(reading.opening.start, HEAD)
        end = raw.find(reading.opening.eol[-1:]) + 1
        where = metadata.find_base(raw, end, reading.opening.eol[-1:])
        if where is None:
            return False
        start, stop = where
        line = metadata.fit_base(wanted, raw[start:stop], reading.opening.eol)
        if line is None:
            return False
        fs.pwrite_all(self.fd, line, reading.opening.start + start)
        return True

    def set_state(
        self, uidvalidity: int, uidnext: int, highest_modseq: int
    ) -> tuple[Literal["done", "unchanged"], tuple[int, ...], tuple[int, ...], int, int]:
        """Adopt a numbering (SetState); returns the first fields of an Outcome. Durable on return."""
        folder = self.folder
        known, reading = folder.index, folder.reading
        assert reading is not None
        if not known.adopt(uidvalidity, uidnext, highest_modseq):
            return "unchanged", (), (), known.uidvalidity, 0
        folder.store(known)
        if reading.opening is None or self._holds_counters_only():
            self._replace(iter((pseudo(Base(uidvalidity, known.uidnext - 1), self._dialect()),)))
        elif folder.stamp.numbered:
            if not self._raise_base(uidnext - 1, set()):
                self.rewrite({}, uidlast=uidnext - 1)
            fs.sync_file(self.fd)
        known = folder.look()
        return "done", (), (), known.uidvalidity, known.highest_modseq

    # --- flags

    def mark(self, marks: Mapping[str, Marked]) -> None:
        """Set flags and keywords of messages, by key. Durable on return."""
        folder = self.folder
        edits: list[tuple[int, bytes]] = []
        words = {word for marked in marks.values() for word in marked.keywords}
        based = folder.stamp.uidvalidity != 0
        room = not (words and based) or self._raise_base(0, words)
        if room:
            for key, marked in marks.items():
                edit = self._edit(folder.index.entries[key], marked)
                if edit is None:
                    room = False
                    break
                edits.append(edit)
        if not room:
            self.rewrite(dict(marks), words=words)
        else:
            for offset, data in edits:
                fs.pwrite_all(self.fd, data, offset)
            fs.sync_file(self.fd)
        folder.look()

    def _edit(self, entry: Entry, marked: Marked) -> tuple[int, bytes] | None:
        """Return what to write where for a message's flags, or None where the record has no room."""
        reading = self.folder.reading
        assert reading is not None
        assert reading.opening is not None
        start, length = place(entry)
        newline = reading.opening.eol[-1:]
        raw = reading.source.read(start, min(length, HEAD))
        end = raw.find(newline) + 1 if raw[:5] == b"From " else 0
        where = metadata.find_marks(raw, end, read_head(raw, end, newline).fields, newline)
        if where is None:
            return None
        at, stop = where
        data = metadata.fit_marks(marked.flags, marked.keywords, raw[at:stop], reading.opening.eol)
        return None if data is None else (start + at, data)

    # --- rewriting

    def expunge(self, keys: set[str]) -> None:
        """Remove messages. Durable on return."""
        self.rewrite({}, gone=keys)
        self.folder.look()

    def rewrite(
        self,
        marks: Mapping[str, Marked],
        *,
        gone: set[str] | None = None,
        uidlast: int = 0,
        words: set[str] | None = None,
    ) -> None:
        """Write the file anew with other flags, without messages, with every UID recorded."""
        folder = self.folder
        self._replace(self._rewritten(marks, gone or set(), uidlast, words or set()))
        folder.look()

    def _rewritten(self, marks: Mapping[str, Marked], gone: set[str], uidlast: int, words: set[str]) -> Iterator[bytes]:
        folder = self.folder
        reading, known = folder.reading, folder.index
        assert reading is not None
        dialect = self._dialect()
        by_place = {place(entry)[0]: entry for entry in known.entries.values()}
        used = words | {word for entry in known.entries.values() for word in entry.keywords}
        old = reading.base()
        base: Base | None = Base(
            known.number(), max(uidlast, known.uidnext - 1), _words(old.keywords if old is not None else (), used)
        )
        records: list[tuple[int, int, int, Entry | None]] = []
        for extent in reading.extents():
            entry = by_place.get(extent.start)
            if entry is None:
                parsed = reading.parse(extent, whole=False)
                if parsed.hidden == "pseudo":
                    continue
                if not parsed.hidden:
                    raise CorruptStore(f"{fs.shown(folder.path)}: the file changed under our lock", path=folder.path)
                records.append((metadata.UID_MAX, extent.start, extent.stop, None))
            elif entry.key not in gone:
                records.append((entry.uid, extent.start, extent.stop, entry))
        records.sort(key=lambda record: record[:2])
        for uid, start, stop, entry in records:
            if entry is None or (base is None and entry.recorded and entry.key not in marks and folder.stamp.numbered):
                yield from self._as_it_is(start, stop, entry, dialect)
                continue
            yield from self._again(entry, uid, marks.get(entry.key), base, dialect)
            base = None
        if base is not None:
            yield pseudo(base, dialect)

    def _as_it_is(self, start: int, stop: int, entry: Entry | None, dialect: Dialect) -> Iterator[bytes]:
        """Yield a record's bytes, with what it lacks so that another one may follow; in MMDF with its marks.

        A From_ line without a date would separate no longer, now that the file's first one has a date.
        """
        reading = self.folder.reading
        assert reading is not None
        mark = MARK + dialect.eol if dialect.mmdf else b""
        yield mark
        at = start
        line = reading.source.read(start, min(LINE, stop - start)).partition(dialect.newline)[0]
        if not dialect.mmdf and reading.zone.parse(line.rstrip(b"\r")).kind != Kind.DATED:
            date = entry.internal_date if entry is not None else None
            yield write(None, reading.mtime if date is None else date) + dialect.eol
            at = min(start + len(line) + 1, stop)
        while at < stop:
            piece = reading.source.read_exactly(at, min(CHUNK, stop - at))
            at += len(piece)
            yield piece
        if stop == reading.size:
            yield missing_end(reading.source.read(max(stop - TAIL, 0), TAIL), dialect)
        yield mark

    def _again(
        self, entry: Entry, uid: int, marked: Marked | None, base: Base | None, dialect: Dialect
    ) -> Iterator[bytes]:
        reading = self.folder.reading
        assert reading is not None
        parsed = reading.parse(reading.reread(*place(entry)))
        body, content = parsed.body, parsed.content
        assert body is not None
        shown = entry.internal_date if parsed.notes else None  # the file's mtime is another by now
        message = Message(
            parsed.date if shown is None else shown,
            parsed.sender,
            content.marks.flags if marked is None else marked.flags,
            content.marks.keywords if marked is None else marked.keywords,
            uid,
            content.sentinel.saved,
            content.sentinel.uidl,
            content.sentinel.key,
            base,
        )
        return render.record(body, message, dialect)

    def _dialect(self) -> Dialect:
        """Return the dialect to write in: the file's own."""
        reading = self.folder.reading
        if reading is None or reading.opening is None:
            return self.folder.options.dialect or DEFAULT
        return reading.dialect

    def _replace(self, pieces: Iterator[bytes]) -> None:
        """Give the file new contents, all or nothing, durable on return; ``pieces`` may read the old ones."""
        self.folder.rewriting()
        inplace.copy_over(self.folder.path, self.fd, self.refreshing(gathered(pieces)), self.refresh)

    def refreshing(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Pass ``pieces`` on, showing others all the while that the dotlock has a living owner."""
        for piece in pieces:
            self.refresh()
            yield piece


def gathered(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Join small pieces, so that fewer calls write them."""
    pending: list[bytes] = []
    size = 0
    for piece in pieces:
        pending.append(piece)
        size += len(piece)
        if size >= CHUNK:
            yield b"".join(pending)
            pending, size = [], 0
    if pending:
        yield b"".join(pending)


def pseudo(base: Base, dialect: Dialect) -> bytes:
    """Return c-client's message that holds the counters of an empty folder."""
    eol = dialect.eol
    lines = (
        write("", clock.now()),
        b"From: Mail System Internal Data <MAILER-DAEMON@localhost>",
        b"Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA",
        b"X-IMAP: %d %010d%s" % (base.uidvalidity, base.uidlast, b"".join(b" " + w.encode() for w in base.keywords)),
        b"Status: RO",
        b"",
        b"This text is part of the internal format of your mail folder, and is not",
        b"a real message.  It is created automatically by the mail system software.",
        b"If deleted, important folder data will be lost, and it will be re-created",
        b"with the data reset to initial values.",
        b"",
    )
    text = eol.join(lines)
    return b"\x01\x01\x01\x01" + eol + text + b"\x01\x01\x01\x01" + eol if dialect.mmdf else text + eol


def _words(have: Sequence[str], more: set[str]) -> tuple[str, ...]:
    known = {word.lower() for word in have}
    return (*have, *sorted(word for word in more if word.lower() not in known))
