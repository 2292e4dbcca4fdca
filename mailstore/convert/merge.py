r"""What changed on two sides since both were known, made one; and which of their messages are the same.

The problem. Two copies of a message were marked independently. Taking one side's marks undoes the other's; taking the
union never lets a mark go. And a message has no name that both sides share: Message-IDs are missing, forged and
doubled, UIDs are each side's own.

The solution. For each side it is remembered what it had when both were last the same (its *base*: a side that cannot
hold a mark has another one). The difference to its base is what was done there, and that is carried to the other side,
mark by mark. Messages are paired by the digest of their bytes, each counting once: a thousand equal ones stay a
thousand.

Everything here is pure.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Hashable, Sequence
from typing import NamedTuple

from mailstore.model.flags import NO_KEYWORDS, SYSTEM_FLAGS, same_keywords, subtract_keywords, unite_keywords


class Marks(NamedTuple):
    r"""What can be changed of a message: system flags as bits, and keywords, which are compared without case."""

    flags: int = 0
    keywords: frozenset[str] = NO_KEYWORDS

    def __or__(self, other: Marks) -> Marks:
        """Return all that either has, in the spelling of the first."""
        return Marks(self.flags | other.flags, unite_keywords(self.keywords, other.keywords))

    def __sub__(self, other: Marks) -> Marks:
        """Return what ``other`` has not."""
        return Marks(self.flags & ~other.flags, subtract_keywords(self.keywords, other.keywords))

    def __and__(self, other: Marks) -> Marks:
        """Return what both have."""
        return self - (self - other)

    def same(self, other: Marks) -> bool:
        """Tell whether both are the same marks."""
        return self.flags == other.flags and same_keywords(self.keywords, other.keywords)

    def __bool__(self) -> bool:
        return bool(self.flags or self.keywords)


NO_MARKS = Marks()


def marks(flags: int, keywords: frozenset[str]) -> Marks:
    r"""Return a message's marks; ``\Recent`` is none: each store has its own."""
    return Marks(flags & SYSTEM_FLAGS, keywords)


class MarkChange(NamedTuple):
    """What was done to a message's marks; no mark is in both."""

    added: Marks = NO_MARKS
    removed: Marks = NO_MARKS

    def onto(self, other: Marks) -> Marks:
        """Do the same to ``other``."""
        return (other - self.removed) | self.added

    def __bool__(self) -> bool:
        return bool(self.added or self.removed)


def changed(before: Marks, after: Marks) -> MarkChange:
    """Return what makes ``after`` of ``before``."""
    return MarkChange(after - before, before - after)


class Merged(NamedTuple):
    """What the marks of a pair are to become."""

    ours: Marks
    theirs: Marks
    conflict: Marks
    """Set on one side and taken away on the other: set on both now, which loses least."""


def merge(ours: Marks, our_base: Marks, theirs: Marks, their_base: Marks) -> Merged:
    """Carry what was done on each side to the other.

    A pair that is new has no base (NO_MARKS): both get what either has. Marks of which the bases differ, and that
    nobody touched, go on to differ: one side cannot hold them.
    """
    here, there = changed(our_base, ours), changed(their_base, theirs)
    conflict = (here.added & there.removed) | (here.removed & there.added)
    return Merged(
        MarkChange(there.added, there.removed - here.added).onto(ours),
        MarkChange(here.added, here.removed - there.added).onto(theirs),
        conflict,
    )


Identity = tuple[Hashable, ...]
"""What a message is known by, the surest first: of two that agree in one, what follows agrees too. None is unknown."""


def pair(ours: Sequence[Identity], theirs: Sequence[Identity]) -> list[int | None]:
    """Return for each of ``ours`` the place of its partner in ``theirs``, or None; each is one's partner at most.

    Who agrees in the first part of the identity is paired first, then who agrees in the next; among those that agree
    alike the n-th with the n-th. So many pairs are found as there can be: by the last part each value counts as often
    as it stands on both sides.
    """
    partners: list[int | None] = [None] * len(ours)
    free = set(range(len(theirs)))
    for level in range(max(map(len, ours), default=0)):
        if not free:
            break
        waiting: defaultdict[Hashable, deque[int]] = defaultdict(deque)
        for place in sorted(free):
            if theirs[place][level] is not None:
                waiting[theirs[place][level]].append(place)
        for number, identity in enumerate(ours):
            if partners[number] is None and (same := waiting.get(identity[level])):
                partner = partners[number] = same.popleft()
                free.discard(partner)
    return partners
