"""The same stores for asyncio: a thin wrapper that runs each call in the store's one worker thread.

Mail files and databases block, so the library is synchronous at heart; here every method is a coroutine and every
listing an asynchronous iterator, with the names, arguments, results and errors of mailstore.Store, Folder and
Message. Calls into one store run one after another in the order they were awaited; different stores run side by side.
"""

from __future__ import annotations

import asyncio
import builtins
import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from types import TracebackType
from typing import BinaryIO, ParamSpec, Self, TypeVar

from mailstore.folder import Appended, FlagsResult, Folder
from mailstore.message import Message
from mailstore.model.caps import Capabilities
from mailstore.model.changes import Change, FolderInfo, FolderState, Outcome, Recovery, StoreDelta, Token, Usage
from mailstore.model.flags import RECENT
from mailstore.model.info import META, SIZE, Arrival, Blob, Row
from mailstore.model.names import INBOX, FolderPath
from mailstore.model.quota import QuotaRules
from mailstore.spi import Guard, Location
from mailstore.store import Store
from mailstore.store import open_store as _open_store
from mailstore.transfer import UidMap
from mailstore.watch import Event, Watch

_P = ParamSpec("_P")
_T = TypeVar("_T")


async def open_store(
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
) -> AsyncStore:
    """Open a mail store; see mailstore.open_store."""
    worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="mailstore")

    def opened() -> Store:
        return _open_store(
            location,
            create=create,
            folders=folders,
            readonly=readonly,
            index=index,
            lock_timeout=lock_timeout,
            mask=mask,
            quota=quota,
            **options,
        )

    try:
        store = await asyncio.get_running_loop().run_in_executor(worker, opened)
    except BaseException:
        worker.shutdown(wait=False)
        raise
    return AsyncStore(store, worker)


