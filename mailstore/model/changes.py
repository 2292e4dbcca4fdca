"""Changes that a commit carries out, what became of each, and what changed since a token."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from mailstore.errors import MailstoreError
from mailstore.model.flags import NO_KEYWORDS
from mailstore.model.info import Meta, Row
from mailstore.model.names import FolderPath


class Staged(Protocol):
    """A message that a driver holds ready: stored, invisible to readers, not yet in a folder. Opaque elsewhere."""

    @property
    def size(self) -> int:
        """Bytes of the message."""
        ...

    @property
    def meta(self) -> Meta:
        """What the message takes along unless the Append says otherwise."""
        ...

    @property
    def key(self) -> bytes | None:
        """The idempotency key, 16 bytes."""
        ...


class Append(NamedTuple):
    """Put a staged message into a folder. One Staged may stand in several Appends of one commit."""

    folder: FolderPath
    staged: Staged
    uid: int = 0
    """UID hint: honoured where it is not below UIDNEXT, else a new UID is given."""
    meta: Meta | None = None
    """In place of the staged one."""


FlagMode = Literal["add", "remove", "replace"]


class SetFlags(NamedTuple):
    r"""Change flags and keywords of messages; UIDs that are gone are passed over.

    A message named here loses ``\Recent``, even where nothing else changes: a client has seen it (in a Maildir it
    moves from ``new/`` to ``cur/``). So ``add`` of no flags is how a session takes ``\Recent`` away.
    """

    folder: FolderPath
    uids: tuple[int, ...]
    mode: FlagMode
    flags: int
    keywords: frozenset[str] = NO_KEYWORDS
    unchanged_since: int | None = None
    """Leave alone, and report in ``refused``, messages whose modseq is greater (RFC 7162 section 3.1.3)."""


class Expunge(NamedTuple):
    """Remove messages for good; UIDs that are gone are passed over."""

    folder: FolderPath
    uids: tuple[int, ...]
    only_deleted: bool = False
    r"""Only those that still carry ``\Deleted`` at the moment of the commit; others are ``refused``."""


class Move(NamedTuple):
    """Move messages to another folder of the store. Only for drivers with the native shortcut ``move``."""

    folder: FolderPath
    uids: tuple[int, ...]
    destination: FolderPath


class SetState(NamedTuple):
    """Adopt another store's numbering. Only ever raises.

    UIDVALIDITY is adopted only by a folder that never showed a UID (else the outcome is ``unchanged`` and nothing
    happens); UIDNEXT and modseq become the greater of both.
    """

    folder: FolderPath
    uidvalidity: int
    uidnext: int = 1
    highest_modseq: int = 0


Change = Append | SetFlags | Expunge | Move | SetState


class Outcome(NamedTuple):
    """What became of one change. Everything that is not ``failed`` is durable when the commit returns."""

    status: Literal["done", "known", "unchanged", "failed"]
    uids: tuple[int, ...] = ()
    """Append: the UID given (empty with need_uids=False); SetFlags, Expunge, Move: the messages affected, ascending."""
    new_uids: tuple[int, ...] = ()
    """Move: the UIDs in the destination, one for each of ``uids``."""
    uidvalidity: int = 0
    """Of the folder the message went to (Append, Move), else of the folder changed; 0 with need_uids=False."""
    modseq: int = 0
    """The folder's modseq after the change; 0 where nothing changed."""
    refused: tuple[int, ...] = ()
    """Messages that a precondition kept as they were."""
    error: MailstoreError | None = None
    """Why it failed."""


class Token(NamedTuple):
    """A point in a folder's history. Another epoch or UIDVALIDITY means: that history is lost, list anew."""

    epoch: str
    uidvalidity: int
    modseq: int


class FolderState(NamedTuple):
    """A folder's counters, cheap to get (RFC 9051 STATUS, RFC 8438, RFC 7162)."""

    uidvalidity: int
    uidnext: int
    highest_modseq: int
    messages: int
    unseen: int
    recent: int
    size: int | None
    """Bytes of all messages as stored; None where only reading them all would tell."""


@dataclass(frozen=True, slots=True)
class Delta:
    """What changed in a folder since a token, as of the call.

    Attributes:
        token: pass it to the next call.
        full: ``batches`` is the whole listing (no token was given, or its history is lost); drop what is not in it.
        vanished: UIDs gone since the token, ascending; empty when ``full``.
        batches: rows by ascending UID, in lists of about 1 MB of bodies or some hundred rows; read once, in order.
    """

    token: Token
    full: bool
    vanished: tuple[int, ...]
    batches: Iterator[list[Row]]


@dataclass(frozen=True, slots=True)
class FolderInfo:
    r"""A folder of a listing.

    Attributes:
        id: stable over a rename, never reused (RFC 8474 MAILBOXID), where Capabilities.folder_ids says so.
        path: its name.
        selectable: it can hold messages; False for a virtual parent (RFC 9051 \NonExistent) or a subscription
            without a folder.
        subscribed: a client subscribed to it (RFC 9051 LSUB); may be true for a folder that does not exist.
        special_use: RFC 6154 attribute such as ``\Sent``, where the store records it; else None.
    """

    id: str
    path: FolderPath
    selectable: bool = True
    subscribed: bool = False
    special_use: str | None = None


@dataclass(frozen=True, slots=True)
class StoreDelta:
    """What changed among a store's folders since a token; the same rules as Delta. Folders by path."""

    token: str
    full: bool
    folders: tuple[FolderInfo, ...]
    gone: tuple[str, ...]


class Usage(NamedTuple):
    """What a store holds."""

    messages: int
    size: int
    """Bytes of all messages as stored."""


class Footprint(NamedTuple):
    """What a store's messages take on disk. What is shared counts in shares, so that accounts can be added up."""

    physical: int
    """Bytes of the blocks allocated. A file with n names counts with an n-th at each; a database file is divided
    among its accounts by what their messages have to store."""
    saved: int
    """Bytes of messages that take no room since they are stored once for several: hard links in a Maildir (n names
    save n-1 sizes, an n-th of it at each), bodies shared in a database."""


class Omission(NamedTuple):
    """Something that lies in a store's place and is not shown as mail."""

    where: str
    """A folder's name in its one-string form, or the path of a file; '' is the store as a whole."""
    reason: str
    """One line for people: 'deleted in Thunderbird, not compacted away yet'."""
    messages: int | None = None
    """How many messages it is; None where that is not known, or it may be no mail at all."""
    damaged: bool = False
    """It should have been shown: something is broken, and mail may be missing."""


class Recovery(NamedTuple):
    """What ``recover`` found and did."""

    finished: int = 0
    """Interrupted operations completed."""
    undone: int = 0
    """Interrupted operations taken back."""
    removed: int = 0
    """Leftovers of staging older than 36 hours."""
