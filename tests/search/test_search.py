"""The language of searches: what it means, what it prints, what it refuses."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import formatdate
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstore import HEADER, INTERNAL_DATE, SENDER, SIZE, Row, UsageError
from mailstore.model.flags import FLAG_NAMES, SEEN
from mailstore.model.info import Body
from mailstore.search import Search, parse_search
from mailstore.search.terms import (
    FIELDS,
    FLAGS,
    And,
    Before,
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

NOW = 1_700_000_000
DAY = 86400


def row(
    header: bytes | None = b"",
    *,
    uid: int = 1,
    flags: int = 0,
    keywords: frozenset[str] = frozenset(),
    date: int | None = 0,
    sender: str | None = None,
    size: int | None = None,
    body: Body | None = None,
) -> Row:
    return Row(uid, "", True, 1, flags, keywords, date, None, sender, None, size, None, None, header, body)


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


MAIL = (
    b"From: =?utf-8?q?J=C3=BCrgen?= <joe@example.org>\r\n"
    b"To: list@example.org,\r\n\tGr\xc3\xbc\xc3\x9fe <you@example.org>\r\n"
    b"Subject: Rechnung =?iso-8859-1?q?f=FCr?= Mai\r\n"
    b"List-Id: <foo.example.org>\r\nDate: Tue, 31 Dec 2019 23:30:00 -0100\r\n\r\nbody\r\n"
)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("", True),
        ("all", True),
        ("not all", False),
        ("from:joe", True),
        ("from:JÜRGEN", True),
        ("from:jim", False),
        ('to:"grüße <you"', True),
        ("to:GRÜSSE", True),
        ("cc:", False),
        ('subject:"für mai"', True),
        ('subject:"rechnung für mai"', True),
        ("header:list-id", True),
        ("header:List-ID=foo", True),
        ('header:List-ID="<foo"', True),
        ("header:X-None", False),
        ("header:subject=rechnung", True),
        ("header:Date=2019", True),
        ("sender:joe", True),
        ("sender:<>", False),
        ('sender:""', False),
        ("seen", True),
        ("unseen", False),
        ("flagged", False),
        ("undeleted", True),
        ("recent", False),
        ("keyword:$junk", True),
        ("not keyword:$Junk", False),
        ("larger:99", True),
        ("larger:100", False),
        ("smaller:101", True),
        ("smaller:100", False),
        ("larger:1K", False),
        ("since:2020", True),
        ("before:9999-12", True),
        ("since:9999", False),
        ("on:9999-12-31 or on:9999-12 or on:9999", False),
        ("since:2020-01-02", False),
        ("before:2020-01-01", False),
        ("before:2020-01-02", True),
        ("on:2020-01-01", True),
        ("on:2020-01", True),
        ("on:2020", True),
        ("on:2019", False),
        ("senton:2020-01-01", True),
        ("sentsince:2020", True),
        ("sentbefore:2020", False),
        ("uid:7", True),
        ("uid:3-7", True),
        ("uid:8-", False),
        ("uid:-", None),
        ("from:joe or from:jim", True),
        ("from:jim or from:jan or from:joe", True),
        ("from:joe from:jim", False),
        ("from:joe and larger:50 unflagged", True),
        ("not from:jim", True),
        ("not not seen", True),
        ("not (seen or flagged)", False),
        ("seen or flagged from:jim", True),
        ("(seen or flagged) from:jim", False),
        ("NOT from:jim AND (Seen OR flagged)", True),
        ("from:j oe", None),
    ],
)
def test_what_a_search_means(text: str, meant: bool | None) -> None:
    mail = row(
        MAIL.partition(b"body")[0],
        uid=7,
        flags=SEEN,
        keywords=frozenset({"$Junk"}),
        date=at("2020-01-01"),
        sender="joe@example.org",
        size=100,
    )
    if meant is None:
        with pytest.raises(UsageError):
            parse_search(text)
    else:
        assert parse_search(text).matches(mail) is meant


def test_ages_count_from_now() -> None:
    week = NOW - 7 * DAY
    for text, meant in (("older:7d", (True, True, False)), ("newer:7d", (False, False, True))):
        search = parse_search(text, NOW)
        assert tuple(search.matches(row(date=date)) for date in (week - 1, week, week + 1)) == meant
    assert str(parse_search("older:1w", NOW)) == f"before:@{week + 1}"
    assert parse_search("newer:1y", NOW) == parse_search(f"since:@{NOW - 365 * DAY + 1}")


def test_the_null_sender_is_a_sender_and_an_unknown_one_is_none() -> None:
    for sender, meant in (("", True), (None, False), ("a@b", False)):
        assert parse_search("sender:<>").matches(row(sender=sender)) is meant


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("seen keyword:x uid:3", 0),
        ("from:joe", HEADER),
        ("larger:1 or sender:x", SIZE | SENDER),
        ("not older:1d", INTERNAL_DATE),
        ("senton:2020", HEADER),
    ],
)
def test_a_field_that_is_not_looked_at_is_not_asked_for(text: str, want: int) -> None:
    assert parse_search(text).want == want


def test_a_row_may_bring_its_body_instead_of_header_and_size() -> None:
    mail = row(None, body=MAIL)
    assert parse_search(f"from:joe larger:{len(MAIL) - 1} smaller:{len(MAIL) + 1}").matches(mail)
    assert not parse_search("subject:body").matches(mail)


@pytest.mark.parametrize("text", ["from:x", "larger:1", "smaller:1", "since:1970", "before:2038", "sentsince:1970"])
def test_what_is_not_known_fulfils_nothing(text: str) -> None:
    assert not parse_search(text).matches(row(None, date=None))


@pytest.mark.parametrize(
    ("text", "place", "why"),
    [
        ("from:joe lager:1M", 10, "no key is called 'lager'"),
        ("joe", 1, "write subject:joe"),
        ("seen (flagged", 14, "a ( without its )"),
        ("seen)", 5, "a ) without its ("),
        ("()", 2, "a condition is missing"),
        ("seen or", 8, "a condition is missing"),
        ("or seen", 1, "a condition is missing"),
        ("not", 4, "a condition is missing"),
        ('seen from:"joe', 11, "a quote without its end"),
        ("before:2020-13", 8, "'2020-13' is in no calendar"),
        ("before:2019-02-29", 8, "is in no calendar"),
        ("since:yesterday", 7, "is no date: write 2020"),
        ("larger:1X", 8, "is no size"),
        ("older:1", None, ""),
        ("older:1mo", 7, "is no time"),
        ("uid:x", 5, "is no UID"),
        ("header:=x", 8, "write NAME or NAME=TEXT"),
        ("keyword:", 9, "the keyword is missing"),
        ("(" * 200 + "seen" + ")" * 200, 101, "more than a hundred levels"),
        ("not " * 200 + "seen", 401, "more than a hundred levels"),
    ],
)
def test_errors_point_at_the_place(text: str, place: int | None, why: str) -> None:
    if place is None:
        parse_search(text)
        return
    with pytest.raises(UsageError) as caught:
        parse_search(text)
    assert str(caught.value).endswith(f"(at character {place})")
    assert why in str(caught.value)


# -- printing and reading

texts = st.text(st.sampled_from('ab"\\() :=<>é\n') | st.characters(codec="utf-8"), max_size=6)
names = st.text(st.sampled_from("abcxyz-0123!"), min_size=1, max_size=8)
instants = st.integers(-(10**10), 10**11) | st.integers(-700_000, 20_000).map(lambda day: day * DAY)
sizes = st.integers(0, 1 << 40)
leaves: st.SearchStrategy[Term] = st.one_of(
    st.sampled_from(list(FLAGS)).map(Flag),
    texts.filter(bool).map(Keyword),
    st.builds(Field, names | st.sampled_from(FIELDS), texts),
    texts.filter(lambda text: text != "<>").map(Sender),
    sizes.map(Larger),
    sizes.map(Smaller),
    st.builds(Since, instants, st.booleans()),
    st.builds(Before, instants, st.booleans()),
    st.builds(Uid, st.integers(0, 1 << 32), st.none() | st.integers(0, 1 << 32)),
    st.just(And(())),
)
terms: st.SearchStrategy[Term] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(lambda some: And(tuple(some))),
        st.lists(inner, min_size=2, max_size=3).map(lambda some: Or(tuple(some))),
        inner.map(Not),
    ),
    max_leaves=8,
)


@given(terms)
def test_what_is_printed_reads_back_the_same(term: Term) -> None:
    assert parse_search(str(Search(term))).term == term


@given(st.lists(st.sampled_from([*'() "\\:=<>@-012\n', " or ", "and ", "not ", "seen", "from:", "on:"])).map("".join))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        search = parse_search(text, NOW)
    except UsageError:
        return
    assert parse_search(str(search), NOW) == search


# -- against an oracle that knows messages by their parts


class Parts(NamedTuple):
    uid: int
    flags: int
    keywords: frozenset[str]
    date: int
    sent: int
    size: int
    author: str
    sender: str | None

    def row(self) -> Row:
        header = f"From: {self.author}\nDate: {formatdate(self.sent)}\n\n".encode()
        return row(
            header,
            uid=self.uid,
            flags=self.flags,
            keywords=self.keywords,
            date=self.date,
            sender=self.sender,
            size=self.size,
        )


few = st.integers(0, 5)
mails = st.builds(
    Parts,
    uid=few,
    flags=st.integers(0, sum(FLAG_NAMES)),
    keywords=st.frozensets(st.sampled_from(["A", "b"])),
    date=few.map(lambda n: n * DAY // 2),
    sent=few.map(lambda n: n * DAY // 2),
    size=few,
    author=st.sampled_from(["joe", "Joe Bloggs", "jim"]),
    sender=st.sampled_from([None, "", "joe@x"]),
)
asked: st.SearchStrategy[Term] = st.recursive(
    st.one_of(
        st.sampled_from(list(FLAGS)).map(Flag),
        st.sampled_from(["a", "B", "c"]).map(Keyword),
        st.sampled_from(["joe", "JOE", "m", ""]).map(lambda text: Field("from", text)),
        st.sampled_from(["joe", ""]).map(Sender),
        few.map(Larger),
        few.map(Smaller),
        st.builds(Since, few.map(lambda n: n * DAY // 2), st.booleans()),
        st.builds(Before, few.map(lambda n: n * DAY // 2), st.booleans()),
        st.builds(Uid, few, st.none() | few),
        st.just(And(())),
    ),
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(lambda some: And(tuple(some))),
        st.lists(inner, min_size=2, max_size=3).map(lambda some: Or(tuple(some))),
        inner.map(Not),
    ),
    max_leaves=6,
)


def oracle(term: Term, mail: Parts) -> bool:
    match term:
        case And(inner):
            return sum(oracle(one, mail) for one in inner) == len(inner)
        case Or(inner):
            return sum(oracle(one, mail) for one in inner) > 0
        case Not(inner):
            return not oracle(inner, mail)
        case Flag(name):
            return name in {FLAG_NAMES[bit][1:].lower() for bit in FLAG_NAMES if mail.flags & bit}
        case Keyword(name):
            return name.upper() in {keyword.upper() for keyword in mail.keywords}
        case Field(_, text):
            return text.upper() in mail.author.upper()
        case Sender(text):
            return mail.sender is not None and (mail.sender == "" if text == "" else text in mail.sender)
        case Larger(size):
            return mail.size > size
        case Smaller(size):
            return mail.size < size
        case Since(instant, sent):
            return (mail.sent if sent else mail.date) >= instant
        case Before(instant, sent):
            return (mail.sent if sent else mail.date) < instant
        case Uid(first, last):
            return first <= mail.uid <= (99 if last is None else last)
    raise AssertionError(term)


@given(asked, mails)
def test_searches_choose_what_they_say(term: Term, mail: Parts) -> None:
    assert parse_search(str(Search(term))).matches(mail.row()) is oracle(term, mail)


@given(asked, asked, mails)
def test_two_searches_together_choose_what_both_do(one: Term, other: Term, mail: Parts) -> None:
    both = Search(one) & Search(other)
    assert both.matches(mail.row()) is (oracle(one, mail) and oracle(other, mail))


@given(st.binary(max_size=300))
def test_any_bytes_for_a_header_are_searched(header: bytes) -> None:
    search = parse_search("from:x or subject:y or senton:2020 or header:x=z")
    assert search.matches(row(header)) in (True, False)
