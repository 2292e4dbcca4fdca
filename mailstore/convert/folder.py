"""One folder's way from source to destination."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby, islice

from mailstore.convert.append import Appender
from mailstore.convert.compare import TOGETHER, compare_expected, compare_folder
from mailstore.convert.fresh import copy_fresh
from mailstore.convert.look import FETCH, Look, Moving, look
from mailstore.convert.losses import fitting, known_keywords
from mailstore.convert.merge import Marks
from mailstore.convert.moving import move_in
from mailstore.convert.pairing import Found, note, pair
from mailstore.convert.popids import PopIds
from mailstore.convert.reading import Batch, FolderReader
from mailstore.convert.resume import expect_earlier
from mailstore.convert.run import FolderRun, state_of
from mailstore.convert.transit import Rules
from mailstore.convert.updating import update_marks
from mailstore.errors import FolderError, MailstoreError, Unsupported
from mailstore.model.changes import FolderState, SetState, Token
from mailstore.model.info import BODY, META
from mailstore.spi import FolderDriver


class FolderCopy:
    """Copies what of a folder is not in the destination yet, carries what changed, and compares.

    Whatever concerns the source, or this folder alone, becomes a problem in the report. The destination's trouble as
    a whole (full, unwritable, locked) is raised.
    """

    def __init__(self, folder: FolderRun, source: FolderDriver, looked_up: set[int], folder_id: str) -> None:
        """Begin.

        Args:
            folder: which one.
            source: the folder there.
            looked_up: messages that are known only from having been looked up by their digest.
            folder_id: the source's lasting id of it, or ''.
        """
        self._folder = folder
        self._source = source
        self._looked_up = looked_up
        self._folder_id = folder_id
        run = folder.run
        capabilities = run.destination.capabilities
        pop_ids = PopIds(run.options.pop3_uidl, run.source.capabilities)
        stamp = pop_ids.stamper(folder.path, source)
        self._rules = Rules(
            folder.path,
            run.rejected,
            capabilities.max_message,
            None if capabilities.exact else run.destination.canonical,
            fitting(capabilities, known_keywords(run.destination, folder.target)),
            stamp,
            pop_ids.note if stamp is not None else "",
            run.options.search,
        )

    def copy(self, found: Look | None) -> None:
        """Copy it.

        Args:
            found: what is new there; None where nothing is noted of the folder.
        """
        folder = self._folder
        token = self._token() if found is None else found.token
        try:
            whole = self._copy_all() if found is None else self._carry(found)
        except (FolderError, Unsupported) as error:
            self._give_up(error)
            folder.same = False
            return
        if folder.run.options.verify:
            compare_folder(folder)
        if found is not None and found.renumbered and token is not None:
            folder.run.journal.uids(folder.way)  # before the token: a history speaks of UIDs
        folder.run.journal.seen(folder.way, token if whole else None, self._folder_id)

    def _token(self) -> Token | None:
        """Return the source's token before anything is read; None where it has no history."""
        if not self._folder.run.source.capabilities.modseqs:
            return None
        try:
            return self._source.changes(None, 0).token
        except MailstoreError:
            return None  # reading tells what is wrong

    # -- all of it

    def _copy_all(self) -> bool:
        """Copy a folder of which nothing is noted; True where all of it has arrived."""
        folder = self._folder
        reader = FolderReader(folder, self._source, self._rules)
        if copy_fresh(folder, self._source, self._rules, reader):
            return not (folder.report.failed or folder.report.filtered)
        reader = FolderReader(folder, self._source, self._rules)
        appender = self._appender(None)
        appender.append_all(reader.batches())
        if reader.broken is None:
            self._finish(reader, appender)
            return not (folder.report.failed or folder.report.filtered)
        # The source moved under us, or a reader died: what is still missing is found and read one by one.
        copied = folder.report.copied
        found = Found(folder.way, Look(), folder.record, self._source)
        try:
            found = found._replace(look=look(self._source, folder.record, history=False))
            pair({folder.way: found})
        except MailstoreError as error:
            folder.fail(error)
            return False
        note(folder.run.journal, found)
        found.look.there -= copied
        return self._carry(found.look)

    def _appender(self, continued: FolderState | None) -> Appender:
        there = self._folder.run.destination.folder(self._folder.target, create=True)
        return Appender(self._folder, self._rules, self._source, there.state(), continued)

    # -- what is new

    def _carry(self, found: Look) -> bool:
        """Carry what was found; True where all of it has arrived."""
        folder = self._folder
        folder.report.skipped += found.there
        folder.report.filtered += found.filtered
        if found.error is not None:
            folder.fail(found.error)
        update_marks(folder, self._rules, [*found.changed, *((one.number, one.marks) for one in found.same)])
        if folder.run.options.verify:
            self._compare_earlier(found)
        reader = FolderReader(folder, self._source, self._rules)
        appender = self._appender(state_of(self._source))
        self._bring(found, reader, appender)
        if reader.broken is not None:
            folder.fail(reader.broken)
        self._finish(reader, appender, adopt=not found.cut)
        report = folder.report
        return found.whole and reader.broken is None and not (report.failed or report.filtered)

    def _compare_earlier(self, found: Look) -> None:
        """Compare what earlier runs stored and did not compare."""
        record = self._folder.record
        for first in range(record.verified, len(record), TOGETHER):
            numbers = range(first, min(first + TOGETHER, len(record)))
            expect_earlier(self._folder, self._source, found, numbers, self._looked_up, self._rules)
            compare_expected(self._folder)
        if self._folder.same:
            self._folder.run.journal.verified(self._folder.way)

    def _bring(self, found: Look, reader: FolderReader, appender: Appender) -> None:
        """Copy and move what is new, in the source's order."""
        if found.broken:
            positions = iter([position for position, _ in found.broken])
            appender.append_all(reader.read(lambda: iter([[row for _, row in found.broken]]), positions))
        first = 0
        for way, group in groupby(found.new, lambda uid: one.way if (one := found.moves.get(uid)) else None):
            if way is None:
                count = sum(1 for _ in group)
                appender.append_all(self._read(reader, found, first, first + count))
                first += count
                continue
            moving = [found.moves[uid] for uid in group]
            first += len(moving)
            noted = len(self._folder.record)
            move_in(self._folder, moving, numbered=appender.begin(moving[0].recorded))
            appender.refresh()
            update_marks(self._folder, self._rules, self._moved_marks(noted, moving))

    def _moved_marks(self, first: int, moving: Sequence[Moving]) -> list[tuple[int, Marks]]:
        """Return what the source has now of the messages noted from ``first`` on, where it has changed."""
        record, now = self._folder.record, {one.uid: one.marks for one in moving}
        changed = ((number, now[record.uids[number]]) for number in range(first, len(record)))
        return [(number, marks) for number, marks in changed if not marks.same(record.marks(number))]

    def _read(self, reader: FolderReader, found: Look, first: int, last: int) -> Iterator[Batch]:
        """Read a part of what is new."""
        uids, positions = iter(found.new[first:last]), iter(found.positions[first:last])
        while chunk := list(islice(uids, FETCH)):
            yield from reader.read(partial(self._source.fetch, chunk, BODY | META), positions)

    def _finish(self, reader: FolderReader, appender: Appender, *, adopt: bool = True) -> None:
        """Count, and adopt the source's counters unless what a limit left is still to come with its own UIDs."""
        reader.taken.troubles += appender.refused
        self._folder.count(reader.taken)
        if adopt and (appender.numbered or (self._folder.alone and appender.untouched)):
            self._adopt_state()

    def _adopt_state(self) -> None:
        """Carry UIDNEXT and HIGHESTMODSEQ where the destination has the source's numbering, or is new and empty."""
        folder = self._folder
        ours = folder.run.destination.folder(folder.target).state()
        theirs = state_of(self._source)
        if theirs is None:
            return
        # A folder that is empty but had messages must not give their UIDs again; one that never had any has no history.
        empty_now = (
            ours.uidnext == 1 and theirs.uidnext > 1 and folder.run.source.capabilities.uids and not theirs.messages
        )
        if empty_now or (ours.uidvalidity == theirs.uidvalidity and ours.uidnext < theirs.uidnext):
            state = SetState(folder.target, theirs.uidvalidity, theirs.uidnext, theirs.highest_modseq)
            folder.run.destination.commit([state])

    def _give_up(self, error: MailstoreError) -> None:
        """The destination cannot have this folder: all its messages have failed."""
        folder = self._folder
        folder.fail(error)
        state = state_of(self._source)
        if state is not None:
            folder.report.failed += max(0, state.messages - folder.report.found)
