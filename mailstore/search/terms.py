"""What a search is made of: terms that know which fields they need, whether a message is meant, how they are written.

Terms are pure: the same row gives the same answer, whenever it is asked. Texts are compared without regard to case and
Unicode form (NFKC). Instants are seconds since 1970 UTC.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce
from operator import or_
from typing import Protocol

from mailstore.formats.headers import fields, header_of
from mailstore.formats.mbox.from_line import Zone, header_date
from mailstore.formats.words import decode_header
from mailstore.model.flags import FLAG_NAMES
from mailstore.model.info import HEADER, INTERNAL_DATE, SENDER, SIZE, Row, body_size

FLAGS = {name[1:].lower(): bit for bit, name in FLAG_NAMES.items()}
"""The words for flags: ``seen``, ``answered``, ``flagged``, ``draft``, ``deleted``, ``recent``."""
FIELDS = ("from", "to", "cc", "bcc", "subject")
"""Header fields that are keys of their own."""

_BARE = re.compile(r'[^\s()"]+')
_DAY = 86400
_UTC = Zone(utc=True)


class Facts:
    """A row, and what was found out about it so far."""

    __slots__ = ("_fields", "row")

    def __init__(self, row: Row) -> None:
        self.row = row
        self._fields: list[tuple[bytes, bytes]] | None = None

    @property
    def size(self) -> int | None:
        """Bytes as stored."""
        if self.row.size is None and self.row.body is not None:
            return body_size(self.row.body)
        return self.row.size

    def values(self, name: str) -> Iterator[bytes]:
        """Yield the values of the header fields called ``name``, in order; none where there is no header."""
        if self._fields is None:
            block = self.row.header
            if block is None:
                block = b"" if self.row.body is None else header_of(self.row.body)
            self._fields = [(field.lower(), value) for field, value in fields(block)]
        wanted = name.lower().encode()
        return (value for field, value in self._fields if field == wanted)


class Term(Protocol):
    """A condition on a message; ``str`` gives it as ``parse_search`` reads it."""

    @property
    def want(self) -> int:
        """The fields of a row that it looks at (mailstore.model.info)."""
        ...

    def matches(self, facts: Facts) -> bool:
        """Tell whether a message fulfils it."""
        ...


@dataclass(frozen=True, slots=True)
class And:
    """All of them; of none, every message."""

    terms: tuple[Term, ...]

    @property
    def want(self) -> int:
        """See Term."""
        return reduce(or_, (term.want for term in self.terms), 0)

    def matches(self, facts: Facts) -> bool:
        """See Term."""
        return all(term.matches(facts) for term in self.terms)

    def __str__(self) -> str:
        return " ".join(map(_grouped, self.terms)) if self.terms else "all"


@dataclass(frozen=True, slots=True)
class Or:
    """At least one of them."""

    terms: tuple[Term, ...]

    @property
    def want(self) -> int:
        """See Term."""
        return reduce(or_, (term.want for term in self.terms), 0)

    def matches(self, facts: Facts) -> bool:
        """See Term."""
        return any(term.matches(facts) for term in self.terms)

    def __str__(self) -> str:
        return " or ".join(map(_grouped, self.terms))


@dataclass(frozen=True, slots=True)
class Not:
    """The contrary."""

    term: Term

    @property
    def want(self) -> int:
        """See Term."""
        return self.term.want

    def matches(self, facts: Facts) -> bool:
        """See Term."""
        return not self.term.matches(facts)

    def __str__(self) -> str:
        return f"not {_grouped(self.term)}"


@dataclass(frozen=True, slots=True)
class Flag:
    """A system flag is set."""

    name: str
    """A key of FLAGS."""
    want = 0

    def matches(self, facts: Facts) -> bool:
        """See Term."""
        return facts.row.flags & FLAGS[self.name] != 0

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Keyword:
    """A keyword is set, in any case."""

    name: str
    want = 0

    def matches(self, facts: Facts) -> bool:
        """See Term."""
        wanted = self.name.lower()
        return any(keyword.lower() == wanted for keyword in facts.row.keywords)

    def __str__(self) -> str:
        return f"keyword:{_quoted(self.name)}"


@dataclass(frozen=True, slots=True)
class Field:
    """A header field of this name is there, and the text is in one of them; '' is in any."""

    name: str
    """In lower case."""
    text: str
    want = HEADER

    def matches(self, facts: Facts) -> bool:
        """See Term."""
        wanted = fold(self.text)
        return any(not wanted or wanted in fold(decode_header(value)) for value in facts.values(self.name))

    def __str__(self) -> str:
        if self.name in FIELDS:
            return f"{self.name}:{_quoted(self.text)}"
        return f"header:{_quoted(f'{self.name}={self.text}')}"


@dataclass(frozen=True, slots=True)
class Sender:
    """The text is in the envelope sender; '' is the null sender alone."""

    text: str
    want = SENDER

    def matches(self, facts: Facts) -> bool:
        """See Term."""
        sender = facts.row.sender
        if sender is None:
            return False
        return fold(self.text) in fold(sender) if self.text else not sender

    def __str__(self) -> str:
        return f"sender:{_quoted(self.text)}"


@dataclass(frozen=True, slots=True)
class Larger:
    """It has more bytes than this."""

    size: int
    want = SIZE

    def matches(self, facts: Facts) -> bool:
        """See Term."""
        return facts.size is not None and facts.size > self.size

    def __str__(self) -> str:
        return f"larger:{self.size}"


@dataclass(frozen=True, slots=True)
class Smaller:
    """It has fewer bytes than this."""

    size: int
    want = SIZE

    def matches(self, facts: Facts) -> bool:
        """See Term."""
        return facts.size is not None and facts.size < self.size

    def __str__(self) -> str:
        return f"smaller:{self.size}"


@dataclass(frozen=True, slots=True)
class Since:
    """It came, or was sent, at this instant or later."""

    instant: int
    sent: bool = False
    """The Date field counts, not the internal date."""

    @property
    def want(self) -> int:
        """See Term."""
        return HEADER if self.sent else INTERNAL_DATE

    def matches(self, facts: Facts) -> bool:
        """See Term."""
        moment = _moment(facts, self.sent)
        return moment is not None and moment >= self.instant

    def __str__(self) -> str:
        return f"{'sentsince' if self.sent else 'since'}:{_date(self.instant)}"


@dataclass(frozen=True, slots=True)
class Before:
    """It came, or was sent, before this instant."""

    instant: int
    sent: bool = False

    @property
    def want(self) -> int:
        """See Term."""
        return HEADER if self.sent else INTERNAL_DATE

    def matches(self, facts: Facts) -> bool:
        """See Term."""
        moment = _moment(facts, self.sent)
        return moment is not None and moment < self.instant

    def __str__(self) -> str:
        return f"{'sentbefore' if self.sent else 'before'}:{_date(self.instant)}"


@dataclass(frozen=True, slots=True)
class Uid:
    """Its UID lies in this range, both ends in it."""

    first: int
    last: int | None
    """None: no end."""
    want = 0

    def matches(self, facts: Facts) -> bool:
        """See Term."""
        return self.first <= facts.row.uid and (self.last is None or facts.row.uid <= self.last)

    def __str__(self) -> str:
        if self.first == self.last:
            return f"uid:{self.first}"
        return f"uid:{self.first}-{'' if self.last is None else self.last}"


def fold(text: str) -> str:
    """Return what texts that differ in case or Unicode form alone have in common."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def _moment(facts: Facts, sent: bool) -> int | None:
    if not sent:
        return facts.row.internal_date
    value = next(facts.values("date"), None)
    return None if value is None else header_date(value, _UTC)


def _grouped(term: Term) -> str:
    return f"({term})" if isinstance(term, And | Or) and term != And(()) else str(term)


def _quoted(text: str) -> str:
    if _BARE.fullmatch(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _date(instant: int) -> str:
    if instant % _DAY == 0:
        try:
            return f"{datetime.fromtimestamp(instant, UTC):%Y-%m-%d}".rjust(10, "0")
        except (OverflowError, ValueError, OSError):
            pass
    return f"@{instant}"
