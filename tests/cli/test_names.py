"""Folder names and items as text: whatever is printed can be read back, and steers no terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstore import INBOX, FolderPath, InvalidFolderName, UsageError
from mailstore_cli.names import Item, folder_text, header_check, item_text, parse_folder, parse_item, safe

HOSTILE = st.text(
    st.characters() | st.sampled_from("/\\.:@~ \0\n\t\x1b\x9b\u202e\u2028xu0") | st.characters(categories=["Cs"]),
    min_size=1,
    max_size=12,
)
PATHS = st.lists(HOSTILE, min_size=1, max_size=3).map(FolderPath)


@given(PATHS)
def test_a_printed_folder_reads_back(path):
    text = folder_text(path)
    assert parse_folder(text) == path
    assert text == text.strip(" ")
    assert all(character.isprintable() or character.isspace() or ord(character) > 0x9F for character in text)
    assert "\n" not in text
    assert "\0" not in text
    assert "\x1b" not in text


@given(PATHS)
def test_the_library_s_own_spelling_reads_back(path):
    assert parse_folder(str(path)) == path


@given(PATHS, st.integers(1, 2**32 - 1), st.sampled_from(["", "0123abcd"]))
def test_a_printed_item_is_one_word_and_reads_back(path, uid, check):
    text = item_text(path, uid, check)
    assert not set(text) & set(" \t\r\n")
    assert parse_item(text, None) == Item(path, uid, uid, check)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12", Item(INBOX, 12, 12)),
        ("3-7", Item(INBOX, 3, 7)),
        ("3-", Item(INBOX, 3, None)),
        ("inbox:4", Item(INBOX, 4, 4)),
        ("Sent\\x20Items:4", Item(FolderPath(("Sent Items",)), 4, 4)),
        ("Sent Items:4", Item(FolderPath(("Sent Items",)), 4, 4)),
        ("a:b:1-2", Item(FolderPath(("a:b",)), 1, 2)),
        ("2024:7", Item(FolderPath(("2024",)), 7, 7)),
        ("A/B:7@00ff00ff", Item(FolderPath(("A", "B")), 7, 7, "00ff00ff")),
    ],
)
def test_items(text, expected):
    assert parse_item(text, None) == expected


@pytest.mark.parametrize("text", ["", "x", "-1", "1,2", "1:*", "INBOX:", "12@", "12@xyz", "1-2@00ff00ff", "12x", "1 2"])
def test_what_is_no_item_is_a_usage_error(text):
    with pytest.raises(UsageError):
        parse_item(text, None)


def test_an_item_of_another_folder_than_the_one_named_is_refused():
    assert parse_item("Sent:3", FolderPath(("Sent",))) == Item(FolderPath(("Sent",)), 3, 3)
    assert parse_item("3", FolderPath(("Sent",))) == Item(FolderPath(("Sent",)), 3, 3)
    with pytest.raises(UsageError, match="not in Sent"):
        parse_item("INBOX:3", FolderPath(("Sent",)))


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a\\/b", ("a/b",)),
        ("a\\\\x41", ("a\\x41",)),
        ("a\\x41", ("aA",)),
        ("a\\x2fb", ("a/b",)),
        ("a\\x5cb", ("a\\b",)),
        ("\\u202e", ("\u202e",)),
        ("\\U0001f600", ("\U0001f600",)),
        ("\\x00", ("\0",)),
        ("\\xzz", ("xzz",)),
    ],
)
def test_escapes(text, path):
    assert tuple(parse_folder(text)) == path


def test_names_that_no_folder_can_have():
    with pytest.raises(UsageError):
        parse_folder("\\U00110000")
    for text in ("", "a//b", "/a", "a\\"):
        with pytest.raises(InvalidFolderName):
            parse_folder(text)


def test_safe_spells_out_what_steers_a_terminal():
    assert safe("a\x1b[31mb\x9b1m\x07\u202ec\ud800\n") == "a\\x1b[31mb\\x9b1m\\x07\\u202ec\\ud800\\x0a"
    assert safe("Grüße 漢字 😀") == "Grüße 漢字 😀"


def test_the_check_is_the_start_of_the_header_s_digest():
    assert header_check(b"") == "e3b0c442"
