"""One mbox file and what the index knows of it, brought together.

The problem. Listing a large file takes time, and most of the time nothing changed. Another program may append, change
flags in place, expunge by moving what follows, or put another file under the name.

The solution. The index keeps a stamp: device, inode, size, mtime, ctime (in nanoseconds), the last record's offset and
the dialect. While all agree, and a From_ line still stands at that offset, the index speaks for the file. A larger
file of the same inode was appended to: above ``RESCAN`` bytes only the tail is read. Anything else is read anew, and
messages are recognised by X-UID, or by a digest of their bytes in order.

Recorded UIDs are honoured as c-client and Dovecot do: X-IMAPbase in the first record, X-UID strictly growing and not
above the last UID given. From the first record on that breaks this, none is: those get new UIDs, in order.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from mailstore.drivers.mbox.reading import Options, Parsed, Reading, how_read
from mailstore.drivers.mbox.source import Source
from mailstore.drivers.sidecar import Entry, FolderIndex, Found, Index, update
from mailstore.errors import NoSuchStore
from mailstore.formats.mbox.dialect import DIALECTS, Dialect
from mailstore.formats.mbox.metadata import Base
from mailstore.model.changes import FolderState
from mailstore.model.flags import RECENT, SEEN
from mailstore.model.info import body_size
from mailstore.model.measure import digest_of
from mailstore.system.dotlocks import Dotlock
from mailstore.system.lockrules import LockRules

RESCAN = 64 << 20
"""Bytes: a smaller file is read anew when it grew, since other flags may have changed besides."""


COUNTED = 4 << 20
"""Bytes: a larger file is counted without making an index of it."""

_REPLACED = 20
"""How often a reader opens the file anew that is replaced while it waits for the lock."""


class Stamp(NamedTuple):
    """When the index may be trusted."""

    device: int = 0
    inode: int = 0
    size: int = 0
    mtime: int = 0
    ctime: int = 0
    last: int = 0
    """Offset of the last record."""
    dialect: str = ""
    options: str = ""
    numbered: int = 0
    """1: every record has an X-UID that is honoured (an empty file too)."""
    uidlast: int = 0
    uidvalidity: int = 0
    """As recorded in the file; 0: none."""

    def text(self) -> str:
        """Return it as the index keeps it."""
        return " ".join(str(value) or "-" for value in self)

    @classmethod
    def read(cls, text: str) -> Stamp:
        """Read what ``text`` gave; an older form, or nothing, matches no file."""
        words = text.split(" ")
        if len(words) != len(cls._fields):
            return cls()
        try:
            values = [word if at in (6, 7) else int(word) for at, word in enumerate(words)]
        except ValueError:
            return cls()
        return cls(*["" if value == "-" else value for value in values])  # type: ignore[arg-type]


class Folder:
    """An mbox file with its index.

    Attributes:
        name: the file's name in the index.
        path: where it is; it need not exist (then it is empty).
        rules: how it is locked.
        reading: the file as of the last ``look``; None where it does not exist.
        index: as of the last ``look``.
    """

    def __init__(self, path: str, name: str, index: Index, options: Options, rules: LockRules) -> None:
        self.path = path
        self.name = name
        self.options = options
        self.rules = rules
        self.reading: Reading | None = None
        self.index: FolderIndex = FolderIndex()
        self.stamp = Stamp()
        self.hidden = {"pseudo": 0, "expunged": 0}
        self.notes: dict[str, tuple[str, ...]] = {}
        """By key: what was odd about a message."""
        self._indexes = index
        self._loaded = False
        self._rewritten = False
        self._beat: Callable[[], None] | None = None
        self._counted: tuple[Stamp, FolderState] | None = None
        self._keys: tuple[tuple[int, int, str], dict[bytes, int]] | None = None

    def look(self, saved: int | None = None) -> FolderIndex:
        """Bring the index up to date with the file and return it.

        Args:
            saved: what messages not seen before get as saved date (we appended them just now).
        """
        self.open()
        if (
            self._loaded
            and not self._rewritten
            and self._indexes.current(self.name, self.index)
            and self._is_current(self.index)
        ):
            return self.index
        with self.shared():
            self.index = update(self._indexes, self.name, lambda known: self._scan(known, saved))
        self._loaded, self._rewritten = True, False
        return self.index

    def rewriting(self) -> None:
        """Have the next look read the whole file: it is about to be written anew, in place.

        It may be larger then, and a record begin where the old one ended, though nothing was appended.
        """
        self._rewritten = True

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Keep other programs from writing to the file for a block that reads it, and have it open as it then is.

        Raises:
            StoreBusy: one is writing, for longer than the rules wait.
        """
        with ExitStack() as stack:
            locked = None
            for _ in range(_REPLACED):
                self.open()
                source = self.reading.source if self.reading is not None else None
                if source is locked:
                    break
                stack.close()
                if source is not None:
                    stack.enter_context(source.shared())
                locked = source
            yield

    @contextmanager
    def beating(self, dotlock: Dotlock | None) -> Iterator[None]:
        """Refresh a dotlock whenever the file is read in the block: a look at a large one takes minutes."""
        self._beat = dotlock.refresh if dotlock is not None else None
        try:
            if self.reading is not None:
                self.reading.source.beat = self._beat
            yield
        finally:
            self._beat = None
            if self.reading is not None:
                self.reading.source.beat = None

    def count(self) -> FolderState | None:
        """Return the counters of a large file that no index knows yet, in constant memory; None for any other.

        Sizes are not known then, and the modseq is the index's: a listing makes both exact.
        """
        self.open()
        reading = self.reading
        if reading is None or self._indexes.persistent or reading.size < COUNTED:
            return None
        known = self.index if self._loaded else self._indexes.load(self.name)
        if known.entries or known.stamp:
            return None
        if self._counted is None or self._counted[0] != self._now():
            with self.shared():
                reading = self.reading
                if reading is None:
                    return None
                self._counted = self._now(), self._count(reading, known)
        return self._counted[1]

    def expunged(self) -> int:
        """Return how many messages are left out since Thunderbird deleted them; reads a file that can hold such."""
        self.open()
        if self.options.expunged or self.reading is None or not self.reading.holds((b"X-Mozilla-Status:",)):
            return 0
        with self.shared():
            reading = self.reading
            if reading is None:
                return 0
            marked = (extent for extent in reading.extents() if not extent.plain)
            return sum(reading.parse(extent, whole=False).hidden == "expunged" for extent in marked)

    def _count(self, reading: Reading, known: FolderIndex) -> FolderState:
        numbering = _Numbering(None, known)
        messages = unseen = recent = unnumbered = 0
        for extent in reading.extents():
            if extent.plain and not numbering.first:
                numbering.honoured = False
                messages += 1
                unseen += 1
                recent += 1
                unnumbered += 1
                continue
            parsed = reading.parse(extent, whole=False)
            uid = numbering.take(parsed)
            if parsed.hidden:
                continue
            flags = parsed.content.marks.flags
            messages += 1
            unnumbered += not uid
            unseen += not flags & SEEN
            recent += flags & RECENT != 0
        uidvalidity = numbering.uidvalidity or known.number()
        uidnext = max(numbering.uidlast + 1, known.uidnext) + unnumbered
        return FolderState(uidvalidity, uidnext, known.highest_modseq, messages, unseen, recent, None)

    def open(self) -> None:
        """Have the file open that is at the path now, and its size known."""
        reading = self.reading
        if reading is not None and reading.source.packed is None:
            if reading.source.is_current():
                before = reading.source.status
                status = reading.source.refresh()
                if (before.st_size, before.st_mtime_ns, before.st_ctime_ns) == (
                    status.st_size,
                    status.st_mtime_ns,
                    status.st_ctime_ns,
                ):
                    return
                self.reading = Reading(reading.source, self.options, self._pinned())
                return
            reading.source.close()
        elif reading is not None:
            return
        self.reading = None
        try:
            source = Source(self.path, self.rules)
        except NoSuchStore:
            return
        source.beat = self._beat
        self.reading = Reading(source, self.options, self._pinned())

    def _pinned(self) -> Dialect | None:
        return DIALECTS.get(Stamp.read(self.index.stamp).dialect)

    def pinned(self, status: os.stat_result) -> Dialect | None:
        """Return the dialect of the file of that status where it is known without reading: said, or found before."""
        this, stamp = (status.st_dev, status.st_ino), Stamp.read(self.index.stamp)
        found = DIALECTS.get(stamp.dialect) if (stamp.device, stamp.inode) == this else None
        if found is None and self.reading is not None:
            read = self.reading.source.status
            found = self.reading.known_dialect if (read.st_dev, read.st_ino) == this else None
        return self.options.dialect or found

    def _now(self) -> Stamp:
        """Return the stamp of the file as it is, as far as its status tells."""
        options = (
            f"{self.options.expunged:d}{self.options.utc:d}{self.options.dialect.name if self.options.dialect else ''}"
        )
        if self.reading is None:
            return Stamp(options=options, numbered=1)
        status = self.reading.source.status
        return Stamp(
            status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns, options=options
        )

    def _is_current(self, known: FolderIndex) -> bool:
        """Tell whether the index speaks for the file as it is."""
        now, stamp = self._now(), Stamp.read(known.stamp)
        if not known.stamp or stamp[:5] != now[:5] or stamp.options != now.options:
            return False
        if self.reading is not None and stamp.size and not self._record_at(stamp.last):
            return False
        self.stamp = stamp
        return True

    def _record_at(self, offset: int) -> bool:
        reading = self.reading
        assert reading is not None
        if reading.opening is not None and reading.opening.mmdf:
            return True
        return reading.source.read(offset, 5) == b"From "

    def _scan(self, known: FolderIndex, saved: int | None) -> None:
        if not self._rewritten and self._is_current(known):
            return
        stamp = Stamp.read(known.stamp)
        if self.reading is not None and self.reading.known_dialect is None and stamp.dialect in DIALECTS:
            self.reading = Reading(self.reading.source, self.options, DIALECTS[stamp.dialect])
        if not self._rewritten and self._grew(stamp, saved):
            self._take(known, stamp, saved)
        else:
            self._take(known, None, saved)

    def _grew(self, stamp: Stamp, saved: int | None) -> bool:
        """Tell whether only what follows the known size is new."""
        reading, now = self.reading, self._now()
        if reading is None or reading.opening is None or not stamp.size or stamp.options != now.options:
            return False
        if (stamp.device, stamp.inode) != (now.device, now.inode) or now.size <= stamp.size:
            return False
        if saved is None and now.size < RESCAN:
            return False
        return not reading.opening.mmdf and self._record_at(stamp.last) and self._starts_at(stamp.size)

    def _starts_at(self, offset: int) -> bool:
        """Tell whether a record begins at, or an empty line behind, the offset."""
        assert self.reading is not None
        return self.reading.source.read(offset, 8).lstrip(b"\r\n").startswith(b"From ")

    def _take(self, known: FolderIndex, tail: Stamp | None, saved: int | None) -> None:
        """Scan the whole file, or its tail behind what ``tail`` stamps, and reconcile the index with it."""
        numbering = _Numbering(tail, known)
        if tail is not None and self.reading is not None and (base := self.reading.base()) is not None:
            numbering.uidlast = base.uidlast
        found, last = [], 0
        copies: dict[str, int] = {}
        if tail is None:
            self.hidden = {"pseudo": 0, "expunged": 0}
            self.notes = {}
        for parsed in self._parsed(tail):
            last = parsed.extent.start
            uid = numbering.take(parsed)
            if parsed.hidden:
                self.hidden[parsed.hidden] += 1
                continue
            one = _found(parsed, uid, numbering, copies, known if tail is not None else None, saved)
            if parsed.notes:
                self.notes[one.key] = parsed.notes
            found.append(one)
        now = self._now()
        dialect = self.reading.known_dialect if self.reading is not None else None
        stamp = now._replace(
            last=last if last or tail is None else tail.last,
            dialect=dialect.name if dialect is not None else "",
            numbered=int(numbering.honoured and numbering.uidvalidity > 0) if now.size else 1,
            uidlast=numbering.uidlast,
            uidvalidity=numbering.uidvalidity,
        )
        known.reconcile(
            found,
            uidvalidity=numbering.uidvalidity,
            uidnext=numbering.uidlast + 1 if numbering.uidvalidity else 0,
            stamp=stamp.text(),
            complete=tail is None,
        )
        self.stamp = stamp

    def _parsed(self, tail: Stamp | None) -> Iterator[Parsed]:
        reading = self.reading
        if reading is None:
            return
        start = 0
        if tail is not None:
            head = reading.source.read(tail.size, 8)
            start = tail.size + len(head) - len(head.lstrip(b"\r\n"))
        for extent in reading.extents(start):
            yield reading.parse(extent)

    @property
    def looked(self) -> bool:
        """Whether the index was brought up to date before."""
        return self._loaded

    def keys(self) -> dict[bytes, int]:
        """Return UID by idempotency key of the messages there are."""
        known = self.look()
        if self._keys is None or self._keys[0] != (id(known), known.highest_modseq, known.stamp):
            found = {}
            for entry in known.entries.values():
                words = entry.extra.split(" ")
                if len(words) > 3:
                    found[bytes.fromhex(words[3])] = entry.uid
            self._keys = (id(known), known.highest_modseq, known.stamp), found
        return self._keys[1]

    def store(self, known: FolderIndex) -> None:
        """Keep counters that were changed in the index itself."""
        if self._indexes.store(self.name, known):
            self.index = known

    def close(self) -> None:
        """Close the file; may be called twice."""
        if self.reading is not None:
            self.reading.source.close()
            self.reading = None


