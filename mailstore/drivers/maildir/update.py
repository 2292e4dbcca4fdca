"""Changes to messages that are there: flags, expunge, move, numbering.

The problem. Between our look and our rename another program may have renamed the file: a flag would be lost, or a
message expunged that is not deleted any more.

The solution. A file is only renamed or removed under the very name from which the decision was made. When that name is
gone, the message is searched for by its base and the decision is made anew; when it is nowhere, it is passed over.
"""

from __future__ import annotations

import os
from contextlib import suppress

from mailstore.drivers.maildir import staging
from mailstore.drivers.maildir.ledger import message_size
from mailstore.drivers.maildir.naming import info_for
from mailstore.drivers.maildir.records import Line, with_keywords
from mailstore.drivers.maildir.view import View
from mailstore.drivers.sidecar import Entry
from mailstore.formats import maildirname, uidlist
from mailstore.formats.maildirname import parse_info, split_name
from mailstore.model.changes import Expunge, Move, Outcome, SetFlags, SetState
from mailstore.model.flags import DELETED, SYSTEM_FLAGS, same_keywords, subtract_keywords, unite_keywords
from mailstore.system import fs

_TRIES = 10

Wanted = tuple[int, frozenset[str]]


def present(view: View, uids: tuple[int, ...]) -> list[Entry]:
    """Return the messages of ``uids`` that are there, by UID."""
    found = [view.index_as_is.find(uid) for uid in sorted(set(uids))]
    return [entry for entry in found if entry is not None]


def renew(view: View, entry: Entry) -> Entry | None:
    """Return a message whose name is not there any more as it is now, or None: it is gone."""
    name = view.locate(entry, entry.extra)
    if name is None:
        return None
    flags, keywords, _ = view.meaning(split_name(name[4:])[1])
    more = view.records.extra_keywords(entry.key)
    return entry._replace(flags=flags, keywords=unite_keywords(keywords, more), extra=name)


# --- flags


def _wanted(entry: Entry, change: SetFlags) -> Wanted:
    flags = change.flags & SYSTEM_FLAGS
    if change.mode == "add":
        return entry.flags | flags, unite_keywords(entry.keywords, change.keywords)
    if change.mode == "remove":
        return entry.flags & ~flags, subtract_keywords(entry.keywords, change.keywords)
    kept = subtract_keywords(entry.keywords, subtract_keywords(entry.keywords, change.keywords))
    return flags, unite_keywords(kept, change.keywords)


def set_flags(view: View, change: SetFlags, touched: dict[str, None]) -> Outcome:
    """Carry out a SetFlags."""
    limit = change.unchanged_since
    entries = present(view, change.uids)
    refused = tuple(entry.uid for entry in entries if limit is not None and entry.modseq > limit)
    goals = {}
    for entry in entries:
        if limit is None or entry.modseq <= limit:
            flags, keywords = _wanted(entry, change)
            if flags != entry.flags or not same_keywords(keywords, entry.keywords):
                goals[entry.key] = flags, keywords
    _record_keywords(view, goals)
    known = view.index_as_is
    renamed = [_set_one(view, entry, change, touched) for entry in entries if entry.key in goals]
    done = [entry for entry in renamed if entry is not None]
    modseq = known.advance() if done else 0
    for entry in done:
        known.put(entry._replace(modseq=modseq))
    uids = tuple(entry.uid for entry in done)
    return Outcome("done", uids, uidvalidity=known.uidvalidity, modseq=modseq, refused=refused)


def _record_keywords(view: View, goals: dict[str, Wanted]) -> None:
    """Give letters to keywords, and write those that have none into the record, before any name changes."""
    records = view.records
    if records.family == "courier":
        return
    fields = {}
    for base, (_, keywords) in goals.items():
        without = records.letters_for(keywords)[1]
        if without or records.extra_keywords(base):
            have = records.fields.get(base, "")
            new = with_keywords(have, without)
            if new != have:
                fields[base] = new
    if fields:
        records.set_fields(fields, view.present())


