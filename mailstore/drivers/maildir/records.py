"""What a folder's own files say of its messages: UIDs, UIDVALIDITY, record fields, keyword letters.

The problem. Dovecot (dovecot-uidlist, dovecot-keywords), Courier (courierimapuiddb, courierimapkeywords,
courierpop3dsizelist) and mbsync (``,U=`` in names, .uidvalidity) each have their own record, and a client's cache lives
by it: whoever serves the folder next must give the same UIDs. A lost line is a new UID; two writers at once are two
UIDs for one message.

The solution. The record of the family that the location asks for is the authority; where it is not there, another's
is adopted, and written out in full in our own form with the first write. Everything is written under Dovecot's lock, by
appending whole lines or by replacing the file, and is on the disk before a message shows under its name: a line without
a message is harmless, a message without its line would get another UID.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress

from mailstore.drivers.maildir import popids
from mailstore.drivers.maildir.popids import SIZELIST
from mailstore.drivers.maildir.uidvalidity import next_uidvalidity, raise_uidvalidity
from mailstore.formats import courier, dovecotfiles, uidlist
from mailstore.formats.maildirname import mbsync_uid_of
from mailstore.model.flags import NO_KEYWORDS
from mailstore.system import fs

Line = tuple[int, str, str]
"""UID, base, record fields."""

UIDLIST, UIDDB = "dovecot-uidlist", "courierimapuiddb"
KEYWORDS, COURIER_KEYWORDS, MBSYNC = "dovecot-keywords", "courierimapkeywords", ".uidvalidity"
_MOST_BYTES = 1 << 31


def read_file(path: str) -> bytes:
    """Return the contents of a small regular file; empty where there is none, or something else.

    Raises:
        OSError: it is there and cannot be read.
    """
    try:
        fd = fs.open_source(path, nofollow=True)
    except (FileNotFoundError, NotADirectoryError):
        return b""
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or found.st_size > _MOST_BYTES:
            return b""
        return _read_from(fd, 0)
    finally:
        os.close(fd)


def _read_from(fd: int, offset: int) -> bytes:
    pieces = []
    while piece := os.pread(fd, 1 << 24, offset):
        pieces.append(piece)
        offset += len(piece)
    return b"".join(pieces)


def _begins_with(fd: int, listed: uidlist.Uidlist) -> bool:
    """Tell whether a file still begins with what was read of it: cp(1) writes another one into the same inode."""
    head = os.pread(fd, len(listed.head), 0)
    return head == listed.head and os.pread(fd, len(listed.tail), listed.length - len(listed.tail)) == listed.tail


def _stamp(path: str) -> tuple[int, int, int]:
    try:
        found = os.lstat(path)
    except OSError:
        return 0, 0, 0
    return found.st_ino, found.st_size, found.st_mtime_ns


class Records:
    """The records of one folder.

    Args:
        root: of the store, where the account's UIDVALIDITY is kept.
        directory: of the folder, absolute.
        family: ``dovecot`` or ``courier``: whose files are read first, and written.

    Attributes:
        uidvalidity: 0 where nothing records one.
        uidnext: at least 1.
        guid: the folder's id, '' where nothing records one.
        uids: UID by base. Through ``uid_of``, as mbsync's stand in the names.
        fields: record fields by base.
        source: which file it comes from; '' is none.
        damaged: lines or whole files that made no sense.
        letters: keyword by its letter's number.
    """

    def __init__(self, root: str, directory: str, family: str) -> None:
        self.root = root
        self.directory = directory
        self.family = family
        self._file = UIDLIST if family == "dovecot" else UIDDB
        self._list: uidlist.Uidlist | None = None
        self._read: tuple[object, ...] = ()
        self._file_stamp = (0, 0, 0)
        self.source = ""
        self.damaged = 0
        self.uidvalidity = 0
        self.uidnext = 1
        self.guid = ""
        self.uids: dict[str, int] = {}
        self.fields: dict[str, str] = {}
        self.letters: dict[int, str] = {}
        self.courier_keywords: Mapping[str, frozenset[str]] = {}
        self._pop_list = courier.SizeList()
        self.letters_in_names: Callable[[], set[int]] = set
        """Gives the numbers of the letters that stand in file names, with a keyword or without one."""

    # --- reading

    def stamp(self) -> str:
        """Return what tells whether the files are still those that ``load`` read.

        Where Dovecot's list speaks nobody else does, and the other files need not be looked at. Before ``load`` it is
        taken to speak: a stamp of that form was made when it did, and holds as long as it is the same file.
        """
        stamps = [_stamp(self._path(UIDLIST)), _stamp(self._path(KEYWORDS))]
        if self.family != "dovecot" or (self._read and self.source != UIDLIST) or not stamps[0][0]:
            others = (UIDDB, MBSYNC, COURIER_KEYWORDS, f"{COURIER_KEYWORDS}/:list", SIZELIST)
            stamps += [_stamp(self._path(name)) for name in others]
        return ";".join([f"{inode},{size},{changed}" for inode, size, changed in stamps])

    def load(self) -> None:
        """Read what changed since the last time.

        Raises:
            OSError: a file is there and cannot be read.
        """
        stamp = self.stamp()
        if self._read and self._read[0] == stamp:
            return
        self._load_uids()
        self.letters = dovecotfiles.parse_keywords(read_file(self._path(KEYWORDS)))
        courier_speaks = self.family == "courier" or self.source in (UIDDB, "")
        self.courier_keywords = self._load_courier_keywords() if courier_speaks else {}
        self._pop_list = courier.parse_sizelist(read_file(self._path(SIZELIST)) if courier_speaks else b"")
        if courier_speaks and self.source != UIDLIST:
            self.fields = popids.fields_of(self._pop_list)
        self._read = (stamp,)

    def _load_uids(self) -> None:
        found = _stamp(self._path(self._file))
        same_file = self._list is not None and self.source == self._file and found[0] == self._file_stamp[0] != 0
        if same_file and self._take_in_tail(found):
            return
        self._forget()
        order = (UIDLIST, UIDDB) if self.family == "dovecot" else (UIDDB, UIDLIST)
        for name in order:
            data = read_file(self._path(name))
            if not data:
                continue
            listed = uidlist.parse(data)
            if listed is None:
                self.damaged += 1
                continue
            self._list, self.source = listed, name
            self._file_stamp = found
            self._show(listed)
            return
        validity, greatest = courier.parse_mbsync_uidvalidity(read_file(self._path(MBSYNC)))
        if 0 < validity <= uidlist.MAX_UIDVALIDITY:
            following = min(greatest, uidlist.MAX_UID) + 1
            self.source, self.uidvalidity, self.uidnext = MBSYNC, validity, following

    def _take_in_tail(self, found: tuple[int, int, int]) -> bool:
        """Read only what was appended; False where the file was not just appended to."""
        listed = self._list
        assert listed is not None
        if found == self._file_stamp:
            return True
        if found[1] < listed.length:
            return False
        fd = fs.open_source(self._path(self._file), nofollow=True)
        try:
            if os.fstat(fd).st_ino != found[0] or not _begins_with(fd, listed):
                return False
            listed.extend(_read_from(fd, listed.length))
        finally:
            os.close(fd)
        self._file_stamp = found
        self._show(listed)
        return True

    def _show(self, listed: uidlist.Uidlist) -> None:
        self.uidvalidity, self.uidnext = listed.uidvalidity, listed.uidnext
        self.guid, self.uids, self.fields = listed.guid, listed.uids, listed.fields
        self.damaged += listed.damaged

    def forget(self) -> None:
        """Believe nothing of what was decided and could not be written; the next ``load`` reads it all."""
        self._read = ()
        self._forget()

    def _forget(self) -> None:
        self._list, self.source, self.damaged = None, "", 0
        self.uidvalidity, self.uidnext, self.guid = 0, 1, ""
        self.uids, self.fields = {}, {}

    def _load_courier_keywords(self) -> dict[str, frozenset[str]]:
        directory = self._path(COURIER_KEYWORDS)
        try:
            names = os.listdir(directory)
        except OSError:
            return {}
        found = courier.parse_keyword_list(read_file(f"{directory}/:list"))
        for base, name in courier.latest_updates(names).items():
            with suppress(OSError):
                found[base] = courier.parse_keyword_update(read_file(f"{directory}/{name}"))
        return {base: keywords for base, keywords in found.items() if keywords}

    # --- questions

    def peek_guid(self) -> str:
        """Return the folder's id by a look at the first line only; '' where none is recorded."""
        if self._list is None and self.family == "dovecot":
            with suppress(OSError):
                fd = fs.open_source(self._path(UIDLIST), nofollow=True)
                try:
                    head = os.read(fd, 4096)
                finally:
                    os.close(fd)
                listed = uidlist.parse(head[: head.find(b"\n") + 1])
                return listed.guid if listed is not None else ""
        return self.guid

    @property
    def ours(self) -> bool:
        """Whether the record is of the family we write, so that lines can be appended."""
        return self.source == self._file and self._list is not None and (self.family == "courier" or bool(self.guid))

    def uid_of(self, base: str) -> int:
        """Return the recorded UID of a message, 0 where there is none."""
        if self.source != MBSYNC:
            return self.uids.get(base, 0)
        uid = mbsync_uid_of(base)
        return uid if uid <= uidlist.MAX_UID else 0

    def field(self, base: str, key: str) -> str | None:
        """Return the value of a record field of a message."""
        fields = self.fields.get(base)
        return uidlist.parse_fields(fields).get(key) if fields else None

    def extra_keywords(self, base: str) -> frozenset[str]:
        """Return the keywords of a message that do not stand in its name."""
        value = self.field(base, "X")
        listed = frozenset(uidlist.unquote(word) for word in value.split(",") if word) if value else NO_KEYWORDS
        return listed | self.courier_keywords.get(base, NO_KEYWORDS)

    # --- writing, all under the uidlist lock and after ``load``

    def establish(self, uidvalidity: int = 0) -> None:
        """See to it that there are a UIDVALIDITY and an id.

        Args:
            uidvalidity: to be adopted; 0: the one that is recorded, or else the account's next.
        """
        if uidvalidity:
            self.uidvalidity = uidvalidity
            raise_uidvalidity(self.root, uidvalidity)
        elif not self.uidvalidity:
            self.uidvalidity = next_uidvalidity(self.root)
        if not self.guid and self.family == "dovecot":
            self.guid = os.urandom(16).hex()

    def append(self, lines: Sequence[Line], present: Collection[str]) -> None:
        """Record messages with UIDs from ``uidnext`` on, growing; on the disk on return.

        ``present``: the bases that are in the folder, for when the whole file must be written.
        """
        listed = self._list
        if (
            not self.ours
            or listed is None
            or self.family == "courier"
            or self._torn()
            or self._wasteful(lines, present)
        ):
            self.rewrite(present, lines)
            return
        data = uidlist.render_lines(lines)
        fd = fs.open_update(self._path(self._file), append=True)
        try:
            fs.write_all(fd, data)
            fs.sync_data(fd)
        finally:
            fs.close(fd)
        listed.extend(data)
        self._show(listed)
        self._written()

    def _torn(self) -> bool:
        """Tell whether the file ends in the middle of a line (a crash): nothing may be appended to that."""
        return self._list is None or self._file_stamp[1] != self._list.length or self.damaged > 0

    def _wasteful(self, lines: Sequence[Line], present: Collection[str]) -> bool:
        """Tell whether a line would come twice, or most lines are of messages that are gone."""
        return len(self.uids) > 2 * len(present) + 1000 or any(base in self.uids for _, base, _ in lines)

    def rewrite(self, present: Iterable[str], lines: Sequence[Line] = (), *, uidnext: int = 0) -> None:
        """Write the whole file: the lines of what is ``present``, then ``lines``; on the disk on return."""
        self.establish()
        fresh = {base for _, base, _ in lines}
        kept = [
            (uid, base, self.kept_fields(base))
            for base in present
            if base not in fresh and (uid := self.uid_of(base)) > 0
        ]
        kept.sort()
        # where two names claim one UID (mbsync), the first has it; the other is numbered anew by the next scan
        kept = [line for at, line in enumerate(kept) if at == 0 or line[0] > kept[at - 1][0]]
        every = kept + [line for line in lines if not kept or line[0] > kept[-1][0]]
        following = min(max(self.uidnext, uidnext, every[-1][0] + 1 if every else 1), uidlist.MAX_UID + 1)
        if self.family == "courier":
            data = uidlist.render_v1(self.uidvalidity, following, [(uid, base) for uid, base, _ in every])
        else:
            extra = self._list.extra if self._list is not None else ""
            header = uidlist.render_header(self.uidvalidity, following, self.guid, extra)
            data = header + uidlist.render_lines(every)
        mode = None if self.source == self._file else self._mode()
        if self.family == "courier":  # first: without its id a message would be downloaded again
            self._pop_list = popids.write(self.directory, every, self._pop_list, mode)
        fs.replace_file(self._path(self._file), data, mode)
        listed = uidlist.parse(data)
        assert listed is not None
        self._list, self.source, self.damaged = listed, self._file, 0
        self._show(listed)
        if self.family == "courier":
            self.fields = popids.fields_of(self._pop_list)
        self._written()
        if self.family == "dovecot":
            self.courier_keywords = {}

    def number_anew(self, bases: Iterable[str]) -> None:
        """Give all of ``bases`` new UIDs, in that order, under a new UIDVALIDITY: 32 bits of them were used up."""
        lines = [(uid, base, self.kept_fields(base)) for uid, base in enumerate(bases, 1)]
        used = self.uidvalidity
        self.uidvalidity = next_uidvalidity(self.root, used + 1 if used < uidlist.MAX_UIDVALIDITY else 1)
        self.uids, self.fields, self.uidnext = {}, {}, 1
        self.rewrite((), lines)

    def kept_fields(self, base: str) -> str:
        """Return the fields of a message as they are to be written: Courier's keywords come along."""
        have = self.fields.get(base, "")
        keywords = self.courier_keywords.get(base)
        if not keywords or self.family == "courier":
            return have
        return with_keywords(have, self.extra_keywords(base))

    def set_fields(self, changed: Mapping[str, str], present: Iterable[str]) -> None:
        """Replace the record fields of messages; on the disk on return."""
        self.fields.update(changed)
        self.rewrite(present)

    def letters_for(self, keywords: Iterable[str]) -> tuple[str, list[str]]:
        """Return the letters of ``keywords``, and those that have none; new ones get a letter while there are any."""
        if self.family == "courier":
            return "", list(keywords)
        by_name = {name.lower(): index for index, name in self.letters.items()}
        letters, without, given = [], [], False
        for keyword in sorted(keywords):
            index = by_name.get(keyword.lower())
            if index is None:
                # a letter that has lost its name still stands in file names: it would mark their messages too
                taken = self.letters.keys() | self.letters_in_names()
                free = [number for number in range(dovecotfiles.MOST_LETTERS) if number not in taken]
                if not free or not dovecotfiles.has_a_line(keyword):
                    without.append(keyword)
                    continue
                # above the greatest: messages may be on their way here from where it has another meaning
                above = [number for number in free if number > max(taken, default=-1)]
                index = (above or free)[0]
                self.letters[index] = keyword
                by_name[keyword.lower()] = index
                given = True
            letters.append(chr(97 + index))
        if given:
            fs.replace_file(self._path(KEYWORDS), dovecotfiles.render_keywords(self.letters), self._mode())
            self._read = (self.stamp(),)
        return "".join(letters), without

    def set_courier_keywords(self, base: str, keywords: frozenset[str]) -> None:
        """Write a message's keywords as Courier does: an update file, the newest there is."""
        if keywords == self.courier_keywords.get(base, NO_KEYWORDS):
            return
        directory = self._path(COURIER_KEYWORDS)
        if not os.path.isdir(directory):
            fs.mkdir(directory, self._mode() | 0o100)
            fs.sync_directory(self.directory)
        fs.replace_file(f"{directory}/{base}", courier.render_keyword_update(keywords), self._mode())
        self.courier_keywords = {**self.courier_keywords, base: keywords}
        self._read = (self.stamp(),)

    def _written(self) -> None:
        self._file_stamp = _stamp(self._path(self._file))
        self._read = (self.stamp(),)

    def _mode(self) -> int:
        """Return the permissions for files: the directory's, without execution (shared Maildirs; Dovecot's rule)."""
        return os.stat(self.directory).st_mode & 0o666 | 0o600

    def _path(self, name: str) -> str:
        return f"{self.directory}/{name}"


def with_keywords(fields: str, keywords: Iterable[str]) -> str:
    """Return record fields with the keywords that have no letter set to ``keywords``."""
    parsed = uidlist.parse_fields(fields)
    parsed.pop("X", None)
    value = ",".join(uidlist.quote(keyword) for keyword in sorted(keywords))
    if value:
        parsed["X"] = value
    return uidlist.render_fields(parsed)
