"""One pass of a conversion over folders: what is other than noted is found in all of them, then carried.

The order matters. A message that was moved is gone from one folder before it is found in another: so all folders are
looked at before anything is done. Nothing is deleted before everything has been copied and moved; what is noted as
absent is, before the copy that it may be moved to is noted. Killed anywhere, the next pass finds the rest.

A folder of which nothing is noted is not looked at, where nothing is missing elsewhere that could be in it: it is
copied as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from mailstore.convert.choice import Choice
from mailstore.convert.folder import FolderCopy
from mailstore.convert.losses import carried
from mailstore.convert.mapping import Route
from mailstore.convert.pairing import Found, look_at, moved_away, note
from mailstore.convert.record import Way
from mailstore.convert.removing import remove_folder, remove_gone
from mailstore.convert.renaming import find_renamed, rename_folders
from mailstore.convert.report import FolderReport
from mailstore.convert.resume import settle
from mailstore.convert.run import FolderRun, Run
from mailstore.errors import FolderError, MailstoreError, Unsupported
from mailstore.model.changes import FolderInfo
from mailstore.model.names import FolderPath


class Pass:
    """One pass."""

    def __init__(self, run: Run, routes: Sequence[Route], stale: Sequence[Way]) -> None:
        """Begin.

        Args:
            run: the conversion.
            routes: folders of the source to look at, and where they go.
            stale: ways that were noted, of which the folder is gone or goes elsewhere now.
        """
        self._run = run
        self._choice = Choice(run.options.search, run.options.limit)
        self._routes = routes
        self._going = carried([one.target for one in routes], run.destination.capabilities)
        self._stale = list(stale)
        self._renamed: dict[Way, Way] = {}
        self._looked_up: dict[Way, set[int]] = {}
        self._found: dict[Way, Found] = {}
        self._unreadable: set[Way] = set()

    def carry(self) -> bool:
        """Carry everything; True where nothing that was compared differs."""
        run = self._run
        ways = [_way(one) for one in self._routes if one.source.selectable]
        absent = [way for way, record in run.journal.ways.items() if record.missing]
        self._looked_up = settle(run.destination, run.journal, {*ways, *self._stale, *absent})
        self._rename()
        self._look_at([way for way in ways if way.target in self._going])
        there = {info.path: info for info in run.destination.folders()}
        same = True
        for route in self._routes:
            way = _way(route)
            if route.source.selectable:
                folder = FolderRun(run, way, FolderReport(*way), route.alone)
                folder.report.renamed_from = self._renamed_from(way)
                run.report.folders.append(folder.report)
                if way.target in self._going:
                    self._copy(folder, route.source, there)
                    same &= folder.same
                else:
                    _leave_out(folder)
            if way.target in self._going:
                _carry_attributes(run, way, route.target, there.get(way.target))
        self._remove(ways)
        return same

    def _renamed_from(self, way: Way) -> FolderPath | None:
        old = next((old for old, new in self._renamed.items() if new == way), None)
        return None if old is None or old.target == way.target else old.target

    # -- before anything is copied

    def _rename(self) -> None:
        run = self._run
        records = run.journal.ways
        stale = [way for way in self._stale if records[way].live or records[way].made]
        new = {_way(one): one.source for one in self._routes if one.source.selectable}
        new = {way: info for way, info in new.items() if not run.journal.record(way).live}
        if stale and new:
            there = {info.path for info in run.destination.folders()}
            found = find_renamed(run.source, records, stale, new, there)
            self._renamed = dict(rename_folders(run.destination, run.journal, found))
        self._stale = [way for way in stale if way not in self._renamed]
        # Some of what was seen there may have gone another way since: what comes next is to see all of it again.
        elsewhere = [new for old, new in self._renamed.items() if old.path == new.path and old.target != new.target]
        for way in [*self._stale, *elsewhere]:
            run.journal.unseen(way)

    def _look_at(self, ways: Sequence[Way]) -> None:
        run = self._run

        def failed(way: Way, error: MailstoreError) -> None:
            run.report.add_error(way.path, error)
            self._unreadable.add(way)

        records = run.journal.ways
        self._found = look_at(run.source, records, ways, self._stale, failed, self._choice, again=run.again)
        moved = moved_away(self._found.values())
        for one in self._found.values():
            note(run.journal, one, moved.get(one.way, ()))

    # -- one folder

    def _copy(self, folder: FolderRun, info: FolderInfo, there: Mapping[FolderPath, FolderInfo]) -> None:
        run, way = self._run, folder.way
        if way in self._unreadable:
            folder.same = False
            return
        found = self._found.get(way)
        try:
            source = run.source.driver.folder(way.path) if found is None or found.source is None else found.source
            folder_id = info.id if run.source.capabilities.folder_ids else ""
            copy = FolderCopy(folder, source, self._looked_up.get(way, set()), folder_id)
        except MailstoreError as error:
            folder.fail(error)
            folder.same = False
            return
        if way.target not in there and not folder.record.made:
            run.journal.made(way)
        copy.copy(None if found is None else found.look)

    # -- after everything was copied

    def _remove(self, ways: Sequence[Way]) -> None:
        """Delete what the source has no more, as far as that is asked for; count what stays."""
        run = self._run
        reports = {Way(report.folder, report.target): report for report in run.report.folders}
        for way in [*ways, *self._stale]:
            record = run.journal.record(way)
            gone = record.missing
            if not gone and way not in self._stale:
                continue
            if way not in reports:
                reports[way] = FolderReport(*way)
                run.report.folders.append(reports[way])
            folder = FolderRun(run, way, reports[way])
            try:
                remove_gone(folder)
                if way in self._stale and not any(other.target == way.target for other in ways):
                    remove_folder(folder)
            except (FolderError, Unsupported) as error:
                folder.fail(error)


def _way(route: Route) -> Way:
    return Way(route.source.path, route.target.path)


def _leave_out(folder: FolderRun) -> None:
    """Count a folder that was given up with an allowed loss."""
    try:
        folder.report.skipped = folder.run.source.folder(folder.path).state().messages
    except MailstoreError as error:
        folder.fail(error)


def _carry_attributes(run: Run, way: Way, info: FolderInfo, there: FolderInfo | None) -> None:
    """Carry the subscription and the special use where they are not there already."""
    capabilities = run.destination.capabilities
    before = there or replace(info, subscribed=False, special_use=None)
    try:
        if info.subscribed and not before.subscribed and capabilities.subscriptions:
            run.destination.subscribe(way.target)
        if info.selectable and info.special_use not in (None, before.special_use) and capabilities.special_use:
            run.destination.set_special_use(way.target, info.special_use)
    except (FolderError, Unsupported) as error:
        run.report.add_error(way.path, error)
