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

import re
from collections.abc import Iterator
from dataclasses import dataclass

NONE, ONE, ALL = "none", "one", "all"
"""How body lines are quoted: not, ``From `` only (mboxo), any depth (mboxrd)."""

MARK = b"\x01\x01\x01\x01"
"""Before and after every message of an MMDF file."""


@dataclass(frozen=True, slots=True)
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

    name: str
    quoting: str
    counted: bool = False
    eol: bytes = b"\n"
    nested: bool = True

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

# Patterns that begin with the newline itself are searched ten times as fast as those that only look behind; what
# stands at the very beginning is seen to apart.
_FROM = {newline: re.compile(newline + rb"(?=>*From )") for newline in (b"\n", b"\r")}
_QUOTED = {newline: re.compile(newline + rb">(?=>*From )") for newline in (b"\n", b"\r")}
_FROM_FIRST = re.compile(rb">*From ")
_QUOTED_FIRST = re.compile(rb">+From ")
_MARKED = re.compile(rb"(?:\A|(?<=\n))(\x01\x01\x01\x01)(?= *\r?\n| *\Z)")
_UNMARKED_BEFORE = re.compile(rb"(?:\A|(?<=\n))\x01\x01\x01\x01(?= +\r?\n| +\Z)")
_UNMARKED = re.compile(rb"(?:\A|(?<=\n))(\x01\x01\x01\x01) (?= *\r?\n| *\Z)")


def quote(data: bytes, quoting: str, newline: bytes = b"\n") -> bytes:
    """Return ``data``, which begins a line, with its ``From `` lines quoted."""
    if quoting == NONE or b"From " not in data:
        return data
    if quoting == ONE:
        data = data.replace(newline + b"From ", newline + b">From ")
        return b">" + data if data.startswith(b"From ") else data
    data = _FROM[newline].sub(newline + b">", data)
    return b">" + data if _FROM_FIRST.match(data) else data


def unquote(data: bytes, quoting: str, newline: bytes = b"\n") -> bytes:
    """Take back what ``quote`` did; for mboxo also what it did not do, since nothing tells the two apart."""
    if quoting == NONE or b">From " not in data:
        return data
    if quoting == ONE:
        data = data.replace(newline + b">From ", newline + b"From ")
        return data[1:] if data.startswith(b">From ") else data
    if b">>From " not in data:
        data = data.replace(newline + b">From ", newline + b"From ")
    else:
        data = _QUOTED[newline].sub(newline, data)
    return data[1:] if _QUOTED_FIRST.match(data) else data


def quoted_lines(data: bytes, quoting: str, newline: bytes = b"\n") -> Iterator[int]:
    """Yield the offset of every ``>`` that ``unquote`` takes off, in a ``data`` that begins a line."""
    if quoting == NONE:
        return
    if data.startswith(b">From ") or (quoting == ALL and _QUOTED_FIRST.match(data)):
        yield 0
    for found in _QUOTED[newline].finditer(data):
        at = found.end() - 1
        if quoting == ALL or data.startswith(b">From ", at):
            yield at


def has_from(data: bytes, newline: bytes = b"\n") -> bool:
    """Tell whether a line of ``data`` begins with ``From ``, quoted or not."""
    if b"From " not in data:
        return False
    return _FROM_FIRST.match(data) is not None or _FROM[newline].search(data) is not None


def has_quoted(data: bytes, newline: bytes = b"\n") -> bool:
    """Tell whether a line of ``data`` begins with ``>From ``: mboxo could not tell it from a quoted one."""
    if b">From " not in data:
        return False
    return _QUOTED_FIRST.match(data) is not None or _QUOTED[newline].search(data) is not None


def mark(data: bytes) -> bytes:
    """Return ``data`` with a space behind every line of four 0x01 (as Exim does), and behind those that have some."""
    return _MARKED.sub(rb"\1 ", data) if MARK in data else data


def unmark(data: bytes) -> bytes:
    """Take back what ``mark`` did."""
    return _UNMARKED.sub(rb"\1", data) if MARK in data else data


def marked_lines(data: bytes) -> Iterator[int]:
    """Yield the offset of every space that ``unmark`` takes off."""
    return (found.end() for found in _UNMARKED_BEFORE.finditer(data))


def has_mark(data: bytes) -> bool:
    """Tell whether a line of ``data`` would end the message in an MMDF file, or looks as if ``mark`` had been there."""
    return MARK in data and _MARKED.search(data) is not None