def _set_one(view: View, entry: Entry, change: SetFlags, touched: dict[str, None]) -> Entry | None:
    """Rename one message to its new flags; None where it is gone."""
    current: Entry | None = entry
    for _ in range(_TRIES):
        if current is None:
            return None
        flags, keywords = _wanted(current, change)
        if view.records.family == "courier":
            view.records.set_courier_keywords(current.key, keywords)
        name = changed_name(view, current, flags, keywords)
        try:
            if name != current.extra:
                fs.rename(f"{view.directory}/{current.extra}", f"{view.directory}/{name}")
        except FileNotFoundError:
            current = renew(view, current)
            continue
        if (flags ^ current.flags) & DELETED:
            size = message_size(view.directory, current.key, name)
            view.account.ledger.left(view.path, current.flags, size)
            view.account.ledger.entered(view.path, flags, size)
        _drop_twins(view, current, name, touched)
        for part in {name[:3], current.extra[:3]}:
            touched[f"{view.directory}/{part}"] = None
        return current._replace(flags=flags, keywords=keywords, extra=name)
    return None


def rename_for(view: View, entry: Entry, touched: dict[str, None]) -> Entry | None:
    """Give a message the name that its flags and keywords have by now; None where it is gone."""
    return _set_one(view, entry, SetFlags(view.path, (entry.uid,), "add", 0), touched)


def _drop_twins(view: View, entry: Entry, name: str, touched: dict[str, None]) -> None:
    """Remove all names of a renamed file but ``name``: with another one its old flags would come back."""
    twins = view.twins.pop(entry.key, None)
    if not twins:
        return
    try:
        right = os.lstat(f"{view.directory}/{name}")
    except FileNotFoundError:  # somebody was quick to rename it again
        return
    # rename(2) does nothing where both names are of one file, so that the old one may be there still
    for other in {entry.extra, *twins} - {name}:
        with suppress(FileNotFoundError):
            found = os.lstat(f"{view.directory}/{other}")
            if (found.st_dev, found.st_ino) == (right.st_dev, right.st_ino):
                fs.unlink(f"{view.directory}/{other}")
                _twin_left(view, entry.key, other, found.st_size)
                touched[f"{view.directory}/{other[:3]}"] = None


def _twin_left(view: View, base: str, name: str, size: int) -> None:
    """Take a second name of a message out of the sums: whoever counts has counted both."""
    flags = parse_info(split_name(name[4:])[1]).flags
    named = maildirname.size_of(base)
    view.account.ledger.left(view.path, flags, size if named is None else named)


def changed_name(view: View, entry: Entry, flags: int, keywords: frozenset[str]) -> str:
    """Return the name of a message with other flags: in ``cur``, with all of its suffix that is not ours to change."""
    old = parse_info(entry.extra[len(entry.key) + 5 :])
    letters, _ = view.records.letters_for(keywords)
    nameless = "".join(letter for letter in old.letters if ord(letter) - 97 not in view.records.letters)
    info = info_for(flags, keywords, letters, unknown=old.unknown + nameless, other=old.other)
    return "cur/" + view.account.file_name(entry.key, info)


# --- expunge


def expunge(view: View, change: Expunge, touched: dict[str, None]) -> Outcome:
    """Carry out an Expunge."""
    refused, removed = [], []
    known = view.index_as_is
    for entry in present(view, change.uids):
        gone = _remove(view, entry, change.only_deleted, touched)
        if gone is None:
            refused.append(entry.uid)
        elif gone:
            removed.append(entry.key)
    modseq = known.advance() if removed else 0
    uids = known.drop(removed, modseq) if removed else ()
    return Outcome("done", uids, uidvalidity=known.uidvalidity, modseq=modseq, refused=tuple(refused))


def _remove(view: View, entry: Entry, only_deleted: bool, touched: dict[str, None]) -> bool | None:
    r"""Unlink one message; None: it does not carry ``\Deleted``; False: it was gone."""
    current: Entry | None = entry
    for _ in range(_TRIES):
        if current is None:
            return False
        if only_deleted and not current.flags & DELETED:
            return None
        size = message_size(view.directory, current.key, current.extra)
        try:
            fs.unlink(f"{view.directory}/{current.extra}")
        except FileNotFoundError:
            current = renew(view, current)
            continue
        view.account.ledger.left(view.path, current.flags, size)
        touched[f"{view.directory}/{current.extra[:3]}"] = None
        for twin in view.twins.pop(current.key, ()):
            with suppress(FileNotFoundError):
                fs.unlink(f"{view.directory}/{twin}")
                touched[f"{view.directory}/{twin[:3]}"] = None
                _twin_left(view, current.key, twin, size)
        return True
    return False


