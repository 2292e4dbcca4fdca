import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstore.formats.escape import escape, escape_first, is_shortened, shorten, unescape

TEXT = st.text(st.characters(exclude_categories=("Cs",)), min_size=1)
TRICKY = st.text("^./~0159afA\x00\x7f\n é", min_size=1)


@pytest.mark.parametrize(
    ("component", "name"),
    [
        ("Work", "Work"),
        ("a.b", "a^2eb"),
        ("a/b", "a^2fb"),
        ("~root", "^7eroot"),
        ("a~", "a~"),
        ("nul\x00", "nul^00"),
        ("^", "^"),
        ("2^10", "2^5e10"),
        ("^xx", "^xx"),
        ("^ff", "^ff"),
        ("^2E", "^2E"),
        ("../x", "^2e^2e^2fx"),
        ("trailing ", "trailing "),
        ("é", "é"),
    ],
)
def test_known_spellings(component: str, name: str) -> None:
    assert escape(component, anywhere=".", leading="~") == name
    assert unescape(name) == component


def test_reserved_word() -> None:
    assert escape_first("cur") == "^63ur"
    assert unescape("^63ur") == "cur"


@given(TEXT | TRICKY, st.sampled_from(["", ".", ".;"]), st.sampled_from(["", "~", ".~"]))
def test_round_trip(component: str, anywhere: str, leading: str) -> None:
    name = escape(component, anywhere, leading)
    assert unescape(name) == component
    assert not set(name) & set("/\x00\n\x7f" + anywhere)
    assert name[0] not in leading


@given(st.one_of(TEXT, TRICKY), st.one_of(TEXT, TRICKY))
def test_different_names_stay_different(one: str, other: str) -> None:
    assert (escape(one, ".") == escape(other, ".")) == (one == other)


@given(st.binary(max_size=400))
def test_shortened_names_fit(name: bytes) -> None:
    short = shorten(name)
    assert len(short) <= 255
    assert (short == name) == (len(name) <= 255)
    assert is_shortened(short.decode("utf-8", "surrogateescape")) or len(name) <= 255


def test_shortening_splits_neither_a_character_nor_a_run() -> None:
    short = shorten(("x" + "é" * 200).encode())
    assert short.decode("utf-8").startswith("xé")
    assert is_shortened(short.decode())
    run = shorten(b"a" * 200 + b"&" + b"AOkA" * 40 + b"-")
    assert b"&" not in run
    assert len(run) < 255
