"""A folder filled out of sight and published by one step: mailstore.spi.FreshFolder.

The problem. Ten thousand messages through ``tmp``, with a rename each, cost half as much again as the files themselves;
and a folder that fills up before everybody's eyes is a folder that may stay half full.

The solution. The files are made under their final names in a hidden folder in the root's ``tmp``, by as many processes
as one likes; then one syncfs, the uidlist, and the rename of the whole directory. A folder that is there already, and
INBOX, gets its empty ``cur`` (or ``new``) and its records replaced by the filled ones. Processes that fill agree on
keyword letters through the hidden ``dovecot-keywords``, under a lock.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from contextlib import suppress
from typing import cast

from mailstore.drivers.maildir import journal, staging, tree
from mailstore.drivers.maildir.account import Account
from mailstore.drivers.maildir.layout import SUBDIRECTORIES
from mailstore.drivers.maildir.naming import fields_for, info_for, uidl_field
from mailstore.drivers.maildir.records import KEYWORDS, Line, Records, read_file
from mailstore.drivers.maildir.staging import EARLIEST, LATEST
from mailstore.drivers.maildir.view import View
from mailstore.errors import FolderExists
from mailstore.formats import courier, dovecotfiles, uidlist
from mailstore.formats.maildirname import split_name
from mailstore.formats.uniquename import with_sizes
from mailstore.model.changes import SetState
from mailstore.model.flags import NO_KEYWORDS, RECENT
from mailstore.model.info import Arrival, Meta
from mailstore.model.measure import crlf_size_of
from mailstore.model.names import FolderPath
from mailstore.system import clock, fs, locks
from mailstore.system.barrier import sync_files

_NOTHING_ELSE = (None, None, None)
"""Saved date, sender and unique id of a Meta that has none: nothing needs a record field."""

Receipt = tuple[str, str, int, str, frozenset[str]]
"""Base, name with its subdirectory, UID hint, record fields, keywords where Courier keeps them."""


class MaildirFresh:
    """See mailstore.spi.FreshFolder.

    Args:
        account: the store.
        path: the folder's name.
        view: the folder where it exists already.
    """

    def __init__(self, account: Account, path: FolderPath, view: View | None) -> None:
        self._account = account
        self._path = path
        self._view = view
        self._anchor = account.anchor()
        self._hidden = tree.make_hidden(account)
        self._letters: dict[int, str] = {}
        self._infos: dict[tuple[int, frozenset[str]], tuple[str, str, list[str]]] = {}
        fs.close(fs.create(f"{self._hidden}/{KEYWORDS}", account.mode))

    def add(self, arrivals: Sequence[Arrival]) -> list[object]:
        """See FreshFolder.add."""
        with fs.errors(self._account.root):
            return self._add_all(arrivals)

    def _add_all(self, arrivals: Sequence[Arrival]) -> list[object]:
        """The hot path of conversions: four system calls a message, names from one look at the clock."""
        account, infos, courier_keeps = self._account, self._infos, self._account.family == "courier"
        mode, hidden, present = account.mode, self._hidden + "/", clock.now()
        number, pid, random, host = account.reserve(len(arrivals))
        receipts: list[object] = []
        for body, meta, key, uid in arrivals:
            known = infos.get((meta[0], meta[1]))
            if known is None:
                known = infos[meta[0], meta[1]] = self._info(meta)
            sub, info, without = known
            date = meta[2]
            mtime = present if date is None else date if EARLIEST <= date <= LATEST else staging.file_mtime(date)
            seconds, micro = divmod(number, 1_000_000)
            number += 1
            size = len(body) if isinstance(body, bytes) else body.size
            unique = f"{seconds}.M{micro:06d}P{pid}R{random if key is None else key.hex()}.{host}"
            base = with_sizes(unique, size, crlf_size_of(body))
            name = f"{sub}{base}{info}"
            if isinstance(body, bytes):
                fs.create_file(hidden + name, body, mtime, mode)
            else:
                staging.write_large(hidden + name, body, mtime, mode, sync=False)
            if courier_keeps:
                receipts.append((base, name, uid, uidl_field(meta.uidl), meta.keywords))
            elif without or meta[3:] != _NOTHING_ELSE or (date is not None and mtime != date):
                receipts.append((base, name, uid, fields_for(meta, without), NO_KEYWORDS))
            else:
                receipts.append((base, name, uid, "", NO_KEYWORDS))
        return receipts

    def _info(self, meta: Meta) -> tuple[str, str, list[str]]:
        """Return (subdirectory, suffix with its separator, keywords without a letter)."""
        letters, without = self._letters_for(meta.keywords)
        info = info_for(meta.flags, meta.keywords, letters)
        if meta.flags & RECENT:
            return "new/", "" if info == "2," else self._account.pinned_separator() + info, without
        return "cur/", self._account.pinned_separator() + info, without

    def _letters_for(self, keywords: frozenset[str]) -> tuple[str, list[str]]:
        if not keywords:
            return "", []
        if self._account.family == "courier":
            return "", sorted(keywords)
        have = {name.lower() for name in self._letters.values()}
        if not all(keyword.lower() in have for keyword in keywords):
            self._agree(keywords)
        index = {name.lower(): number for number, name in self._letters.items()}
        letters = [chr(97 + index[keyword.lower()]) for keyword in keywords if keyword.lower() in index]
        return "".join(sorted(letters)), sorted(keyword for keyword in keywords if keyword.lower() not in index)

    def _agree(self, keywords: frozenset[str]) -> None:
        """Give letters to new keywords, together with the other processes that fill this folder."""
        path = f"{self._hidden}/{KEYWORDS}"
        fd = fs.open_update(path, append=True)
        try:
            with locks.file_lock(fd, True, self._account.lock_timeout, path):
                self._letters = dovecotfiles.parse_keywords(read_file(path))
                have = {name.lower() for name in self._letters.values()}
                for keyword in sorted(keywords):
                    number = len(self._letters)
                    if (
                        keyword.lower() not in have
                        and number < dovecotfiles.MOST_LETTERS
                        and dovecotfiles.has_a_line(keyword)
                    ):
                        self._letters[number] = keyword
                        fs.write_all(fd, dovecotfiles.render_keywords({number: keyword}))
        finally:
            fs.close(fd)

    # --- publishing

    def publish(self, receipts: Sequence[object], state: SetState | None) -> list[int]:
        """See FreshFolder.publish."""
        account = self._account
        with fs.errors(account.root):
            found = cast("Sequence[Receipt]", receipts)
            self._remove_strays(found)
            self._sync(found)
            uids, lines = _number(found)
            following = max(state.uidnext if state is not None else 1, uids[-1] + 1 if uids else 1)
            validity = state.uidvalidity if state is not None else 0
            if not 0 < validity <= uidlist.MAX_UIDVALIDITY:
                validity = 0
            self._letters = dovecotfiles.parse_keywords(read_file(f"{self._hidden}/{KEYWORDS}"))
            if not self._letters:
                fs.unlink(f"{self._hidden}/{KEYWORDS}", missing_ok=True)
            if self._view is None:
                view = self._publish_new(found, lines, validity, following)
            else:
                view = self._view
                with view.locked():
                    self._replace(view, found, lines, validity, following)
        account.ledger.filled(self._path, [name[4:] for _, name, _, _, _ in found])
        known = view.index
        known.adopt(view.records.uidvalidity, following, state.highest_modseq if state is not None else 0)
        view.clean_stamp()
        view.store()
        return uids

    def _remove_strays(self, receipts: Sequence[Receipt]) -> None:
        """Remove what an ``add`` that failed, or a child that died, left without a receipt: it would be doubled."""
        known = {name for _, name, _, _, _ in receipts}
        for sub in ("new/", "cur/"):
            for name in os.listdir(self._hidden + "/" + sub):
                if sub + name not in known:
                    fs.unlink(f"{self._hidden}/{sub}{name}")

    def _sync(self, receipts: Sequence[Receipt]) -> None:
        """The first barrier; it covers the names in the hidden folder too."""
        if not sync_files([f"{self._hidden}/{name}" for _, name, _, _, _ in receipts], self._anchor):
            for sub in ("new", "cur"):
                fs.sync_directory(f"{self._hidden}/{sub}")

    def _publish_new(self, receipts: Sequence[Receipt], lines: list[Line], validity: int, following: int) -> View:
        records = Records(self._account.root, self._hidden, self._account.family)
        self._write_records(records, receipts, lines, validity, following)
        name = tree.publish_hidden(self._account, self._path, self._hidden)
        self._account.index.remove(name)
        view = View(self._account, self._path, name)
        view.records.load()
        return view

    def _write_records(
        self, records: Records, receipts: Sequence[Receipt], lines: list[Line], validity: int, following: int
    ) -> None:
        records.load()
        records.establish(validity)
        records.rewrite((), lines, uidnext=following)
        if records.family == "courier" and (data := _courier_keywords(receipts)):
            directory = f"{records.directory}/courierimapkeywords"
            if not os.path.isdir(directory):
                fs.mkdir(directory, self._account.directory_mode)
            fs.replace_file(f"{directory}/:list", data, self._account.mode)

    def _replace(
        self, view: View, receipts: Sequence[Receipt], lines: list[Line], validity: int, following: int
    ) -> None:
        """Put the filled directories in the place of empty ones; the folder's lock is held."""
        known = view.refresh()
        view.records.load()
        if known.entries or view.records.uids or view.records.uidnext > 1:
            raise self._taken()
        # The records go in together with the messages: written before, a crash in between would use the UIDs up.
        records = Records(self._account.root, self._hidden, self._account.family)
        records.load()
        records.uidvalidity, records.guid = view.records.uidvalidity, view.records.guid
        self._write_records(records, receipts, lines, validity, following)
        inside = os.path.relpath(self._hidden, self._account.root)
        parts = [sub for sub in ("new", "cur") if any(name.startswith(sub) for _, name, _, _, _ in receipts)]
        parts += sorted(set(os.listdir(self._hidden)) - set(SUBDIRECTORIES))
        pairs = [(f"{inside}/{part}", os.path.join(view.name, part)) for part in parts]
        try:
            if view.directory == self._account.root or len(pairs) < 2:
                journal.carry_out(self._account.root, pairs)
            else:
                with locks.uidlist_lock(self._account.root, self._account.lock_timeout):
                    journal.carry_out(self._account.root, pairs)
        except OSError as error:
            self._give_back(view, receipts)
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            raise self._taken() from error
        view.records.load()
        fs.remove_tree(self._hidden)

    def _give_back(self, view: View, receipts: Sequence[Receipt]) -> None:
        """Make the empty directories again that were replaced; mail that others put into ours meanwhile is theirs."""
        self._account.make_subdirectories(view.directory)
        ours = {base for base, _, _, _, _ in receipts}
        for sub in ("new", "cur"):
            theirs = [name for name in os.listdir(f"{self._hidden}/{sub}") if split_name(name)[0] not in ours]
            for name in theirs:
                fs.rename_noreplace(f"{self._hidden}/{sub}/{name}", f"{view.directory}/{sub}/{name}")
            if theirs:
                fs.sync_directory(f"{view.directory}/{sub}")

    def _taken(self) -> FolderExists:
        return FolderExists(f"folder {self._path} got messages meanwhile", folder=str(self._path))

    def discard(self) -> None:
        """See FreshFolder.discard."""
        with suppress(OSError):
            fs.remove_tree(self._hidden)


def _number(receipts: Sequence[Receipt]) -> tuple[list[int], list[Line]]:
    uids: list[int] = []
    lines: list[Line] = []
    following = 1
    most = uidlist.MAX_UID - len(receipts)  # a hint above it would leave no UIDs for those that follow
    for base, _, hint, fields, _ in receipts:
        uid = hint if following < hint <= most else following
        following = uid + 1
        uids.append(uid)
        lines.append((uid, base, fields))
    return uids, lines


def _courier_keywords(receipts: Sequence[Receipt]) -> bytes:
    return courier.render_keyword_list({base: keywords for base, _, _, _, keywords in receipts if keywords})
