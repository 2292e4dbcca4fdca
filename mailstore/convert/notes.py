"""The lines of a journal: how they are written, and what they make of the records that were noted before.

Text, appended to only; fields are separated by tabs, percent-encoded where they hold anything but printable ASCII.
What the lines mean is described in docs/convert.md ("The journal"), why they stand as they do in ``journal``.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import chain
from typing import Literal
from urllib.parse import quote, unquote

from mailstore.convert.merge import Marks
from mailstore.convert.record import ABSENT, DROPPED, PRESENT, SPARED, FolderRecord, Intent, Message, Noted, Origin, Way
from mailstore.model.changes import Token
from mailstore.model.flags import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN
from mailstore.model.names import FolderPath

MAGIC = "mailstore journal 1\n"
State = Literal["absent", "spared", "present", "dropped"]
GONE: tuple[tuple[State, int], ...] = (("absent", ABSENT), ("spared", SPARED))
Sources = dict[str, dict[Way, FolderRecord]]
"""What is noted: by source, then by way."""

_SAFE = "!#$&'()*+,/:;<=>?@[]^`{|}\\\""
_LETTERS = ((DRAFT, "D"), (FLAGGED, "F"), (ANSWERED, "R"), (SEEN, "S"), (DELETED, "T"))


def encode(text: str, safe: str = _SAFE + " ") -> str:
    """Return a field's text."""
    if text.isascii() and text.isprintable() and "%" not in text:
        return text
    return quote(text, safe, errors="surrogatepass")


def decode(text: str) -> str:
    """Return what ``encode`` was given."""
    return unquote(text, errors="surrogatepass") if "%" in text else text


def folder_line(way: Way) -> str:
    """Return the line by which what follows is about ``way``."""
    return f"folder\t{_way_text(way)}\n"


def message_line(message: Message) -> str:
    """Return the line of one message of an intent."""
    key, digest, stored = message.key, message.digest, message.stored
    if "%" in key or not (key.isascii() and key.isprintable()):
        key = encode(key)
    line = f"message\t{key}\t{message.size}\t{message.uid}\t{marks_text(*message.marks)}\t{digest.hex()}"
    return f"{line}\n" if stored == digest else f"{line}\t{stored.hex()}\n"


def origin_line(origin: Origin) -> str:
    """Return the line that says where the messages of an intent are moved from."""
    return f"from\t{format_numbers(origin.numbers)}\t{_way_text(origin.way)}\n"


def numbers_line(word: State, numbers: Sequence[int]) -> str:
    """Return the line that gives messages a state."""
    return f"{word}\t{format_numbers(numbers)}\n"


def _way_text(way: Way) -> str:
    path, target = encode(str(way.path)), encode(str(way.target))
    return path if path == target else f"{path}\t{target}"


def _way(fields: Sequence[str]) -> Way:
    path = FolderPath.parse(decode(fields[0]))
    return Way(path, FolderPath.parse(decode(fields[1])) if fields[1:] else path)


@lru_cache(1000)
def marks_text(flags: int, keywords: frozenset[str]) -> str:
    """Return flags as the letters of a Maildir (``-``: none), and keywords behind, by spaces."""
    letters = "".join(letter for bit, letter in _LETTERS if flags & bit) or "-"
    return " ".join([letters, *(encode(keyword, _SAFE).replace(" ", "%20") for keyword in sorted(keywords))])


@lru_cache(1000)
def parse_marks(text: str) -> Marks:
    """Return what ``marks_text`` was given."""
    letters, *keywords = text.split(" ")
    return Marks(sum(bit for bit, letter in _LETTERS if letter in letters), frozenset(map(decode, keywords)))


def format_uids(uids: Iterable[int]) -> str:
    """Return UIDs in their order as an IMAP-like set: ``1:3,7,0,9``."""
    runs: list[list[int]] = []
    for uid in uids:
        if runs and uid and uid == runs[-1][1] + 1 and runs[-1][0]:
            runs[-1][1] = uid
        else:
            runs.append([uid, uid])
    return ",".join(str(first) if first == last else f"{first}:{last}" for first, last in runs)


