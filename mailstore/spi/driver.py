"""The driver interface: the few verbs that a format implements. Users of the library see Store, Folder and Message.

A driver knows its format and nothing else: policy (copy, batches, quota, events, conversion) is written once above it.
Calls come from one thread at a time; the façade sees to it. A driver keeps no lock between calls, and no connection
or descriptor of its own crosses a fork unused: ``Shards`` and ``FreshFolder.add`` are what a forked child may call.

Every verb may raise StorageFull, StorageFailure, StoreBusy and CorruptStore besides the errors it names; a write on
a store that is not writable raises ReadOnlyStore.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from mailstore.model.caps import Capabilities
from mailstore.model.changes import (
    Change,
    Delta,
    FolderInfo,
    FolderState,
    Outcome,
    Recovery,
    Staged,
    StoreDelta,
    Token,
    Usage,
)
from mailstore.model.info import Arrival, Blob, Row
from mailstore.model.names import FolderPath
from mailstore.model.quota import QuotaRules


@dataclass(frozen=True, slots=True)
class Location:
    """Where a store is: ``format:path?option=value``. ``path`` is absolute where it names a file."""

    format: str
    path: str
    options: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        options = "&".join(f"{name}={value}" for name, value in self.options.items())
        return f"{self.format}:{self.path}" + (f"?{options}" if options else "")


@dataclass(frozen=True, slots=True)
class Settings:
    """How the opener wants a store.

    Attributes:
        readonly: nothing at the location is written, not a byte, not an mtime; no index beside it.
        create: make the store where there is none; with an existing one it is simply opened.
        folders: a store made now is to hold folders besides INBOX; only a format that has a form with INBOX alone
            (one mbox file, or a tree of them) asks.
        index: where a file format's index lives: ``beside`` the store, in the user's ``state`` directory, in
            ``memory``, at an absolute path, or ``auto``: memory when read-only, else beside where the directory
            allows it and is not a shared spool, else state. An index is a cache plus modseqs; losing it loses no mail.
        lock_timeout: seconds to wait for a lock before StoreBusy.
        mask: native shortcuts to do without.
        quota: rules that the opener brings: they hold instead of those kept with the store (``quota_tally``).
    """

    readonly: bool = False
    create: bool = False
    folders: bool = False
    index: str = "auto"
    lock_timeout: float = 300.0
    mask: frozenset[str] = frozenset()
    quota: QuotaRules | None = None


class Format(Protocol):
    """What the entry-point group ``mailstore.drivers`` names: a format's way in."""

    @property
    def name(self) -> str:
        """The name before the colon of a location."""
        ...

    @property
    def options(self) -> frozenset[str]:
        """The options its locations may carry; any other is a LocationError before ``open`` is called."""
        ...

    def detect(self, path: str) -> str | None:
        """Say why what is at ``path`` is a store of this format ('directories cur, new, tmp'), or None.

        Opens nothing for writing.
        """
        ...

    def open(self, location: Location, settings: Settings) -> Driver:
        """Open the store.

        Raises:
            NoSuchStore: nothing is there and ``settings.create`` is false.
            NotAStore: something is there and it is not this.
            CannotCreate: it was to be made and could not be.
            LocationError: an option's value makes no sense.
        """
        ...


@runtime_checkable
class Shared(Protocol):
    """A Format in whose stores several accounts can share one place."""

    def accounts(self, location: Location, settings: Settings) -> list[Location]:
        """Return a location for each account at ``location``, by name; ``settings`` are for reading alone.

        Raises: as ``Format.open``.
        """
        ...


Guard = Callable[[Sequence[Change]], None]
"""Called inside a commit, under its locks, before the first change; raising leaves everything as it was."""