class _Numbering:
    """Honours recorded UIDs as long as they keep the rules.

    Where another program took the first message out, and X-IMAPbase with it, X-UID still tells which message it is,
    if the index knows one of that UID and size.
    """

    def __init__(self, tail: Stamp | None, known: FolderIndex) -> None:
        self._known = known
        self.first = tail is None
        self.honoured = tail is None or bool(tail.numbered)
        self.uidvalidity = tail.uidvalidity if tail is not None else 0
        self.uidlast = tail.uidlast if tail is not None else 0
        self.previous = self.uidlast if tail is not None else 0

    def key(self, uid: int, size: int) -> str | None:
        """Return the key of a message whose record says ``uid``, though the file records no UIDVALIDITY."""
        key = f"{self._known.uidvalidity}.{uid}"
        entry = self._known.entries.get(key) if uid and not self.uidvalidity else None
        return key if entry is not None and entry.size == size else None

    def take(self, parsed: Parsed) -> int:
        """Return the record's UID if it is honoured, else 0."""
        marks = parsed.content.marks
        if self.first:
            self.first = False
            base: Base | None = marks.base
            if base is not None:
                self.uidvalidity, self.uidlast = base.uidvalidity, base.uidlast
        if parsed.hidden == "pseudo":
            return 0
        if self.honoured and self.uidvalidity and self.previous < marks.uid <= self.uidlast:
            self.previous = marks.uid
            return marks.uid
        self.honoured = False
        return 0


