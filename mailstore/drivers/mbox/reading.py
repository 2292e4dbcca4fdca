"""Messages of an open mbox file: what their records say, and their bytes, whole or (large ones) in pieces."""

from __future__ import annotations

import time
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mailstore.drivers.mbox.evidence import quoting_of, weighed
from mailstore.drivers.mbox.scan import LIMIT, NO_LINE, WINDOW, Extent, Rules, line_of, scanner
from mailstore.drivers.mbox.source import Mark, Source
from mailstore.errors import MessageChanged, NotAStore
from mailstore.formats.mbox import dialect as quoting
from mailstore.formats.mbox import metadata
from mailstore.formats.mbox.dialect import ALL, NONE, Dialect
from mailstore.formats.mbox.from_line import FromLine, Kind, Zone, reception_date
from mailstore.formats.mbox.metadata import Base
from mailstore.formats.mbox.opening import PROBE, Evidence, Opening, read_opening, weigh
from mailstore.formats.mbox.record import (
    HEAD,
    OURS,
    Content,
    content_stop,
    empty_line,
    head_stop,
    message_of,
    read_body,
    read_head,
    style_of,
)
from mailstore.model.flags import NO_KEYWORDS, RECENT
from mailstore.model.info import CHUNK, Body, Row
from mailstore.system import fs

_make = tuple.__new__
PLAIN, COUNTED, OTHER = "p", "c", "o"
"""A record without anything of a mailbox program's; one whose length is counted; any other."""
PSEUDO = b"DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA"


@dataclass(frozen=True, slots=True)
class Options:
    """What the location says about reading.

    Attributes:
        dialect: for every file; None: found per file.
        expunged: show messages that Thunderbird deleted and has not compacted away.
        utc: dates without a zone in other programs' From_ lines are UTC, not local.
    """

    dialect: Dialect | None = None
    expunged: bool = False
    utc: bool = False


def zones(*, utc: bool) -> tuple[Zone, Zone]:
    """Return (zone of other programs' dates, zone of ours); one and the same where local time is UTC."""
    ours = Zone(utc=True)
    local_is_utc = time.timezone == 0 and not time.daylight
    return (ours if utc or local_is_utc else Zone(utc=False)), ours


class Parsed(NamedTuple):
    """One record, read."""

    extent: Extent
    content: Content
    date: int
    sender: str | None
    body: Body | None
    """None where it was not asked for and the record is large."""
    hidden: str
    """Why it is not shown: ``pseudo``, ``expunged``, or '' for ordinary mail."""
    notes: tuple[str, ...]


