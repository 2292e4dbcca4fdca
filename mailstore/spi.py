"""The driver interface: the few verbs that a format implements. Users of the library see Store, Folder and Message.

A driver knows its format and nothing else: policy (copy, batches, quota, events, conversion) is written once above it.
Calls come from one thread at a time; the façade sees to it. A driver keeps no lock between calls, and no connection
or descriptor of its own crosses a fork unused: ``Shards`` and ``FreshFolder.add`` are what a forked child may call.

Every verb may raise StorageFull, StorageFailure, StoreBusy and CorruptStore besides the errors it names; a write on
a store that is not writable raises ReadOnlyStore.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from mailstore.model.caps import Capabilities, Joint
from mailstore.model.changes import (
    Append,
    Change,
    Delta,
    FolderInfo,
    FolderState,
    Footprint,
    Omission,
    Outcome,
    Recovery,
    SetState,
    Staged,
    StoreDelta,
    Token,
    Usage,
)
from mailstore.model.info import Arrival, Blob, Row
from mailstore.model.names import FolderPath
from mailstore.model.quota import FolderCount, QuotaRules


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


@runtime_checkable
class Cloning(Protocol):
    """Native shortcut ``clone``: stage copies of the store's own messages without copying bytes."""

    def clone(self, folder: FolderPath, uids: Sequence[int]) -> list[Staged]:
        """Stage each message with its own Meta (saved date cleared), in order.

        Raises:
            NoSuchMessage: one of them is gone; nothing stays staged.
        """
        ...


@runtime_checkable
class Adopting(Protocol):
    """Native shortcut ``adopt``: a message for several accounts is stored once."""

    def adopt(self, staged: Staged) -> Staged | None:
        """Stage a message that another open store of this format has staged, as one more name of the same file.

        ``staged`` stays its store's, to be committed or discarded there; either may come first. None where the two
        cannot share it: another owner, group, permission or file system, another format; nothing is staged then.
        """
        ...


class Part(NamedTuple):
    """One store's part of what is committed together."""

    driver: Driver
    changes: Sequence[Append]
    guard: Guard | None


class Together(Protocol):
    """Deliveries into several open stores with the same ``Joint.key``, staged and committed together, once.

    Calls come from one thread at a time, as those into the drivers.
    """

    def stage(self, driver: Driver, arrivals: Sequence[Arrival]) -> list[Staged]:
        """Stage as ``driver.stage`` does, for ``commit`` or ``driver.discard``, but for no other commit."""
        ...

    def commit(self, parts: Sequence[Part]) -> list[list[Outcome] | Exception]:
        """Commit as Driver.commit without UIDs does for each part, durable on return; each store comes once.

        Returns:
            of each part its outcomes, or the error that Driver.commit would raise. The trouble of one store is not
            another's, except where what they share is in trouble.
        """
        ...

    def close(self) -> None:
        """Release everything; may be called twice."""
        ...


@runtime_checkable
class Joining(Protocol):
    """Native shortcut ``join``: deliveries into several stores as one: one transaction, or the same barriers."""

    @property
    def joint(self) -> Joint | None:
        """What this store shares with others; None where it is open for reading only."""
        ...

    def together(self) -> Together:
        """Begin deliveries into this store and others that share ``joint``; closed by the caller."""
        ...


@runtime_checkable
class SpecialUse(Protocol):
    """Where Capabilities.special_use is true."""

    def set_special_use(self, path: FolderPath, special_use: str | None) -> None:
        r"""Set or clear a folder's RFC 6154 attribute (``\Sent``), durable on return."""
        ...


@runtime_checkable
class QuotaKeeping(Protocol):
    """A store that keeps its quota itself: rules beside the mail, and sums that cost no scan.

    The sums are the driver's duty: each of its changes enters them, whether anybody enforces a limit or not, since
    other programs that share the store rely on them (Maildir++ ``maildirsize``). Enforcing is done above the drivers.
    """

    def quota_rules(self) -> QuotaRules | None:
        """Return the rules kept with the store as they are now, None where it keeps none. At most a few stats or a row.

        Raises:
            CorruptStore: what is kept cannot be understood; the text names the file and what is wrong.
        """
        ...

    def set_quota_rules(self, rules: QuotaRules | None) -> None:
        """Keep other rules, or none; durable on return. The sums are made anew where they count otherwise now."""
        ...

    def quota_usage(self, rules: QuotaRules, *, sure: bool = False, messages: bool = True) -> Usage:
        """Return what counts by ``rules``, from the sums where they can be trusted, else by a scan that mends them.

        A guard may call it: inside the commit, under its locks, before the first change.

        Args:
            rules: whose way to count, and which folders.
            sure: the caller is about to refuse a message: sums that may have drifted are made anew first (Maildir++:
                those of more than one line, or of a file that nobody wrote to for 15 minutes). Without it they are
                believed.
            messages: the caller wants to know how many messages there are. False: it asks about bytes alone; where
                telling more takes a look at each message, and ``sure`` is false, the answer may leave the messages at
                0 and count bytes that do not count (mbox: the sizes of the files).
        """
        ...

    def recorded_quota(self) -> Usage | None:
        """Return the sums as they stand, trusted or not; None where there are none that can be read."""
        ...

    def count_quota(self) -> Iterator[FolderCount]:
        """Look at every message, folder by folder, without reading one where that can be; writes nothing.

        A message or folder that vanishes meanwhile is passed over.
        """
        ...

    def recalculate_quota(self, rules: QuotaRules) -> Usage:
        """Make the sums anew by a scan and return them. Safe while others deliver."""
        ...

    @property
    def quota_tally(self) -> Usage:
        """What this handle's own changes have added since it was opened; less is negative.

        By the opener's rules (``Settings.quota``), else those kept. Asked for where they name groups; without any it
        may stay at nothing.
        """
        ...

    def quota_note(self, name: str) -> str:
        """Return the small text kept with the store under ``name`` (letters and hyphens); '' where there is none."""
        ...

    def set_quota_note(self, name: str, text: str) -> None:
        """Keep a small text (up to 64 KiB), replaced as a whole; '' removes it. Durable on return."""
        ...


