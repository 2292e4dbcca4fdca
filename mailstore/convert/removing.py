"""Deleting in the destination what was deleted in the source: only if asked, and with care.

The problem. A source that is empty because its disk is not mounted, its file was cut off or its folder was renamed by
hand looks like one whose messages were all deleted. Repeating that in the destination destroys the only copy.

The solution. Without ``Options.delete`` nothing is deleted. With it, messages go that the journal knows to have come
from the source, that have the bytes and the flags with which they came, and only where the source's folder could be
read as a whole, still holds some of what was carried, and lost no more than half of it, but for a few. That is decided
when they are found to be gone, whether or not deletions are asked for, and noted with them: what is copied afterwards,
of another store in that place, does not make up for what is missing. What goes beyond that takes
``Options.force_delete``. What stays is counted and told.
"""

from __future__ import annotations

from collections.abc import Sequence

from mailstore.convert.record import PRESENT, SPARED, FolderRecord
from mailstore.convert.run import FolderRun
from mailstore.errors import FolderError, MailstoreError
from mailstore.message import Message
from mailstore.model.changes import Expunge, SetFlags
from mailstore.model.flags import DELETED, SYSTEM_FLAGS, same_keywords
from mailstore.model.info import DIGEST

FEW = 10
"""Messages: so many may go from a folder even if that is more than half of it, as long as one stays."""
_TOGETHER = 1000


def remove_gone(folder: FolderRun) -> None:
    """Delete in the destination what the source has no more, as far as that is allowed; count what stays.

    Raises:
        MailstoreError: the destination refused.
    """
    record, options = folder.record, folder.run.options
    gone = record.absent()
    if not gone:
        return
    if not options.deletes:
        folder.report.kept += len(gone)
        return
    spared, why = ([], "") if options.force_delete else _spared(record, gone)
    _remove(folder, spared, spare=True)
    if folder.report.kept:
        folder.run.report.add_problem(
            folder.path,
            "DeletionRefused",
            f"{why}: {folder.report.kept} message(s) stay in the destination; if they are to go, force it"
            " (--force-delete)",
        )
    _remove(folder, sorted({*gone} - {*spared}), spare=False)


def _spared(record: FolderRecord, gone: list[int]) -> tuple[list[int], str]:
    """Return which of ``gone`` are not deleted without force, and why."""
    why = too_much(len(gone), record.count(PRESENT))
    if why is not None:
        return gone, why
    return list(record.having(SPARED)), "too much of what had been carried was gone from the source at once"


def too_much(gone: int, stay: int) -> str | None:
    """Return why so much is not deleted without force; None where it may be."""
    if gone and not stay:
        return "nothing is left in the source of what was carried"
    if gone > FEW and gone > stay:
        return f"more than half of what was carried is gone from the source ({gone} of {gone + stay})"
    return None


def _remove(folder: FolderRun, numbers: Sequence[int], *, spare: bool) -> None:
    """Delete what is still as it came; ``spare``: only find out what is there to be deleted."""
    for at in range(0, len(numbers), _TOGETHER):
        _remove_some(folder, numbers[at : at + _TOGETHER], spare=spare)


def _remove_some(folder: FolderRun, numbers: Sequence[int], *, spare: bool) -> None:
    run, record = folder.run, folder.record
    there = run.destination.folder(folder.target)
    modseq = there.state().highest_modseq
    at = {record.places[number]: number for number in numbers if record.places[number]}
    here = {message.uid: message for message in there.fetch(at, DIGEST) if message.error is None}
    ours = {uid for uid, message in here.items() if not spare and _as_it_came(folder, at[uid], message)}
    removed: set[int] = set()
    if ours:
        uids = tuple(sorted(ours))
        changes = (
            SetFlags(folder.target, uids, "add", DELETED, unchanged_since=modseq),
            Expunge(folder.target, uids, only_deleted=True),
        )
        for outcome in run.destination.commit(changes):
            if outcome.error is not None:
                raise outcome.error
            removed = set(outcome.uids)
    folder.report.deleted += len(removed)
    folder.report.kept += len(here) - len(removed)
    done = [number for number in numbers if record.places[number] not in here or record.places[number] in removed]
    run.journal.state(folder.way, "dropped", done)


def _as_it_came(folder: FolderRun, number: int, message: Message) -> bool:
    r"""Tell whether a message has the bytes and marks with which it came; ``\Deleted`` may be set."""
    record, capabilities = folder.record, folder.run.destination.capabilities
    marks, row = record.marks(number), message.row
    flags = marks.flags & capabilities.flags
    if row.digest != record.stored(number) or row.flags & SYSTEM_FLAGS not in (flags, flags | DELETED):
        return False
    return same_keywords(marks.keywords, row.keywords) or (
        capabilities.keywords is not None and {k.lower() for k in row.keywords} <= {k.lower() for k in marks.keywords}
    )


def remove_folder(folder: FolderRun) -> None:
    """Delete a folder of the destination that the source has no more, where we made it and nothing is left in it.

    ``Options.deletes`` must allow it.
    """
    run, record = folder.run, folder.record
    if not run.options.deletes or record.live or not record.made or folder.target.is_inbox:
        return
    try:
        if run.destination.folder(folder.target).state().messages:
            return
        run.destination.delete(folder.target)
        folder.report.removed = True
    except FolderError:
        return  # somebody else has deleted it
    except MailstoreError as error:
        folder.fail(error)
        return
    run.journal.forget(folder.way)
