"""What is in the mbox files of a Takeout: one pass over them, a few numbers for each message.

The problem. A message stands in the file once, and in as many folders as it has labels; the file has all of them in no
order, and tens of gigabytes. Only its end tells which labels there are, in which language, and how lines are quoted.

The solution. One pass notes of each message where it is and which *set* of labels it has: sets are few, messages many
(50 bytes each). What the sets mean is worked out when all are known. Bodies are read when a folder is.

Where a Takeout was made of chosen labels it has a file for each, and a message in several files: it is noted once if
both its bytes and its labels are the same.
"""

from __future__ import annotations

import hashlib
import re
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence

from mailstore.drivers.mbox.reading import OTHER, PLAIN, LargeBody, Options, Parsed, Reading, how_read
from mailstore.drivers.mbox.scan import Extent
from mailstore.drivers.mbox.source import Source
from mailstore.formats.gmail.field import FIELD, read_labels
from mailstore.formats.headers import header_end
from mailstore.formats.mbox.dialect import DIALECTS
from mailstore.formats.mbox.opening import depths
from mailstore.formats.mbox.record import HEAD
from mailstore.model.info import body_size

_ID = re.compile(rb"From (\d{1,20})@xxx[ \t]")
_HOWS = (PLAIN, OTHER)
_OPTIONS = Options(utc=True)  # its dates name their zone
_NO_LABELS = "it has no X-Gmail-Labels; taken for read and archived"
_KEYED = 64 << 10
"""Bytes of a message without an id of Google's that tell it from others."""


