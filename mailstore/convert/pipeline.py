"""Copy any store into any other: one pipeline, whatever the formats.

Folders come one after another. What cannot be read or stored is a problem in the report, and the rest goes on; only
what stops the destination as a whole (a full disk, no permission, a lock) ends the conversion with an error. The
journal makes it safe to run again after that, after a kill, and at any time.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from mailstore.convert.identity import check_apart, pair_identity
from mailstore.convert.journal import Journal, journal_path
from mailstore.convert.leftout import HIDDEN, hidden, left_out
from mailstore.convert.losses import find_losses, refuse
from mailstore.convert.onepass import Pass
from mailstore.convert.options import Options, ProgressCallback
from mailstore.convert.popids import PopIds
from mailstore.convert.rejected import Rejected
from mailstore.convert.renaming import find_stale
from mailstore.convert.report import Report
from mailstore.convert.routing import find_routes, refuse_collisions
from mailstore.convert.run import Run
from mailstore.errors import ReadOnlyStore
from mailstore.model.names import FolderPath
from mailstore.store import Store


def convert(
    source: Store, destination: Store, options: Options | None = None, progress: ProgressCallback | None = None
) -> Report:
    """Copy all mail of ``source`` into ``destination``, with everything that is known of it.

    Bytes, order, flags, keywords, internal and saved dates, envelope senders, POP3 ids, folders, subscriptions and
    special uses travel; UIDs and UIDVALIDITY too where the source records them and the destination folder is new.
    Run again, it carries what has changed in the source since: new messages, flags, moves, folders with another name,
    and, where ``options`` ask for it, deletions. The source is not changed. On return everything
    copied is durable and, unless ``options.verify`` is off, was read again and compared. A quota of the destination is
    kept up to date and stops nothing: ``destination.quota.usage()`` tells where it stands then.

    Args:
        source: open, best read-only.
        destination: open for writing; it may hold mail, which stays as it is.
        options: what to take, and how.
        progress: called as it goes.

    Raises:
        LossRefused: something cannot be held by the destination and was not allowed; nothing was done.
        UsageError: source and destination are the same or one lies in the other; an unknown loss is allowed.
        NoSuchFolder: ``options.folders`` names one that is not there.
        ReadOnlyStore, StorageFull, StorageFailure, StoreBusy, CannotCreate: the destination cannot go on. What was
            copied so far is safe and noted; run again when the cause is mended.
    """
    with Conversion(source, destination, options, progress) as conversion:
        return conversion.carry()


class Conversion:
    """A conversion that can be carried on again and again, with its journal open; a context manager."""

    def __init__(
        self,
        source: Store,
        destination: Store,
        options: Options | None = None,
        progress: ProgressCallback | None = None,
    ) -> None:
        """Begin; nothing is done yet. Arguments as for ``convert``.

        Raises:
            UsageError: source and destination are the same or one lies in the other.
            ReadOnlyStore: the destination cannot be written.
        """
        self._source = source
        self._destination = destination
        self._options = options = options or Options()
        self._progress = progress
        self._close = ExitStack()
        self._journal: Journal | None = None
        self.report: Report | None = None
        """Of the last pass, as far as it came; None before the first."""
        check_apart(source.location, destination.location)
        if not destination.capabilities.writable:
            raise ReadOnlyStore("the destination cannot be written", path=destination.location.path)
        self._path = options.journal or (
            journal_path(destination.location) if destination.capabilities.persistent else None
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close.close()

    def carry(self, folders: Collection[FolderPath] | None = None) -> Report:
        """Carry over what the source has and the destination has not yet: one pass, as ``convert`` does it.

        Args:
            folders: look at these folders of the source alone, of those that the options select; None is all. One that
                is there no more counts as deleted or renamed. A message that was moved is recognised where both
                folders are looked at in the same pass, or the one that it left in an earlier one.

        Raises:
            LossRefused, NoSuchFolder, UsageError, StorageFull …: as for ``convert``.
            StoreBusy, CannotCreate, CorruptStore: as for Journal, which the first pass opens.
        """
        started = time.monotonic()
        options, destination = self._options, self._destination
        everything = self._source.folders()
        options.select(everything)
        routing = find_routes(self._source, destination, options)
        refuse_collisions(routing, options)
        routes = [one for one in routing.routes if folders is None or one.source.path in folders]
        pop_ids = PopIds(options.pop3_uidl, self._source.capabilities)
        losses = find_losses(self._source, routes, destination, pop_ids, options.search)
        refuse(losses, options.allow_loss)
        report = Report(str(self._source.location), str(destination.location), losses=losses, journal=self._path or "")
        again = self.report is not None
        self.report = report
        rejected = Rejected(options, destination.location)
        journal = self._open_journal()
        run = Run(self._source, destination, options, journal, report, rejected, self._progress, again)
        placed = {one.source.path: one.target.path for one in routing.routes}
        there = {info.path for info in everything if info.selectable}
        stale = find_stale(journal.ways, options, placed, there)
        unclear = hidden(self._source, stale, there)
        stale = [way for way in stale if way not in unclear]
        if folders is not None:
            stale = [way for way in stale if way.path in folders]
        else:
            for way in unclear:
                report.add_problem(way.path, "FolderUnreadable", HIDDEN)
        with destination.quota.unenforced():
            same = Pass(run, routes, stale).carry()
        if folders is None:
            report.add_omissions(left_out(self._source, (one.source.path for one in routes)))
        journal.sync()
        journal.compact()
        if options.verify:
            report.verified = same
        report.seconds = time.monotonic() - started
        return report

    def _open_journal(self) -> Journal:
        if self._journal is None:
            source = pair_identity(self._source.location, self._destination.location)
            self._journal = self._close.enter_context(Journal(self._path, source))
        return self._journal
