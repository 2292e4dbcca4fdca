"""Stores that are kept open between deliveries.

The problem. Opening a store costs more than a delivery; a server with a store open for each of its users runs out of
descriptors; and an administrator may remove a mailbox, or put another in its place, while it is open: mail that goes
into the old one is gone.

The solution. The stores used last stay open, up to a number. Before each use the path is looked at: where it leads to
another file than the one opened (device and inode), the store is opened anew. A store in use is closed when its last
user lets go of it.
"""

from __future__ import annotations

import os
import resource
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache

from mailstore.model.caps import Joint
from mailstore.model.quota import QuotaRules
from mailstore.registry import parse_location
from mailstore.store import Store, open_store

Identity = tuple[int, int] | None

FEWEST, MOST = 64, 512
"""Between these is the number of stores that stay open, as descriptors allow."""
_DESCRIPTORS = 4
"""What an open store may hold: a database with its ``-wal`` and ``-shm``, and one to spare."""
_OTHERS = 100
"""Descriptors for everything but stores and connections."""


class Opened:
    """An open store and who it is; ``store`` is for whoever ``Stores.acquire`` gave it to."""

    __slots__ = ("_store", "identity", "joint", "location", "lock", "users", "wanted")

    def __init__(self, location: str) -> None:
        self.location = location
        self.lock = threading.Lock()
        self.users = 0
        self.wanted = True
        self.identity: Identity = None
        self.joint: Joint | None = None
        """What it shares with other stores; None before it was opened, or where it is nothing."""
        self._store: Store | None = None

    @property
    def store(self) -> Store:
        """The store; open as long as it is acquired."""
        assert self._store is not None
        return self._store

    @property
    def is_open(self) -> bool:
        """Whether it was opened, and not closed."""
        return self._store is not None

    def open(
        self,
        create: bool,
        folders: bool,
        lock_timeout: float,
        quota: QuotaRules | None = None,
        attend: Callable[[Store], None] | None = None,
    ) -> None:
        """Open it; arguments and errors are those of mailstore.open_store; ``attend`` gets it first."""
        store = open_store(self.location, create=create, folders=folders, lock_timeout=lock_timeout, quota=quota)
        if attend is not None:
            attend(store)
        self._store = store
        self.identity = identity_of(path_of(self.location))
        joining = store.joining
        self.joint = None if joining is None else joining.joint

    def close(self) -> None:
        """Close it; may be called twice."""
        store, self._store = self._store, None
        if store is not None:
            store.close()


@lru_cache(maxsize=10_000)
def path_of(location: str) -> str:
    """Return the path that a location names.

    Raises:
        LocationError, NoSuchStore, NotAStore, AmbiguousLocation: see mailstore.parse_location.
    """
    return parse_location(location).path


def identity_of(path: str) -> Identity:
    """Return device and inode of what ``path`` leads to; None where there is nothing."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def may_be_unmounted(path: str) -> bool:
    """Tell whether the directory that is nearest above ``path``, where nothing is, holds nothing at all.

    So looks the place of a file system that is not mounted: who had mail there is not known.
    """
    above = os.path.dirname(path)
    while not os.path.lexists(above):
        above = os.path.dirname(above)
    try:
        with os.scandir(above) as entries:
            return next(entries, None) is None
    except OSError:
        return False


def most_open(connections: int) -> int:
    """Return how many stores can stay open beside ``connections``, by this process's limit of descriptors."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return MOST
    return min(max((limit - connections - _OTHERS) // _DESCRIPTORS, FEWEST), MOST)


class Stores:
    """Open stores by location; for use from several threads.

    Args:
        create: make stores that are not there.
        folders: those made are to hold folders besides INBOX.
        lock_timeout: seconds to wait for another program's lock.
        most: how many that nobody uses stay open.
        quota: rules that hold instead of those kept with each store.
        attend: called with each store that is opened.
    """

    def __init__(
        self,
        *,
        create: bool = False,
        folders: bool = False,
        lock_timeout: float = 60.0,
        most: int = FEWEST,
        quota: QuotaRules | None = None,
        attend: Callable[[Store], None] | None = None,
    ) -> None:
        self._create = create
        self._folders = folders
        self._lock_timeout = lock_timeout
        self._quota = quota
        self._attend = attend
        self._most = most
        self._lock = threading.Lock()
        self._opened: OrderedDict[str, Opened] = OrderedDict()

    def acquire(self, location: str) -> Opened:
        """Return the store at ``location``, open; give it to ``release`` afterwards.

        Raises:
            MailstoreError: see mailstore.open_store.
        """
        while True:
            with self._lock:
                found = self._opened.get(location)
                if found is None:
                    found = self._opened[location] = Opened(location)
                self._opened.move_to_end(location)
                found.users += 1
            try:
                with found.lock:
                    if not found.is_open:
                        found.open(self._create, self._folders, self._lock_timeout, self._quota, self._attend)
                        return found
                if found.identity == identity_of(path_of(location)):
                    return found
            except BaseException:
                self._drop(found)
                raise
            self._drop(found)

    def joint(self, location: str) -> Joint | None:
        """Return what the store at ``location`` shares with others, as far as it is open; no look at the disk."""
        with self._lock:
            found = self._opened.get(location)
            return None if found is None else found.joint

    def release(self, opened: Opened) -> None:
        """Let go of a store; it stays open for the next, as far as there is room."""
        closing = []
        with self._lock:
            opened.users -= 1
            if not opened.wanted and opened.users == 0:
                closing.append(opened)
            if len(self._opened) > self._most:
                idle = [one for one in self._opened.values() if one.users == 0]
                for one in idle[: max(len(idle) - self._most, 0)]:
                    del self._opened[one.location]
                    closing.append(one)
        for one in closing:
            one.close()

    def _drop(self, opened: Opened) -> None:
        """Let go of a store that nobody shall get any more."""
        with self._lock:
            opened.wanted = False
            if self._opened.get(opened.location) is opened:
                del self._opened[opened.location]
        self.release(opened)

    @contextmanager
    def use(self, location: str) -> Iterator[Store]:
        """Give the open store at ``location`` for a while; errors as ``acquire``."""
        opened = self.acquire(location)
        try:
            yield opened.store
        finally:
            self.release(opened)

    def close(self) -> None:
        """Close all that nobody uses."""
        with self._lock:
            idle = [one for one in self._opened.values() if one.users == 0]
            for one in idle:
                del self._opened[one.location]
        for one in idle:
            one.close()
