"""What a conversion remembers of one folder: a few dozen bytes a message, in columns.

The problem. A folder may hold a million messages, and a Python object for each would take the machine's memory.

The solution. What is noted of the messages stands in arrays, one for each fact; a message is a number, the place where
it stands in them. What its key was is told only by a hash of key and size, and by where the journal's file says it.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

from mailstore.convert.merge import Marks
from mailstore.model.changes import Token
from mailstore.model.flags import NO_KEYWORDS
from mailstore.model.names import FolderPath

PRESENT, ABSENT, DROPPED, SPARED = 0, 1, 2, 3
"""State of a message: the source has it; it has it no more, and the destination may; it is of no concern any longer;
it is absent, and was gone with too many others at once to be deleted unasked."""

_WIDTH = 32


class Way(NamedTuple):
    """A folder of the source, and the one of the destination that it goes into."""

    path: FolderPath
    target: FolderPath


class Message(Protocol):
    """What an intent says of a message: a Noted, or a Fact of the pipeline."""

    @property
    def key(self) -> str:
        """The source driver's name of it; '' where that does not last."""
        ...

    @property
    def size(self) -> int:
        """Bytes, in the source."""
        ...

    @property
    def uid(self) -> int:
        """In the source; 0 where it is not known."""
        ...

    @property
    def marks(self) -> Marks:
        """In the source, as last carried over."""
        ...

    @property
    def digest(self) -> bytes:
        """SHA-256 of the source's bytes."""
        ...

    @property
    def stored(self) -> bytes:
        """SHA-256 of what the destination gives back: another one only where it alters bytes."""
        ...


class Noted(NamedTuple):
    """A message as the journal notes it; fields as of Message."""

    key: str
    size: int
    uid: int
    marks: Marks
    digest: bytes
    stored: bytes


class Origin(NamedTuple):
    """Where in the destination messages are moved from."""

    way: Way
    numbers: list[int]
    """Of the messages there, one for each of the intent's."""


class Intent(NamedTuple):
    """A commit of which it is not known whether it happened."""

    messages: list[Message]
    lines: Sequence[int]
    """Where the journal's file tells of each."""
    uidvalidity: int
    """Of the destination folder before; 0 where it was not there."""
    uidnext: int
    origin: Origin | None = None


def identity(key: str, size: int | None) -> int:
    """Return what a message is known by without a look at its bytes; it holds within this process."""
    return hash((key, size))


def _identity(message: Message) -> int:
    """Return the same of a message to be noted; its digest's where it has no lasting key."""
    return hash((message.key, message.size)) if message.key else hash(message.digest)


