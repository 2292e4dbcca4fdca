"""The language of searches, read into terms."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from mailstore.errors import UsageError
from mailstore.model.info import Row
from mailstore.search import values
from mailstore.search.terms import (
    FIELDS,
    FLAGS,
    And,
    Before,
    Facts,
    Field,
    Flag,
    Keyword,
    Larger,
    Not,
    Or,
    Sender,
    Since,
    Smaller,
    Term,
    Uid,
)

_TOKEN = re.compile(r'\s*(?:([()])|((?:[^\s()"]|"(?:[^"\\]|\\.)*")+))', re.DOTALL)
_PIECE = re.compile(r'"((?:[^"\\]|\\.)*)"|([^"]+)', re.DOTALL)
_DEEPEST = 100


@dataclass(frozen=True, slots=True)
class Search:
    """A condition on messages; ``str`` gives it as text that ``parse_search`` reads to an equal one."""

    term: Term

    @property
    def want(self) -> int:
        """The fields that a listing must bring for it: an or of the bits of mailstore.model.info."""
        return self.term.want

    @property
    def by_uid(self) -> bool:
        """Whether it looks at UIDs."""
        return _by_uid(self.term)

    def matches(self, row: Row) -> bool:
        """Tell whether a message is meant.

        Instead of ``size`` and ``header`` a row may have its body. A field that is not known fulfils no condition on
        it: what cannot be read at all is the caller's to decide on (``row.error``).
        """
        return self.term.matches(Facts(row))

    def __and__(self, other: Search) -> Search:
        return Search(And((self.term, other.term)))

    def __str__(self) -> str:
        return str(self.term)


def parse_search(text: str, now: int | None = None) -> Search:
    """Read a search; an empty one means every message.

    Args:
        text: see ``docs/search.md``.
        now: what ``older`` and ``newer`` count from, in seconds since 1970 UTC; None is this moment. They are read
            into fixed instants: the same Search always gives the same answer.

    Raises:
        UsageError: it cannot be read; the text says at which character, and what may stand there.
    """
    return Search(_Parser(text, int(time.time()) if now is None else now).parse())


def _by_uid(term: Term) -> bool:
    match term:
        case And(terms) | Or(terms):
            return any(map(_by_uid, terms))
        case Not(inner):
            return _by_uid(inner)
    return isinstance(term, Uid)


class _Token(NamedTuple):
    text: str
    """A parenthesis, or a word with its quotes; '' at the end."""
    at: int


class _Parser:
    """Recursive descent: ``or`` binds weakest, then what stands side by side, then ``not``."""

    def __init__(self, text: str, now: int) -> None:
        self._text = text
        self._now = now
        self._depth = 0
        self._tokens = self._split()
        self._place = 0

    def parse(self) -> Term:
        if not self._peek().text:
            return And(())
        term = self._either()
        if self._peek().text:
            raise self._error("a ) without its (")
        return term

    def _split(self) -> list[_Token]:
        tokens, at = [], 0
        end = len(self._text.rstrip())
        while at < end:
            match = _TOKEN.match(self._text, at)
            if match is None:
                at = self._text.index('"', at)
                raise self._error("a quote without its end", at)
            tokens.append(_Token(match[1] or match[2], match.start(match.lastindex or 0)))
            at = match.end()
        return [*tokens, _Token("", end)]

    def _peek(self) -> _Token:
        return self._tokens[self._place]

    def _word(self, word: str) -> bool:
        """Take the next token where it is this word."""
        if self._peek().text.lower() != word:
            return False
        self._place += 1
        return True

    def _either(self) -> Term:
        terms = [self._all()]
        while self._word("or"):
            terms.append(self._all())
        return terms[0] if len(terms) == 1 else Or(tuple(terms))

    def _all(self) -> Term:
        terms = [self._one()]
        while self._word("and") or self._peek().text.lower() not in ("", ")", "or"):
            terms.append(self._one())
        return terms[0] if len(terms) == 1 else And(tuple(terms))

    def _one(self) -> Term:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._error("more than a hundred levels")
        try:
            if self._word("not"):
                return Not(self._one())
            if self._word("("):
                term = self._either()
                if not self._word(")"):
                    raise self._error("a ( without its )")
                return term
            return self._condition()
        finally:
            self._depth -= 1

    def _condition(self) -> Term:
        text, at = self._peek()
        if text.lower() in ("", ")", "or", "and"):
            raise self._error("a condition is missing")
        self._place += 1
        key, colon, rest = text.partition(":")
        name = key.lower()
        if not colon:
            return self._bare(name, key, at)
        read = _KEYS.get(name)
        if read is None:
            raise self._error(f"no key is called {key!r}; there are {', '.join(_KEYS)}", at)
        try:
            return read(_unquote(rest), self._now)
        except UsageError as error:
            raise self._error(str(error), at + len(key) + 1) from None

    def _bare(self, name: str, word: str, at: int) -> Term:
        if name == "all":
            return And(())
        if name in FLAGS:
            return Flag(name)
        if name.removeprefix("un") in FLAGS and name.startswith("un"):
            return Not(Flag(name.removeprefix("un")))
        words = f"all, {', '.join(FLAGS)}, each flag with un- before it"
        raise self._error(f"{word!r} says nothing by itself: write subject:{word}, or one of {words}", at)

    def _error(self, what: str, at: int | None = None) -> UsageError:
        place = self._peek().at if at is None else at
        return UsageError(f"search {self._text!r}: {what} (at character {place + 1})")


def _unquote(text: str) -> str:
    return "".join(
        bare if bare is not None else re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL)
        for quoted, bare in ((match[1], match[2]) for match in _PIECE.finditer(text))
    )


def _field(text: str, _: int) -> Term:
    name, equals, wanted = text.partition("=")
    if not re.fullmatch(r"[!-9;-<>-~]+", name):
        raise UsageError(
            f"{name!r} is no name of a header field: write NAME or NAME=TEXT"
            if equals or name
            else "write NAME or NAME=TEXT"
        )
    return Field(name.lower(), wanted)


def _keyword(text: str, _: int) -> Term:
    if not text:
        raise UsageError("the keyword is missing")
    return Keyword(text)


def _since(*, sent: bool) -> Callable[[str, int], Term]:
    return lambda text, _: Since(values.read_date(text)[0], sent)


def _before(*, sent: bool) -> Callable[[str, int], Term]:
    return lambda text, _: Before(values.read_date(text)[0], sent)


def _on(*, sent: bool) -> Callable[[str, int], Term]:
    def read(text: str, _: int) -> Term:
        first, after = values.read_date(text)
        return And((Since(first, sent), Before(after, sent)))

    return read


def _named(name: str) -> Callable[[str, int], Term]:
    return lambda text, _: Field(name, text)


_KEYS: dict[str, Callable[[str, int], Term]] = {
    **{name: _named(name) for name in FIELDS},
    "header": _field,
    "sender": lambda text, _: Sender("" if text == "<>" else text),
    "keyword": _keyword,
    "larger": lambda text, _: Larger(values.read_size(text)),
    "smaller": lambda text, _: Smaller(values.read_size(text)),
    "since": _since(sent=False),
    "before": _before(sent=False),
    "on": _on(sent=False),
    "sentsince": _since(sent=True),
    "sentbefore": _before(sent=True),
    "senton": _on(sent=True),
    "newer": lambda text, now: Since(now - values.read_span(text) + 1),
    "older": lambda text, now: Before(now - values.read_span(text) + 1),
    "uid": lambda text, _: Uid(*values.read_range(text)),
}
