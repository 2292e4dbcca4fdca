"""What a conversion would do, found out without doing any of it."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass

from mailstore.convert.identity import pair_identity
from mailstore.convert.journal import Way, journal_path, read_records
from mailstore.convert.leftout import left_out
from mailstore.convert.losses import LossScan, carried, known_keywords
from mailstore.convert.mapping import Collision
from mailstore.convert.options import Options
from mailstore.convert.popids import PopIds
from mailstore.convert.report import Loss, Problem, damages, omission_dict, one_line
from mailstore.convert.routing import find_routes
from mailstore.errors import MailstoreError, NoSuchStore
from mailstore.model.changes import Omission
from mailstore.model.info import DIGEST, META, SIZE
from mailstore.model.names import FolderPath
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

    def to_dict(self) -> dict[str, object]:
        """Return the plan as plain values for JSON (schema in docs/convert.md)."""
        return {
            "source": self.source,
            "destination": self.destination,
            "folders": [folder.to_dict() for folder in self.folders],
            "messages": self.messages,
            "bytes": self.size,
            "already": self.already,
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
    options.select(source.folders())
    routing = find_routes(source, destination, options)
    targets = [one.target for one in routing.routes]
    scan = LossScan(destination.capabilities, destination.canonical, PopIds(options.pop3_uidl, source.capabilities))
    scan.add_folders(targets)
    known = read_records(options.journal or journal_path(location), pair_identity(source.location, location))
    going = carried(targets, destination.capabilities)
    folders: list[PlannedFolder] = []
    problems: list[Problem] = []
    for one in routing.routes:
        if one.source.selectable:
            way = Way(one.source.path, one.target.path)
            record = known.get(str(way))
            digests = Counter(entry.digest for entry in record.entries) if record else Counter[bytes]()
            folders.append(_plan_folder(scan, source, way, digests, destination, way.target in going, problems))
    omissions = left_out(source, (one.source.path for one in routing.routes))
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


def _plan_folder(
    scan: LossScan,
    source: Store,
    way: Way,
    stored: Counter[bytes],
    destination: Store,
    goes: bool,
    problems: list[Problem],
) -> PlannedFolder:
    keywords = known_keywords(destination, way.target)
    want = META | SIZE | max(scan.want, 0) | (DIGEST if stored else 0) | scan.pop_ids.want
    messages = size = already = unreadable = 0
    try:
        stamp = scan.pop_ids.stamper(way.path, source.driver.folder(way.path))
        for row in source.folder(way.path).rows(want):
            messages += 1
            if row.error is not None:
                unreadable += 1
                problems.append(_problem(way.path, messages, row.error))
                continue
            size += row.size or 0
            if row.digest is not None and stored[row.digest]:
                stored[row.digest] -= 1
                already += 1
            elif goes:
                scan.add_message(way.path, messages, row if stamp is None else stamp(row), keywords)
    except MailstoreError as error:
        problems.append(_problem(way.path, 0, error))
    return PlannedFolder(way.path, way.target, messages, size, already, unreadable, goes)


def _problem(path: FolderPath, position: int, error: MailstoreError) -> Problem:
    return Problem(str(path), position, one_line(str(error)), type(error).__name__)
