"""Carrying flags and keywords of messages that are there already.

Three sides count: what the source had when it was last carried (the journal's base), what it has now, and what the
destination has. What was done in the source since the base is done in the destination; all else there stays, whoever
set it. Both sides changing the same mark the same way is no matter; where they went different ways, the source wins.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import islice

from mailstore.convert.merge import MarkChange, Marks
from mailstore.convert.run import FolderRun
from mailstore.convert.transit import Rules
from mailstore.model.changes import Change, FlagMode, SetFlags
from mailstore.model.info import Meta

_TOGETHER = 500
"""Changes in a commit."""

_Group = tuple[MarkChange, Marks, list[int]]


def update_marks(folder: FolderRun, rules: Rules, changes: Iterable[tuple[int, Marks]]) -> None:
    """Bring messages from the marks noted of them to those that the source has now, and note them.

    Raises:
        MailstoreError: the destination refused; what is not noted is carried again by the next run.
    """
    record = folder.record
    groups: defaultdict[tuple[MarkChange, Marks], list[int]] = defaultdict(list)
    for number, now in changes:
        base = record.marks(number)
        perhaps = record.marking.get(number, base)
        groups[MarkChange(now - (base & perhaps), (base | perhaps) - now), now].append(number)
    todo = iter([(what, now, numbers) for (what, now), numbers in groups.items()])
    while some := list(islice(todo, _TOGETHER)):
        _carry_out(folder, rules, some)


def _carry_out(folder: FolderRun, rules: Rules, groups: Sequence[_Group]) -> None:
    changes = [change for what, _, numbers in groups for change in _changes(folder, rules, what, numbers)]
    affected: set[int] = set()
    for _, now, numbers in groups:
        folder.run.journal.marking(folder.way, numbers, now)
    folder.run.journal.sync()
    for outcome in folder.run.destination.commit(changes) if changes else ():
        if outcome.error is not None:
            raise outcome.error
        affected.update(outcome.uids)
    folder.report.updated += len(affected)
    for _, now, numbers in groups:
        folder.run.journal.marks(folder.way, numbers, now)


def _changes(folder: FolderRun, rules: Rules, what: MarkChange, numbers: Sequence[int]) -> list[Change]:
    places = tuple(sorted(place for number in numbers if (place := folder.record.places[number])))
    added = Marks(*what.added)
    if rules.fit is not None:
        added = Marks(*rules.fit(Meta(*added))[:2])
    modes: tuple[tuple[FlagMode, Marks], ...] = (("add", added), ("remove", what.removed))
    return [SetFlags(folder.target, places, mode, *marks) for mode, marks in modes if marks and places]
