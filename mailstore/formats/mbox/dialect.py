r"""Dialects of mbox: how a file separates messages, and how it keeps ``From `` lines of a body from being separators.

=========  =====================================  ==============================================
name       a body line ``From ``                  where the next message begins
=========  =====================================  ==============================================
mboxo      written ``>From ``                     From_ line
mboxrd     ``^>*From `` gets one more ``>``       From_ line
mboxcl     as mboxo                               ``Content-Length:``, else From_ line
mboxcl2    as it is                               ``Content-Length:``, else From_ line
rfc4155    as it is                               From_ line
mmdf       as it is                               lines of four 0x01
=========  =====================================  ==============================================

On reading, mboxo takes the ``>`` off ``>From `` alone, mboxrd one ``>`` off any number of them.
"""

from __future__ import annotations

TYPE_CHECKING = False  # loading this loads nothing: a delivery starts a process for each mail
if TYPE_CHECKING:
    import re
    from collections.abc import Iterator

NONE, ONE, ALL = "none", "one", "all"
"""How body lines are quoted: not, ``From `` only (mboxo), any depth (mboxrd)."""

MARK = b"\x01\x01\x01\x01"
"""Before and after every message of an MMDF file."""


class Dialect:
    """How one file is written.

    Attributes:
        name: as in ``?dialect=``.
        quoting: ``none``, ``one`` or ``all``.
        counted: records carry ``Content-Length:``.
        eol: the line end of From_ lines, of our header lines, and of the empty line behind a message.
        nested: a line that would separate may stand unquoted within a counted message. It takes a reader who believes
            the count, and whether one does depends on the file's other records.
    """

    __slots__ = ("counted", "eol", "name", "nested", "quoting")

    def __init__(self, name: str, quoting: str, counted: bool = False, eol: bytes = b"\n", nested: bool = True) -> None:
        self.name = name
        self.quoting = quoting
        self.counted = counted
        self.eol = eol
        self.nested = nested

    def __repr__(self) -> str:
        alone = "" if self.nested else ", nested=False"
        return f"Dialect({self.name!r}, {self.quoting!r}, counted={self.counted}, eol={self.eol!r}{alone})"

    @property
    def newline(self) -> bytes:
        """The one byte that ends a line."""
        return self.eol[-1:]

    @property
    def mmdf(self) -> bool:
        """Whether messages stand between lines of four 0x01."""
        return self.name == "mmdf"

    def with_eol(self, eol: bytes) -> Dialect:
        """Return the dialect with another line end."""
        return Dialect(self.name, self.quoting, self.counted, eol, self.nested)

    def alone(self) -> Dialect:
        """Return the dialect for records that are read right whatever the rest of the file is taken for."""
        return Dialect(self.name, self.quoting, self.counted, self.eol, nested=False)


DIALECTS = {
    dialect.name: dialect
    for dialect in (
        Dialect("mboxo", ONE),
        Dialect("mboxrd", ALL),
        Dialect("mboxcl", ONE, counted=True),
        Dialect("mboxcl2", NONE, counted=True),
        Dialect("rfc4155", NONE),
        Dialect("mmdf", NONE),
    )
}
DEFAULT = DIALECTS["mboxrd"]

_GREATER = ord(">")

_MARKED = rb"(?:\A|(?<=\n))(\x01\x01\x01\x01)(?= *\r?\n| *\Z)"
_UNMARKED_BEFORE = rb"(?:\A|(?<=\n))\x01\x01\x01\x01(?= +\r?\n| +\Z)"
_UNMARKED = rb"(?:\A|(?<=\n))(\x01\x01\x01\x01) (?= *\r?\n| *\Z)"


def _pattern(source: bytes) -> re.Pattern[bytes]:
    import re  # late: it is as much to load as all of a delivery, and few messages need it

    return re.compile(source)


def _from_lines(data: bytes, newline: bytes) -> Iterator[int]:
    """Yield where each line begins that is ``From `` behind any number of ``>``; ``data`` begins a line."""
    byte, at = newline[0], data.find(b"From ")
    while at >= 0:
        start = at
        while start and data[start - 1] == _GREATER:
            start -= 1
        if not start or data[start - 1] == byte:
            yield start
        at = data.find(b"From ", at + 5)


def quote(data: bytes, quoting: str, newline: bytes = b"\n") -> bytes:
    """Return ``data``, which begins a line, with its ``From `` lines quoted."""
    if quoting == NONE or b"From " not in data:
        return data
    if quoting == ONE:
        data = data.replace(newline + b"From ", newline + b">From ")
        return b">" + data if data.startswith(b"From ") else data
    starts = [*_from_lines(data, newline)]
    return b">".join(data[low:high] for low, high in zip([0, *starts], [*starts, len(data)], strict=True))


def unquote(data: bytes, quoting: str, newline: bytes = b"\n") -> bytes:
    """Take back what ``quote`` did; for mboxo also what it did not do, since nothing tells the two apart."""
    if quoting == NONE or b">From " not in data:
        return data
    if quoting == ONE:
        data = data.replace(newline + b">From ", newline + b"From ")
        return data[1:] if data.startswith(b">From ") else data
    if b">>From " not in data:
        data = data.replace(newline + b">From ", newline + b"From ")
        return data[1:] if data.startswith(b">From ") else data
    taken = [*quoted_lines(data, ALL, newline)]
    lows, highs = [0, *(at + 1 for at in taken)], [*taken, len(data)]
    return b"".join(data[low:high] for low, high in zip(lows, highs, strict=True))


def quoted_lines(data: bytes, quoting: str, newline: bytes = b"\n") -> Iterator[int]:
    """Yield the offset of every ``>`` that ``unquote`` takes off, in a ``data`` that begins a line."""
    if quoting == NONE:
        return
    for at in _from_lines(data, newline):
        if data.startswith(b">From ", at) or (quoting == ALL and data[at] == _GREATER):
            yield at


def has_from(data: bytes, newline: bytes = b"\n") -> bool:
    """Tell whether a line of ``data`` begins with ``From ``, quoted or not."""
    return next(_from_lines(data, newline), None) is not None


def has_quoted(data: bytes, newline: bytes = b"\n") -> bool:
    """Tell whether a line of ``data`` begins with ``>From ``: mboxo could not tell it from a quoted one."""
    return b">From " in data and any(data[at] == _GREATER for at in _from_lines(data, newline))


def mark(data: bytes) -> bytes:
    """Return ``data`` with a space behind every line of four 0x01 (as Exim does), and behind those that have some."""
    return _pattern(_MARKED).sub(rb"\1 ", data) if MARK in data else data


def unmark(data: bytes) -> bytes:
    """Take back what ``mark`` did."""
    return _pattern(_UNMARKED).sub(rb"\1", data) if MARK in data else data


def marked_lines(data: bytes) -> Iterator[int]:
    """Yield the offset of every space that ``unmark`` takes off."""
    return (found.end() for found in _pattern(_UNMARKED_BEFORE).finditer(data))


def has_mark(data: bytes) -> bool:
    """Tell whether a line of ``data`` would end the message in an MMDF file, or looks as if ``mark`` had been there."""
    return MARK in data and _pattern(_MARKED).search(data) is not None
