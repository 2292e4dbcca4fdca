import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstore.formats import mutf7

TEXT = st.text(st.characters(exclude_categories=("Cs",)))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Entwürfe", "Entw&APw-rfe"),
        ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
        ("a&b", "a&-b"),
        ("&&", "&-&-"),
        ("&é", "&-&AOk-"),
        ("😀", "&2D3eAA-"),
        ("plain name-", "plain name-"),
        ("\x7f", "&AH8-"),
        ("", ""),
    ],
)
def test_known_spellings(text: str, name: str) -> None:
    assert mutf7.encode(text) == name
    assert mutf7.decode(name) == text


@pytest.mark.parametrize("name", ["&", "a&b", "&AOk", "&A-", "&AO k-", "&2D0-", "é", "&AOk=-", "&AOk/-", "&&-"])
def test_malformed_names(name: str) -> None:
    assert not mutf7.is_mutf7(name)
    with pytest.raises(ValueError):
        mutf7.decode(name)


def test_longer_spelling_of_ascii_is_understood() -> None:
    assert mutf7.decode("&AGE-") == "a"


def test_lone_surrogate_is_refused() -> None:
    with pytest.raises(UnicodeEncodeError):
        mutf7.encode("\ud800")


@given(TEXT)
def test_round_trip(text: str) -> None:
    name = mutf7.encode(text)
    assert mutf7.decode(name) == text
    assert name.isascii()
    assert all(" " <= c <= "~" for c in name)


@given(st.text())
def test_decoding_anything_gives_text_or_value_error(name: str) -> None:
    try:
        text = mutf7.decode(name)
    except ValueError:
        assert not mutf7.is_mutf7(name)
    else:
        assert mutf7.decode(mutf7.encode(text)) == text
