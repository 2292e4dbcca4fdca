"""Flags and keywords by the IMAP rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstore.errors import UsageError
from mailstore.model.flags import (
    ANSWERED,
    DELETED,
    DRAFT,
    FLAGGED,
    RECENT,
    SEEN,
    SYSTEM_FLAGS,
    canonical_keyword,
    flag_names,
    is_keyword,
    parse_flags,
    same_keywords,
    subtract_keywords,
    unite_keywords,
)

KEYWORDS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters='(){%*"\\]'), min_size=1)


def test_names_come_in_the_order_of_their_bits():
    assert flag_names(SYSTEM_FLAGS | RECENT) == (
        "\\Seen",
        "\\Answered",
        "\\Flagged",
        "\\Draft",
        "\\Deleted",
        "\\Recent",
    )
    assert flag_names(0) == ()


def test_names_are_read_in_any_case_and_keywords_sorted_out():
    assert parse_flags(["\\SEEN", "\\flagged", "$forwarded", "Work"]) == (SEEN | FLAGGED, {"$Forwarded", "Work"})


@pytest.mark.parametrize(
    "name", ["\\Recent", "\\Bogus", "\\", "two words", "", "a(b", "a*", 'a"', "a\\b", "\x7f", "a]"]
)
def test_what_no_client_can_set_is_refused(name):
    with pytest.raises(UsageError):
        parse_flags([name])


@given(st.integers(0, SYSTEM_FLAGS))
def test_system_flags_come_back(flags):
    assert parse_flags(flag_names(flags)) == (flags, frozenset())


@given(KEYWORDS)
def test_every_atom_is_a_keyword(keyword):
    assert is_keyword(keyword)
    assert canonical_keyword(keyword).lower() == keyword.lower()


def test_the_first_spelling_of_a_keyword_stays():
    assert unite_keywords(frozenset({"Work"}), ["WORK", "home", "Home"]) == {"Work", "home"}
    assert subtract_keywords(frozenset({"Work", "home"}), ["wORK"]) == {"home"}
    assert same_keywords(frozenset({"Work"}), frozenset({"work"}))
    assert not same_keywords(frozenset({"Work"}), frozenset({"work", "more"}))


def test_the_bits_are_those_the_formats_store():
    assert (SEEN, ANSWERED, FLAGGED, DRAFT, DELETED, RECENT) == (1, 2, 4, 8, 16, 32)
