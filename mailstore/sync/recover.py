"""What a crash left under way: which of the messages of an unsettled intent have arrived."""

from __future__ import annotations

from mailstore.convert.merge import pair
from mailstore.errors import NoSuchFolder
from mailstore.folder import Folder
from mailstore.model.changes import Expunge
from mailstore.model.info import DIGEST
from mailstore.sync.journal import Intent, Side
from mailstore.sync.work import Work


def settle_all(work: Work) -> None:
    """Settle each intent by looking; a moved message of which both copies are there loses the old one."""
    for intent in work.journal.unresolved():
        uids = _arrived(work, intent)
        for item, uid in zip(intent.items, uids, strict=True):
            if uid:
                _remove_old(work, intent.side, item.pair)
        with work.journal.at_once():
            work.journal.settle(intent, uids)


def _arrived(work: Work, intent: Intent) -> list[int]:
    """Return the UIDs that the messages of an intent have, in order; 0 for one that is not there."""
    there = _folder(work, intent.side, intent.folder)
    if there is None:
        return [0] * len(intent.items)
    floor = intent.uidnext if there.state().uidvalidity == intent.uidvalidity else 1
    known = work.journal.copies(intent.folder, intent.side)
    new = [row.uid for row in there.rows(0) if row.uid >= max(floor, 1) and row.uid not in known]
    found = [(message.uid, message.digest) for message in there.fetch(new, DIGEST) if message.digest is not None]
    partners = pair([(item.digest,) for item in intent.items], [(digest,) for _, digest in found])
    return [0 if place is None else found[place][0] for place in partners]


def _remove_old(work: Work, side: Side, number: int) -> None:
    old = work.journal.partner(number, side)
    there = None if old is None else _folder(work, side, old.folder)
    if old is None or there is None:
        return
    message = next(there.fetch([old.uid], DIGEST))
    if message.error is None and message.digest == old.digest:
        (outcome,) = work.stores[side].commit([Expunge(there.path, (old.uid,))])
        if outcome.error is not None:
            raise outcome.error


def _folder(work: Work, side: Side, number: int) -> Folder | None:
    info = work.bound[number].infos[side] if number in work.bound else None
    try:
        return None if info is None else work.stores[side].folder(info.path)
    except NoSuchFolder:
        return None