class Reading:
    """An open mbox file, as of one look at it. An empty file has no opening and no records."""

    def __init__(self, source: Source, options: Options, pinned: Dialect | None = None) -> None:
        self.source = source
        self.options = options
        self.size = source.size
        self.mtime = int(source.status.st_mtime)
        self.mark = Mark(source)
        head = source.read(0, PROBE)
        self.opening: Opening | None = read_opening(head)
        if self.opening is None and head.strip(b"\r\n"):
            raise NotAStore(
                f"{fs.shown(source.path)}: not an mbox file: it does not begin with a From_ line", path=source.path
            )
        self.zone, self.ours = zones(
            utc=options.utc or (options.dialect is not None and options.dialect.name == "rfc4155")
        )
        eol = self.opening.eol if self.opening is not None else b"\n"
        given = options.dialect or pinned
        if given is not None and self.opening is not None and given.mmdf != self.opening.mmdf:
            given = None
        self._dialect = given.with_eol(eol) if given is not None else None
        self._evidence: Evidence | None = None
        self._alike: bool | None = None
        # For all that does not depend on the dialect: the right line end, and whether it is MMDF.
        self.neutral = quoting.DIALECTS["mmdf" if self.opening and self.opening.mmdf else "mboxrd"].with_eol(eol)

    @property
    def dialect(self) -> Dialect:
        """The file's dialect; found by reading the whole file where nobody said it and nothing pinned it."""
        if self._dialect is None:
            self._dialect = self.evidence.dialect(self.opening) if self.opening is not None else self.neutral
        return self._dialect

    @property
    def _quoted_once(self) -> bool:
        """Whether all dialects the file can be in read it alike: nothing is counted, nothing quoted twice.

        Found without looking at records, many times faster than ``evidence``.
        """
        if self._alike is None:
            self._alike = not self.neutral.mmdf and not self.holds((b"Content-Length:", b">>From "))
        return self._alike

    def holds(self, words: Sequence[bytes]) -> bool:
        """Tell whether one of ``words`` stands anywhere in the file."""
        overlap = max(map(len, words)) - 1
        at = 0
        while window := self.source.read(at, WINDOW):
            if any(word in window for word in words):
                return True
            if len(window) < WINDOW:
                return False
            at += WINDOW - overlap
        return False

    @property
    def known_dialect(self) -> Dialect | None:
        """The dialect if it had to be found so far."""
        return self._dialect

    @property
    def evidence(self) -> Evidence:
        """What all records say about the dialect; reads the whole file the first time."""
        if self._evidence is None and not self.neutral.mmdf and not self.holds((b"Content-Length:", b"X-Mailstore:")):
            # Nothing but quoted lines can say anything. What ours say for mboxrd, the default, does no harm.
            deeper, same = quoting_of(self.source.read, 0, self.size)
            if not same or not self.holds((b"X-Keywords:",)):
                self._evidence = Evidence(one=same, all=deeper)
        if self._evidence is None:
            extents = self._scan(0, self.size, lambda: True)
            self._evidence = weigh(weighed(extents, self.source.read, self.neutral.newline))
        return self._evidence

    def _head(self, extent: Extent) -> bytes:
        return self.source.read(extent.start, LIMIT)

    def _counts(self) -> bool:
        if self.options.dialect is not None:
            return self.options.dialect.counted
        return self.dialect.counted if self._dialect is not None else self.evidence.counts

    def _scan(self, start: int, stop: int, counts: Callable[[], bool]) -> Iterator[Extent]:
        if self.opening is None:
            return iter(())
        strict = self.options.dialect is not None and self.options.dialect.name == "rfc4155"
        opening = self.opening
        rules = Rules(
            self.size,
            opening.eol[-1:],
            self.zone,
            bare=opening.bare,
            counts=counts,
            data=self.source.next_data,
            patches=opening.patches,
            strict=strict,
        )
        return iter(scanner(self.source.read, rules, max(start, self.opening.start), stop, mmdf=self.opening.mmdf))

    def extents(self, start: int = 0, stop: int | None = None) -> Iterator[Extent]:
        """Yield the records of ``[start, stop)``, which are beginnings of records (or the file's ends)."""
        return self._scan(start, self.size if stop is None else stop, self._counts)

    def parse(self, extent: Extent, *, whole: bool = True) -> Parsed:
        """Read a record; ``whole``: with the bytes of a large message too, as a Blob."""
        raw = extent.raw
        small = raw is not None
        if raw is None:
            raw = self._head(extent)
        newline = self.neutral.newline
        content = read_head(raw, extent.line_stop, newline, plain=extent.plain)
        line = line_of(extent, raw, self.zone)
        if content.own and self.zone is not self.ours:
            line = self.ours.parse(raw[: extent.line_stop].rstrip(b"\r\n"))
        date, sender = message_of(line, content)
        body: Body | None = None
        if small:
            stop = (
                min(extent.counted, len(raw)) if extent.counted else content_stop(raw, extent.line_stop, self.neutral)
            )
            style = self.style(content, extent) if extent.quoted else NONE
            body = read_body(raw, content, max(stop, content.start), self.neutral, style)
            if len(body) > CHUNK:
                body = LargeBody(self, extent, content)
        elif whole:
            body = LargeBody(self, extent, content)
        notes: tuple[str, ...] = ()
        if date is None:
            date, notes = self._other_date(
                raw[content.start : head_stop(raw, content.start, min(len(raw), HEAD), newline)], line
            )
        if content.marks.partial:
            notes = (*notes, "only its beginning is here: Thunderbird left the rest on the POP3 server")
        hidden = ""
        base = content.marks.base
        if base is not None and base.pseudo and (extent.start == self._first or PSEUDO in raw[:4096]):
            hidden = "pseudo"
        elif content.marks.expunged and not self.options.expunged:
            hidden = "expunged"
        return Parsed(extent, content, date, sender, body, hidden, notes)

    def plain_row(self, extent: Extent, *, body: bool) -> Row | None:
        """Return the row of the most frequent kinds of record: small, with nothing of a mailbox program's but flags.

        None for all others: they are parsed. The row is without UID, as ``read_shard`` gives it.
        """
        start, _, raw, line, line_stop, head_stop, quoted, plain, counted = extent
        if counted or raw is None or len(raw) > CHUNK or self.neutral.mmdf:
            return None
        line = line or self.zone.parse(raw[:line_stop].rstrip(b"\r\n"))
        if line[0] != Kind.DATED:
            return None
        stop = content_stop(raw, line_stop, self.neutral)
        flags, given = RECENT, None
        if not plain:
            if not head_stop or head_stop > stop or raw[line_stop : line_stop + 7] in OURS:
                return None
            status = metadata.status_lines(raw, line_stop, head_stop, self.neutral.newline)
            if status is None:
                return None
            given = raw[line_stop : status[0]] + raw[status[1] : stop]
            flags = status[2]
        elif body or quoted:
            given = raw[line_stop:stop]
        if quoted and given is not None:
            given = quoting.unquote(given, self._foreign_style(extent), self.neutral.newline)
        size = stop - line_stop if given is None else len(given)
        date = line[2]
        given = given if body else None
        fields = (
            0,
            str(start),
            False,
            0,
            flags,
            NO_KEYWORDS,
            date,
            None,
            line[1],
            None,
            size,
            None,
            None,
            None,
            given,
        )
        return _make(Row, (*fields, None, ()))

    @property
    def _first(self) -> int:
        return self.opening.start if self.opening is not None else 0

    def style(self, content: Content, extent: Extent) -> str:
        """Return how the record's From lines are quoted."""
        if content.own:
            return style_of(content, NONE)
        return self._foreign_style(extent)

    def _foreign_style(self, extent: Extent) -> str:
        """The same for a record of another program's."""
        if self._dialect is None and self._quoted_once:
            return ALL
        dialect = self.dialect
        if extent.counted or not dialect.counted or self.options.dialect is not None:
            return dialect.quoting
        # Delivered into a counted file by a program that does not count: those quote.
        return ALL

    def _other_date(self, header: bytes, line: FromLine) -> tuple[int, tuple[str, ...]]:
        """Return a date for a record whose From_ line has none that can be read, and a note of where it is from."""
        why = "the From_ line has no date" if line.kind == Kind.BARE else "the date of the From_ line cannot be read"
        found = reception_date(header, self.zone)
        if found is not None:
            return found[0], (f"{why}; date taken from {found[1]}:",)
        return self.mtime, (f"{why}; date taken from the file's mtime",)

    def base(self) -> Base | None:
        """Return the folder's counters, which the first record carries."""
        if self.opening is None:
            return None
        raw = self.source.read(self.opening.start, HEAD)
        newline = self.neutral.newline
        end = raw.find(newline) + 1 if raw[:5] == b"From " else 0
        return read_head(raw, end, newline).marks.base

    def known(self, raw: bytes, start: int, how: str) -> Extent:
        """Return the extent of a record whose bytes and whose ``how`` are known: no need to look for its end.

        Raises:
            MessageChanged: there is another record now.
        """
        newline = self.neutral.newline
        stop = start + len(raw)
        if how == COUNTED:
            rules = Rules(stop, newline, self.zone, bare=True)
            for extent in scanner(lambda at, size: raw[at - start : at - start + size], rules, start, stop, mmdf=False):
                return extent
        line_stop, line = 0, NO_LINE
        if raw[:5] == b"From ":
            end = raw.find(newline) + 1 or (0 if self.neutral.mmdf else len(raw))
            parsed = self.zone.parse(raw[:end].rstrip(b"\r\n"))
            if parsed[0] != Kind.TEXT:
                line_stop, line = end, parsed
        if not line_stop and not self.neutral.mmdf:
            raise self._changed()
        plain = how == PLAIN
        end = 0 if plain else empty_line(raw, max(line_stop - 1, 0), len(raw), newline)
        return Extent(start, stop, raw, line, line_stop, end, not plain and b">From " in raw, plain, 0)

    def _changed(self) -> MessageChanged:
        path = fs.shown(self.source.path)
        return MessageChanged(f"{path}: the file changed while it was read; list the folder again")

    def reread(self, start: int, length: int) -> Extent:
        """Return the record at a known place.

        Raises:
            MessageChanged: there is none.
        """
        for extent in self.extents(start, start + length):
            if extent.stop == start + length and (extent.line_stop or self.neutral.mmdf):
                return extent
            break
        raise self._changed()