class Driver(Protocol):
    """An open store: one account's tree of folders."""

    @property
    def capabilities(self) -> Capabilities:
        """What it keeps, with the masked shortcuts left out of ``native``."""
        ...

    @property
    def evidence(self) -> tuple[str, ...]:
        """What the format, layout and dialect were recognised by, one fact a line, for ``mstore info``."""
        ...

    def changes(self, since: str | None) -> StoreDelta:
        """Return folders created, renamed or changed since ``since``, or all of them. INBOX is always among all.

        A driver without that history answers with the full listing whenever the token differs.
        """
        ...

    def create(self, path: FolderPath) -> FolderInfo:
        """Make a folder, durable on return; missing parents come about as the format likes.

        Raises:
            FolderExists: it is there already.
            InvalidFolderName: the format cannot spell it, by any escape.
            Unsupported: the format holds INBOX alone.
        """
        ...

    def rename(self, old: FolderPath, new: FolderPath) -> None:
        """Rename a folder with all below it, durable and all-or-nothing after ``recover``. Ids stay, UIDs stay.

        INBOX is not renamed here (RFC 9051: its messages move; the façade does that).

        Raises:
            NoSuchFolder: no ``old``.
            FolderExists: ``new`` is there.
            InvalidFolderName: ``new`` lies below ``old``, or one of them is INBOX.
        """
        ...

    def delete(self, path: FolderPath) -> None:
        """Delete a folder and its messages; folders below it stay. Durable on return. INBOX cannot be deleted.

        Raises:
            NoSuchFolder: it is not there.
            InvalidFolderName: it is INBOX.
        """
        ...

    def subscribe(self, path: FolderPath, subscribed: bool) -> None:
        """Set or clear a subscription; may be called twice; the folder need not exist.

        Raises:
            Unsupported: the format keeps none.
        """
        ...

    def folder(self, path: FolderPath) -> FolderDriver:
        """Return the folder's driver. INBOX exists always.

        Raises:
            NoSuchFolder: it is not there or holds no messages.
        """
        ...

    def usage(self) -> Usage:
        """Count messages and bytes of the whole store."""
        ...

    def canonical(self, body: bytes) -> bytes:
        """Return what reading gives after ``body`` was appended: pure, idempotent, identity where ``exact``."""
        ...

    def stage(self, arrivals: Sequence[Arrival]) -> list[Staged]:
        """Take messages in: stored where readers do not look, no lock held. One Staged for each, in order.

        What was staged and neither committed nor discarded is removed by ``recover`` after 36 hours. When it
        raises, nothing stays staged.

        Raises:
            MessageTooLarge: see Capabilities.max_message.
        """
        ...

    def discard(self, staged: Sequence[Staged]) -> None:
        """Drop staged messages; those committed or dropped before are passed over."""
        ...

    def commit(self, changes: Sequence[Change], *, guard: Guard | None = None, need_uids: bool = True) -> list[Outcome]:
        """Carry out ``changes`` in order, over any folders, under the format's locks; durable on return.

        One Outcome for each. It raises only where nothing was changed; where some changes are durable already, the
        one that failed and all after it come back as ``failed`` with the error. A message's contents are on disk
        before its name is visible. ``need_uids=False`` lets Appends go without UIDs where that spares a lock.
        A successful Append uses its Staged up.

        Raises:
            NoSuchFolder: a change names a folder that is not there (found before anything is written).
        """
        ...

    def resolve(self, keys: Sequence[bytes]) -> dict[bytes, tuple[FolderPath, int]]:
        """Return folder and UID of the idempotency keys that are stored."""
        ...

    def recover(self) -> Recovery:
        """Finish or undo what a crash left half done; remove stale staging. Called at a writable open;."""
        ...

    def close(self) -> None:
        """Release everything; may be called twice. What was committed is safe without it."""
        ...


class FolderDriver(Protocol):
    """One folder of an open store."""

    def state(self) -> FolderState:
        """Return the counters as of now, with other programs' changes taken in."""
        ...

    def changes(self, since: Token | None, want: int) -> Delta:
        """Return what changed since ``since`` (None: everything), taking in other programs' changes.

        ``want`` is an or of the field bits of mailstore.model.info. Never moves mail or changes a flag.
        """
        ...

    def fetch(self, uids: Sequence[int], want: int) -> Iterator[list[Row]]:
        """Return rows in the order asked; a message that is gone is a row with NoSuchMessage as ``error``."""
        ...

    def open(self, uid: int) -> Blob:
        """Return a message's exact bytes; reading a part of them does not read the whole.

        Raises:
            NoSuchMessage: it is gone.
            UnreadableMessage: it is there and cannot be read.
        """
        ...