def _found(
    parsed: Parsed,
    uid: int,
    numbering: _Numbering,
    copies: dict[str, int],
    known: FolderIndex | None,
    saved: int | None,
) -> Found:
    """Return what the index is to know of a message."""
    body, marks, extent = parsed.body, parsed.content.marks, parsed.extent
    assert body is not None
    digest = None
    if uid:
        key = f"{numbering.uidvalidity}.{uid}"
    elif (before := numbering.key(marks.uid, body_size(body))) is not None and before not in copies:
        key = before
        copies[key] = 1
    else:
        digest = hashlib.sha256(body).digest() if isinstance(body, bytes) else digest_of(body)
        name = digest.hex()[:40]
        number = copies.get(name, 0)
        key = f"{name}.{number}" if number else name
        while known is not None and key in known.entries:
            number += 1
            key = f"{name}.{number}"
        copies[name] = number + 1
    sentinel = parsed.content.sentinel
    return Found(
        key,
        uid,
        marks.flags,
        marks.keywords,
        parsed.date,
        saved if sentinel.saved is None else sentinel.saved,
        body_size(body),
        None,
        digest,
        f"{extent.start} {extent.stop - extent.start} {how_read(extent)}"
        + (f" {sentinel.key.hex()}" if sentinel.key is not None else ""),
    )


def place(entry: Entry) -> tuple[int, int]:
    """Return (offset, length) of an entry's record."""
    start, length = entry.extra.split(" ", 2)[:2]
    return int(start), int(length)
