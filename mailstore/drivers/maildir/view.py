"""One folder as this process knows it: its files, its records, its index, brought together.

The problem. Three things must agree: what lies in ``new`` and ``cur``, what the UID records say, and what our index
remembers; and any of them may have been changed by another program since we looked.

The solution. ``refresh`` compares cheap stamps first (directory mtimes that are old enough, the record files) and
does nothing where they agree; else it scans, looks the UIDs up, and takes the result into the index. In a writable
store, messages without a UID are numbered then, under Dovecot's lock and after another look, in the order in which
Dovecot would number them. In a read-only one they get provisional UIDs. A refresh never renames anything but a second,
different file of a base that is taken already: two messages cannot share one name, so the later one gets a fresh base.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from mailstore.drivers.maildir.account import Account
from mailstore.drivers.maildir.records import MBSYNC, Records
from mailstore.drivers.maildir.scan import Scan, mtimes, scan
from mailstore.drivers.sidecar import Entry, FolderIndex, Found
from mailstore.errors import NoSuchFolder
from mailstore.formats import maildirname
from mailstore.formats.maildirname import Info, parse_info, split_name
from mailstore.model.flags import NO_KEYWORDS, unite_keywords
from mailstore.model.names import FolderPath
from mailstore.system import fs, locks

FORWARDED = "$Forwarded"

Meaning = tuple[int, frozenset[str], tuple[str, ...]]
"""Flags, keywords and notes that an info suffix stands for."""


class View:
    """One folder.

    Args:
        account: the store.
        path: the folder's name.
        name: its directory relative to the root; '' is the root.
    """

    def __init__(self, account: Account, path: FolderPath, name: str) -> None:
        self.account = account
        self.path = path
        self.name = name
        self.directory = account.layout.absolute(name)
        self.records = Records(account.root, self.directory, account.family)
        self.strange: list[str] = []
        self.twins: dict[str, list[str]] = {}
        self.sizes: dict[str, int] = {}
        """True sizes of messages whose ``,S=`` is wrong."""
        self.scanned = False
        """Whether the commit at work has looked at the directories, so that the index knows all that is there."""
        self._index: FolderIndex | None = None
        self._meanings: dict[str, Meaning] = {}
        self._meaning_letters: dict[int, str] = {}
        self._lock: locks.Dotlock | None = None

    # --- the index

    @property
    def index(self) -> FolderIndex:
        """What is known, without a look at the disk."""
        known = self._index
        if known is None or not self.account.index.current(self.name or ".", known):
            known = self._index = self.account.index.load(self.name or ".")
        return known

    def store(self) -> bool:
        """Make what changed in the index lasting; False: another process was faster, refresh again."""
        return self.account.index.store(self.name or ".", self.index_as_is)

    @property
    def index_as_is(self) -> FolderIndex:
        """The index as it was loaded last."""
        return self._index if self._index is not None else self.index

    # --- bringing up to date

    def refresh(self) -> FolderIndex:
        """Take in what other programs changed; the returned index is as of now.

        Raises:
            NoSuchFolder: its directory is gone.
            StoreBusy: there was something to number, and another program held the lock.
        """
        with fs.errors(self.directory):
            for _ in range(100):
                known = self.index
                if known.stamp and known.stamp == self._stamp():
                    return known
                if self._take_in():
                    return self.index_as_is
        return self.index_as_is

    def _stamp(self) -> str:
        return f"{mtimes(self.directory)};{self.records.stamp()}"

    def _take_in(self) -> bool:
        """Scan and reconcile; False: begin again."""
        self._check_there()
        self.records.load()
        found = scan(self.directory)
        if self.account.readonly:
            return self._reconcile(found)
        if self._needs_numbers(found):
            if self._lock is not None:
                return self._number_and_reconcile()
            with self.locked():
                return self._number_and_reconcile()
        return self._reconcile(found)

    def _check_there(self) -> None:
        if not os.path.isdir(self.directory):
            raise NoSuchFolder(f"folder {self.path} is gone", folder=str(self.path))

    def _needs_numbers(self, found: Scan) -> bool:
        records = self.records
        if not records.ours or found.doubles:
            return True
        return bool(found.names.keys() - records.uids.keys())

    def _number_and_reconcile(self) -> bool:
        """Give UIDs to what has none; the lock is held."""
        self.records.load()
        found = scan(self.directory)
        for double in found.doubles:
            self._rename_double(found, double)
        records = self.records
        if not records.ours:
            if records.source == "":
                self._adopt_index(found.names)
            records.rewrite(found.names)
        unnumbered = [base for base in found.names if base not in records.uids]
        if unnumbered:
            unnumbered.sort(key=maildirname.delivery_order)
            first = max(records.uidnext, self._index_uidnext())
            lines = [(uid, base, "") for uid, base in enumerate(unnumbered, first)]
            records.append(lines, found.names)
        return self._reconcile(found)

    def _index_uidnext(self) -> int:
        known = self.index
        return known.uidnext if known.uidvalidity == self.records.uidvalidity else 1

    def _adopt_index(self, names: Iterable[str]) -> None:
        """Where the record is lost and the index is not: the UIDs that were shown go on."""
        known = self.index
        if not known.uidvalidity or not known.entries:
            return
        self.records.uidvalidity, self.records.uidnext = known.uidvalidity, known.uidnext
        self.records.uids = {
            base: entry.uid for base, entry in known.entries.items() if entry.recorded and base in set(names)
        }

    def _rename_double(self, found: Scan, name: str) -> None:
        """Give a file whose base belongs to another message a base of its own."""
        sub, _, file = name.partition("/")
        base, info = split_name(file)
        fresh = self.account.fresh_base(maildirname.size_of(base), maildirname.crlf_size_of(base))
        target = f"{sub}/{self.account.file_name(fresh, info)}"
        with suppress(FileNotFoundError):
            fs.rename_noreplace(f"{self.directory}/{name}", f"{self.directory}/{target}")
            fs.sync_directory(f"{self.directory}/{sub}")
            found.names[fresh] = target
        found.stamp = None

    def _reconcile(self, found: Scan) -> bool:
        self.strange, self.twins = found.strange, found.twins
        records = self.records
        with _no_garbage_collection():
            messages = self._found(found)
            stamp = f"{found.stamp};{records.stamp()}" if found.stamp is not None else ""
            self.index.reconcile(
                messages, uidvalidity=records.uidvalidity, uidnext=max(1, records.uidnext), stamp=stamp
            )
        return self.store()

    def _found(self, scanned: Scan) -> list[Found]:
        """Return the scan as the index wants it: by recorded UID, then what has none in order of delivery."""
        records, names = self.records, scanned.names
        if records.source == MBSYNC:
            uids = {base: uid for base in names if (uid := records.uid_of(base))}
            numbered = sorted(uids, key=uids.__getitem__)
        else:
            uids = records.uids
            numbered = [base for base in uids if base in names]
        messages = self._make_found(numbered, names, uids)
        if len(numbered) < len(names):
            rest = sorted(names.keys() - uids.keys(), key=maildirname.delivery_order)
            messages += self._make_found(rest, names, {})
        for double in scanned.doubles:  # read-only: shown under its whole name
            _, info = split_name(double.partition("/")[2])
            flags, keywords, _ = self.meaning(info)
            messages.append(Found(double, 0, flags, keywords, extra=double))
        return messages

    def _make_found(self, bases: list[str], names: dict[str, str], uids: dict[str, int]) -> list[Found]:
        if self._meaning_letters != self.records.letters:
            self._meanings, self._meaning_letters = {}, dict(self.records.letters)
        meanings, make = self._meanings, tuple.__new__
        special = bool(self.records.fields or self.records.courier_keywords)
        messages = []
        for base in bases:
            name = names[base]
            info = name[len(base) + 5 :]
            try:
                flags, keywords, _ = meanings[info]
            except KeyError:
                flags, keywords, _ = self.meaning(info)
            if special and (more := self.records.extra_keywords(base)):
                keywords = unite_keywords(keywords, more)
            uid = uids.get(base, 0)
            messages.append(make(Found, (base, uid, flags, keywords, None, None, None, None, None, name)))
        return messages

    def meaning(self, info: str) -> Meaning:
        """Return what an info suffix stands for in this folder."""
        known = self._meanings.get(info)
        if known is None:
            known = self._meanings[info] = self._meaning(parse_info(info))
        return known

    def _meaning(self, info: Info) -> Meaning:
        keywords, notes = [], []
        if info.passed:
            keywords.append(FORWARDED)
        for letter in info.letters:
            keyword = self.records.letters.get(ord(letter) - 97)
            if keyword is None:
                notes.append(f"keyword letter {letter} has no name in dovecot-keywords; it stays in the file name")
            else:
                keywords.append(keyword)
        return info.flags, unite_keywords(NO_KEYWORDS, keywords), tuple(notes)

    # --- finding a file again

    def locate(self, entry: Entry, tried: str) -> str | None:
        """Return the name of a message that is no longer called ``tried``, or None: it is gone.

        Looks at what is known by now first, then scans.
        """
        now = self.index_as_is.entries.get(entry.key)
        if now is not None and now.extra != tried and os.path.lexists(f"{self.directory}/{now.extra}"):
            return now.extra
        try:
            found = scan(self.directory)
        except OSError:
            return None
        name = found.names.get(entry.key)
        known = self.index_as_is
        for base, current in found.names.items():
            old = known.entries.get(base)
            if old is not None and old.extra != current:
                known.put(old._replace(extra=current))
        return name

    # --- locking

    @contextmanager
    def locked(self) -> Iterator[locks.Dotlock]:
        """Hold Dovecot's lock on the folder's records; they are loaded anew."""
        with fs.errors(self.directory), locks.uidlist_lock(self.directory, self.account.lock_timeout) as lock:
            self._lock = lock
            try:
                self._check_there()
                self.records.load()
                yield lock
            finally:
                self._lock = None

    def present(self) -> list[str]:
        """Return the bases whose lines must not be dropped from the record."""
        return list(self.index_as_is.entries) if self.scanned else list(self.records.uids)

    def clean_stamp(self) -> None:
        """Forget that the index is up to date: we changed the folder ourselves."""
        self.index_as_is.stamp = ""


@contextmanager
def views_locked(views: Iterable[View]) -> Iterator[list[locks.Dotlock]]:
    """Lock several folders, always in the same order."""
    with ExitStack() as stack:
        yield [stack.enter_context(view.locked()) for view in sorted(views, key=lambda view: view.name)]


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """A hundred thousand new tuples would set off the collector again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
