"""One folder's way from source to destination."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice

from mailstore.convert.append import Appender
from mailstore.convert.compare import compare_folder
from mailstore.convert.fresh import copy_fresh
from mailstore.convert.losses import fitting, known_keywords
from mailstore.convert.popids import PopIds
from mailstore.convert.reading import Batch, FolderReader
from mailstore.convert.resume import Pending, expect_earlier, find_pending, settle
from mailstore.convert.run import FolderRun, Run, state_of
from mailstore.convert.transit import Rules
from mailstore.errors import FolderError, MailstoreError, Unsupported
from mailstore.model.changes import SetState
from mailstore.model.info import BODY, META
from mailstore.spi import FolderDriver

_FETCH = 1000


def copy_folder(run: Run, folder: FolderRun) -> bool:
    """Copy what of a folder is not in the destination yet, and compare it there. True where nothing differs.

    Whatever concerns the source, or this folder alone, becomes a problem in the report.

    Raises:
        MailstoreError: the destination as a whole cannot go on (full, unwritable, locked).
    """
    try:
        source = run.source.driver.folder(folder.path)
        rules = _rules(run, folder, source)
    except MailstoreError as error:
        folder.fail(error)
        return False
    try:
        _copy(folder, source, rules)
    except (FolderError, Unsupported) as error:
        _give_up(folder, source, error)
        return False
    if not run.options.verify:
        return True
    same = compare_folder(folder)
    if same:
        run.journal.verified(folder.way)
    return same


def _rules(run: Run, folder: FolderRun, source: FolderDriver) -> Rules:
    capabilities = run.destination.capabilities
    pop_ids = PopIds(run.options.pop3_uidl, run.source.capabilities)
    stamp = pop_ids.stamper(folder.path, source)
    return Rules(
        folder.path,
        run.rejected,
        capabilities.max_message,
        None if capabilities.exact else run.destination.canonical,
        fitting(capabilities, known_keywords(run.destination, folder.target)),
        stamp,
        pop_ids.note if stamp is not None else "",
    )


def _copy(folder: FolderRun, source: FolderDriver, rules: Rules) -> None:
    looked_up = settle(folder)
    if not folder.run.journal.record(folder.way).entries:
        reader = FolderReader(folder, source, rules)
        if copy_fresh(folder, source, rules, reader):
            return
        reader = FolderReader(folder, source, rules)
        if _append(folder, source, rules, reader, reader.batches(), last=False):
            return
        # The source moved under us, or a reader died: what is still missing is found and read one by one.
    _copy_missing(folder, source, rules, looked_up)


def _copy_missing(folder: FolderRun, source: FolderDriver, rules: Rules, looked_up: set[int]) -> None:
    """Copy what the journal does not know yet."""
    record = folder.run.journal.record(folder.way)
    pending = find_pending(folder, source, record.entries)
    expect_earlier(folder, pending, record, looked_up, rules)
    folder.report.skipped += len(pending.stored) - folder.report.copied
    reader = FolderReader(folder, source, rules)
    _append(folder, source, rules, reader, _missing(reader, source, pending), last=True)


def _append(
    folder: FolderRun, source: FolderDriver, rules: Rules, reader: FolderReader, batches: Iterator[Batch], *, last: bool
) -> bool:
    """Append the ``batches`` of ``reader``.

    Where they end early and it is not the ``last`` try, False, and nothing is told of what could not be copied.
    """
    there = folder.run.destination.folder(folder.target, create=True)
    before = there.state()
    appender = Appender(folder, rules, source, before, state_of(source) if last else None)
    appender.append_all(batches)
    if reader.broken is not None:
        if not last:
            return False
        folder.fail(reader.broken)
    reader.taken.troubles += appender.refused
    folder.count(reader.taken)
    empty = before.uidnext == 1 and not before.messages and not folder.report.copied
    if appender.numbered or (folder.alone and empty):
        _adopt_state(folder, source)
    return True


def _missing(reader: FolderReader, source: FolderDriver, pending: Pending) -> Iterator[Batch]:
    """Yield what is still to be copied, with what cannot be read first."""
    if pending.broken:
        positions = iter([position for position, _ in pending.broken])
        yield from reader.read(lambda: iter([[row for _, row in pending.broken]]), positions)
    uids = (uid for _, uid in pending.missing)
    positions = iter([position for position, _ in pending.missing])
    while chunk := list(islice(uids, _FETCH)):
        yield from reader.read(partial(source.fetch, chunk, BODY | META), positions)


def _adopt_state(folder: FolderRun, source: FolderDriver) -> None:
    """Carry UIDNEXT and HIGHESTMODSEQ where the destination folder has the source's numbering, or is new and empty."""
    ours = folder.run.destination.folder(folder.target).state()
    theirs = state_of(source)
    if theirs is None:
        return
    # A folder that is empty but had messages must not give their UIDs again; one that never had any has no history.
    empty_now = ours.uidnext == 1 and theirs.uidnext > 1 and folder.run.source.capabilities.uids and not theirs.messages
    if empty_now or (ours.uidvalidity == theirs.uidvalidity and ours.uidnext < theirs.uidnext):
        state = SetState(folder.target, theirs.uidvalidity, theirs.uidnext, theirs.highest_modseq)
        folder.run.destination.commit([state])


def _give_up(folder: FolderRun, source: FolderDriver, error: MailstoreError) -> None:
    """The destination cannot have this folder: all its messages have failed."""
    folder.fail(error)
    state = state_of(source)
    if state is not None:
        folder.report.failed += max(0, state.messages - folder.report.found)
