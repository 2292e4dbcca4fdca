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

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from mailstore.drivers.maildir.account import Account
from mailstore.drivers.maildir.first import FirstScan
from mailstore.drivers.maildir.records import MBSYNC, Records
from mailstore.drivers.maildir.scan import Scan, mtimes, names_in, scan
from mailstore.drivers.sidecar import Entry, FolderIndex, Found
from mailstore.drivers.sidecar.folder import no_garbage_collection
from mailstore.errors import CannotCreate, NoSuchFolder, ReadOnlyStore
from mailstore.formats import maildirname, uidlist
from mailstore.formats.maildirname import parse_info, split_name
from mailstore.model.flags import NO_KEYWORDS, unite_keywords
from mailstore.model.names import FolderPath
from mailstore.system import fs, locks

FORWARDED = "$Forwarded"
_ORDINARY = re.compile(r"(?>[0-9]{10}\.(?!M[0-9]{7})[^\n]*+(?:\n|\Z))*+")
_SHORT_MICROSECONDS = re.compile(r"^([0-9]{10}\.M)([0-9]{1,5})(?![0-9])", re.MULTILINE)

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
        self.indexed = name or "."
        """Its name in the index."""
        self.directory = account.layout.absolute(name)
        self.records = Records(account.root, account.layout.records(name), account.family)
        self.records.letters_in_names = self._letters_in_names
        self.strange: list[str] = []
        self.twins: dict[str, list[str]] = {}
        self.sizes: dict[str, int] = {}
        """True sizes of messages whose ``,S=`` is wrong."""
        self.scanned = False
        """Whether the commit at work has looked at the directories, so that the index knows all that is there."""
        self.first: FirstScan | None = None
        """What the first scan found, as long as nobody needed more than its rows."""
        self._index: FolderIndex | None = None
        self._meanings = _Meanings({})
        self._spoken: tuple[dict[int, str], str] | None = None
        """The letters, and where keywords stand elsewhere too the records, by which the index was last brought up."""
        self._lock: locks.Dotlock | None = None

    # --- the index

    @property
    def index(self) -> FolderIndex:
        """What is known, without a look at the disk."""
        known = self._index
        if known is None or not self.account.index.current(self.indexed, known):
            if known is not None and known.disowned:
                self._spoken = None  # what is stored is older than that
            known = self._index = self.account.index.load(self.indexed)
            self.first = None
        return self._settled(known)

    def _settled(self, known: FolderIndex) -> FolderIndex:
        """Return the index with the first scan in it, which may still be waiting for somebody to ask."""
        first, self.first = self.first, None
        if first is not None:
            self._fill_at_once(known, first)
        return known

    def store(self) -> bool:
        """Make what changed in the index lasting; False: another process was faster, refresh again."""
        try:
            return self._index is None or self.account.index.store(self.indexed, self._index)
        except BaseException:
            if self._index is not None:
                self._index.disown()  # it would pass for what is stored, and be shown
            raise

    @property
    def index_as_is(self) -> FolderIndex:
        """The index as it was loaded last."""
        return self._settled(self._index) if self._index is not None else self.index

    # --- bringing up to date

    def refresh(self) -> FolderIndex:
        """Take in what other programs changed; the returned index is as of now.

        Raises: as ``look``.
        """
        return self._settled(self.look())

    def look(self) -> FolderIndex:
        """Do the same, but leave the first scan in ``first`` where the index does not last: it has no entries then.

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
                    break
        return self._index or self.index

    def _stamp(self) -> str:
        return f"{mtimes(self.directory)};{self.records.stamp()}"

    def _take_in(self) -> bool:
        """Scan and reconcile; False: begin again."""
        self._check_there()
        self.records.load()
        if self.account.readonly:
            return self._reconcile(scan(self.directory))
        found = None
        if self._has_arrivals() or self._needs_numbers(found := scan(self.directory)):
            if self._lock is not None:
                return self._number_and_reconcile()
            # a store we may only read shows provisional UIDs
            with suppress(ReadOnlyStore, CannotCreate), self.locked():
                return self._number_and_reconcile()
        return self._reconcile(found or scan(self.directory))

    def _has_arrivals(self) -> bool:
        """Tell whether something in ``new`` has no UID: then ``cur`` need not be read before the lock is held."""
        uids = self.records.uids
        return self.records.ours and any(
            name not in uids and name[:1] != "." and split_name(name)[0] not in uids
            for name in names_in(f"{self.directory}/new")
        )

    def _check_there(self) -> None:
        if not os.path.isdir(self.directory):
            raise NoSuchFolder(f"folder {self.path} is gone", folder=str(self.path))

    def _needs_numbers(self, found: Scan) -> bool:
        records = self.records
        if not records.ours or found.doubles:
            return True
        return bool(found.names.keys() - records.uids.keys())

    def _number_and_reconcile(self) -> bool:
        """Give UIDs to what has none; the lock is held, and the records are loaded since."""
        found = scan(self.directory)
        for double in found.doubles:
            self._rename_double(found, double)
        records = self.records
        along = {base: records.kept_fields(base) for base in found.names if base not in records.uids}
        if not records.ours:
            if records.source == "":
                self._adopt_index(found.names)
            records.rewrite(found.names)
        unnumbered = [base for base in found.names if base not in records.uids]
        if unnumbered:
            unnumbered = in_order_of_delivery(unnumbered)
            if self.has_room(len(unnumbered)):
                first = max(records.uidnext, self._index_uidnext())
                lines = [(uid, base, along.get(base, "")) for uid, base in enumerate(unnumbered, first)]
                records.append(lines, found.names)
            else:
                records.number_anew([base for base in records.uids if base in found.names] + unnumbered)
        return self._reconcile(found)

    def has_room(self, count: int) -> bool:
        """Tell whether ``count`` more messages can get UIDs of 32 bits."""
        return max(self.records.uidnext, self._index_uidnext()) + count - 1 <= uidlist.MAX_UID

    def number_anew(self) -> None:
        """Give all messages new UIDs under a new UIDVALIDITY; the lock is held."""
        with fs.errors(self.directory):
            names = scan(self.directory).names
            uids = {base: uid for base, uid in self.records.uids.items() if base in names}
            self.records.number_anew([*uids, *in_order_of_delivery(names.keys() - uids.keys())])
        self.clean_stamp()
        self.scanned = True
        self.refresh()
        self.records.load()

    def _index_uidnext(self) -> int:
        known = self.index
        return known.uidnext if known.uidvalidity == self.records.uidvalidity else 1

    def _adopt_index(self, names: Iterable[str]) -> None:
        """Where the record is lost and the index is not: the UIDs that were shown go on."""
        known = self.index
        if not known.uidvalidity or not known.entries:
            return
        self.records.uidvalidity, self.records.uidnext = known.uidvalidity, known.uidnext
        there = set(names)
        self.records.uids = {
            base: entry.uid for base, entry in known.entries.items() if entry.recorded and base in there
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
        records, known = self.records, self.index
        stamp = f"{found.stamp};{records.stamp()}" if found.stamp is not None else ""
        validity, following = records.uidvalidity, max(1, records.uidnext)
        speaking = (records.letters, records.stamp() if records.fields or records.courier_keywords else "")
        if self._meanings.letters != records.letters:
            self._meanings = _Meanings(dict(records.letters))
        with no_garbage_collection():
            if records.uidvalidity not in (0, known.uidvalidity) or not known.entries:
                known.reconcile((), uidvalidity=validity, uidnext=following, stamp=stamp)
                self._fill(known, found)
            elif self._spoken == speaking:
                self._merge_changed(known, found, stamp)
            else:
                every = self._found(found, found.names)
                known.reconcile(every, uidvalidity=validity, uidnext=following, stamp=stamp)
        self._spoken = (dict(speaking[0]), speaking[1])
        return self.store()

    def _fill(self, known: FolderIndex, scanned: Scan) -> None:
        """Take the first scan in: recorded messages as they are, then the others in order of delivery."""
        names, records = scanned.names, self.records
        if names:
            uids = self._recorded(names)
            if not uids.keys() <= names.keys():
                uids = {base: uid for base, uid in uids.items() if base in names}
            bases, numbers = list(uids), list(uids.values())
            if len(bases) < len(names):
                rest = in_order_of_delivery(names.keys() - uids.keys())
                following = max(known.uidnext, numbers[-1] + 1 if numbers else 1)
                numbers += range(following, following + len(rest))
                bases += rest
            first = FirstScan(bases, numbers, len(uids), names, self._meanings, known.advance())
            if self.account.index.persistent or records.fields or records.courier_keywords or scanned.doubles:
                self._fill_at_once(known, first)
            else:
                self.first = first
        if scanned.doubles:
            found = self._found(scanned, ())
            known.reconcile(found, uidvalidity=0, uidnext=0, stamp=known.stamp, complete=False)

    def _fill_at_once(self, known: FolderIndex, first: FirstScan) -> None:
        with no_garbage_collection():
            entries, records = first.entries(), self.records
            if records.fields or records.courier_keywords:
                for base, entry in entries.items():
                    if more := records.extra_keywords(base):
                        entries[base] = entry._replace(keywords=unite_keywords(entry.keywords, more))
            known.fill(entries)

    def _recorded(self, names: dict[str, str]) -> dict[str, int]:
        """Return UID by base, growing, of what has a recorded UID; mbsync's stand in the names."""
        if self.records.source != MBSYNC:
            return self.records.uids
        uids: dict[int, str] = {}
        for base in in_order_of_delivery(names):
            if uid := self.records.uid_of(base):
                uids.setdefault(uid, base)
        return {uids[uid]: uid for uid in sorted(uids)}

    def _merge_changed(self, known: FolderIndex, scanned: Scan, stamp: str) -> None:
        """Take in only what is not as it was: new, renamed, renumbered or gone."""
        entries, uid_of = known.entries, self.records.uid_of
        changed = [
            base
            for base, name in scanned.names.items()
            if (entry := entries.get(base)) is None or entry[11] != name or entry[0] != uid_of(base)
        ]
        doubles = set(scanned.doubles)
        missing = [key for key in entries.keys() - scanned.names.keys() if key not in doubles]
        found = self._found(
            scanned, sorted(changed, key=uid_of) if self.records.ours else in_order_of_delivery(changed)
        )
        uidnext = max(1, self.records.uidnext)
        known.reconcile(found, uidvalidity=self.records.uidvalidity, uidnext=uidnext, stamp=stamp, complete=False)
        if missing:
            known.drop(missing, known.advance())

    def _found(self, scanned: Scan, bases: Iterable[str]) -> list[Found]:
        """Return messages of a scan as the index wants them, with what it knows already."""
        entries, records = self.index_as_is.entries, self.records
        messages = []
        for base in bases:
            name = scanned.names[base]
            flags, keywords, _ = self._meanings[name[len(base) + 5 :]]
            if more := records.extra_keywords(base):
                keywords = unite_keywords(keywords, more)
            entry = entries.get(base)
            facts = entry[6:11] if entry is not None else (None,) * 5
            messages.append(Found(base, records.uid_of(base), flags, keywords, *facts, extra=name))
        for double in scanned.doubles:  # in a read-only store: shown under its whole name
            flags, keywords, _ = self._meanings[split_name(double.partition("/")[2])[1]]
            messages.append(Found(double, 0, flags, keywords, extra=double))
        return messages

    def meaning(self, info: str) -> Meaning:
        """Return what an info suffix stands for in this folder."""
        if self._meanings.letters != self.records.letters:
            self._meanings = _Meanings(dict(self.records.letters))
        return self._meanings[info]

    def _letters_in_names(self) -> set[int]:
        infos = {entry.extra[len(entry.key) + 5 :] for entry in self.index_as_is.entries.values()}
        return {ord(letter) - 97 for info in infos for letter in parse_info(info).letters}

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
        self._check_there()
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


