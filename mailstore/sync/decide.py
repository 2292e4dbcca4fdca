"""What is to be done, from what was found; pure.

1. On each side, what is gone from one place and new at another with the same bytes has moved.
2. What is new on both sides in the same folder with the same bytes is one message: both stores had it already.
3. Of each pair with a change:

   ================  =======================================================================
   on one side        on the other
   ================  =======================================================================
   there              there: what was done to the marks is merged; who did not move follows
   gone               as it was: deleted there too
   gone               marked or moved since: it comes back (a conflict; nothing is lost)
   gone               gone: forgotten
   moved              moved elsewhere: both places keep it (a conflict)
   ================  =======================================================================

4. What is new on one side alone is copied to the other. What was never paired is never deleted.

Held back are the deletions that a vanished or replaced folder would mean, with everything else in that folder, until
they are asked for by name; and all deletions while something cannot be read, since what seems to be gone may have moved
there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from mailstore.convert.merge import NO_MARKS, MarkChange, Marks, changed, merge, pair
from mailstore.model.flags import flag_names
from mailstore.sync.journal import Copy, Known, Side
from mailstore.sync.scan import Found, Scan


class Mark(NamedTuple):
    """Change the marks of a message."""

    pair: int
    side: Side
    copy: Copy
    """As it is now."""
    change: MarkChange


class Follow(NamedTuple):
    """Move a message where its partner is."""

    pair: int
    side: Side
    copy: Copy
    """Where it is now, with the marks that it is to have."""
    leader: Copy
    """Its partner, the same."""


class Expunge(NamedTuple):
    """Delete a message whose partner is gone."""

    pair: int
    side: Side
    copy: Copy


class Bring(NamedTuple):
    """Copy a message to the other store."""

    side: Side
    """To which."""
    message: Found


class Clash(NamedTuple):
    """A conflict; see report.Conflict."""

    folder: int
    what: str
    reason: str
    digest: bytes


@dataclass(slots=True)
class Decision:
    """What is to be done."""

    joined: list[tuple[Known, Known]] = field(default_factory=list)
    """New pairs of messages that both stores had, with the marks that are there."""
    renumbered: list[tuple[Side, Known]] = field(default_factory=list)
    """Copies that have another UID in the same folder, as the journal is to know them; less than 0: it is gone."""
    settled: list[tuple[Side, Known]] = field(default_factory=list)
    """Copies as the journal is to know them once marks and moves are carried: where they are, with the marks that both
    sides have."""
    dropped: list[int] = field(default_factory=list)
    """Pairs to forget."""
    marks: list[Mark] = field(default_factory=list)
    moves: list[Follow] = field(default_factory=list)
    expunges: list[Expunge] = field(default_factory=list)
    brings: list[Bring] = field(default_factory=list)
    clashes: list[Clash] = field(default_factory=list)
    held: dict[int, tuple[Side, int]] = field(default_factory=dict)
    """Folders in which nothing is done: the side where it vanished, and how many messages that would have deleted."""
    emptied: Side | None = None
    """The store that has nothing any more; then nothing is done at all."""
    waiting: set[int] = field(default_factory=set)
    """Folders in which something waits for the next run."""


def decide(
    scan: Scan,
    partner: Callable[[int, Side], Copy | None],
    new_pair: Callable[[], int],
    *,
    force_delete: bool = False,
) -> Decision:
    """Decide.

    Args:
        scan: what was found.
        partner: the journal's copy of a pair on a side.
        new_pair: gives numbers.
        force_delete: carry deletions that are held back otherwise.
    """
    return _Judge(scan, partner, new_pair, force_delete).decide()


class _Judge:
    def __init__(
        self, scan: Scan, partner: Callable[[int, Side], Copy | None], new_pair: Callable[[], int], force: bool
    ) -> None:
        self._scan = scan
        self._partner = partner
        self._new_pair = new_pair
        self._force = force
        self._fresh = [list(found) for found in scan.fresh]
        self._bases: dict[int, list[Copy]] = {}
        self._now: dict[int, list[Copy | None]] = {}
        self._decision = Decision()

    def decide(self) -> Decision:
        for number, changes in self._scan.now.items():
            bases = [self._partner(number, side) for side in (0, 1)]
            if bases[0] is not None and bases[1] is not None:
                folders = {bases[0].folder, bases[1].folder}
                if folders - self._scan.looked_at:
                    self._decision.waiting |= folders
                    continue
                self._bases[number] = [bases[0], bases[1]]
                self._now[number] = [changes.get(side, bases[side]) for side in (0, 1)]
        for side in (0, 1):
            self._find_moved(side)
        self._hold()
        if self._decision.emptied is None:
            self._join()
            for number, (here, there) in self._now.items():
                self._judge(number, here, there)
            for side in (0, 1):
                self._decision.brings += [Bring(1 - side, found) for found in self._fresh[side]]
        return self._decision

    def _find_moved(self, side: Side) -> None:
        gone = [number for number, copies in self._now.items() if copies[side] is None]
        bases = [self._bases[number][side] for number in gone]
        fresh = self._fresh[side]
        partners = pair(
            [
                (
                    (base.folder, base.digest, base.marks),
                    (base.folder, base.digest),
                    (base.digest, base.marks),
                    base.digest,
                )
                for base in bases
            ],
            [
                ((one.folder, one.digest, one.marks), (one.folder, one.digest), (one.digest, one.marks), one.digest)
                for one in fresh
            ],
        )
        for number, base, place in zip(gone, bases, partners, strict=True):
            if place is not None:
                found = fresh[place]
                self._now[number][side] = Copy(found.folder, found.uid, found.digest, found.marks)
                if found.folder == base.folder:
                    known = Known(number, Copy(found.folder, found.uid, found.digest, base.marks))
                    self._decision.renumbered.append((side, known))
                    continue
            if (base.folder, side) in self._scan.listed:  # its UID may be another message's by now
                self._decision.renumbered.append((side, Known(number, base._replace(uid=-number))))
        met = {place for place in partners if place is not None}
        self._fresh[side] = [one for place, one in enumerate(fresh) if place not in met]

    def _hold(self) -> None:
        """Find the deletions that are not to be believed."""
        if self._force:
            return
        dying = [0, 0]
        held: dict[int, tuple[Side, int]] = {}
        for number, copies in self._now.items():
            for side in (0, 1):
                if copies[side] is None and copies[1 - side] is not None:
                    dying[side] += 1
                    folder = self._bases[number][side].folder
                    if (folder, side) in self._scan.lost:
                        held[folder] = (side, held.get(folder, (side, 0))[1] + 1)
        for side in (0, 1):
            if dying[side] and not self._scan.messages[side]:
                self._decision.emptied = side
        self._decision.held = held
        renumbered = self._decision.renumbered
        self._decision.renumbered = [one for one in renumbered if one[1].copy.folder not in held]
        for side in (0, 1):
            self._fresh[side] = [one for one in self._fresh[side] if one.folder not in held]

    def _join(self) -> None:
        """Pair what both stores have and the journal does not know."""
        ours, theirs = self._fresh
        partners = pair(
            *([((one.folder, one.common, one.marks), (one.folder, one.common)) for one in side] for side in self._fresh)
        )
        for here, place in zip(ours, partners, strict=True):
            if place is None:
                continue
            number = self._new_pair()
            copies = [Copy(one.folder, one.uid, one.digest, one.marks) for one in (here, theirs[place])]
            self._decision.joined.append((Known(number, copies[0]), Known(number, copies[1])))
            merged = self._merge(number, copies, [NO_MARKS, NO_MARKS])
            self._decision.settled += [(side, Known(number, merged[side])) for side in (0, 1)]
        met = {place for place in partners if place is not None}
        self._fresh[0] = [one for one, place in zip(ours, partners, strict=True) if place is None]
        self._fresh[1] = [one for place, one in enumerate(theirs) if place not in met]

    def _judge(self, number: int, here: Copy | None, there: Copy | None) -> None:
        if here is not None and there is not None:
            self._judge_places(number, [here, there])
        elif here is None and there is None:
            self._decision.dropped.append(number)
        else:
            self._judge_gone(number, 0 if here is None else 1)

    def _judge_gone(self, number: int, side: Side) -> None:
        """A message is gone on ``side`` alone."""
        decision = self._decision
        copy, base = self._now[number][1 - side], self._bases[number][1 - side]
        assert copy is not None
        folders = {self._bases[number][side].folder, base.folder, copy.folder}
        if folders & decision.held.keys() or self._scan.incomplete:
            decision.waiting |= folders
            return
        if copy.folder == base.folder and copy.marks.same(base.marks):
            decision.expunges.append(Expunge(number, 1 - side, copy))
            return
        decision.dropped.append(number)
        how = "marked" if copy.folder == base.folder else "moved"
        reason = f"deleted in the {_NAMES[side]} store and {how} in the {_NAMES[1 - side]}: it comes back"
        decision.clashes.append(Clash(copy.folder, "deleted-and-changed", reason, copy.digest))
        self._fresh[1 - side].append(_found(copy))

    def _judge_places(self, number: int, copies: list[Copy]) -> None:
        bases = self._bases[number]
        folders = {copy.folder for copy in (*bases, *copies)}
        if folders & self._decision.held.keys():
            self._decision.waiting |= folders
            return
        moved = [side for side in (0, 1) if copies[side].folder != bases[side].folder]
        if copies[0].folder != copies[1].folder and len(moved) == 2:
            self._decision.dropped.append(number)
            reason = "moved in both stores, each elsewhere: it stays in both folders"
            self._decision.clashes.append(Clash(copies[0].folder, "moved-apart", reason, copies[0].digest))
            for side in (0, 1):
                self._fresh[side].append(_found(copies[side]))
            return
        copies = self._merge(number, copies, [base.marks for base in bases])
        if copies[0].folder != copies[1].folder:
            leader = 1 if moved == [1] else 0
            self._decision.moves.append(Follow(number, 1 - leader, copies[1 - leader], copies[leader]))
        else:
            self._decision.settled += [(side, Known(number, copies[side])) for side in (0, 1)]

    def _merge(self, number: int, copies: list[Copy], bases: list[Marks]) -> list[Copy]:
        """Merge a pair's marks, and return its copies with those that they are to have."""
        merged = merge(copies[0].marks, bases[0], copies[1].marks, bases[1])
        if merged.conflict:
            names = ", ".join((*flag_names(merged.conflict.flags), *sorted(merged.conflict.keywords)))
            reason = f"{names}: set in one store and taken away in the other; set in both now"
            self._decision.clashes.append(Clash(copies[0].folder, "marks", reason, copies[0].digest))
        wanted = (merged.ours, merged.theirs)
        for side in (0, 1):
            change = changed(copies[side].marks, wanted[side])
            if change:
                self._decision.marks.append(Mark(number, side, copies[side], change))
        return [copies[side]._replace(marks=wanted[side]) for side in (0, 1)]


_NAMES = ("first", "second")


def _found(copy: Copy) -> Found:
    return Found(copy.folder, copy.uid, copy.digest, copy.digest, copy.marks)
