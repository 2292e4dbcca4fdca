"""Putting staged messages into folders: names, records, and the moves out of ``tmp``."""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from mailstore.drivers.maildir import staging
from mailstore.drivers.maildir.account import Account
from mailstore.drivers.maildir.keys import Keys
from mailstore.drivers.maildir.naming import Namer, fields_for, uidl_field
from mailstore.drivers.maildir.records import Line
from mailstore.drivers.maildir.staging import StagedFile
from mailstore.drivers.maildir.view import View
from mailstore.drivers.sidecar import Entry
from mailstore.formats import uidlist
from mailstore.model.changes import Append, Change, Outcome
from mailstore.model.flags import RECENT, SYSTEM_FLAGS
from mailstore.model.info import Meta
from mailstore.model.names import FolderPath
from mailstore.system import clock, fs
from mailstore.system.barrier import sync_files


class Plan(NamedTuple):
    """Where a staged message goes."""

    view: View
    staged: StagedFile
    meta: Meta
    base: str
    name: str
    uid: int = 0
    fields: str = ""


def sync_contents(account: Account, staged: Iterable[StagedFile]) -> None:
    """The first barrier: what was staged is on the disk."""
    unsynced = [one for one in staged if not one.synced]
    sync_files([one.path for one in unsynced], account.anchor())
    for one in unsynced:
        one.synced = True


def plan(account: Account, view: View, namer: Namer, change: Append, uid: int) -> Plan:
    """Decide name and record of one Append; gives letters to keywords that have none."""
    staged = change.staged
    assert isinstance(staged, StagedFile)
    meta = staged.meta if change.meta is None else change.meta
    base = account.fresh_base(staged.size, staged.crlf_size, staged.key)
    info = namer.info(meta.flags & (SYSTEM_FLAGS | RECENT), meta.keywords)
    sub = "new/" if meta.flags & RECENT else "cur/"
    ours = account.family == "dovecot"
    fields = fields_for(meta, namer.letters(meta.keywords)[1]) if ours else uidl_field(meta.uidl)
    return Plan(view, staged, meta, base, sub + account.file_name(base, info), uid, fields)


def place(plan: Plan, touched: dict[str, None], *, last: bool) -> None:
    """Move a staged message to its name, or copy it there when it is needed again."""
    staged, directory = plan.staged, plan.view.directory
    target = f"{directory}/{plan.name}"
    if staged.mtime != (mtime := _mtime(plan)):
        if staged.linked or not last:
            _copy(plan, target, mtime)
            if last:
                fs.unlink(staged.path, missing_ok=True)
            touched[os.path.dirname(target)] = None
            return
        fs.set_times(staged.path, mtime)
    if last:
        try:
            fs.rename(staged.path, target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            _copy(plan, target, mtime)
            fs.unlink(staged.path)
    else:
        try:
            fs.link(staged.path, target)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP):
                raise
            _copy(plan, target, mtime)
        else:
            staged.linked = True
    touched[os.path.dirname(target)] = None


def _mtime(plan: Plan) -> int:
    seconds = plan.meta.internal_date
    return staging.file_mtime(clock.now() if seconds is None else seconds)


def _copy(plan: Plan, target: str, mtime: int) -> None:
    """Copy by way of the folder's own tmp, synced before it has its name."""
    between = os.path.join(plan.view.directory, "tmp", plan.base)
    staging.copy_file(plan.staged.path, between, mtime)
    fs.rename(between, target)


def entry_of(plan: Plan, modseq: int) -> Entry:
    """Return what the index will know of the message."""
    saved = clock.now() if plan.meta.saved_date is None else plan.meta.saved_date
    flags = plan.meta.flags & SYSTEM_FLAGS
    return Entry(plan.uid, plan.base, True, modseq, flags, plan.meta.keywords, saved_date=saved, extra=plan.name)


class Appends:
    """The Appends of one commit: planned and recorded together, placed one by one."""

    def __init__(self, account: Account, views: dict[FolderPath, View], keys: Keys) -> None:
        self._account = account
        self._views = views
        self._keys = keys
        self._plans: dict[int, Plan] = {}
        self._outcomes: dict[int, Outcome] = {}
        self._same: dict[int, int] = {}
        self._uses: Counter[str] = Counter()

    def prepare(self, changes: Sequence[Change]) -> None:
        """Plan all, sync their contents, record their UIDs."""
        uids: dict[FolderPath, int] = {}
        namers: dict[FolderPath, Namer] = {}
        first: dict[bytes, int] = {}
        for number, change in enumerate(changes):
            if not isinstance(change, Append) or self._is_known(number, change, first):
                continue
            view = self._views[change.folder]
            namer = namers.setdefault(change.folder, Namer(view.records))
            least = uids.get(change.folder) or max(view.records.uidnext, view.index_as_is.uidnext)
            # a hint near the last UID would leave none for those that follow
            hint = change.uid if change.uid <= uidlist.MAX_UID - len(changes) else 0
            uids[change.folder] = uid = max(hint, least)
            uids[change.folder] += 1
            planned = self._plans[number] = plan(self._account, view, namer, change, uid)
            self._uses[planned.staged.path] += 1
        sync_contents(self._account, [planned.staged for planned in self._plans.values()])
        lines: dict[str, list[Line]] = {}
        for planned in self._plans.values():
            lines.setdefault(planned.view.name, []).append((planned.uid, planned.base, planned.fields))
        for view in self._views.values():
            if view.name in lines:
                view.records.append(lines[view.name], view.present())

    def _is_known(self, number: int, change: Append, first: dict[bytes, int]) -> bool:
        key = change.staged.key
        if key is None:
            return False
        found = self._keys.find(key)
        if found is not None:
            self._outcomes[number] = Outcome("known", (found[1],), uidvalidity=found[2])
        elif key in first:
            self._same[number] = first[key]
        else:
            first[key] = number
            return False
        return True

    def carry_out(self, number: int, done: Sequence[Outcome], touched: dict[str, None]) -> Outcome:
        """Carry out the Append at ``number`` of the commit."""
        if number in self._outcomes:
            return self._outcomes[number]
        if number in self._same:
            return done[self._same[number]]._replace(status="known", modseq=0)
        planned = self._plans[number]
        view, path = planned.view, planned.staged.path
        self._uses[path] -= 1
        place(planned, touched, last=self._uses[path] == 0)
        self._account.ledger.entered(view.path, planned.meta.flags, planned.staged.size)
        if view.account.family == "courier":
            view.records.set_courier_keywords(planned.base, planned.meta.keywords)
        known = view.index_as_is
        modseq = known.advance()
        known.put(entry_of(planned, modseq))
        if planned.staged.key is not None:
            self._keys.add(planned.staged.key, view, planned.base)
        return Outcome("done", (planned.uid,), uidvalidity=view.records.uidvalidity, modseq=modseq)
