"""Folders that the source calls otherwise now: renamed in the destination, not copied again.

The problem. A renamed folder looks like one that was deleted and another that is new. Copying it again costs its UIDs,
and all its messages once more.

The solution. Where the source has folder ids, they tell. Where it has none, a new folder takes the place of one that is
gone if it holds all that was carried from it, by keys and the bytes of some, if that is at least half of what it
holds, and if no other could be meant. What is not as clear as that is left to single messages, which are moved.

In the destination a rename takes all that is in the folder and below it along, so it is done only where we made the
folder and all that came from the source goes with it. The journal says so for all of them before it happens, the
topmost folder last: where its line is there, all lines are, and one rename is to be finished; where it is not, those
below were to be renamed as well as it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from mailstore.convert.journal import Journal
from mailstore.convert.look import look
from mailstore.convert.options import Options
from mailstore.convert.record import PRESENT, FolderRecord, Way
from mailstore.errors import FolderError, MailstoreError, Unsupported
from mailstore.model.changes import FolderInfo
from mailstore.model.names import FolderPath
from mailstore.store import Store

Records = Mapping[Way, FolderRecord]


def find_stale(
    records: Records, options: Options, placed: Mapping[FolderPath, FolderPath], there: Collection[FolderPath]
) -> list[Way]:
    """Return the ways that are noted, of which the folder is gone or goes elsewhere now.

    Args:
        records: what is noted of every way.
        options: which folders are chosen: the others are left alone.
        placed: what the destination calls the chosen folders of the source.
        there: all folders of the source.
    """
    return [
        way
        for way, record in records.items()
        if (record.live or record.made or record.unresolved)
        and options.wants(way.path)
        and (way.path not in there or placed.get(way.path) != way.target)
    ]


def find_renamed(
    source: Store,
    records: Records,
    stale: Collection[Way],
    new: Mapping[Way, FolderInfo],
    there: Collection[FolderPath],
) -> dict[Way, Way]:
    """Return which of the ``new`` ways each of the ``stale`` ones has become, the topmost first.

    Args:
        source: where the folders were renamed.
        records: what is noted of every way.
        stale: ways of which the folder is gone, or goes elsewhere now.
        new: ways of which nothing is noted.
        there: the folders that the destination has.
    """
    renamed: dict[Way, Way] = {}
    for old in sorted(stale, key=lambda way: (len(way.target), way)):
        free = [way for way in new if way not in renamed.values()]
        found = _successor(source, old, records[old], free, new)
        if found is not None:
            renamed[old] = found
    return {old: way for old, way in renamed.items() if _goes_whole(old, way, renamed, records, there)}


def _successor(
    source: Store, old: Way, record: FolderRecord, free: Sequence[Way], new: Mapping[Way, FolderInfo]
) -> Way | None:
    if record.folder_id and source.capabilities.folder_ids:
        same = [way for way in free if new[way].id == record.folder_id]
    else:
        same = [way for way in free if way.path == old.path] or [
            way for way in free if _holds_all(source, record, way.path)
        ]
    return same[0] if len(same) == 1 else None


def _holds_all(source: Store, record: FolderRecord, path: FolderPath) -> bool:
    """Tell whether a folder of the source holds all that is noted, and not much else."""
    try:
        found = look(source.driver.folder(path), record, history=False)
    except MailstoreError:
        return False
    carried = record.count(PRESENT)
    return 0 < carried <= found.messages <= 2 * carried and found.whole and not found.gone


def _goes_whole(
    old: Way, new: Way, renamed: Mapping[Way, Way], records: Records, there: Collection[FolderPath]
) -> bool:
    """Tell whether renaming the destination's folder does right by all in it and below it, and has room for the name.

    A folder that was there before us, INBOX above all, or that other folders of the source go to as well, holds more.
    """
    if old.target == new.target:
        return True
    if not records[old].made or any(way.target == old.target and way != old and records[way].live for way in records):
        return False
    with_it = [way for way in records if way.target.is_below(old.target) and (records[way].live or records[way].made)]
    return not any(path == new.target or path.is_below(new.target) for path in there) and all(
        way in renamed and renamed[way].target == way.target.moved(old.target, new.target) for way in with_it
    )


def rename_folders(destination: Store, journal: Journal, renamed: Mapping[Way, Way]) -> Iterable[tuple[Way, Way]]:
    """Rename in the destination and in the journal; yields what was renamed, from and to.

    One that cannot be renamed after all is left as it is; its messages are moved.
    """
    left = dict(renamed)
    while left:
        old = next(iter(left))
        new = left[old]
        with_it = {
            one: way
            for one, way in left.items()
            if one == old or (one.target.is_below(old.target) and old.target != new.target)
        }
        for one, way in reversed(with_it.items()):
            del left[one]
            journal.rename(one, way)
        try:
            if old.target != new.target:
                destination.rename(old.target, new.target)
        except (FolderError, Unsupported):
            for one, way in with_it.items():
                journal.renamed(way)
                journal.rename(way, one)
                journal.renamed(one)
            continue
        for way in with_it.values():
            journal.renamed(way)
        yield from with_it.items()
