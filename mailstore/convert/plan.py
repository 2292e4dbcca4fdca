"""What a conversion would do, found out without doing any of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace

from mailstore.convert.choice import Choice, chooses
from mailstore.convert.identity import pair_identity
from mailstore.convert.journal import journal_path, read_ways
from mailstore.convert.leftout import HIDDEN, hidden, left_out
from mailstore.convert.losses import LossScan, carried, known_keywords
from mailstore.convert.mapping import Collision
from mailstore.convert.options import Options
from mailstore.convert.pairing import Found, look_at, moved_away
from mailstore.convert.popids import PopIds
from mailstore.convert.record import Way
from mailstore.convert.renaming import find_renamed, find_stale
from mailstore.convert.report import Loss, Problem, damages, omission_dict, one_line
from mailstore.convert.routing import find_routes
from mailstore.errors import MailstoreError, NoSuchStore
from mailstore.model.changes import Omission
from mailstore.model.info import META, SIZE, Row
from mailstore.model.names import FolderPath
from mailstore.search import Search
from mailstore.spi import Location
from mailstore.store import Store, open_store
from mailstore.system import scratch


@dataclass(frozen=True, slots=True)
class PlannedFolder:
    """One folder of a plan."""

    folder: FolderPath
    """In the source."""
    target: FolderPath
    """In the destination."""
    messages: int
    size: int
    """Bytes of all messages."""
    already: int
    """Messages that an earlier run has stored."""
    unreadable: int
    carried: bool
    """False where the destination cannot have the folder."""
    moved: int = 0
    """Messages that would be moved here within the destination."""
    updated: int = 0
    """Messages that an earlier run has stored, of which flags or keywords would be changed."""
    gone: int = 0
    """Messages that an earlier run has stored and that the source has no more."""
    filtered: int = 0
    """Messages that the search does not choose, or that are beyond the limit."""
    renamed_from: FolderPath | None = None
    """The destination's folder that would be renamed."""

    def to_dict(self) -> dict[str, object]:
        """Return it as plain values for JSON."""
        return {
            "folder": str(self.folder),
            "target": str(self.target),
            "messages": self.messages,
            "bytes": self.size,
            "already": self.already,
            "unreadable": self.unreadable,
            "carried": self.carried,
            "moved": self.moved,
            "updated": self.updated,
            "gone": self.gone,
            "filtered": self.filtered,
            "renamed_from": None if self.renamed_from is None else str(self.renamed_from),
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """What a conversion would do.

    Attributes:
        folders: those that hold messages or could, INBOX first, then by name.
        losses: what the destination cannot hold; each must be allowed by name before ``convert`` begins.
        problems: what can be seen now that cannot be read.
        collisions: folders that would come together; refused unless the mapping says what is to be done.
        left_out: what lies in the source's place and is not taken for mail.
    """

    source: str
    destination: str
    folders: tuple[PlannedFolder, ...]
    losses: tuple[Loss, ...]
    problems: tuple[Problem, ...]
    collisions: tuple[Collision, ...] = ()
    left_out: tuple[Omission, ...] = ()

    @property
    def messages(self) -> int:
        """Messages of all folders."""
        return sum(folder.messages for folder in self.folders)

    @property
    def size(self) -> int:
        """Bytes of all messages."""
        return sum(folder.size for folder in self.folders)

    @property
    def already(self) -> int:
        """Messages that an earlier run has stored."""
        return sum(folder.already for folder in self.folders)

    @property
    def moved(self) -> int:
        """Messages that would be moved within the destination."""
        return sum(folder.moved for folder in self.folders)

    @property
    def updated(self) -> int:
        """Messages of which flags or keywords would be changed."""
        return sum(folder.updated for folder in self.folders)

    @property
    def gone(self) -> int:
        """Messages that an earlier run has stored and that the source has no more."""
        return sum(folder.gone for folder in self.folders)

    @property
    def filtered(self) -> int:
        """Messages that the search does not choose, or that are beyond the limit."""
        return sum(folder.filtered for folder in self.folders)

    def to_dict(self) -> dict[str, object]:
        """Return the plan as plain values for JSON (schema in docs/convert.md)."""
        return {
            "source": self.source,
            "destination": self.destination,
            "folders": [folder.to_dict() for folder in self.folders],
            "messages": self.messages,
            "bytes": self.size,
            "already": self.already,
            "moved": self.moved,
            "updated": self.updated,
            "gone": self.gone,
            "filtered": self.filtered,
            "losses": [loss.to_dict() for loss in self.losses],
            "problems": [problem.to_dict() for problem in self.problems],
            "collisions": [
                {"target": str(one.target), "sources": [str(path) for path in one.sources]} for one in self.collisions
            ],
            "left_out": [omission_dict(one) for one in self.left_out],
        }


def plan(source: Store, destination: Store | Location, options: Options | None = None) -> Plan:
    """Look at a source and say what converting it would do; changes nothing anywhere.

    Args:
        source: an open store.
        destination: an open store, or the location of one, which need not exist and is not made.
        options: as for ``convert``; what they allow is listed among the losses all the same.

    Raises:
        NoSuchFolder: ``options`` name a folder that the source does not have.
    """
    options = options or Options()
    if isinstance(destination, Store):
        return _plan(source, destination, destination.location, options)
    try:
        with open_store(str(destination), readonly=True) as store:
            return _plan(source, store, destination, options)
    except NoSuchStore:
        pass
    # What a new store of this kind would keep is best asked of one; options that are paths lead elsewhere.
    plain = {name: value for name, value in destination.options.items() if os.sep not in value}
    with scratch.directory() as directory:
        path = os.path.join(directory, "store") if os.path.isabs(destination.path) else ""
        folders = options.needs_folders(source.folders())
        with open_store(str(Location(destination.format, path, plain)), create=True, folders=folders) as store:
            return _plan(source, store, destination, options)


def _plan(source: Store, destination: Store, location: Location, options: Options) -> Plan:
    everything = source.folders()
    options.select(everything)
    routing = find_routes(source, destination, options)
    targets = [one.target for one in routing.routes]
    scan = LossScan(destination.capabilities, destination.canonical, PopIds(options.pop3_uidl, source.capabilities))
    scan.add_folders(targets)
    going = carried(targets, destination.capabilities)
    placed = {one.source.path: one.target.path for one in routing.routes}
    ways = {Way(info.path, placed[info.path]): info for info, _, _ in routing.routes if info.selectable}
    records = read_ways(options.journal or journal_path(location), pair_identity(source.location, location))
    there = {info.path for info in everything if info.selectable}
    stale = find_stale(records, options, placed, there)
    unclear = hidden(source, stale, there)
    stale = [way for way in stale if way not in unclear]
    new = {way: info for way, info in ways.items() if way not in records or not records[way].live}
    successors = find_renamed(source, records, stale, new, {info.path for info in destination.folders()})
    for old, way in successors.items():
        records[way] = records.pop(old)
    problems = [Problem(str(way.path), 0, HIDDEN, "FolderUnreadable") for way in unclear]

    def failed(way: Way, error: MailstoreError) -> None:
        problems.append(_problem(way.path, 0, error))

    gone = [way for way in stale if way not in successors]
    found = look_at(source, records, list(ways), gone, failed, Choice(options.search, options.limit))
    before = {way: old.target for old, way in successors.items()}
    left = moved_away(found.values())
    folders = []
    for way in {**ways, **found}:
        planned = _planned(way, found.get(way), before.get(way), goes=way.target in going or way not in ways)
        planned = replace(planned, gone=planned.gone - len(left.get(way, ())))
        if way in ways:
            keywords = known_keywords(destination, way.target)
            folders.append(_scan(scan, source, planned, found.get(way), keywords, problems, options.search))
        elif planned.gone:
            folders.append(planned)
    omissions = left_out(source, placed)
    problems += damages(omissions)
    return Plan(
        str(source.location),
        str(location),
        tuple(folders),
        tuple(scan.losses()),
        tuple(problems),
        routing.collisions,
        tuple(omissions),
    )


def _planned(way: Way, found: Found | None, before: FolderPath | None, *, goes: bool) -> PlannedFolder:
    """Return what the looks have found; that is nothing where nothing is noted of the folder."""
    renamed_from = None if before == way.target else before
    if found is None:
        return PlannedFolder(*way, 0, 0, 0, 0, goes, renamed_from=renamed_from)
    look, record = found.look, found.record
    gone = record.missing + len(look.gone) - len(look.back)
    updated = len(look.changed) + sum(not one.marks.same(record.marks(one.number)) for one in look.same)
    moved = len(look.moves)
    return PlannedFolder(
        *way, look.messages, look.size, look.there, 0, goes, moved, updated, gone, look.filtered, renamed_from
    )


def _scan(
    scan: LossScan,
    source: Store,
    planned: PlannedFolder,
    found: Found | None,
    keywords: dict[str, str],
    problems: list[Problem],
    search: Search | None,
) -> PlannedFolder:
    """Look at the messages that would be copied."""
    messages = size = unreadable = filtered = 0
    want = max(scan.want, 0) | scan.pop_ids.want | (0 if search is None else search.want)
    try:
        stamp = scan.pop_ids.stamper(planned.folder, source.driver.folder(planned.folder))
        for row in _rows(source, planned, found, want):
            messages += 1
            if row.error is not None:
                unreadable += 1
                problems.append(_problem(planned.folder, messages, row.error))
                continue
            size += row.size or 0
            if not chooses(search, row):
                filtered += 1
            elif planned.carried:
                scan.add_message(planned.folder, messages, row if stamp is None else stamp(row), keywords)
    except MailstoreError as error:
        problems.append(_problem(planned.folder, 0, error))
    if found is None:
        return replace(planned, messages=messages, size=size, unreadable=unreadable, filtered=filtered)
    return replace(planned, unreadable=unreadable)


def _rows(source: Store, planned: PlannedFolder, found: Found | None, want: int) -> Iterator[Row]:
    """Yield what would be copied."""
    folder = source.folder(planned.folder)
    if found is None:
        yield from folder.rows(META | SIZE | want)
        return
    yield from (row for _, row in found.look.broken)
    new = [uid for uid in found.look.new if uid not in found.look.moves]
    yield from (message.row for message in folder.fetch(new, META | SIZE | want))


def _problem(path: FolderPath, position: int, error: MailstoreError) -> Problem:
    return Problem(str(path), position, one_line(str(error)), type(error).__name__)