def how_read(extent: Extent) -> str:
    """Return what must be remembered of a record to read it again: see ``Reading.known``."""
    if extent.counted:
        return COUNTED
    return PLAIN if extent.plain and not extent.quoted else OTHER


class LargeBody:
    """A large message: the record's bytes less its holes, read when needed. See mailstore.model.info.Blob."""

    def __init__(self, reading: Reading, extent: Extent, content: Content) -> None:
        self._source = reading.source
        self._reading = reading
        self._extent = extent
        self._content = content
        self._pieces: tuple[array[int], array[int]] | None = None  # message offsets, file offsets
        self._size = -1
        self._own: Source | None = None

    def detach(self, source: Source) -> None:
        """Read from a source of one's own from now on, closed with the blob."""
        self._own = self._source = source

    def _load(self) -> tuple[array[int], array[int]]:
        """Find the holes: one pass over the record, once."""
        if self._pieces is not None:
            return self._pieces
        extent, content = self._extent, self._content
        base, dialect = extent.start, self._reading.neutral
        stop = base + extent.counted if extent.counted else self._stop(dialect)
        targets, places = array("q"), array("q")
        at, size = base + content.start, 0
        for hole_start, hole_stop in self._holes(dialect, base, stop):
            if hole_start > at:
                targets.append(size)
                places.append(at)
                size += hole_start - at
            at = max(at, hole_stop)
        if stop > at:
            targets.append(size)
            places.append(at)
            size += stop - at
        sentinel = content.sentinel
        if 0 <= sentinel.size < size <= sentinel.size + 2:
            size = sentinel.size
        self._size = size
        self._pieces = targets, places
        return self._pieces

    def _stop(self, dialect: Dialect) -> int:
        """Return the file offset where the message ends."""
        extent = self._extent
        if dialect.mmdf:
            return extent.stop
        tail = self._source.read(extent.stop - 3, 3)
        line_end = self._source.read(extent.start + extent.line_stop - 2, 2) if extent.line_stop > 1 else b""
        raw = b"." * 5 + tail
        cut = content_stop(b"..." + line_end + raw, 5, dialect)
        return extent.stop - (5 + len(raw) - cut)

    def _holes(self, dialect: Dialect, base: int, stop: int) -> Iterator[tuple[int, int]]:
        """Yield what is no part of the message, as file offsets, ascending."""
        content = self._content
        known = [(base + field.start, base + field.stop) for field in content.fields]
        if content.sentinel.kept:
            offset = base + content.start
            head = self._source.read(offset, min(3 * HEAD + 64 * content.sentinel.kept, stop - offset))
            known += [
                (offset + at, offset + at + len(metadata.KEPT))
                for at in metadata.kept_lines(head, content.sentinel.kept, dialect.newline)
            ]
        style = self._reading.style(content, self._extent) if self._extent.quoted else NONE
        quoted: Iterator[int] = iter(())
        if dialect.mmdf:
            if content.sentinel.rd:
                quoted = self._walk(base + content.start, stop, quoting.marked_lines, dialect.newline)
        elif style != NONE:
            quoted = self._walk(
                base + content.start,
                stop,
                lambda data: quoting.quoted_lines(data, style, dialect.newline),
                dialect.newline,
            )
        at = 0
        known.sort()
        for offset in quoted:
            while at < len(known) and known[at][0] <= offset:
                yield known[at]
                at += 1
            yield offset, offset + 1
        yield from known[at:]

    def _walk(self, start: int, stop: int, find: Callable[[bytes], Iterator[int]], newline: bytes) -> Iterator[int]:
        """Yield the file offsets of what ``find`` finds in windows that begin at lines."""
        data, base, done, at_line = b"", start, start, True
        while done < stop or data:
            more = self._source.read_exactly(done, min(WINDOW, stop - done)) if done < stop else b""
            data += more
            done += len(more)
            cut = data.rfind(newline, 0, len(data)) + 1 if done < stop else len(data)
            if done < stop and cut == 0 and len(data) < 16 * WINDOW:
                continue
            cut = cut or len(data)
            for at in find(data[:cut]):
                if at or at_line:
                    yield base + at
            at_line = data[cut - 1 : cut] == newline
            base += cut
            data = data[cut:]

    @property
    def size(self) -> int:
        """Length in bytes; finding it reads the record once where lines are quoted."""
        if self._pieces is None:
            with self._source.shared():
                self._reading.mark.check(self._source)
                self._load()
        return self._size

    def read_at(self, offset: int, size: int) -> bytes:
        """Return up to ``size`` bytes from ``offset``; fewer only at the end.

        Raises:
            MessageChanged: somebody else rewrote the file.
            StoreBusy: another program is writing to it, for longer than the rules of locking wait.
        """
        with self._source.shared():
            self._reading.mark.check(self._source)
            return self._read_at(offset, size)

    def _read_at(self, offset: int, size: int) -> bytes:
        targets, places = self._load()
        size = min(size, self._size - offset)
        if size <= 0:
            return b""
        pieces = []
        at = bisect_right(targets, offset) - 1
        while size > 0:
            within = offset - targets[at]
            room = (targets[at + 1] if at + 1 < len(targets) else self._size) - targets[at] - within
            piece = self._source.read_exactly(places[at] + within, min(size, room))
            pieces.append(piece)
            offset += len(piece)
            size -= len(piece)
            at += 1
        return b"".join(pieces)

    def close(self) -> None:
        """Release the source where it is the blob's own; may be called twice."""
        if self._own is not None:
            self._own.close()