# --- move


def move(view: View, target: View, change: Move, touched: dict[str, None]) -> Outcome:
    """Carry out a Move: one rename a message, its UID recorded there first. The base name stays where it can."""
    entries = present(view, change.uids)
    first = max(target.records.uidnext, target.index_as_is.uidnext)
    taken = set(target.index_as_is.entries) | set(target.records.uids)
    lines: list[Line] = []
    moving: list[tuple[Entry, str, int]] = []
    for uid, entry in enumerate(entries, first):
        base = maildirname.without_mbsync_fields(entry.key)
        if base in taken:
            key = maildirname.key_of(base)
            base = view.account.fresh_base(maildirname.size_of(base), maildirname.crlf_size_of(base), key)
        taken.add(base)
        without = target.records.letters_for(entry.keywords)[1]
        lines.append((uid, base, _moved_fields(view, entry, without)))
        moving.append((entry, base, uid))
    if lines:
        target.records.append(lines, target.present())
    pairs, gone = [], []
    modseq = target.index_as_is.advance() if lines else 0
    for entry, base, uid in moving:
        moved = _move_one(view, target, entry, base, touched)
        if moved is not None:
            target.index_as_is.put(moved._replace(uid=uid, modseq=modseq))
            pairs.append((entry.uid, uid))
            gone.append(entry.key)
    if gone:
        view.index_as_is.drop(gone, view.index_as_is.advance())
    return Outcome(
        "done",
        tuple(old for old, _ in pairs),
        tuple(new for _, new in pairs),
        uidvalidity=target.index_as_is.uidvalidity,
        modseq=modseq if pairs else 0,
    )


def _moved_fields(view: View, entry: Entry, without_letter: list[str]) -> str:
    """Return the record fields that go with a message: all but the saved date, which is now."""
    if view.account.family == "courier":
        return ""
    fields = uidlist.parse_fields(view.records.fields.get(entry.key, ""))
    fields.pop("D", None)
    return with_keywords(uidlist.render_fields(fields), without_letter)


def _move_one(view: View, target: View, entry: Entry, base: str, touched: dict[str, None]) -> Entry | None:
    current: Entry | None = entry
    for _ in range(_TRIES):
        if current is None:
            return None
        old = parse_info(current.extra[len(current.key) + 5 :])
        letters, _ = target.records.letters_for(current.keywords)
        info = info_for(current.flags, current.keywords, letters, unknown=old.unknown, other=old.other)
        name = "cur/" + view.account.file_name(base, info)
        source = f"{view.directory}/{current.extra}"
        if target.account.family == "courier":
            target.records.set_courier_keywords(base, current.keywords)
        try:
            staging.move_file(source, f"{target.directory}/{name}", os.path.join(target.directory, "tmp", base))
        except FileNotFoundError:
            current = renew(view, current)
            continue
        size = message_size(target.directory, base, name)
        view.account.ledger.left(view.path, current.flags, size)
        view.account.ledger.entered(target.path, current.flags, size)
        for twin in view.twins.pop(current.key, ()):
            with suppress(FileNotFoundError):
                fs.unlink(f"{view.directory}/{twin}")
                _twin_left(view, current.key, twin, size)
        touched[f"{target.directory}/cur"] = None
        touched[os.path.dirname(source)] = None
        return current._replace(key=base, recorded=True, extra=name, saved_date=None, digest=None)
    return None


# --- numbering


def set_state(view: View, change: SetState) -> Outcome:
    """Carry out a SetState."""
    records, known = view.records, view.index_as_is
    fresh = records.uidnext == 1 and known.uidnext == 1 and not records.uids and not known.entries
    possible = fresh and 0 < change.uidvalidity <= uidlist.MAX_UIDVALIDITY
    if change.uidvalidity != records.uidvalidity and not possible:
        return Outcome("unchanged", uidvalidity=records.uidvalidity)
    adopted = change.uidvalidity if change.uidvalidity != records.uidvalidity else 0
    if adopted or change.uidnext > records.uidnext:
        try:
            records.establish(adopted)
            records.rewrite(view.present(), uidnext=change.uidnext)
        except OSError:
            records.forget()
            raise
    known.adopt(records.uidvalidity, records.uidnext, change.highest_modseq)
    return Outcome("done", uidvalidity=records.uidvalidity, modseq=known.highest_modseq)
