"""One folder's way from source to destination."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice

from mailstore.convert.append import Appender
from mailstore.convert.compare import compare_folder
from mailstore.convert.fresh import copy_fresh
from mailstore.convert.losses import fitting, known_keywords
from mailstore.convert.resume import Pending, expect_earlier, find_pending, settle
from mailstore.convert.run import FolderRun, Run
from mailstore.convert.transit import Rules
from mailstore.errors import FolderError, MailstoreError, Unsupported
from mailstore.model.changes import SetState
from mailstore.model.info import BODY, META, Row
from mailstore.model.names import FolderPath
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
        rules = _rules(run, folder.path)
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
        run.journal.verified(folder.path)
    return same


def _rules(run: Run, path: FolderPath) -> Rules:
    capabilities = run.destination.capabilities
    return Rules(
        path,
        run.rejected,
        capabilities.max_message,
        None if capabilities.exact else run.destination.canonical,
        fitting(capabilities, known_keywords(run.destination, path)),
    )


def _copy(folder: FolderRun, source: FolderDriver, rules: Rules) -> None:
    run = folder.run
    looked_up = settle(folder)
    record = run.journal.record(folder.path)
    if record.entries:
        pending = find_pending(folder, source, record.entries)
        expect_earlier(folder, pending, record, looked_up, rules)
        folder.report.found += len(pending.stored)
        folder.report.skipped += len(pending.stored)
        _append(folder, source, rules, pending)
    elif not copy_fresh(folder, source, rules):
        _append(folder, source, rules, None)


def _append(folder: FolderRun, source: FolderDriver, rules: Rules, pending: Pending | None) -> None:
    run = folder.run
    there = run.destination.folder(folder.path, create=True)
    positions: Iterator[int]
    if pending is None:
        delta = source.changes(None, BODY | META)
        uidvalidity, batches, positions = delta.token.uidvalidity, delta.batches, count(1)
    else:
        uidvalidity, batches = source.state().uidvalidity, _missing(source, pending)
        positions = iter([position for position, _ in [*pending.broken, *pending.missing]])
    appender = Appender(folder, rules, source, uidvalidity, there.state(), pending is not None)
    appender.append_all(folder.read(batches), positions)
    _adopt_state(folder, source, uidvalidity)


def _missing(source: FolderDriver, pending: Pending) -> Iterator[list[Row]]:
    if pending.broken:
        yield [row for _, row in pending.broken]
    uids = (uid for _, uid in pending.missing)
    while chunk := list(islice(uids, _FETCH)):
        yield from source.fetch(chunk, BODY | META)


def _adopt_state(folder: FolderRun, source: FolderDriver, uidvalidity: int) -> None:
    """Carry UIDNEXT and HIGHESTMODSEQ where the destination folder continues the source's numbering."""
    ours = folder.run.destination.folder(folder.path).state()
    virgin = ours.uidnext == 1 and not ours.messages
    if not virgin and ours.uidvalidity != uidvalidity:
        return
    theirs = source.state()
    # A folder that is empty but had messages must not give their UIDs again; one that never had any has no history.
    empty_now = virgin and theirs.uidnext > 1 and not theirs.messages and folder.run.source.capabilities.uids
    if empty_now or (not virgin and ours.uidnext < theirs.uidnext):
        state = SetState(folder.path, theirs.uidvalidity, theirs.uidnext, theirs.highest_modseq)
        folder.run.destination.commit([state])


def _give_up(folder: FolderRun, source: FolderDriver, error: MailstoreError) -> None:
    """The destination cannot have this folder: all its messages have failed."""
    folder.fail(error)
    try:
        messages = source.state().messages
    except MailstoreError:
        messages = folder.report.found
    lost = max(0, messages - folder.report.found)
    folder.report.found += lost
    folder.report.failed += folder.report.found - folder.report.copied - folder.report.skipped - folder.report.failed