class AsyncStore:
    """See mailstore.Store. An asynchronous context manager."""

    def __init__(self, store: Store, executor: ThreadPoolExecutor) -> None:
        self.store = store
        """The synchronous store behind; it may be used from other threads at the same time."""
        self._executor = executor
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """See Store.close; ends the worker thread. May be called twice."""
        if not self._closed:
            self._closed = True
            await self.run(self.store.close)
            self._executor.shutdown(wait=False)

    async def run(self, call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run any call in the store's thread and return its result; for several calls as one, pass a function."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, lambda: call(*args, **kwargs))

    async def each(self, iterate: Callable[[], Iterator[_T]], batch: int = 200) -> AsyncIterator[_T]:
        """Yield from an iterator that is made and advanced in the store's thread, ``batch`` items a turn."""
        iterator = await self.run(iterate)
        while items := await self.run(lambda: list(islice(iterator, batch))):
            for item in items:
                yield item

    @property
    def location(self) -> Location:
        """See Store.location."""
        return self.store.location

    @property
    def capabilities(self) -> Capabilities:
        """See Store.capabilities."""
        return self.store.capabilities

    async def folders(self) -> list[FolderInfo]:
        """See Store.folders."""
        return await self.run(self.store.folders)

    async def changes(self, since: str | None = None) -> StoreDelta:
        """See Store.changes."""
        return await self.run(self.store.changes, since)

    async def folder(self, path: FolderPath | str, *, create: bool = False) -> AsyncFolder:
        """See Store.folder."""
        return AsyncFolder(await self.run(self.store.folder, path, create=create), self)

    async def inbox(self) -> AsyncFolder:
        """See Store.inbox."""
        return await self.folder(INBOX)

    async def create(self, path: FolderPath | str, *, special_use: str | None = None) -> AsyncFolder:
        """See Store.create."""
        return AsyncFolder(await self.run(self.store.create, path, special_use=special_use), self)

    async def rename(self, old: FolderPath | str, new: FolderPath | str) -> None:
        """See Store.rename."""
        await self.run(self.store.rename, old, new)

    async def delete(self, path: FolderPath | str) -> None:
        """See Store.delete."""
        await self.run(self.store.delete, path)

    async def subscribe(self, path: FolderPath | str) -> None:
        """See Store.subscribe."""
        await self.run(self.store.subscribe, path)

    async def unsubscribe(self, path: FolderPath | str) -> None:
        """See Store.unsubscribe."""
        await self.run(self.store.unsubscribe, path)

    async def set_special_use(self, path: FolderPath | str, special_use: str | None) -> None:
        """See Store.set_special_use."""
        await self.run(self.store.set_special_use, path, special_use)

    async def usage(self) -> Usage:
        """See Store.usage."""
        return await self.run(self.store.usage)

    async def commit(
        self, changes: Sequence[Change], *, guard: Guard | None = None, need_uids: bool = True
    ) -> list[Outcome]:
        """See Store.commit."""
        return await self.run(self.store.commit, changes, guard=guard, need_uids=need_uids)

    async def resolve(self, keys: Sequence[bytes]) -> dict[bytes, tuple[FolderPath, int]]:
        """See Store.resolve."""
        return await self.run(self.store.resolve, keys)

    async def recover(self) -> Recovery:
        """See Store.recover."""
        return await self.run(self.store.recover)

    async def watch(
        self,
        folders: Iterable[FolderPath | str] | None = None,
        *,
        since: str | None = None,
        own: bool = True,
        latency: float = 0.05,
        polling: bool = False,
    ) -> AsyncWatch:
        """See Store.watch. The watch waits in a thread of its own: calls into the store go on meanwhile."""
        watch = await self.run(
            lambda: self.store.watch(folders, since=since, own=own, latency=latency, polling=polling)
        )
        return AsyncWatch(watch)


class AsyncWatch:
    """See mailstore.watch.Watch. An asynchronous context manager and iterator; ``close`` ends the iteration."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="mailstore-watch")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """See Watch.close; may be called twice, and while somebody waits."""
        self.watch.close()
        self._executor.shutdown(wait=False)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        event = await self.next()
        if event is None:
            raise StopAsyncIteration
        return event

    async def next(self, timeout: float | None = None) -> Event | None:
        """See Watch.next. Cancelled, it loses no event."""
        await self._fill(timeout)
        return self.watch.next(0)

    async def batch(self, timeout: float | None = None) -> list[Event]:
        """See Watch.batch. Cancelled, it loses no event."""
        await self._fill(timeout)
        return self.watch.batch(0)

    async def _fill(self, timeout: float | None) -> None:
        if self.watch.closed:
            return
        try:
            await asyncio.get_running_loop().run_in_executor(self._executor, self.watch.fill, timeout)
        except asyncio.CancelledError:
            self.watch.wake()
            raise

    @property
    def token(self) -> str:
        """See Watch.token."""
        return self.watch.token


@dataclass(frozen=True, slots=True)
class AsyncDelta:
    """See mailstore.Delta; ``rows`` is read once, in order."""

    token: Token
    full: bool
    vanished: tuple[int, ...]
    rows: AsyncIterator[Row]


class AsyncFolder:
    """See mailstore.Folder."""

    def __init__(self, folder: Folder, store: AsyncStore) -> None:
        self.folder = folder
        self.store = store

    @property
    def path(self) -> FolderPath:
        """See Folder.path."""
        return self.folder.path

    async def state(self) -> FolderState:
        """See Folder.state."""
        return await self.store.run(self.folder.state)

    def messages(self, want: int = META | SIZE) -> AsyncIterator[AsyncMessage]:
        """See Folder.messages."""
        return self._wrapped(lambda: self.folder.messages(want))

    def __aiter__(self) -> AsyncIterator[AsyncMessage]:
        return self.messages()

    def rows(self, want: int = META | SIZE) -> AsyncIterator[Row]:
        """See Folder.rows."""
        return self.store.each(lambda: self.folder.rows(want))

    def fetch(self, uids: Iterable[int], want: int = META | SIZE) -> AsyncIterator[AsyncMessage]:
        """See Folder.fetch."""
        chosen = tuple(uids)
        return self._wrapped(lambda: self.folder.fetch(chosen, want))

    async def get(self, uid: int, want: int = META | SIZE) -> AsyncMessage:
        """See Folder.get."""
        return AsyncMessage(await self.store.run(self.folder.get, uid, want), self)

    async def changes(self, since: Token | None = None, want: int = META | SIZE) -> AsyncDelta:
        """See Folder.changes."""
        delta = await self.store.run(self.folder.changes, since, want)
        rows = self.store.each(lambda: (row for batch in delta.batches for row in batch))
        return AsyncDelta(delta.token, delta.full, delta.vanished, rows)

    async def watch(
        self, *, since: str | None = None, own: bool = True, latency: float = 0.05, polling: bool = False
    ) -> AsyncWatch:
        """See Folder.watch."""
        return await self.store.watch([self.path], since=since, own=own, latency=latency, polling=polling)

    async def append(
        self,
        body: bytes | BinaryIO | Blob,
        *,
        flags: Iterable[str] | int = RECENT,
        keywords: Iterable[str] = (),
        internal_date: datetime | int | None = None,
        saved_date: datetime | int | None = None,
        sender: str | None = None,
        uidl: str | None = None,
        key: bytes | None = None,
        uid: int = 0,
    ) -> Appended:
        """See Folder.append."""
        return await self.store.run(
            self.folder.append,
            body,
            flags=flags,
            keywords=keywords,
            internal_date=internal_date,
            saved_date=saved_date,
            sender=sender,
            uidl=uidl,
            key=key,
            uid=uid,
        )

    async def append_many(self, arrivals: Iterable[Arrival]) -> list[Appended]:
        """See Folder.append_many; ``arrivals`` is read in the worker thread."""
        return await self.store.run(self.folder.append_many, arrivals)

    async def add_flags(
        self, uids: Iterable[int], flags: Iterable[str], *, unchanged_since: int | None = None
    ) -> FlagsResult:
        """See Folder.add_flags."""
        return await self.store.run(self.folder.add_flags, uids, flags, unchanged_since=unchanged_since)

    async def remove_flags(
        self, uids: Iterable[int], flags: Iterable[str], *, unchanged_since: int | None = None
    ) -> FlagsResult:
        """See Folder.remove_flags."""
        return await self.store.run(self.folder.remove_flags, uids, flags, unchanged_since=unchanged_since)

    async def set_flags(
        self, uids: Iterable[int], flags: Iterable[str], *, unchanged_since: int | None = None
    ) -> FlagsResult:
        """See Folder.set_flags."""
        return await self.store.run(self.folder.set_flags, uids, flags, unchanged_since=unchanged_since)

    async def expunge(self, uids: Iterable[int] | None = None, *, only_deleted: bool = True) -> tuple[int, ...]:
        """See Folder.expunge."""
        return await self.store.run(self.folder.expunge, uids, only_deleted=only_deleted)

    async def copy(self, uids: Iterable[int], destination: AsyncFolder) -> UidMap:
        """See Folder.copy."""
        return await self.store.run(self.folder.copy, uids, destination.folder)

    async def move(self, uids: Iterable[int], destination: AsyncFolder) -> UidMap:
        """See Folder.move."""
        return await self.store.run(self.folder.move, uids, destination.folder)

    async def _wrapped(self, iterate: Callable[[], Iterator[Message]]) -> AsyncIterator[AsyncMessage]:
        async for message in self.store.each(iterate):
            yield AsyncMessage(message, self)


class AsyncMessage:
    """See mailstore.Message; its facts are plain attributes of ``message``, its bytes are coroutines."""

    __slots__ = ("folder", "message")

    def __init__(self, message: Message, folder: AsyncFolder) -> None:
        self.message = message
        self.folder = folder

    @property
    def uid(self) -> int:
        """See Message.uid."""
        return self.message.uid

    @property
    def flags(self) -> frozenset[str]:
        """See Message.flags."""
        return self.message.flags

    @property
    def internal_date(self) -> datetime | None:
        """See Message.internal_date."""
        return self.message.internal_date

    async def bytes(self) -> builtins.bytes:
        """See Message.bytes."""
        return await self.folder.store.run(self.message.bytes)

    async def header(self) -> builtins.bytes:
        """See Message.header."""
        return await self.folder.store.run(self.message.header)
