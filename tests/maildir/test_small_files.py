import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstore.formats import courier, dovecotfiles

WORDS = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=":"), min_size=1, max_size=8)
PARTS = st.lists(st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=8), min_size=1, max_size=4)


def test_dovecot_keywords() -> None:
    assert dovecotfiles.parse_keywords(b"0 $Forwarded\n1 Foo\nrubbish\n26 toofar\n25 last\n") == {
        0: "$Forwarded", 1: "Foo", 25: "last"
    }  # fmt: skip
    assert dovecotfiles.render_keywords({1: "b", 0: "a"}) == b"0 a\n1 b\n"


def test_subscriptions_of_both_versions() -> None:
    assert dovecotfiles.parse_subscriptions(b"V\t2\n\nEntw&APw-rfe\nA\tB\nx\x01ty\n", ".") == (
        2, [("Entw&APw-rfe",), ("A", "B"), ("x\ty",)]
    )  # fmt: skip
    assert dovecotfiles.parse_subscriptions(b"A.B\nINBOX\n", ".") == (1, [("A", "B"), ("INBOX",)])
    assert dovecotfiles.parse_subscriptions(b"A/B.c\n", "/") == (1, [("A", "B.c")])
    assert dovecotfiles.render_subscriptions(1, [("A", "B"), ("C",)], ".") == b"A.B\nC\n"


@given(st.lists(PARTS.map(tuple)))
def test_subscriptions_round_trip(names: list[tuple[str, ...]]) -> None:
    data = dovecotfiles.render_subscriptions(2, names, ".")
    assert dovecotfiles.parse_subscriptions(data, ".") == (2, names)


@pytest.mark.parametrize(
    ("data", "number"), [(b"6b02ee53", 0x6B02EE53), (b"6b02ee5", 0), (b"", 0), (b"6B02EE53", 0), (b"00000001\n", 1)]
)
def test_dovecot_uidvalidity(data: bytes, number: int) -> None:
    assert dovecotfiles.parse_uidvalidity(data) == number


def test_courier_keyword_list() -> None:
    data = b"$Junk\nWork\n\n1.2.host:0 1\n3.4.host:1\nno colon\n5.6.host:7 x\n"
    assert courier.parse_keyword_list(data) == {
        "1.2.host": frozenset({"$Junk", "Work"}), "3.4.host": frozenset({"Work"}), "5.6.host": frozenset()
    }  # fmt: skip
    assert courier.parse_keyword_list(b"") == {}


@given(st.dictionaries(WORDS, st.frozensets(WORDS, min_size=1)))
def test_courier_keyword_list_round_trip(keywords: dict[str, frozenset[str]]) -> None:
    assert courier.parse_keyword_list(courier.render_keyword_list(keywords)) == keywords


@given(st.frozensets(WORDS))
def test_courier_keyword_update_round_trip(keywords: frozenset[str]) -> None:
    assert courier.parse_keyword_update(courier.render_keyword_update(keywords)) == keywords


def test_newest_of_courier_updates() -> None:
    listed = [":list", ".tmp.1.2", ".5.a", ".7.a", ".6.a", "b", ".9.b", ".c", "odd"]
    assert courier.latest_updates(listed) == {"a": ".7.a", "b": "b", "odd": "odd"}


def test_courier_subscriptions() -> None:
    data = b"INBOX\nINBOX.Sent\nINBOX.A.B\n"
    names = [("INBOX",), ("Sent",), ("A", "B")]
    assert courier.parse_subscribed(data) == names
    assert courier.render_subscribed(names) == data


def test_mbsync_uidvalidity() -> None:
    assert courier.parse_mbsync_uidvalidity(b"1795354195\n42\n") == (1795354195, 42)
    assert courier.parse_mbsync_uidvalidity(b"x\n") == (0, 0)
