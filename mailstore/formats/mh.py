"""The text files of MH: sequences, the profile, the context. Source: nmh's mh-sequence(5), mh-profile(5), and its code.

``.mh_sequences`` is a header block: a sequence's name, a colon, and message numbers and ranges, ``unseen: 1-5 7``; long
lines are continued by a line that begins with white space. The profile (``~/.mh_profile``) and the context
(``context`` in the mail directory) have the same form. A folder that may not be written has its sequences in the
context, as ``atr-NAME-/whole/path/of/the/folder``.

Nothing is raised, whatever the bytes are: what is no number or range is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from mailstore.formats.headers import fields
from mailstore.formats.sylpheed import read_mark
from mailstore.model.flags import (
    ANSWERED,
    FLAGGED,
    NO_KEYWORDS,
    SEEN,
    canonical_keyword,
    is_keyword,
    unite_keywords,
)

SEQUENCES = ".mh_sequences"
UNSEEN = "unseen"
RESERVED = frozenset({"cur", "prev", "next", "first", "last", "all"})
"""Names that say nothing of a message: where the reader is, and what nmh gives a meaning of its own."""

_MESSAGE = re.compile(r"[1-9][0-9]{0,8}")
_RANGE = re.compile(rb"\d{1,18}(?:-\d{1,18})?")
_FLAGS = {"flagged": FLAGGED, "replied": ANSWERED, "answered": ANSWERED}
_KEYWORDS = {"forwarded": "$Forwarded", "passed": "$Forwarded"}
_PRIVATE = re.compile(rb"atr-([^-]+)-(/.*)", re.DOTALL)

Ranges = tuple[tuple[int, int], ...]
"""(first, last) of runs of message numbers, ascending, not touching."""


class Marks(NamedTuple):
    """What the sequences say of a message."""

    flags: int
    keywords: frozenset[str]


class Private(NamedTuple):
    """A sequence that stands in the context."""

    name: str
    folder: str
    """The folder's whole path."""
    ranges: Ranges


def is_message(name: str) -> bool:
    """Tell whether a file of this name is a message: a number, without leading zeros."""
    return _MESSAGE.fullmatch(name) is not None


def is_removed(name: str) -> bool:
    """Tell whether this is a message that was removed: ``rmm`` puts ``,`` (or ``#``) before the number, mutt too."""
    return name[:1] in (",", "#") and _MESSAGE.fullmatch(name[1:]) is not None


def parse_ranges(value: bytes) -> Ranges:
    """Return the runs of message numbers that ``1-5 7`` stands for; a range that runs backwards is passed over."""
    runs: list[tuple[int, int]] = []
    for word in value.split():
        if _RANGE.fullmatch(word) is None:
            continue
        low, _, high = word.partition(b"-")
        first, last = int(low), int(high or low)
        if 0 < first <= last:
            runs.append((first, last))
    merged: list[tuple[int, int]] = []
    for first, last in sorted(runs):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(last, merged[-1][1])
        else:
            merged.append((first, last))
    return tuple(merged)


def parse_sequences(data: bytes) -> dict[str, Ranges]:
    """Return the sequences of a ``.mh_sequences`` file by name; of two of one name the later stands."""
    return {_text(name): parse_ranges(value) for name, value in fields(data)}


def parse_private(data: bytes) -> list[Private]:
    """Return the sequences of a context."""
    found = []
    for name, value in fields(data):
        match = _PRIVATE.fullmatch(name)
        if match is not None:
            found.append(Private(_text(match[1]), _text(match[2]), parse_ranges(value)))
    return found


def parse_profile(data: bytes) -> dict[str, str]:
    """Return a profile's or context's components, names in lower case; of two of one name the first stands."""
    components: dict[str, str] = {}
    for name, value in fields(data):
        components.setdefault(_text(name).lower(), _text(value))
    return components


class Sequences:
    """The sequences of one folder, and what they say of a message.

    Args:
        ranges: by name, public and private.
        unseen: names of the sequences of messages that nobody has read.
        ignored: names that say nothing of a message, besides RESERVED.
        bits: what Sylpheed or Claws Mail marked, by number (mailstore.formats.sylpheed): they say whether it is read.
    """

    def __init__(
        self,
        ranges: Mapping[str, Ranges],
        unseen: Iterable[str] = (UNSEEN,),
        ignored: Iterable[str] = (),
        bits: Mapping[int, int] | None = None,
    ) -> None:
        self._bits = bits or {}
        self._unseen = [ranges[name] for name in unseen if name in ranges]
        self._flags = [(bit, ranges[name]) for name, bit in _FLAGS.items() if name in ranges]
        passed = RESERVED | {*ignored} | {*unseen} | _FLAGS.keys()
        others = {name: runs for name, runs in ranges.items() if name not in passed}
        self._keywords = [
            (_KEYWORDS.get(name) or canonical_keyword(name), runs) for name, runs in others.items() if is_keyword(name)
        ]
        self._odd = [(name, runs) for name, runs in others.items() if not is_keyword(name)]

    def marks(self, number: int) -> Marks:
        r"""Return a message's flags and keywords; one that is in no ``unseen`` sequence is ``\Seen``."""
        bits = self._bits.get(number)
        if bits is None:
            flags = 0 if any(_holds(runs, number) for runs in self._unseen) else SEEN
            keywords: list[str] = []
        else:
            flags, keywords = read_mark(bits)
        for bit, runs in self._flags:
            if _holds(runs, number):
                flags |= bit
        keywords += [keyword for keyword, runs in self._keywords if _holds(runs, number)]
        return Marks(flags, unite_keywords(NO_KEYWORDS, keywords) if keywords else NO_KEYWORDS)

    def odd(self, number: int) -> Iterator[str]:
        """Yield the names of the message's sequences that are no keywords."""
        return (name for name, runs in self._odd if _holds(runs, number))


def _holds(runs: Ranges, number: int) -> bool:
    low, high = 0, len(runs)
    while low < high:
        middle = (low + high) // 2
        if runs[middle][1] < number:
            low = middle + 1
        else:
            high = middle
    return low < len(runs) and runs[low][0] <= number


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