@runtime_checkable
class Measuring(Protocol):
    """A store that lies on a disk and can tell what it takes there."""

    def footprint(self) -> Footprint:
        """Return what the messages take on disk, of the folders as they are now; opens no message, writes nothing.

        What vanishes meanwhile is passed over.
        """
        ...


@runtime_checkable
class Omitting(Protocol):
    """A store in whose place may lie what it does not show as mail."""

    def omissions(self) -> list[Omission]:
        """Return what is left out, by folder and file, as of now; may read all messages once."""
        ...


@runtime_checkable
class TakingOver(Protocol):
    """A store in which several servers keep their bookkeeping, each in files of its own."""

    def take_over(self) -> list[tuple[FolderPath, int]]:
        """Write what other servers noted of UIDs, keywords, POP3 ids and subscriptions in the opened one's form.

        Durable on return, and nothing where it was done before. The others' files stay as they are.

        Returns:
            Each folder with the number of its messages.
        """
        ...


class FreshFolder(Protocol):
    """A folder filled out of sight and published by one step."""

    def add(self, arrivals: Sequence[Arrival]) -> list[object]:
        """Store messages in order; returns one small picklable receipt for each. May run in a forked child."""
        ...

    def publish(self, receipts: Sequence[object], state: SetState | None) -> list[int]:
        """Make the folder visible with the messages of ``receipts`` in that order, all durable; returns their UIDs.

        Hints of the arrivals are honoured where they grow; ``state`` as in SetState.

        Raises:
            FolderExists: the folder got messages meanwhile; nothing was published.
        """
        ...

    def discard(self) -> None:
        """Remove what was filled; may be called twice and after ``publish``."""
        ...


@runtime_checkable
class FreshFolders(Protocol):
    """Native shortcut ``fresh``."""

    def fresh(self, path: FolderPath) -> FreshFolder | None:
        """Begin a folder that does not exist yet, or is empty and never showed a UID; None for any other."""
        ...

    @property
    def parallel_fresh(self) -> bool:
        """Whether ``FreshFolder.add`` may run in forked children side by side."""
        ...


@runtime_checkable
class Shards(Protocol):
    """Native shortcut ``shard`` of a FolderDriver: read parts of the listing in forked children."""

    def shards(self, count: int) -> list[object]:
        """Split the folder as it is now into at most ``count`` picklable parts of about equal bytes, in order."""
        ...

    def read_shard(self, shard: object, want: int) -> Iterator[list[Row]]:
        """Return the part's rows as ``changes(None, want)`` would, by ascending position.

        Where no UID is recorded ``uid`` is 0 and ``key`` is only unique within the part.
        """
        ...


class Hold(NamedTuple):
    """Other programs are kept from changing a store."""

    gaps: str
    """Who is not kept out, for people; '' where all that take the format's locks wait."""
    refresh: Callable[[], None]
    """Show that the locks' owner is alive: to be called every few seconds. StoreBusy: one of them was taken away."""


@runtime_checkable
class Holding(Protocol):
    """Native shortcut ``hold``: keep other programs from changing the store for a while, by the locks of its format."""

    def hold(self, paths: Sequence[FolderPath]) -> AbstractContextManager[Hold]:
        """Hold the locks of these folders for the block. Reading through this driver goes on; it must not write.

        Open read-only it may: lock files are all that appears, and they go at the end.

        Raises:
            StoreBusy: another program held one of them all of ``lock_timeout``.
            CannotCreate, ReadOnlyStore: there can be no lock.
        """
        ...


Concern = FolderPath | Literal["listing", "everything"] | None
"""What a change hints at: one folder's messages, the list of folders and subscriptions, all of it, or nothing."""


class WatchPoint(NamedTuple):
    """A directory whose changes hint at changes of the store. A store names a directory once."""

    directory: str
    """Absolute path."""
    concern: Callable[[str], Concern]
    """What an entry's name hints at; '' stands for the directory as a whole."""
    contents: bool = False
    """Whether writes into files there count, not only names that come and go."""


@runtime_checkable
class Watchable(Protocol):
    """A store that says where to look for changes. One that does not is looked at by the clock."""

    @property
    def keys_travel(self) -> bool:
        """Whether a message that moves keeps its Row.key, and no other message of the store has it."""
        ...

    def watch_points(self) -> list[WatchPoint]:
        """Return where to listen as of now; asked again whenever the list of folders changes."""
        ...

    def look_together(self) -> AbstractContextManager[set[FolderPath]]:
        """Let many folders be asked with few commits.

        Within the block what FolderDriver.changes finds (new UIDs, modseqs) need not be made lasting; at its end it is.
        The set given holds, after the block, folders whose answers are void, since another process was quicker: they
        are asked again. Nothing that was answered may be shown before the end of the block.

        Raises:
            StoreBusy: at the end: all that was answered is void.
        """
        ...

    def folder_tokens(self) -> Mapping[FolderPath, Token] | None:
        """Return where all folders stand, where one question tells; None where each must be asked."""
        ...