class _Meanings(dict[str, Meaning]):
    """What each info suffix of a folder stands for, read once."""

    def __init__(self, letters: dict[int, str]) -> None:
        super().__init__()
        self.letters = letters

    def __missing__(self, text: str) -> Meaning:
        info = parse_info(text)
        keywords, notes = [], []
        if info.passed:
            keywords.append(FORWARDED)
        for letter in info.letters:
            keyword = self.letters.get(ord(letter) - 97)
            if keyword is None:
                notes.append(f"keyword letter {letter} has no name in dovecot-keywords; it stays in the file name")
            else:
                keywords.append(keyword)
        meaning = self[text] = info.flags, unite_keywords(NO_KEYWORDS, keywords), tuple(notes)
        return meaning


def in_order_of_delivery(bases: Iterable[str]) -> list[str]:
    """Return names in the order in which Dovecot would number them: by seconds, then microseconds, then the rest.

    Sorted as text, with the microseconds of each second padded: no call of ours for a name.
    """
    names = list(bases)
    text = "\n".join(names)
    if _ORDINARY.fullmatch(text) is not None:
        padded = _SHORT_MICROSECONDS.sub(lambda match: match[1] + match[2].zfill(6), text).split("\n")
        by_padded = dict(zip(padded, names, strict=False))
        if len(by_padded) == len(names) == len(padded):
            return [by_padded[name] for name in sorted(padded)]
    return sorted(names, key=maildirname.delivery_order)
