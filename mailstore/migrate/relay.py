"""A source that another process reads: one that may read it, for one that may write the destination, and no more.

The problem. Mail that belongs to ``vmail`` or root moves into the home of a user. A process that may read the source
and writes where the user can lay traps would write anywhere; one that has become the user cannot read.

The solution. Two processes. The reader keeps the rights of the source's owner and touches nothing but the source; the
other one has become the user for good and asks it through pipes. What it asks is JSON, which can say nothing but what
to list and to read; what it gets is pickled, from the side that has more rights. The driver's own way is used on one
side and mimicked on the other: listings come batch by batch as they are wanted, large messages in pieces.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple, NoReturn, Self

from mailstore.convert.workers import Child, Tell, child_error
from mailstore.errors import MailstoreError, Unsupported
from mailstore.model.caps import Capabilities
from mailstore.model.changes import Delta, FolderState, Omission, StoreDelta, Token
from mailstore.model.info import Blob, Row
from mailstore.model.names import FolderPath
from mailstore.spi import FolderDriver, Location
from mailstore.store import Store
from mailstore.system.calls import write_all

_LENGTH = struct.Struct("=I")


class _Failed(NamedTuple):
    """An answer: the call raised this."""

    error: str
    text: str


class _Large(NamedTuple):
    """A body that is read in pieces."""

    number: int
    size: int


# --- the reader


class _Server:
    """Answers what the other side asks about one store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._folders: dict[str, FolderDriver] = {}
        self._streams: dict[int, Iterator[list[Row]]] = {}
        self._blobs: dict[int, Blob] = {}
        self._next = 0

    def call(self, name: str, arguments: list[Any]) -> object:
        """Return the answer; errors of the driver are raised."""
        verbs: dict[str, Callable[..., object]] = {
            "hello": self._hello,
            "omissions": self._store.omissions,
            "listing": lambda: self._store.driver.changes(None),
            "folder": lambda folder: self._folder(folder) and None,
            "state": lambda folder: self._folder(folder).state(),
            "changes": self._changes,
            "fetch": self._fetch,
            "next": self._more,
            "open": lambda folder, uid: self._keep(self._folder(folder).open(uid)),
            "read": lambda blob, offset, size: self._blobs[blob].read_at(offset, size),
            "close": lambda blob: self._blobs.pop(blob).close(),
        }
        return verbs[name](*arguments)

    def _hello(self) -> tuple[Location, Capabilities, tuple[str, ...]]:
        driver = self._store.driver
        return self._store.location, replace(driver.capabilities, native=frozenset()), driver.evidence

    def _folder(self, name: str) -> FolderDriver:
        if name not in self._folders:
            self._folders[name] = self._store.driver.folder(FolderPath.parse(name))
        return self._folders[name]

    def _stream(self, batches: Iterator[list[Row]]) -> int:
        self._next += 1
        self._streams[self._next] = batches
        return self._next

    def _changes(self, folder: str, want: int) -> tuple[Token, bool, tuple[int, ...], int]:
        delta = self._folder(folder).changes(None, want)
        return delta.token, delta.full, delta.vanished, self._stream(delta.batches)

    def _fetch(self, folder: str, uids: list[int], want: int) -> int:
        return self._stream(self._folder(folder).fetch(uids, want))

    def _more(self, stream: int) -> list[tuple[Row, _Failed | None]] | None:
        rows = next(self._streams[stream], None)
        if rows is None:
            del self._streams[stream]
            return None
        return [self._packed(row) for row in rows]

    def _packed(self, row: Row) -> tuple[Row, _Failed | None]:
        error = None if row.error is None else _Failed(type(row.error).__name__, str(row.error))
        body: Any = row.body if row.body is None or isinstance(row.body, bytes) else self._keep(row.body)
        return row._replace(body=body, error=None), error

    def _keep(self, blob: Blob) -> _Large:
        self._next += 1
        self._blobs[self._next] = blob
        return _Large(self._next, blob.size)


def _serve(open_source: Callable[[], Store], asked: int, tell: Tell) -> None:
    """Open a store and answer until nobody asks any more."""
    with open_source() as store, open(asked, "rb") as requests:
        server = _Server(store)
        while head := requests.read(_LENGTH.size):
            name, *arguments = json.loads(requests.read(_LENGTH.unpack(head)[0]))
            try:
                answer = server.call(name, arguments)
            except MailstoreError as error:
                answer = _Failed(type(error).__name__, str(error))
            tell(answer)