class Messages:
    """The messages of a Takeout, by number from 0 on, in the order of the files.

    Attributes:
        labels: each set of labels that a message has.
        sets: which of ``labels``, by number.
        sizes: bytes, by number.
        dates: internal dates, by number.
        notes: what was odd, by number; of few.
        doubled: how many messages stood in another file before and were passed over.
        files: paths of the files, each open.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self.files = list(paths)
        self.labels: list[tuple[str, ...]] = []
        self.sets = array("L")
        self.sizes = array("Q")
        self.dates = array("q")
        self.notes: dict[int, tuple[str, ...]] = {}
        self.doubled = 0
        self._readings: list[Reading] = []
        self._files = array("H")
        self._starts = array("Q")
        self._lengths = array("Q")
        self._hows = array("B")
        self._keys = array("Q")
        self._copies: dict[int, int] = {}
        self._known: dict[bytes, int] = {}
        self._quoted: list[int] = []
        self._depths = [0, 0]
        try:
            self._scan()
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        return len(self._starts)

    def key(self, number: int) -> str:
        """Return what names a message in any Takeout that has it: Google's id of it, or a digest."""
        copy = self._copies.get(number)
        return f"{self._keys[number]}" + (f".{copy}" if copy else "")

    def is_current(self) -> bool:
        """Tell whether the files are what they were."""
        for reading in self._readings:
            before = reading.source.status
            if not reading.source.is_current():
                return False
            now = reading.source.refresh()
            if (before.st_size, before.st_mtime_ns) != (now.st_size, now.st_mtime_ns):
                return False
        return True

    @property
    def changed(self) -> int:
        """When the newest of the files was written, nanoseconds since 1970."""
        return max((reading.source.status.st_mtime_ns for reading in self._readings), default=0)

    @property
    def evidence(self) -> list[str]:
        """How the files are written, one fact a line."""
        deeper, same = self._depths
        facts = [f"quoted From lines: {deeper} as in mboxrd, {same} as in mboxo"] if deeper or same else []
        if any(reading.neutral.eol == b"\r\n" for reading in self._readings):
            facts.append("lines end in CRLF")
        return facts

    def runs(self, numbers: Sequence[int], most: int) -> Iterator[tuple[list[int], bytes]]:
        """Yield neighbours among ``numbers`` with their bytes, up to about ``most``; b'' for one that is larger."""
        at = 0
        while at < len(numbers):
            first = numbers[at]
            run, end = [first], self._starts[first] + self._lengths[first]
            while (at := at + 1) < len(numbers):
                number = numbers[at]
                if (self._files[number], self._starts[number]) != (self._files[first], end):
                    break
                if end + self._lengths[number] - self._starts[first] > most:
                    break
                run.append(number)
                end += self._lengths[number]
            size = end - self._starts[first]
            reading = self._readings[self._files[first]]
            reading.mark.check(reading.source)
            yield run, reading.source.read_exactly(self._starts[first], size) if size <= most else b""

    def parse(self, number: int, data: bytes, base: int) -> Parsed:
        """Read a message; ``data`` holds its record, behind that of message ``base``, unless it is empty.

        Raises:
            MessageChanged: it is not there any more.
        """
        reading, start, length = self._readings[self._files[number]], self._starts[number], self._lengths[number]
        if data:
            at = start - self._starts[base]
            extent = reading.known(data[at : at + length], start, _HOWS[self._hows[number]])
        else:
            extent = reading.reread(start, length)
        return reading.parse(_bare(extent))

    def detached(self, number: int) -> Parsed:
        """The same of a message that is read when its folder is closed: a large body has a descriptor of its own."""
        reading = self._readings[self._files[number]]
        parsed = self.parse(number, b"", number)
        if isinstance(parsed.body, LargeBody) and reading.source.packed is None:
            parsed.body.detach(Source(reading.source.path))
        return parsed

    def close(self) -> None:
        """Close the files; may be called twice."""
        for reading in self._readings:
            reading.source.close()
        self._readings.clear()

    # --- the pass

    def _scan(self) -> None:
        values: dict[bytes, int] = {}
        for path in self.files:
            reading = Reading(Source(path), _OPTIONS, DIALECTS["mboxrd"])
            self._readings.append(reading)
            for extent in reading.extents():
                self._take(reading, extent, values)
        self.labels = [read_labels(value) for value in values]
        if self._depths[1] > self._depths[0]:
            self._quoted_as_in_mboxo()
        seen = Counter(self._keys)
        if len(seen) < len(self._keys):
            self._copies = self._number_copies({key for key, count in seen.items() if count > 1})

    def _take(self, reading: Reading, extent: Extent, values: dict[bytes, int]) -> None:
        raw = extent.raw if extent.raw is not None else reading.source.read(extent.start, HEAD)
        value = _labels_of(raw, extent.line_stop)
        number = len(self._starts)
        if len(self.files) > 1 and not self._is_new(reading, extent):
            self.doubled += 1
            return
        row = reading.plain_row(_bare(extent), body=False)
        if row is not None and row.size is not None and row.internal_date is not None:
            size, date = row.size, row.internal_date
        else:
            parsed = reading.parse(_bare(extent))
            assert parsed.body is not None
            size, date = body_size(parsed.body), parsed.date
            if parsed.notes:
                self.notes[number] = parsed.notes
        if value is None:
            self.notes[number] = (*self.notes.get(number, ()), _NO_LABELS)
        if extent.quoted:
            self._quoted.append(number)
            deeper, same = depths(raw, extent.line_stop, len(raw))
            self._depths[0] += deeper
            self._depths[1] += same
        self._files.append(len(self._readings) - 1)
        self._starts.append(extent.start)
        self._lengths.append(extent.stop - extent.start)
        self._hows.append(_HOWS.index(how_read(extent) if extent.quoted else PLAIN))
        self._keys.append(_key(raw, extent.line_stop))
        self.sets.append(values.setdefault(value or b"", len(values)))
        self.sizes.append(size)
        self.dates.append(date)

    def _is_new(self, reading: Reading, extent: Extent) -> bool:
        """Note a message of one of several files; False where an earlier one had the same record, labels and all."""
        digest = hashlib.sha256()
        at = extent.start
        while at < extent.stop:
            piece = reading.source.read_exactly(at, min(1 << 20, extent.stop - at))
            digest.update(piece)
            at += len(piece)
        name = digest.digest()
        file = len(self._readings) - 1
        return self._known.setdefault(name, file) == file

    def _quoted_as_in_mboxo(self) -> None:
        """Take the files for mboxo: what stands in them says so; sizes of what is quoted are others then."""
        for at, reading in enumerate(self._readings):
            self._readings[at] = Reading(reading.source, _OPTIONS, DIALECTS["mboxo"])
        for number in self._quoted:
            body = self.parse(number, b"", number).body
            assert body is not None
            self.sizes[number] = body_size(body)

    def _number_copies(self, keys: set[int]) -> dict[int, int]:
        counts: Counter[int] = Counter()
        copies = {}
        for number, key in enumerate(self._keys):
            if key in keys:
                copies[number] = counts[key]
                counts[key] += 1
        return copies


def _bare(extent: Extent) -> Extent:
    """Return a record whose header fields are all the sender's: Google's writer keeps no flags or lengths in them."""
    return extent._replace(plain=True, counted=0)


def _labels_of(raw: bytes, start: int) -> bytes | None:
    """Return the value of the first X-Gmail-Labels in the header that begins at ``start``, or None."""
    found = FIELD.search(raw, max(start - 1, 0), start + HEAD)
    if found is None:
        return None
    beginning = raw[start : found.start() + 2]  # with the field's first letter
    return found[1] if header_end(beginning) == len(beginning) else None


def _key(raw: bytes, start: int) -> int:
    found = _ID.match(raw)
    number = int(found[1]) if found is not None else 0
    if 0 < number < 1 << 64:
        return number
    return int.from_bytes(hashlib.sha256(raw[start : start + _KEYED]).digest()[:8], "big")
