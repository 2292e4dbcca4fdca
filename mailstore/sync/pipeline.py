"""Make two stores the same mail: look, decide, carry, compare."""

from __future__ import annotations

import time
from collections.abc import Sequence

from mailstore.convert.identity import store_identity
from mailstore.convert.losses import LossScan, carried, known_keywords, refuse
from mailstore.convert.options import ProgressCallback
from mailstore.convert.popids import PopIds
from mailstore.errors import ReadOnlyStore
from mailstore.model.changes import FolderInfo
from mailstore.model.info import Row
from mailstore.model.names import FolderPath
from mailstore.store import Store
from mailstore.sync.carry import carry
from mailstore.sync.check import check
from mailstore.sync.decide import Decision, decide
from mailstore.sync.folders import Bound, bind
from mailstore.sync.journal import Journal, Side
from mailstore.sync.options import Options, sync_journal_path
from mailstore.sync.recover import settle_all
from mailstore.sync.report import Conflict, FolderSync, SyncReport
from mailstore.sync.scan import Scan, Scanner
from mailstore.sync.tree import carry_deletions, carry_special_uses, carry_subscriptions, shape, wanted_actions
from mailstore.sync.work import SIDES, Work


def sync(
    first: Store,
    second: Store,
    options: Options | None = None,
    progress: ProgressCallback | None = None,
    *,
    dry_run: bool = False,
) -> SyncReport:
    """Carry to each store what changed in the other since they were last the same, and compare what was carried.

    New messages, flags and keywords, moves, deletions, folders with their renames and deletions, subscriptions and
    special uses are carried both ways. What both changed is merged, or decided as docs/sync.md says, and reported as a
    conflict. On return everything carried is durable. Run it again at any time: after a kill, it goes on.

    Args:
        first: open for writing; with ``dry_run`` best read-only.
        second: the same.
        options: what to take, and how.
        progress: called as messages are copied and compared.
        dry_run: change nothing, and report what would be done.

    Raises:
        LossRefused: a store cannot hold something of the other that was not allowed; nothing was done.
        UsageError: both are the same store or one lies in the other; an unknown loss is allowed.
        NoSuchFolder: ``options.folders`` names one that neither store has.
        ReadOnlyStore, StorageFull, StorageFailure, StoreBusy, CannotCreate: a store cannot go on. What was carried so
            far is safe and noted; run again when the cause is mended.
        CorruptStore: the journal is damaged, or that of other stores.
    """
    started = time.monotonic()
    options = options or Options()
    stores = (first, second)
    beside = sync_journal_path(first.location, second.location)
    for store in stores:
        if not dry_run and not store.capabilities.writable:
            raise ReadOnlyStore(f"{store.location} cannot be written", path=store.location.path)
    report = SyncReport(str(first.location), str(second.location), planned=dry_run)
    path = options.journal or beside
    identities = [store_identity(store.location) for store in stores]
    with Journal(path, identities, readonly=dry_run) as journal:
        report.journal = path or ""
        work = Work(stores, options, journal, report, progress)
        if dry_run:
            _run(work, dry_run=True)
        else:
            with first.quota.unenforced(), second.quota.unenforced():
                _run(work, dry_run=False)
    report.folders = [entry for _, entry in sorted(work.entries.items(), key=lambda item: _place(item[1]))]
    report.seconds = time.monotonic() - started
    return report


def _place(entry: FolderSync) -> tuple[bool, tuple[str, ...]]:
    return not entry.folder.is_inbox, entry.folder


def _run(work: Work, *, dry_run: bool) -> None:
    _bind(work)
    if not dry_run:
        settle_all(work)
    scanner = Scanner(work.journal, work.stores, lambda bound, uid, error: work.fail([bound.number], error, uid))
    for bound in work.bound.values():
        scanner.look(bound)
    decision = decide(scanner.scan, work.journal.partner, work.journal.new_pair, force_delete=work.options.force_delete)
    _tell(work, decision)
    _check_losses(work, decision)
    if dry_run or decision.emptied is not None:
        _count(work, decision)
        return
    _carry(work, scanner.scan, decision)
    if work.options.verify:
        work.report.verified = check(work)


def _carry(work: Work, scan: Scan, decision: Decision) -> None:
    broken = shape(work, _returning(decision))
    carry(work, decision, broken)
    carry_deletions(work, decision.held)
    if not decision.held:
        carry_subscriptions(work)
    carry_special_uses(work)
    finished = work.bound.keys() - work.unfinished - scan.incomplete - decision.waiting - decision.held.keys()
    with work.journal.at_once():
        for (folder, side), token in scan.tokens.items():
            if folder in finished:
                work.journal.set_token(folder, side, token)


