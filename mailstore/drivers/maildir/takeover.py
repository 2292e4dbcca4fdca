"""Another server takes a Maildir over where it lies: what the one before noted is written in the other's own files.

The problem. A writable opening numbers messages by what Courier or mbsync noted, but leaves the rest until it changes:
Courier's keywords stand in our field of Dovecot's record, which Dovecot does not show, and the other way round letters
in names mean nothing to Courier; subscriptions are read, and not written.

The solution. All of it at once, folder by folder under the folder's lock. A keyword stands in two places until the new
one is on the disk, so that a crash loses none: first the letters get their names, then files are renamed and the
directories synced, then the old places are emptied. Doing it again does nothing.
"""

from __future__ import annotations

import os

from mailstore.drivers.maildir import subscriptions
from mailstore.drivers.maildir.account import Account
from mailstore.drivers.maildir.records import COURIER_KEYWORDS, with_keywords
from mailstore.drivers.maildir.update import rename_for
from mailstore.drivers.maildir.view import View
from mailstore.formats import courier
from mailstore.model.names import FolderPath
from mailstore.system import fs


def take_over(account: Account, views: list[View]) -> list[tuple[FolderPath, int]]:
    """Write everything in the family's own form; returns each folder with the number of its messages."""
    done = []
    for view in views:
        with view.locked():
            view.refresh()
            view.records.load()
            if not view.records.ours:
                view.records.rewrite(view.index_as_is.entries)
            view.scanned = True
            if account.family == "dovecot":
                _spell_keywords(view)
            else:
                _note_keywords(view)
            view.clean_stamp()
            view.store()
            done.append((view.path, len(view.index_as_is.entries)))
    subscriptions.take_over(account)
    return done


def _spell_keywords(view: View) -> None:
    """Give keywords that stand in the record alone a letter in the names, as far as there are letters."""
    records, known, touched = view.records, view.index_as_is, dict[str, None]()
    without = {}
    for entry in [entry for entry in known.entries.values() if records.extra_keywords(entry.key)]:
        without[entry.key] = records.letters_for(entry.keywords)[1]
        renamed = rename_for(view, entry, touched)
        if renamed is not None:
            known.put(renamed)
    for directory in touched:
        fs.sync_directory(directory)
    fields = {base: with_keywords(records.fields.get(base, ""), words) for base, words in without.items()}
    changed = {base: text for base, text in fields.items() if text != records.fields.get(base, "")}
    if changed:
        records.set_fields(changed, view.present())


def _note_keywords(view: View) -> None:
    """Write keywords that stand in the names into Courier's files; all at once where it has none yet."""
    records = view.records
    wanted = {entry.key: entry.keywords for entry in view.index_as_is.entries.values() if entry.keywords}
    directory = os.path.join(view.directory, COURIER_KEYWORDS)
    if wanted and not os.path.isdir(directory):
        fs.mkdir(directory, view.account.directory_mode)
        fs.replace_file(f"{directory}/:list", courier.render_keyword_list(wanted), view.account.mode)
        fs.sync_directory(view.directory)
        records.forget()
        records.load()
        return
    for base, keywords in wanted.items():
        records.set_courier_keywords(base, keywords)
