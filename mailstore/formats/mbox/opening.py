"""How an mbox file begins, and which dialect its contents speak for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from mailstore.formats.mbox.dialect import DEFAULT, DIALECTS, MARK, Dialect
from mailstore.formats.mbox.from_line import Kind, Zone
from mailstore.formats.mbox.separator import PROBE as PROBE

_BLANK = re.compile(rb"(?:\xef\xbb\xbf)?[\r\n]*")
_QUOTED_LINE = re.compile(rb"(?:\A|(?<=[\r\n]))(>+)From ")
_DEPTH = re.compile(rb">*")
_GREATER = ord(">")

PATCH_LINE = re.compile(rb"From [0-9a-f]{40}(?:[0-9a-f]{24})? Mon Sep 17 00:00:00 2001[ \t]*(?:[\r\n]|\Z)")
"""What ``git format-patch`` begins a patch with: the date is always this one. Patches are mailed around in messages."""


class Opening(NamedTuple):
    """How a file begins."""

    start: int
    """Offset of the first record; empty lines and a byte order mark before it are passed over."""
    eol: bytes
    mmdf: bool
    bare: bool
    """The first From_ line has no date."""
    patches: bool = False
    """The first From_ line is git's: the file is made of patches, and such lines separate."""


def read_opening(head: bytes) -> Opening | None:
    """Tell how a file whose first PROBE bytes are ``head`` begins; None where that is no mbox. Empty is none either."""
    start = _BLANK.match(head).end()  # type: ignore[union-attr] # it matches the empty string
    if head.startswith(MARK, start):
        end = head.find(b"\n", start)
        return Opening(start, b"\r\n" if head[end - 1 : end] == b"\r" else b"\n", mmdf=True, bare=True)
    if not head.startswith(b"From ", start):
        return None
    lf, cr = head.find(b"\n", start), head.find(b"\r", start)
    eol = b"\n"
    if cr >= 0 and (lf < 0 or cr < lf):
        eol = b"\r\n" if lf == cr + 1 else b"\r"
    end = min((at for at in (lf, cr) if at >= 0), default=len(head))
    line = Zone(utc=True).parse(head[start:end])
    if line.kind == Kind.TEXT:
        return None
    patches = PATCH_LINE.match(head, start) is not None
    return Opening(start, eol, mmdf=False, bare=line.kind == Kind.BARE, patches=patches)


class Evidence(NamedTuple):
    """What the records of a file say about its dialect."""

    records: int = 0
    counted: int = 0
    """With a Content-Length that is right."""
    nested: int = 0
    """Of those, with a line ``From `` inside that is not quoted."""
    solaris: int = 0
    """Of those, with a ``Lines:`` field (mutt, System V): their writers quote besides counting."""
    one: int = 0
    """Lines ``>From `` that only mboxo can have left so."""
    all: int = 0
    """Lines ``>>From `` and deeper that speak for mboxrd."""

    @property
    def counts(self) -> bool:
        """Whether at least half of the records are counted rightly."""
        return self.records > 0 and 2 * self.counted >= self.records

    def dialect(self, opening: Opening) -> Dialect:
        """Return the dialect this speaks for; mboxrd where nothing speaks for another."""
        if opening.mmdf:
            found = DIALECTS["mmdf"]
        elif self.counts:
            found = DIALECTS["mboxcl" if self.solaris and not self.nested else "mboxcl2"]
        elif self.one > self.all:
            found = DIALECTS["mboxo"]
        else:
            found = DEFAULT
        return found.with_eol(opening.eol)

    def reasons(self, opening: Opening) -> tuple[str, ...]:
        """Return what was found, one fact a line."""
        ends = {b"\n": "LF", b"\r\n": "CRLF", b"\r": "CR"}[opening.eol]
        facts = [f"lines end in {ends}"]
        if opening.mmdf:
            facts.append("messages stand between lines of four 0x01")
        if opening.bare and not opening.mmdf:
            facts.append("From_ lines have no date")
        if self.counted:
            facts.append(f"{self.counted} of {self.records} messages have a right Content-Length")
        if self.nested:
            facts.append(f"{self.nested} of them hold From lines that are not quoted")
        if self.one or self.all:
            facts.append(f"quoted From lines: {self.all} as in mboxrd, {self.one} as in mboxo")
        return tuple(facts)


class Weighed(NamedTuple):
    """A record as evidence."""

    raw: bytes
    counted: bool
    """Its Content-Length is right."""
    deeper: int = 0
    """Quoted From lines by which another program speaks for mboxrd (``depths``), ..."""
    same: int = 0
    """... or for mboxo."""
    ours: bool = False
    """We wrote it: it says itself how it is quoted, and nothing of how others are."""


def weigh(records: Iterable[Weighed]) -> Evidence:
    """Gather evidence from records.

    A writer of mboxrd makes a quoted reply's ``>From `` deeper than the lines around it; in mboxo it stays as deep as
    they are. That tells the two apart.
    """
    total = counted = nested = solaris = one = every = 0
    for raw, is_counted, deeper, same, ours in records:
        total += 1
        every += deeper
        one += same
        counted += is_counted
        if is_counted and not ours:
            nested += raw.find(b"\nFrom ", 5) >= 0
            solaris += b"\nLines: " in raw
    return Evidence(total, counted, nested, solaris, one, every)


def _quoted_lines(raw: bytes, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Yield (offset, depth) of every line that is a quoted From line and has its last ``>`` in ``[start, stop)``."""
    at = raw.find(b">From ", start, stop + 5)
    while at >= 0:
        first = at
        while first and raw[first - 1] == _GREATER:
            first -= 1
        if first == 0 or raw[first - 1] in b"\r\n":
            yield first, at + 1 - first
        at = raw.find(b">From ", at + 6, stop + 5)


def depths(raw: bytes, start: int, stop: int) -> tuple[int, int]:
    """Count quoted From lines in ``[start, stop)`` that are deeper than the lines around them, and those as deep."""
    deeper = same = 0
    for first, depth in _quoted_lines(raw, start, stop):
        before = raw.rfind(b"\n", 0, max(first - 1, 0)) + 1
        after = raw.find(b"\n", first + depth) + 1 or len(raw)
        around = 0
        for at in (before, after):
            if _QUOTED_LINE.match(raw, at) is None:  # a From line itself says nothing of another
                around = max(around, len(_DEPTH.match(raw, at)[0]))  # type: ignore[index] # it always matches
        if around >= depth:
            same += 1
        elif depth > 1:
            deeper += 1
    return deeper, same