# --- the other side


class Relay:
    """A reader process and the way to ask it; a context manager."""

    def __init__(self, open_source: Callable[[], Store], take_on: Callable[[], None]) -> None:
        """Start the reader.

        Args:
            open_source: opens the source for reading, in the reader.
            take_on: called there before: it takes on the rights that the reader is to have.
        """
        asked, self._asking = os.pipe()

        def work(tell: Tell) -> None:
            os.close(self._asking)
            take_on()
            _serve(open_source, asked, tell)

        self._child = Child(work)
        os.close(asked)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._asking)
        self._child.end()

    def open(self) -> Store:
        """Return the source, as a store that can only be read.

        Raises:
            MailstoreError: what opening it raised in the reader.
        """
        location, capabilities, evidence = self.ask("hello")
        return Store(location, _Source(self, capabilities, evidence))

    def ask(self, name: str, *arguments: object) -> Any:
        """Return the reader's answer.

        Raises:
            MailstoreError: what the call raised there, or StorageFailure where the reader died.
        """
        request = json.dumps([name, *arguments]).encode()
        with suppress(BrokenPipeError):  # why it ended is told by what it said last
            write_all(self._asking, _LENGTH.pack(len(request)) + request)
        _, answer = self._child.receive()
        if isinstance(answer, _Failed):
            raise child_error(*answer)
        return answer


class _Stream:
    """Batches of rows, asked for one by one."""

    def __init__(self, relay: Relay, number: int) -> None:
        self._relay, self._number = relay, number

    def __iter__(self) -> Iterator[list[Row]]:
        while (rows := self._relay.ask("next", self._number)) is not None:
            yield [self._unpacked(row, error) for row, error in rows]

    def _unpacked(self, row: Row, error: _Failed | None) -> Row:
        if error is not None:
            row = row._replace(error=child_error(*error))
        body: object = row.body
        return row._replace(body=_Blob(self._relay, *body)) if isinstance(body, _Large) else row


class _Blob:
    """A large message's bytes, read where they are."""

    def __init__(self, relay: Relay, number: int, size: int) -> None:
        self._relay, self._number, self.size = relay, number, size
        self._open = True

    def read_at(self, offset: int, size: int) -> bytes:
        found: bytes = self._relay.ask("read", self._number, offset, size)
        return found

    def close(self) -> None:
        if self._open:
            self._open = False
            self._relay.ask("close", self._number)


class _Folder:
    """A folder of the source."""

    def __init__(self, relay: Relay, path: FolderPath) -> None:
        self._relay, self._name = relay, str(path)
        relay.ask("folder", self._name)

    def state(self) -> FolderState:
        state: FolderState = self._relay.ask("state", self._name)
        return state

    def changes(self, since: Token | None, want: int) -> Delta:  # noqa: ARG002 - a conversion asks for all
        token, full, vanished, stream = self._relay.ask("changes", self._name, want)
        return Delta(token, full, vanished, iter(_Stream(self._relay, stream)))

    def fetch(self, uids: Sequence[int], want: int) -> Iterator[list[Row]]:
        return iter(_Stream(self._relay, self._relay.ask("fetch", self._name, list(uids), want)))

    def open(self, uid: int) -> Blob:
        return _Blob(self._relay, *self._relay.ask("open", self._name, uid))


class _Source:
    """The driver of a store that another process reads."""

    def __init__(self, relay: Relay, capabilities: Capabilities, evidence: tuple[str, ...]) -> None:
        self._relay = relay
        self.capabilities = capabilities
        self.evidence = evidence

    def changes(self, since: str | None) -> StoreDelta:  # noqa: ARG002
        listing: StoreDelta = self._relay.ask("listing")
        return listing

    def omissions(self) -> list[Omission]:
        omissions: list[Omission] = self._relay.ask("omissions")
        return omissions

    def folder(self, path: FolderPath) -> _Folder:
        return _Folder(self._relay, path)

    def close(self) -> None:
        """Leave the reader to the Relay."""

    def canonical(self, body: bytes) -> bytes:
        return body

    def _read_only(self, *_: object, **__: object) -> NoReturn:
        raise Unsupported("the source of a migration is only read", capability="writable")

    create = rename = delete = subscribe = usage = stage = discard = commit = resolve = recover = _read_only
