"""Moving messages within the destination that were moved within the source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mailstore.convert.look import Moving
from mailstore.convert.record import Noted, Origin
from mailstore.convert.resume import settle
from mailstore.convert.run import FolderRun
from mailstore.errors import MailstoreError
from mailstore.model.changes import SetState


class _Run(NamedTuple):
    """Messages of one folder that are moved together, and their places in the destination."""

    moving: list[Moving]
    places: list[int]


def move_in(folder: FolderRun, moving: Sequence[Moving], *, numbered: bool) -> None:
    """Move messages that are noted under one other way into the folder, in their order.

    Those that the destination's user deleted there do not come back.

    Args:
        folder: where to; its folder in the destination is there.
        moving: which, all of the same way.
        numbered: the folder has the source's numbering: messages get the source's UIDs where that can be.

    Raises:
        MailstoreError: the destination refused; what is not noted is moved by the next run.
    """
    destination, record = folder.run.destination, folder.run.journal.record(moving[0].way)
    target = moving[0].way.target
    places = [record.places[one.number] for one in moving]
    asked = destination.folder(target).fetch([place for place in places if place], 0) if any(places) else ()
    there = {message.uid for message in asked if message.error is None}
    for run in _runs(moving, places, there, numbered=numbered):
        if not run.places:
            folder.run.journal.passed(folder.way, [_noted(folder, one) for one in run.moving], _origin(run))
            folder.report.skipped += len(run.moving)
        else:
            _move(folder, run, numbered=numbered)
            folder.report.moved += len(run.moving)


def _runs(moving: Sequence[Moving], places: Sequence[int], there: set[int], *, numbered: bool) -> Iterator[_Run]:
    """Split into what one change can do: places ascend, and UIDs are without a gap where they count."""
    run = _Run([], [])
    for one, place in zip(moving, places, strict=True):
        stays = place in there
        if run.moving and (
            stays != bool(run.places)
            or (stays and place <= run.places[-1])
            or (stays and numbered and one.uid != run.moving[-1].uid + 1)
        ):
            yield run
            run = _Run([], [])
        run.moving.append(one)
        if stays:
            run.places.append(place)
    if run.moving:
        yield run


def _noted(folder: FolderRun, one: Moving) -> Noted:
    """Return what is noted of a message that comes: under its new key, with the marks that were carried last."""
    record = folder.run.journal.record(one.way)
    return Noted(one.key, one.size, one.uid, record.marks(one.number), one.digest, record.stored(one.number))


def _origin(run: _Run) -> Origin:
    return Origin(run.moving[0].way, [one.number for one in run.moving])


def _move(folder: FolderRun, run: _Run, *, numbered: bool) -> None:
    destination, journal, way = folder.run.destination, folder.run.journal, folder.way
    here = destination.folder(way.target)
    state = here.state()
    if numbered and run.moving[0].uid > state.uidnext:
        destination.commit([SetState(way.target, state.uidvalidity, run.moving[0].uid)])
        state = here.state()
    journal.intend(way, [_noted(folder, one) for one in run.moving], state.uidvalidity, state.uidnext, _origin(run))
    try:
        uids = _carry_out(folder, run)
    except MailstoreError:
        settle(destination, journal, [way])
        raise
    journal.done(way, state.uidvalidity, uids)


def _carry_out(folder: FolderRun, run: _Run) -> list[int]:
    """Move in the destination; returns the new UIDs, 0 for what was deleted there meanwhile."""
    destination, before = folder.run.destination, run.moving[0].way.target
    if before == folder.target:  # two folders of the source that are one there
        return run.places
    moved = dict(destination.folder(before).move(run.places, destination.folder(folder.target)).pairs)
    return [moved.get(place, 0) for place in run.places]