def parse_uids(text: str, most: int) -> list[int]:
    """Return what ``format_uids`` was given.

    Raises:
        ValueError: it is none, or more than ``most``.
    """
    runs = [_run(run) for run in text.split(",")]
    if sum(run.stop - run.start for run in runs) > most:
        raise ValueError("more numbers than there are messages")
    return list(chain.from_iterable(runs))


def _run(text: str) -> range:
    first, _, last = text.partition(":")
    return range(int(first), int(last or first) + 1)


def format_numbers(numbers: Sequence[int]) -> str:
    """Return numbers of messages as the journal counts them, from 1."""
    return format_uids(number + 1 for number in numbers)


def _parse_numbers(text: str, record: FolderRecord) -> list[int]:
    numbers = [number - 1 for number in parse_uids(text, len(record))]
    if numbers and not 0 <= min(numbers) <= max(numbers) < len(record):
        raise ValueError("a message that was not noted")
    return numbers


class Reader:
    """Takes lines in, in their order, whether they were read or have just been written."""

    def __init__(self, only: str | None = None) -> None:
        """Begin; lines about other sources than ``only`` are passed over."""
        self.sources: Sources = {}
        self.lines = 0
        """How many lines were taken in."""
        self._only = only
        self._begun = False
        self._records: dict[Way, FolderRecord] | None = None
        self._way: Way | None = None
        self._record = FolderRecord()
        self._messages: list[Message] = []
        self._places = array("Q")
        self._origin: Origin | None = None
        self._words: dict[str, Callable[[list[str]], None]] = {
            "folder": self._folder,
            "from": self._from,
            "intent": self._intent,
            "done": self._done,
            "nothing": self._nothing,
            "passed": self._passed,
            "marking": self._marking,
            "marks": self._marks,
            "absent": lambda fields: self._state(fields, ABSENT),
            "spared": lambda fields: self._state(fields, SPARED),
            "present": lambda fields: self._state(fields, PRESENT),
            "dropped": lambda fields: self._state(fields, DROPPED),
            "forget": self._forget,
            "verified": self._verified,
            "uids": self._uids,
            "seen": self._seen,
            "id": self._id,
            "made": self._made,
            "rename": self._rename,
            "renamed": self._renamed,
        }

    def take(self, line: str, place: int) -> None:
        """Take a line in, without its end; ``place`` is where it stands in the file.

        Raises:
            ValueError, IndexError, KeyError: it makes no sense there.
        """
        word, *fields = line.split("\t")
        if word == "source":
            name, self._begun = decode(fields[0]), True
            mine = self._only in (None, name)
            self._records = self.sources.setdefault(name, {}) if mine else None
            self._drop_pending()  # messages without an intent were torn off by a crash: every run begins with "source"
        elif self._records is None:
            if not self._begun:
                raise ValueError("a line without a source")
        elif word == "message":
            digest = bytes.fromhex(fields[4])
            stored = bytes.fromhex(fields[5]) if fields[5:] else digest
            if len(digest) != 32 or len(stored) != 32:
                raise ValueError("a digest of another length")
            key, size, uid = decode(fields[0]), int(fields[1]), int(fields[2])
            self.take_message(Noted(key, size, uid, parse_marks(fields[3]), digest, stored), place)
        elif word == "again":
            (number,) = _parse_numbers(fields[3], self._record)
            now = bytes.fromhex(fields[4]) if fields[4:] else None
            if now is not None and len(now) != 32:
                raise ValueError("a digest of another length")
            self._record.again(number, decode(fields[0]), int(fields[1]), int(fields[2]), place, now)
        else:
            self._words[word](fields)
        self.lines += self._records is not None

    def take_message(self, message: Message, place: int) -> None:
        """Take in what a line ``message`` says."""
        self._messages.append(message)
        self._places.append(place)

    def _drop_pending(self) -> None:
        self._messages, self._places, self._origin = [], array("Q"), None

    def _folder(self, fields: list[str]) -> None:
        assert self._records is not None
        self._way = _way(fields)
        self._record = self._records.setdefault(self._way, FolderRecord())
        self._drop_pending()

    def _from(self, fields: list[str]) -> None:
        assert self._records is not None
        way = _way(fields[1:])
        self._origin = Origin(way, _parse_numbers(fields[0], self._records[way]))

    def _intent(self, fields: list[str]) -> None:
        if len(self._messages) != int(fields[0]):
            raise ValueError("an intent of another length")
        self._check_origin()
        self._record.unresolved = Intent(self._messages, self._places, int(fields[1]), int(fields[2]), self._origin)
        self._drop_pending()

    def _check_origin(self) -> None:
        if self._origin is not None and len(self._origin.numbers) != len(self._messages):
            raise ValueError("not as many messages as are moved")

    def _done(self, fields: list[str]) -> None:
        record, intent = self._record, self._record.unresolved
        uids = [] if intent is None else parse_uids(fields[1], len(intent.messages))
        if intent is None or len(uids) != len(intent.messages):
            raise ValueError("the number of UIDs is not that of the messages")
        for message, line, uid in zip(intent.messages, intent.lines, uids, strict=True):
            if uid:
                record.add(message, uid, line)
        record.uidvalidity = int(fields[0])
        record.unresolved = None
        if intent.origin is not None:
            self._leave(intent.origin, uids)

    def _leave(self, origin: Origin, uids: Sequence[int]) -> None:
        assert self._records is not None
        moved = [number for number, uid in zip(origin.numbers, uids, strict=True) if uid]
        self._records[origin.way].set_state(moved, DROPPED)

    def _nothing(self, _: list[str]) -> None:
        self._record.unresolved = None

    def _passed(self, fields: list[str]) -> None:
        if len(self._messages) != int(fields[0]):
            raise ValueError("another number of messages")
        self._check_origin()
        for message, line in zip(self._messages, self._places, strict=True):
            self._record.add(message, 0, line)
        if self._origin is not None:
            self._leave(self._origin, [1] * len(self._messages))
        self._drop_pending()

    def _marking(self, fields: list[str]) -> None:
        marks = parse_marks(fields[1])
        for number in _parse_numbers(fields[0], self._record):
            self._record.marking[number] = marks

    def _marks(self, fields: list[str]) -> None:
        marks = parse_marks(fields[1])
        for number in _parse_numbers(fields[0], self._record):
            self._record.set_marks(number, marks)

    def _state(self, fields: list[str], state: int) -> None:
        self._record.set_state(_parse_numbers(fields[0], self._record), state)

    def _forget(self, _: list[str]) -> None:
        assert self._records is not None
        assert self._way is not None
        self._record = self._records[self._way] = FolderRecord()

    def _verified(self, _: list[str]) -> None:
        self._record.verified = len(self._record)

    def _uids(self, fields: list[str]) -> None:
        uids = parse_uids(fields[0], len(self._record))
        if len(uids) != len(self._record):
            raise ValueError("not as many UIDs as messages")
        self._record.uids = array("I", uids)

    def _seen(self, fields: list[str]) -> None:
        self._record.token = Token(decode(fields[1]), int(fields[0]), int(fields[2]))

    def _id(self, fields: list[str]) -> None:
        self._record.folder_id = decode(fields[0])

    def _made(self, _: list[str]) -> None:
        self._record.made = True

    def _rename(self, fields: list[str]) -> None:
        assert self._records is not None
        assert self._way is not None
        new = _way(fields)
        self._record.renaming = self._way.target
        self._records[new] = self._records.pop(self._way)
        self._way = new

    def _renamed(self, _: list[str]) -> None:
        self._record.renaming = None
