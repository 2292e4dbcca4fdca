"""Folder paths and their one-string form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstore.errors import InvalidFolderName
from mailstore.model.names import INBOX, FolderPath

COMPONENTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1, max_size=5)


@given(COMPONENTS)
def test_any_path_survives_its_one_string_form(components):
    path = FolderPath(components)
    assert FolderPath.parse(str(path)) == path


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a/b", ("a", "b")),
        ("a\\/b", ("a/b",)),
        ("a\\\\/b", ("a\\", "b")),
        ("inbox", ("INBOX",)),
        ("InBox/x", ("InBox", "x")),
        (".", (".",)),
        ("..\\/x", ("../x",)),
        ("a\0b", ("a\0b",)),
        ("e\u0301", ("é",)),
    ],
)
def test_parse(text, parts):
    assert tuple(FolderPath.parse(text)) == parts


@pytest.mark.parametrize("text", ["", "/", "a/", "/a", "a//b", "a\\", "\\"])
def test_empty_components_and_lone_backslashes_are_no_names(text):
    with pytest.raises(InvalidFolderName):
        FolderPath.parse(text)


def test_relations():
    a, ab, abc = FolderPath("a"), FolderPath("ab"), FolderPath(("a", "b", "c"))
    assert a.parent is None
    assert abc.parent == FolderPath(("a", "b"))
    assert abc.is_below(a)
    assert not abc.is_below(abc)
    assert not a.is_below(abc)
    assert ab == ("a", "b")
    assert abc.moved(FolderPath(("a", "b")), FolderPath("z")) == ("z", "c")
    assert a.child("x") == ("a", "x")
    assert INBOX.is_inbox
    assert not FolderPath(("a", "INBOX")).is_inbox
    assert repr(FolderPath(("a/b", "c"))) == "FolderPath('a\\\\/b/c')"
