"""What a driver may do besides its duties: native shortcuts, each with a way that does without, and what only some can.

The façade looks for each once, when it opens a store; tests mask the shortcuts (``Settings.mask``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from mailstore.model.caps import Joint
from mailstore.model.changes import (
    Append,
    Footprint,
    Omission,
    Outcome,
    SetState,
    Staged,
    Token,
    Usage,
)
from mailstore.model.info import Arrival, Row
from mailstore.model.names import FolderPath
from mailstore.model.quota import FolderCount, QuotaRules
from mailstore.spi.driver import Driver, Guard


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
