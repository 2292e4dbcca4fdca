"""What survived: a Maildir held against the truth."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import takewhile
from typing import Self

from benchmarks.fidelity.case import Case, File
from benchmarks.fidelity.maildir import Found

COLUMNS = ("messages", "bytes", "nearly", "flags", "keywords", "dates", "senders", "UIDs")
_FROM = re.compile(rb"\A(?:\x01+\r?\n)?From [^\n]*\n")
_NUMBER = re.compile(rb"case[- ](\d+)")


@dataclass(slots=True)
class Score:
    """What one tool made of some files; adds up."""

    right: Counter[str] = field(default_factory=Counter)
    """By column."""
    of: Counter[str] = field(default_factory=Counter)
    """How many there are to get right, by column: only messages that have something to lose count."""
    invented: int = 0
    """Messages in the result that are none: halves, doubles, internal data, expunged ones."""
    missed: list[tuple[str, str]] = field(default_factory=list)
    """Column and case of whatever is not right."""

    def add(self, column: str, case: Case, right: bool) -> None:
        """Count one thing."""
        self.of[column] += 1
        self.right[column] += right
        if not right:
            self.missed.append((column, case.why))

    def __iadd__(self, other: Score) -> Self:
        self.right.update(other.right)
        self.of.update(other.of)
        self.invented += other.invented
        self.missed += other.missed
        return self


def compare(file: File, uidvalidity: int, found: list[Found]) -> Score:
    """Hold what is in a Maildir against the truth of the file that it was made of."""
    score = Score()
    left = list(found)
    truth = [case for case in file.cases if case.message is not None]
    pairs: dict[int, Found] = {}
    for same in (_same_bytes, _same_case):  # exact ones first, or a half could take the whole one's place
        for number, case in enumerate(truth):
            if number not in pairs and (one := next((one for one in left if same(case, one)), None)):
                pairs[number] = one
                left.remove(one)
    for number, case in enumerate(truth):
        _judge(score, case, pairs.get(number), uidvalidity == file.uidvalidity)
    score.invented = len(left)
    return score


def _judge(score: Score, case: Case, one: Found | None, numbered: bool) -> None:
    score.add("messages", case, one is not None)
    score.add("bytes", case, one is not None and _same_bytes(case, one))
    score.add("nearly", case, one is not None and _nearly(case, one))
    if case.flags:
        score.add("flags", case, one is not None and _same_flags(case, one))
    if case.keywords:
        score.add("keywords", case, one is not None and one.keywords >= set(case.keywords) - {"$Forwarded"})
    when = datetime.strptime(f"{case.date} +0000", "%Y-%m-%d %H:%M:%S %z").astimezone(UTC)
    score.add("dates", case, one is not None and one.date == int(when.timestamp()))
    if case.sender is not None:
        score.add("senders", case, one is not None and one.sender == case.sender)
    if case.uid:
        score.add("UIDs", case, one is not None and numbered and one.uid == case.uid)


def _same_flags(case: Case, one: Found) -> bool:
    return _flags_of(case.flags, case.keywords) == _flags_of(one.flags, one.keywords)


def _flags_of(flags: str, keywords: Iterable[str]) -> frozenset[str]:
    r"""Return flags, where ``$Forwarded`` may be a letter, a keyword, or both."""
    return frozenset(flags) | ({"P"} if "$Forwarded" in keywords else set())


def _same_bytes(case: Case, one: Found) -> bool:
    return case.message in (one.message, _without_own(case, one.message))


def _nearly(case: Case, one: Found) -> bool:
    """Tell whether the bytes are right but for a From_ line in front and line ends at the end."""
    assert case.message is not None
    message = _without_own(case, re.sub(rb"\AFrom [^\n]*\n", b"", one.message))
    return message.rstrip(b"\r\n") == case.message.rstrip(b"\r\n")


def _without_own(case: Case, message: bytes) -> bytes:
    """Return the message without the fields of the mail program that wrote the file: a tool may leave them in."""
    assert case.message is not None
    own = set(_header(_FROM.sub(b"", case.record))) - set(_header(case.message))
    header = _header(message)
    rest = message[sum(map(len, header)) :]
    return b"".join(line for line in header if line not in own) + rest


def _header(message: bytes) -> list[bytes]:
    """Return the lines up to the empty line that ends the header."""
    return list(takewhile(lambda line: line.strip(b"\r\n"), message.splitlines(keepends=True)))


def _same_case(case: Case, one: Found) -> bool:
    mine, theirs = _NUMBER.search(case.message or b""), _NUMBER.search(one.message)
    return mine is not None and theirs is not None and mine[1] == theirs[1]