def _bind(work: Work) -> None:
    """Find the folders of both stores that were chosen, and that both can have."""
    rows = work.journal.folders()
    infos = [store.folders() for store in work.stores]
    selectable = [[info for info in side if info.selectable] for side in infos]
    bounds = bind(rows, infos, [store.capabilities.folder_ids for store in work.stores])
    paths = {one.path for one in bounds} | {info.path for side in infos for info in side} | work.journal.subscriptions()
    work.wanted = {info.path for info in work.options.choice.select([FolderInfo("", path) for path in paths])}
    going = [carried(side, store.capabilities) for side, store in zip(selectable, reversed(work.stores), strict=True)]
    for one in bounds:
        if one.path in work.wanted and _can_be_in_both(one, going):
            work.bound[one.number] = one
            work.entries[one.number] = FolderSync(one.path)
            if one.renamed_apart:
                here, there = (info.path if info else one.path for info in one.infos)
                reason = f"renamed to {here} in the first store and to {there} in the second: the first's name holds"
                work.report.conflicts.append(Conflict(str(one.path), "renamed-apart", reason))


def _can_be_in_both(bound: Bound, going: Sequence[set[FolderPath]]) -> bool:
    """Tell whether the store that lacks a folder could have it."""
    return all(
        info is None or bound.infos[1 - side] is not None or info.path in going[side]
        for side, info in enumerate(bound.infos)
    )


def _tell(work: Work, decision: Decision) -> None:
    """Take conflicts, and what is held back, into the report."""
    for clash in decision.clashes:
        path = str(work.path(clash.folder))
        work.report.conflicts.append(Conflict(path, clash.what, clash.reason, clash.digest.hex()))
    if decision.emptied is not None:
        gone, full = SIDES[decision.emptied], SIDES[1 - decision.emptied]
        text = (
            f"the {gone} store has no messages any more, and nothing was done: --force-delete deletes those of the "
            f"{full} too; with the journal moved away they are copied to the {gone}"
        )
        work.report.add_problem(None, "emptied", text)
    for folder, (side, messages) in decision.held.items():
        text = (
            f"it vanished from the {SIDES[side]} store, or was made anew or restored there, and is left alone in the "
            f"{SIDES[1 - side]}, where that would delete {messages} message(s): --force-delete deletes them; with the "
            "journal moved away they are copied back"
        )
        work.report.add_problem(work.path(folder), "vanished", text)


def _returning(decision: Decision) -> set[tuple[int, Side]]:
    """Return the places that get messages."""
    places = {(bring.message.folder, bring.side) for bring in decision.brings}
    return places | {(move.leader.folder, move.side) for move in decision.moves}


def _check_losses(work: Work, decision: Decision) -> None:
    """Find what a store cannot hold of what it is to get.

    Raises:
        LossRefused: that was not allowed.
    """
    for side in (0, 1):
        store = work.stores[side]
        scan = LossScan(store.capabilities, store.canonical, PopIds("", work.stores[1 - side].capabilities))
        wanted = [info for info in work.stores[1 - side].folders() if info.path in work.wanted]
        scan.add_folders(wanted)
        if scan.want >= 0:
            _scan_messages(work, scan, decision, side)
        work.report.losses[side].extend(scan.losses())
    for side in (0, 1):
        refuse(work.report.losses[side], work.options.allow_loss)


def _scan_messages(work: Work, scan: LossScan, decision: Decision, side: Side) -> None:
    coming: dict[int, list[int]] = {}
    for bring in decision.brings:
        if bring.side == side:
            coming.setdefault(bring.message.folder, []).append(bring.message.uid)
    marked = [mark for mark in decision.marks if mark.side == side]
    for folder in coming.keys() | {mark.copy.folder for mark in marked}:
        path = work.path(folder)
        keywords = known_keywords(work.stores[side], path)
        for mark in marked:
            if mark.copy.folder == folder:
                wanted = mark.change.onto(mark.copy.marks)
                scan.add_message(path, 0, Row(mark.copy.uid, "", False, 0, wanted.flags, wanted.keywords), keywords)
        if folder in coming:
            for message in work.folder(1 - side, folder).fetch(coming[folder], scan.want):
                if message.error is None:
                    scan.add_message(path, message.uid, message.row, keywords)
                body = message.row.body
                if body is not None and not isinstance(body, bytes):
                    body.close()


def _count(work: Work, decision: Decision) -> None:
    """Report what would be done."""
    if decision.emptied is not None:
        return
    returning = _returning(decision)
    for bound in work.bound.values():
        entry = work.entries[bound.number]
        for side, action in wanted_actions(bound, returning):
            entry.actions.append(f"{action} in {SIDES[side]}")
        for side in (0, 1):
            dying = bound.vanished(side) and bound.infos[1 - side] and (bound.number, side) not in returning
            if dying and bound.number not in decision.held:
                entry.actions.append(f"deleted in {SIDES[1 - side]}")
    for mark in decision.marks:
        work.done(mark.copy.folder, mark.side).flagged += 1
    for move in decision.moves:
        work.done(move.leader.folder, move.side).moved += 1
    for expunge in decision.expunges:
        work.done(expunge.copy.folder, expunge.side).deleted += 1
    for bring in decision.brings:
        work.done(bring.message.folder, bring.side).copied += 1
