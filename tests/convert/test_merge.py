"""The three-way merge of marks, and the pairing of messages by what they are."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from mailstore.convert.merge import NO_MARKS, Marks, changed, marks, merge, pair
from mailstore.model.flags import DELETED, FLAGGED, RECENT, SEEN, SYSTEM_FLAGS

some_marks = st.builds(
    Marks,
    st.integers(0, SYSTEM_FLAGS),
    st.frozensets(st.sampled_from(("work", "home", "$Junk"))) | st.just(frozenset({"WORK"})),
)


def bits(one: Marks) -> set[object]:
    """Return each mark by itself."""
    return {bit for bit in (1, 2, 4, 8, 16) if one.flags & bit} | {word.lower() for word in one.keywords}


@given(some_marks, some_marks, some_marks)
def test_each_mark_becomes_what_the_side_that_changed_it_made_of_it(base: Marks, one: Marks, other: Marks) -> None:
    merged = merge(one, base, other, base)
    expected = {
        mark
        for mark in bits(base) | bits(one) | bits(other)
        if ((mark in bits(one)) if (mark in bits(one)) != (mark in bits(base)) else (mark in bits(other)))
    }
    assert bits(merged.ours) == bits(merged.theirs) == expected
    assert merged.conflict == NO_MARKS  # of two sides that differ from one base in a mark, both made the same of it


@given(some_marks, some_marks)
def test_a_new_pair_gets_what_either_has(one: Marks, other: Marks) -> None:
    merged = merge(one, NO_MARKS, other, NO_MARKS)
    assert bits(merged.ours) == bits(merged.theirs) == bits(one) | bits(other)


@given(some_marks, some_marks, some_marks, some_marks)
def test_with_two_bases_nothing_touched_changes_and_a_mark_set_anywhere_stays(
    our_base: Marks, one: Marks, their_base: Marks, other: Marks
) -> None:
    merged = merge(one, our_base, other, their_base)
    for before, mine, after, there in (
        (our_base, one, merged.ours, changed(their_base, other)),
        (their_base, other, merged.theirs, changed(our_base, one)),
    ):
        untouched = bits(mine) ^ bits(after)
        assert untouched <= bits(there.added) | bits(there.removed)
        assert bits(there.added) <= bits(after)
        assert bits(changed(before, mine).added) <= bits(after)
    assert bits(merged.conflict) <= bits(merged.ours) & bits(merged.theirs)


@given(some_marks, some_marks, some_marks, some_marks)
def test_the_sides_can_be_exchanged(our_base: Marks, one: Marks, their_base: Marks, other: Marks) -> None:
    this, that = merge(one, our_base, other, their_base), merge(other, their_base, one, our_base)
    assert (bits(this.ours), bits(this.theirs)) == (bits(that.theirs), bits(that.ours))


@given(some_marks, some_marks)
def test_a_change_makes_the_one_of_the_other(before: Marks, after: Marks) -> None:
    assert changed(before, after).onto(before).same(after)
    assert bool(changed(before, after)) is not before.same(after)


def test_conflict_between_what_one_side_cannot_hold() -> None:
    lost, held = NO_MARKS, Marks(FLAGGED)
    merged = merge(Marks(FLAGGED), lost, NO_MARKS, held)
    assert merged == (Marks(FLAGGED), Marks(FLAGGED), Marks(FLAGGED))
    assert merge(NO_MARKS, lost, held, held) == (NO_MARKS, held, NO_MARKS)


def test_recent_is_no_mark() -> None:
    assert marks(RECENT | SEEN | DELETED, frozenset()) == Marks(SEEN | DELETED)


identities = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.sampled_from((0, 1, 2, None))))


@given(identities, identities)
def test_so_many_pairs_as_there_can_be(one: list[tuple[str, str, int]], other: list[tuple[str, str, int]]) -> None:
    ours = [((digest, flags, key), (digest, flags), digest) for digest, flags, key in one]
    theirs = [((digest, flags, key), (digest, flags), digest) for digest, flags, key in other]
    found = pair(ours, theirs)
    partners = [partner for partner in found if partner is not None]
    assert len(set(partners)) == len(partners)
    assert all(partner is None or theirs[partner][2] == ours[at][2] for at, partner in enumerate(found))
    counts = Counter(digest for digest, _, _ in one) & Counter(digest for digest, _, _ in other)
    assert len(partners) == counts.total()
    closest = Counter(identity[0] for identity in ours) & Counter(identity[0] for identity in theirs)
    assert sum(partner is not None and theirs[partner][0] == ours[at][0] for at, partner in enumerate(found)) >= (
        closest.total()
    )


def test_equal_messages_are_paired_in_their_order() -> None:
    assert pair([("a",)] * 3, [("b",), ("a",), ("a",)]) == [1, 2, None]
    assert pair([(None, "a"), ("k", "a")], [("k", "a"), (None, "a")]) == [1, 0]
    assert pair([], [("a",)]) == []
