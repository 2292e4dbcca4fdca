"""A store, as its users see it, and the way to open one."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from mailstore import registry
from mailstore.errors import FolderExists, InvalidFolderName, NoSuchFolder, Unsupported, UsageError
from mailstore.folder import Folder
from mailstore.model.caps import NATIVE_SHORTCUTS, Capabilities
from mailstore.model.changes import (
    Append,
    Change,
    FolderInfo,
    Footprint,
    Omission,
    Outcome,
    Recovery,
    Staged,
    StoreDelta,
    Usage,
)
from mailstore.model.info import Arrival
from mailstore.model.names import INBOX, FolderPath
from mailstore.model.quota import QuotaRules
from mailstore.model.specialuse import SPECIAL_USES, guess_special_use
from mailstore.quota.account import Quota
from mailstore.spi import (
    Adopting,
    Cloning,
    Driver,
    FreshFolders,
    Guard,
    Holding,
    Joining,
    Location,
    Measuring,
    Omitting,
    Part,
    Settings,
    SpecialUse,
    TakingOver,
)

if TYPE_CHECKING:
    from mailstore.watch import Watch

_T = TypeVar("_T")


def open_store(
    location: str | os.PathLike[str],
    *,
    create: bool = False,
    folders: bool = False,
    readonly: bool = False,
    index: str = "auto",
    lock_timeout: float = 300.0,
    mask: Iterable[str] = (),
    quota: QuotaRules | None = None,
    **options: str,
) -> Store:
    """Open a mail store.

    Args:
        location: ``format:path?option=value``, a URL, or a path, which is looked at (see mailstore.parse_location).
        create: make the store where there is none.
        folders: where it is made now, it is to hold folders besides INBOX: mbox becomes a tree instead of a file.
        readonly: change nothing there, not a byte, not an mtime.
        index: where a file format's index lives (see mailstore.spi.Settings).
        lock_timeout: seconds to wait for another program's lock.
        mask: native shortcuts to do without (see NATIVE_SHORTCUTS in mailstore.model.caps); results are the same.
        quota: rules that hold instead of those kept with the store (a delivery agent with one file for all).
        options: options of the location, added to those it carries.

    Raises:
        LocationError: the location cannot be understood, or has an unknown option.
        UsageError: settings that make no sense together.
        NoSuchStore: nothing is there and ``create`` is false.
        NotAStore: something is there, and it is no mail store (of that format).
        AmbiguousLocation: a bare path that can be read in several ways.
        CannotCreate: it was to be made and could not be.
        CorruptStore, StoreBusy, StorageFailure: it is there and cannot be opened.
    """
    masked = frozenset(mask)
    if masked - NATIVE_SHORTCUTS:
        raise UsageError(f"no native shortcut is called {min(masked - NATIVE_SHORTCUTS)!r}")
    if readonly and create:
        raise UsageError("a store cannot be created read-only")
    found = registry.parse_location(os.fspath(location))
    if options:
        found = Location(found.format, found.path, {**found.options, **options})
    settings = Settings(
        readonly=readonly,
        create=create,
        folders=folders,
        index=index,
        lock_timeout=lock_timeout,
        mask=masked,
        quota=quota,
    )
    return Store(found, registry.open_driver(found, settings), quota)


class Store:
    """An open store: one account's tree of folders. A context manager; safe to use from several threads.

    Every method may raise StoreBusy, StorageFull, StorageFailure, CorruptStore, and, where it changes something,
    ReadOnlyStore; a method that changes something returns when the change is durable. Folder names are FolderPath
    or text as FolderPath.parse reads it.
    """

    def __init__(self, location: Location, driver: Driver, quota: QuotaRules | None = None) -> None:
        self.location = location
        self.driver = driver
        self.lock = threading.RLock()
        """Held during each call into the driver; take it to make several calls one for other threads."""
        self.quota = Quota(driver, self.lock, quota)
        """What the account may hold, and what it holds."""
        native = driver.capabilities.native
        self.clone: Callable[[FolderPath, Sequence[int]], list[Staged]] | None = None
        """The native shortcut ``clone``, or None."""
        if "clone" in native and isinstance(driver, Cloning):
            self.clone = driver.clone
        self.adopt: Callable[[Staged], Staged | None] | None = None
        """The native shortcut ``adopt``, or None; call it holding ``lock``."""
        if "adopt" in native and isinstance(driver, Adopting):
            self.adopt = driver.adopt
        self.joining: Joining | None = None
        """The native shortcut ``join``, or None; see mailstore.together."""
        if "join" in native and isinstance(driver, Joining):
            self.joining = driver
        self.holding: Holding | None = None
        """The native shortcut ``hold``, or None."""
        if "hold" in native and isinstance(driver, Holding):
            self.holding = driver
        self.fresh_folders: FreshFolders | None = None
        """The native shortcut ``fresh``, or None."""
        if "fresh" in native and isinstance(driver, FreshFolders):
            self.fresh_folders = driver
        self._special_use = driver if isinstance(driver, SpecialUse) else None
        self._measuring = driver if isinstance(driver, Measuring) else None
        self._taking_over = driver if isinstance(driver, TakingOver) else None
        self._omitting = driver if isinstance(driver, Omitting) else None
        self._watches: list[Watch] = []
        self._closed = False

    def __repr__(self) -> str:
        return f"<Store {self.location}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release files and connections; may be called twice. What was committed is durable without it."""
        with self.lock:
            if not self._closed:
                self._closed = True
                for watch in list(self._watches):
                    watch.close()
                self.quota.settle()
                self.driver.close()

    @property
    def capabilities(self) -> Capabilities:
        """What the store keeps."""
        return self.driver.capabilities

    @property
    def evidence(self) -> tuple[str, ...]:
        """What its format was recognised by."""
        return self.driver.evidence

    # -- folders

    def folders(self) -> list[FolderInfo]:
        """Return all folders, INBOX first, then by path; with virtual parents and subscriptions without a folder.

        A special use that the store does not record is told from well-known names (Sent, Drafts, Trash …).
        """
        infos = sorted(self.changes(None).folders, key=lambda info: (not info.path.is_inbox, info.path))
        return infos if self.capabilities.special_use else guess_special_use(infos)

    def changes(self, since: str | None = None) -> StoreDelta:
        """Return what changed among the folders since a token; None gives all of them."""
        with self.lock:
            return self.driver.changes(since)

    def folder(self, path: FolderPath | str, *, create: bool = False) -> Folder:
        """Return a folder.

        Args:
            path: its name.
            create: make it where it is not there.

        Raises:
            NoSuchFolder: it is not there, or is a virtual parent.
            InvalidFolderName: no folder can have that name.
            QuotaExceeded: it is to be made, and there are as many folders as there may be.
        """
        path = _path(path)
        with self.lock:
            try:
                return Folder(self, path)
            except NoSuchFolder:
                if not create:
                    raise
            self.quota.check_new_folder()
            with suppress(FolderExists):  # another process was faster
                self.driver.create(path)
                self._restructured("created", path)
            return Folder(self, path)

    @property
    def inbox(self) -> Folder:
        """The folder INBOX, which is always there."""
        return self.folder(INBOX)

    def create(self, path: FolderPath | str, *, special_use: str | None = None) -> Folder:
        r"""Make a folder.

        Args:
            path: its name; missing parents come about as virtual ones or as real folders, as the format likes.
            special_use: RFC 6154 attribute such as ``\Sent``.

        Raises:
            FolderExists: it is there.
            InvalidFolderName: no folder can have that name.
            Unsupported: the format holds INBOX alone, or no special use.
            QuotaExceeded: there are as many folders as there may be.
        """
        path = _path(path)
        with self.lock:
            if special_use is not None:
                self._check_special_use(special_use)
            self.quota.check_new_folder()
            self.driver.create(path)
            self._restructured("created", path)
            if special_use is not None:
                self.set_special_use(path, special_use)
            return Folder(self, path)

    def rename(self, old: FolderPath | str, new: FolderPath | str) -> None:
        """Rename a folder and all below it; UIDs and ids stay. Subscriptions stay with the old names (RFC 9051 6.3.6).

        Renaming INBOX moves its messages to the new folder and leaves INBOX empty.

        Raises:
            NoSuchFolder: no ``old``.
            FolderExists: ``new`` is there.
            InvalidFolderName: ``new`` lies below ``old``, or is INBOX.
        """
        old, new = _path(old), _path(new)
        with self.lock:
            if not old.is_inbox:
                self.driver.rename(old, new)
                self._restructured("renamed", old, new)
                self.quota.settle()
                return
            if new.is_inbox:
                raise InvalidFolderName("INBOX is called INBOX already", folder="INBOX")
            inbox = self.inbox
            inbox.move([row.uid for row in inbox.rows(0) if row.error is None], self.create(new))

    def delete(self, path: FolderPath | str) -> None:
        """Delete a folder with its messages; folders below it stay.

        Raises:
            NoSuchFolder: it is not there.
            InvalidFolderName: it is INBOX.
        """
        with self.lock:
            self.driver.delete(_path(path))
            self._restructured("deleted", _path(path))
            self.quota.settle()
        self.quota.tell()

    def subscribe(self, path: FolderPath | str) -> None:
        """Subscribe to a folder, which need not exist; may be called twice.

        Raises:
            Unsupported: the format keeps no subscriptions.
        """
        with self.lock:
            self.driver.subscribe(_path(path), True)
            self._restructured("subscribed", _path(path))

    def unsubscribe(self, path: FolderPath | str) -> None:
        """Take a subscription back; may be called twice."""
        with self.lock:
            self.driver.subscribe(_path(path), False)
            self._restructured("unsubscribed", _path(path))

    def set_special_use(self, path: FolderPath | str, special_use: str | None) -> None:
        r"""Set or clear a folder's RFC 6154 attribute.

        Raises:
            Unsupported: the format keeps none; it is then told from the folder's name.
            UsageError: not one of the attributes of RFC 6154 and 8457.
            NoSuchFolder: it is not there.
        """
        with self.lock:
            if special_use is not None:
                self._check_special_use(special_use)
            if self._special_use is None:
                raise Unsupported(f"{self.capabilities.format} keeps no special use", capability="special_use")
            self._special_use.set_special_use(_path(path), special_use)

    def _check_special_use(self, special_use: str) -> None:
        if special_use not in SPECIAL_USES:
            raise UsageError(f"{special_use!r} is no special use; there are: {', '.join(sorted(SPECIAL_USES))}")
        if not self.capabilities.special_use:
            raise Unsupported(f"{self.capabilities.format} keeps no special use", capability="special_use")

    # -- messages, in bulk: the driver's verbs

    def usage(self) -> Usage:
        """Count messages and bytes of all folders."""
        with self.lock:
            return self.driver.usage()

    def footprint(self) -> Footprint | None:
        """Return what the messages take on disk; None where the format cannot tell. It may look at every file."""
        if self._measuring is None:
            return None
        with self.lock:
            return self._measuring.footprint()

    def take_over(self) -> list[tuple[FolderPath, int]]:
        """Write in place what another server noted in files of its own, for the server that the store is opened for.

        UIDVALIDITY, UIDs, keywords, POP3 unique ids and subscriptions: clients of the next server notice nothing.

        Returns:
            Each folder with the number of its messages.

        Raises:
            Unsupported: all servers share one form in this format; there is nothing to do.
        """
        if self._taking_over is None:
            raise Unsupported(
                f"{self.location.format} keeps its bookkeeping in one form for all servers: nothing need be taken over",
                capability="take-over",
            )
        with self.lock:
            return self._taking_over.take_over()

    def omissions(self) -> list[Omission]:
        """Return what lies in the store's place and is not shown as mail, with the reason; may read all messages."""
        if self._omitting is None:
            return []
        with self.lock:
            return self._omitting.omissions()

    def stage(self, arrivals: Sequence[Arrival]) -> list[Staged]:
        """Take messages in, invisible until committed (see mailstore.spi.Driver.stage)."""
        with self.lock:
            return self.driver.stage(arrivals)

    def discard(self, staged: Sequence[Staged]) -> None:
        """Drop staged messages; may be called twice."""
        with self.lock:
            self.driver.discard(staged)

    def commit(self, changes: Sequence[Change], *, guard: Guard | None = None, need_uids: bool = True) -> list[Outcome]:
        """Carry out changes in order, durable on return (see mailstore.spi.Driver.commit), within the quota.

        Raises:
            QuotaExceeded, MessageTooLarge: the quota does not allow them; nothing was changed.
        """
        with self.lock:
            outcomes = self.quota.commit(changes, guard, need_uids=need_uids)
            for watch in self._watches:
                watch.committed(changes, outcomes)
        self.quota.tell()
        return outcomes

    def part(self, changes: Sequence[Append]) -> Part:
        """Return deliveries as this store's part of a joint commit (see mailstore.together), under ``lock``.

        Raises:
            QuotaExceeded, MessageTooLarge: the quota does not allow them.
        """
        return Part(self.driver, changes, self.quota.guard(changes))

    def resolve(self, keys: Sequence[bytes]) -> dict[bytes, tuple[FolderPath, int]]:
        """Return folder and UID of those idempotency keys that are stored."""
        with self.lock:
            return self.driver.resolve(keys)

    def canonical(self, body: bytes) -> bytes:
        """Return what reading gives after ``body`` was appended; ``body`` itself where Capabilities.exact."""
        return self.driver.canonical(body)

    def recover(self) -> Recovery:
        """Finish or undo what a crash left half done; happens at every writable open by itself."""
        with self.lock:
            return self.driver.recover()

    def watch(
        self,
        folders: Iterable[FolderPath | str] | None = None,
        *,
        since: str | None = None,
        own: bool = True,
        latency: float = 0.05,
        polling: bool = False,
    ) -> Watch:
        """Follow what changes, whoever changes it: typed events, none lost (see mailstore.watch).

        Args:
            folders: which ones; None is all, those too that come about later.
            since: a ``Watch.token``: begin with what changed since then; '' is the token of who knows nothing yet: all
                that is there is told first, as if it came now. Without it the watch begins now.
            own: tell of changes too that are made through this store object.
            latency: seconds that a change may wait for others while many come.
            polling: look by the clock and use no inotify (mail on NFS that other machines change).

        Raises:
            UsageError: ``since`` is no token.
            StoreBusy: another program is at work in a folder that is to be listed.
        """
        from mailstore.watch import Watch  # late: a delivery does without
        from mailstore.watch.source import Source
        from mailstore.watch.token import read_token
        from mailstore.watch.usage import QuotaWatch

        points = None if since is None else read_token(since)
        chosen = None if folders is None else [_path(path) for path in folders]
        source = Source(self.driver, self.lock)
        watch = Watch(
            source,
            quota=QuotaWatch(self.quota) if chosen is None else None,
            folders=chosen,
            own=own,
            latency=latency,
            polling=polling,
            on_close=self._unwatch,
        )
        with self.lock:
            self._watches.append(watch)  # before it lists what is there: a commit after that is known for our own
        try:
            watch.begin(points)
        except BaseException:
            watch.close()
            raise
        return watch

    def _unwatch(self, watch: Watch) -> None:
        with self.lock:
            if watch in self._watches:
                self._watches.remove(watch)

    def _restructured(self, what: str, *paths: FolderPath) -> None:
        for watch in self._watches:
            watch.restructured(what, *paths)

    def locked(self, batches: Iterator[_T]) -> Iterator[_T]:
        """Yield from a driver's iterator, holding the lock only while it works."""
        while True:
            with self.lock:
                batch = next(batches, None)
            if batch is None:
                return
            yield batch


def _path(path: FolderPath | str) -> FolderPath:
    return path if isinstance(path, FolderPath) else FolderPath.parse(path)
