"""The parts of a watch: tokens, lists of folders, what is remembered of messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstore import FolderInfo, FolderPath, Row, Token, UsageError
from mailstore.watch.folders import compare
from mailstore.watch.known import Known, key_hash
from mailstore.watch.token import Point, read_token, write_token

NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=4)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(FolderPath)
NUMBERS = st.integers(0, (1 << 63) - 1)
POINTS = st.builds(
    Point,
    st.builds(FolderInfo, st.text(max_size=8), PATHS, st.booleans(), st.booleans()),
    st.builds(Token, st.text(max_size=8), st.integers(1, 1 << 32), NUMBERS),
    st.integers(1, 1 << 32),
)


@given(st.lists(POINTS, max_size=5))
def test_a_token_is_read_as_it_was_written(points: list[Point]) -> None:
    assert read_token(write_token(points)) == points


@given(st.text(max_size=60))
def test_any_text_is_a_token_or_a_clear_refusal(text: str) -> None:
    try:
        read = read_token(text)
    except UsageError as error:
        said = str(error)
    else:
        said = f"is no token of a watch: {write_token(read)}"
    assert "is no token of a watch" in said


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_token_that_was_cut_off_is_refused(cut: int) -> None:
    whole = write_token([Point(FolderInfo("a", FolderPath(("INBOX",))), Token("e", 1, 2), 3)])
    with pytest.raises(UsageError, match="is no token of a watch"):
        read_token(whole[:-cut])


LISTS = st.dictionaries(st.sampled_from("ABCDE"), st.sampled_from("12345"), max_size=5).map(
    lambda found: {FolderPath((name,)): FolderInfo(number, FolderPath((name,))) for name, number in found.items()}
)
"""Two folders may have one id: of a directory that was copied, or read under both of its names while it was renamed."""


@given(LISTS, LISTS, st.booleans())
def test_folder_events_make_the_old_list_the_new_one(
    before: dict[FolderPath, FolderInfo], now: dict[FolderPath, FolderInfo], stable: bool
) -> None:
    replayed = {path: info.id for path, info in before.items()}
    changes = compare(before, now, stable_ids=stable)
    for event in changes.in_the_way:
        assert replayed.pop(event.folder) == event.id
    for renamed in changes.renamed:
        assert renamed.folder not in replayed
        replayed[renamed.folder] = replayed.pop(renamed.old)
    for created in changes.created:
        assert created.folder not in replayed
        replayed[created.folder] = created.id
    for event in changes.deleted:
        assert replayed.pop(event.folder) == event.id
    wanted = {path: info.id for path, info in now.items()}
    unique = all(len({info.id for info in folders.values()}) == len(folders) for folders in (before, now))
    assert replayed == wanted if stable and unique else replayed.keys() == wanted.keys()


def test_names_that_are_exchanged_are_told() -> None:
    a, b = FolderPath(("A",)), FolderPath(("B",))
    before = {a: FolderInfo("1", a), b: FolderInfo("2", b)}
    changes = compare(before, {a: FolderInfo("2", a), b: FolderInfo("1", b)}, stable_ids=True)
    assert [event.folder for event in changes.in_the_way] == [a]
    assert [(event.old, event.folder) for event in changes.renamed] == [(b, a)]
    assert [event.folder for event in changes.created] == [b]
    assert changes.deleted == ()


MESSAGES = st.lists(
    st.tuples(st.integers(1, 40), st.integers(0, 63), st.frozensets(st.sampled_from("abc"), max_size=2)), max_size=60
)


@given(MESSAGES, st.lists(st.integers(1, 45), max_size=90))
def test_what_is_known_is_what_was_put_and_not_dropped(
    messages: list[tuple[int, int, frozenset[str]]], gone: list[int]
) -> None:
    known, model = Known.empty(), dict[int, tuple[int, frozenset[str]]]()
    for uid, flags, words in messages:
        known.put(Row(uid, f"k{uid}", True, 1, flags, words))
        model[uid] = flags, words
    assert {uid: known.find(uid) for uid in range(1, 46)} == {uid: model.get(uid) for uid in range(1, 46)}
    dropped = known.drop(dict.fromkeys(gone))
    assert [one.uid for one in dropped] == [uid for uid in dict.fromkeys(gone) if uid in model]
    assert all(one.key_hash == key_hash(f"k{one.uid}") for one in dropped)
    kept = {uid: model[uid] for uid in sorted(model) if uid not in gone}
    assert {uid: known.find(uid) for uid in known.uids} == kept