class FolderRecord:
    """What is noted of one Way. Messages have numbers from 0 on, in the order they were noted.

    Attributes:
        identities: of each message: ``identity`` of its key and size, or the hash of its digest.
        digests: SHA-256 of each, one behind the other.
        uids: of each in the source, 0 where unknown.
        places: UID of each in the destination; 0 where it was deleted there before it could be moved.
        states: PRESENT, ABSENT, SPARED or DROPPED.
        lines: where in the journal's file each one's key stands.
        keyless: some have no lasting key, and are known by their digest.
        verified: the first so many were compared.
        uidvalidity: of the destination folder at the last commit; 0 where it was not asked for.
        unresolved: a commit of which it is not known whether it happened.
        token: all that the source had up to it was carried; None where it has no history.
        folder_id: of the source's folder, where it has lasting ones; else ''.
        made: the destination's folder came about by us.
        renaming: what the destination's folder was called, where it is not known whether it was renamed.
        marking: flags and keywords that messages may have been given, by a commit of which that is not known.
    """

    def __init__(self) -> None:
        self.identities = array("q")
        self.digests = bytearray()
        self.uids = array("I")
        self.places = array("I")
        self.states = bytearray()
        self.lines = array("Q")
        self._flags = bytearray()
        self._words = array("I")
        self._keywords: list[frozenset[str]] = [NO_KEYWORDS]
        self._numbers: dict[frozenset[str], int] = {NO_KEYWORDS: 0}
        self._stored: dict[int, bytes] = {}
        self.keyless = False
        self.verified = 0
        self.uidvalidity = 0
        self.unresolved: Intent | None = None
        self.token: Token | None = None
        self.folder_id = ""
        self.made = False
        self.renaming: FolderPath | None = None
        self.marking: dict[int, Marks] = {}

    def __len__(self) -> int:
        return len(self.states)

    def add(self, message: Message, place: int, line: int) -> None:
        """Take a message in."""
        digest, stored, marks = message.digest, message.stored, message.marks
        if stored != digest:
            self._stored[len(self)] = stored
        self.identities.append(_identity(message))
        self.keyless |= not message.key
        self.digests += digest
        self.uids.append(message.uid)
        self.places.append(place)
        self._flags.append(marks[0])
        self._words.append(self._numbers[marks[1]] if marks[1] in self._numbers else self._new_words(marks[1]))
        self.lines.append(line)
        self.states.append(PRESENT)

    def _new_words(self, keywords: frozenset[str]) -> int:
        self._keywords.append(keywords)
        self._numbers[keywords] = len(self._keywords) - 1
        return len(self._keywords) - 1

    def digest(self, number: int) -> bytes:
        """Return the SHA-256 of the source's bytes."""
        return bytes(self.digests[number * _WIDTH : number * _WIDTH + _WIDTH])

    def stored(self, number: int) -> bytes:
        """Return the SHA-256 of what the destination gives back."""
        return self._stored.get(number) or self.digest(number)

    def marks(self, number: int) -> Marks:
        """Return flags and keywords in the source, as last carried over."""
        return Marks(self._flags[number], self._keywords[self._words[number]])

    def set_marks(self, number: int, marks: Marks) -> None:
        """Note flags and keywords as carried over."""
        self.marking.pop(number, None)
        self._flags[number] = marks.flags
        keywords = marks.keywords
        self._words[number] = self._numbers[keywords] if keywords in self._numbers else self._new_words(keywords)

    def same_marks(self, number: int, flags: int, keywords: frozenset[str]) -> bool:
        """Tell, fast, whether these are the flags and keywords noted."""
        if self.marking and number in self.marking:
            return False
        return self._flags[number] == flags and self._keywords[self._words[number]] == keywords

    def set_state(self, numbers: Iterable[int], state: int) -> None:
        """Note a state."""
        for number in numbers:
            self.states[number] = state

    def count(self, state: int) -> int:
        """Return how many messages have a state."""
        return self.states.count(state)

    def having(self, state: int) -> Iterator[int]:
        """Yield the numbers of the messages in a state, ascending."""
        at = self.states.find(state)
        while at >= 0:
            yield at
            at = self.states.find(state, at + 1)

    def absent(self) -> list[int]:
        """Return the numbers of the messages that the source has no more, spared or not, ascending."""
        return sorted([*self.having(ABSENT), *self.having(SPARED)])

    def is_absent(self, number: int) -> bool:
        """Tell whether the source has a message no more."""
        return self.states[number] in (ABSENT, SPARED)

    @property
    def missing(self) -> int:
        """How many messages are absent."""
        return self.count(ABSENT) + self.count(SPARED)

    @property
    def live(self) -> int:
        """How many messages are of concern: present or absent."""
        return len(self.states) - self.states.count(DROPPED)

    def again(self, number: int, key: str, size: int, uid: int, line: int, digest: bytes | None) -> None:
        """Take in that the source calls a message otherwise now, and has it with another digest, if one is given."""
        if digest is not None:
            self._stored[number] = self.stored(number)
            self.digests[number * _WIDTH : number * _WIDTH + _WIDTH] = digest
        self.identities[number] = identity(key, size)
        self.uids[number] = uid
        self.lines[number] = line

    def noted(self, number: int, key: str, size: int) -> Noted:
        """Return a message for an intent, under the key and size that the source gives it now."""
        return Noted(key, size, self.uids[number], self.marks(number), self.digest(number), self.stored(number))
