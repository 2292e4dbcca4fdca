"""Everything that was carried, read again from the stores and compared."""

from __future__ import annotations

from collections.abc import Iterator

from mailstore.convert.compare import meta_differences
from mailstore.convert.merge import marks
from mailstore.errors import MailstoreError, NoSuchFolder, NoSuchMessage
from mailstore.model.flags import flag_names
from mailstore.model.info import BODY, META, Row, body_size
from mailstore.model.measure import digest_of
from mailstore.sync.journal import Side
from mailstore.sync.work import SIDES, Expected, Work


def check(work: Work) -> bool:
    """Compare; what differs becomes a problem. True where nothing does.

    What another program changed in between is found as a difference too: the next run carries it.
    """
    for (side, folder), expected in work.expected.items():
        look(work, side, folder, expected)
    for (side, folder), uids in work.expunged.items():
        try:
            there = work.folder(side, folder)
        except NoSuchFolder:
            continue  # deleted, as it was empty
        for message in there.fetch(uids, 0):
            if not isinstance(message.error, NoSuchMessage):
                _differs(work, side, folder, message.uid, "expunged", "it should be gone and is there")
    return work.same


def look(work: Work, side: Side, folder: int, expected: dict[int, Expected]) -> None:
    """Compare messages of a folder, by their UIDs; what differs becomes a problem."""
    try:
        for message in work.folder(side, folder).fetch(sorted(expected), BODY | META):
            row = message.row
            try:
                for what, reason in _differences(row, expected[row.uid]):
                    _differs(work, side, folder, row.uid, what, reason)
                if row.body is not None:
                    work.advance("verify", folder, 1, body_size(row.body))
            finally:
                if row.body is not None and not isinstance(row.body, bytes):
                    row.body.close()
    except MailstoreError as error:
        work.same = False
        work.fail([folder], error)


def _differences(row: Row, expected: Expected) -> Iterator[tuple[str, str]]:
    if row.error is not None or row.body is None:
        yield "unreadable", f"cannot be read: {row.error}"
        return
    if digest_of(row.body) != expected.digest:
        yield "digest", "its bytes differ"
    if expected.meta is not None:
        yield from meta_differences(expected.meta, row.meta)
    elif not (now := marks(row.flags, row.keywords)).same(expected.marks):
        words = [" ".join((*flag_names(one.flags), *sorted(one.keywords))) for one in (expected.marks, now)]
        yield "flags", f"its flags should be {words[0] or 'none'} and are {words[1] or 'none'}"


def _differs(work: Work, side: Side, folder: int, uid: int, what: str, reason: str) -> None:
    work.same = False
    text = f"message {uid} of the {SIDES[side]} store: {reason}"
    work.report.add_problem(work.path(folder), what, text, uid)
