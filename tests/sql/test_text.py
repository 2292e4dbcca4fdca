"""Names, keywords and other text in the form that the database holds."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailstore import CorruptStore, FolderPath
from mailstore.drivers.sql.text import (
    decode_keywords,
    decode_path,
    decode_text,
    encode_keywords,
    encode_path,
    encode_text,
    headline,
)

ANY = st.text(st.characters(codec=None, exclude_categories=()))
SHOWABLE = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="%/ "))


@given(ANY)
def test_text_comes_back(text: str) -> None:
    stored = encode_text(text)
    assert decode_text(stored) == text
    stored.encode()
    assert "\0" not in stored


@given(SHOWABLE)
def test_ordinary_text_stands_as_it_is(text: str) -> None:
    assert encode_text(text) == text


@given(st.lists(ANY.filter(bool), min_size=1, max_size=4))
def test_paths_come_back(parts: list[str]) -> None:
    path = FolderPath(parts)
    stored = encode_path(path)
    assert decode_path(stored) == path
    assert stored.count("/") == len(parts) - 1


@given(st.lists(ANY.filter(bool), min_size=1, max_size=3), st.lists(ANY.filter(bool), min_size=1, max_size=3))
def test_different_paths_are_stored_differently(one: list[str], other: list[str]) -> None:
    assert (encode_path(FolderPath(one)) == encode_path(FolderPath(other))) == (FolderPath(one) == FolderPath(other))


@given(st.frozensets(ANY.filter(bool), max_size=5))
def test_keywords_come_back(keywords: frozenset[str]) -> None:
    assert decode_keywords(encode_keywords(keywords)) == keywords


@pytest.mark.parametrize(
    ("path", "stored"),
    [
        (("INBOX",), "INBOX"),
        (("Lists", "a/b"), "Lists/a%2Fb"),
        (("100%",), "100%25"),
        (("nul\0", ".."), "nul%00/.."),
        (("Entwürfe",), "Entwürfe"),
        (("\udcff",), "%ED%B3%BF"),
    ],
)
def test_how_paths_look(path: tuple[str, ...], stored: str) -> None:
    assert encode_path(FolderPath(path)) == stored


@pytest.mark.parametrize("stored", ["", "a//b", "/a"])
def test_a_path_nobody_wrote(stored: str) -> None:
    with pytest.raises(CorruptStore, match="folder name"):
        decode_path(stored)


def test_foreign_escapes_stay() -> None:
    assert decode_text("%FF%zz%4") == "%FF%zz%4"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (b"From: a@b\nSubject: hi\n\nFrom: no\nSubject: no\n", ("a@b", "hi")),
        (b"From: a@b\r\nSubject: hi\r\n\r\nSubject: no\r\n", ("a@b", "hi")),
        (b"From: a@b\rSubject: hi\r\rSubject: no\r", ("a@b", "hi")),
        (b"X: y\nsubject: low\nFROM: a@b\n\n", ("a@b", "low")),
        (b"subject: first\nfrom: a\n\n", ("a", "first")),
        (b"Subject: one\n two\n\tthree\nFrom:x\n\n", ("x", "one two three")),
        (b"Subject: one\r\n two\r\nFrom: x\r\n\r\n", ("x", "one two")),
        (b"Subject: =?utf-8?Q?h=C3=A9?= =?iso-8859-1?B?6Q==?= x\n\n", ("", "héé x")),
        (b"From: =?utf-8?q?J=C3=BCrgen?= <j@example.org>\n\n", ("Jürgen <j@example.org>", "")),
        (b"Subject: =?no-such?Q?abc?= d\n\n", ("", "abc d")),
        (b"Subject: =?utf-8?B?abcde?=\n\n", ("", "i·")),
        (b"Subject: =?utf-8?B?w6k=?=\n =?utf-8?B?w6k?= =?us-ascii?q?a_b?=c=?utf-8?q?=c3=A9?=\n\n", ("", "ééa bcé")),
        (b"Subject: =?UTF-8?B?w?= =?UTF-8?B?6k=?= =?UTF-8*en?q?=C3?= =?UTF-8?q?=A9?=\n\n", ("", "êÃ©")),
        (b"Subject: =?utf-8?q?=?= =?a?b?c?= ?=\n\n", ("", "= ?=")),
        (b"Subject: gr\xc3\xbcn\nFrom: gr\xfcn\n\n", ("grün", "grün")),
        (b"Subject: a\0b\x1b[31m\n\n", ("", "a b [31m")),
        (b"Subject: last line", ("", "last line")),
        (b"\nSubject: body\n\n", ("", "")),
        (b"\r\nSubject: body\r\n", ("", "")),
        (b"Subject:\n\n", ("", "")),
        (b"XSubject: no\nSubject2: no\n\n", ("", "")),
        (b"", ("", "")),
        (b"Subject: " + b"x" * 600 + b"\n\n", ("", "x" * 500)),
        (b"X: y\n" * 100_000 + b"Subject: far\n\n", ("", "")),
    ],
)
def test_headline(message: bytes, expected: tuple[str, str]) -> None:
    assert headline(message) == expected


@given(st.binary(max_size=300))
@example(b"raw_unicode_escape?q?\\ud800?=")
@example(b"idna?q?xn--" + b"a" * 9000 + b"?=")
def test_headline_takes_anything(message: bytes) -> None:
    for text in headline(b"Subject: =?" + message):
        text.encode()
        assert "\0" not in text
        assert "\n" not in text
        assert len(text) <= 500
