"""The store in memory: the reference model that every other driver is measured against.

``memory:`` is a new store at every opening; ``memory:NAME`` is one store for the whole process, so that closing and
opening it again, or opening it twice, can be tried without a disk. Nothing survives the process. Bodies above 1 MiB
lie in unlinked temporary files.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

from mailstore.errors import (
    FolderExists,
    InvalidFolderName,
    LocationError,
    NoSuchFolder,
    NoSuchMessage,
    NoSuchStore,
    ReadOnlyStore,
)
from mailstore.formats.headers import header_end
from mailstore.model.caps import Capabilities
from mailstore.model.changes import (
    Append,
    Change,
    Delta,
    Expunge,
    FolderInfo,
    FolderState,
    Move,
    Outcome,
    Recovery,
    SetFlags,
    SetState,
    Staged,
    StoreDelta,
    Token,
    Usage,
)
from mailstore.model.flags import DELETED, RECENT, SEEN, SYSTEM_FLAGS, subtract_keywords, unite_keywords
from mailstore.model.info import (
    BODY,
    CHUNK,
    CRLF_SIZE,
    DIGEST,
    HEADER,
    Arrival,
    Blob,
    Body,
    Meta,
    Row,
    body_chunks,
    body_size,
)
from mailstore.model.names import INBOX, FolderPath
from mailstore.spi import Guard, Location, Settings
from mailstore.system import clock
from mailstore.system.spool import Spool

_BATCH_BYTES = 1 << 20
_BATCH_ROWS = 1000


@dataclass(slots=True)
class _Message:
    uid: int
    key: str
    modseq: int
    body: bytes | Spool
    meta: Meta


@dataclass(slots=True)
class _Folder:
    id: str
    uidvalidity: int
    highest_modseq: int
    uidnext: int = 1
    special_use: str | None = None
    messages: dict[int, _Message] = field(default_factory=dict)
    vanished: list[tuple[int, int]] = field(default_factory=list)
    """(modseq, uid), in the order of the expunges."""

    def next_modseq(self) -> int:
        self.highest_modseq = max(self.highest_modseq + 1, clock.modseq_now())
        return self.highest_modseq

    def put(self, message_key: str, body: bytes | Spool, meta: Meta, hint: int) -> _Message:
        uid = max(hint, self.uidnext)
        self.uidnext = uid + 1
        now = clock.now()
        meta = meta._replace(
            internal_date=now if meta.internal_date is None else meta.internal_date,
            saved_date=now if meta.saved_date is None else meta.saved_date,
        )
        message = _Message(uid, message_key, self.next_modseq(), body, meta)
        self.messages[uid] = message
        return message

    def drop(self, uids: Sequence[int]) -> int:
        modseq = self.next_modseq()
        for uid in uids:
            del self.messages[uid]
            self.vanished.append((modseq, uid))
        return modseq


@dataclass(slots=True)
class _Account:
    """What a named store keeps between openings."""

    epoch: str = field(default_factory=lambda: os.urandom(8).hex())
    folders: dict[FolderPath, _Folder] = field(default_factory=dict)
    subscriptions: set[FolderPath] = field(default_factory=set)
    keys: dict[bytes, tuple[_Folder, int]] = field(default_factory=dict)
    last_uidvalidity: int = 0
    revision: int = 0
    serial: Iterator[int] = field(default_factory=lambda: count(1))

    def make(self, path: FolderPath) -> _Folder:
        self.last_uidvalidity = max(clock.now(), self.last_uidvalidity + 1)
        folder = _Folder(f"m{next(self.serial)}", self.last_uidvalidity, clock.modseq_now())
        self.folders[path] = folder
        self.revision += 1
        return folder


_NAMED: dict[str, _Account] = {}


class _MemoryFormat:
    """``memory:`` and ``memory:NAME``."""

    name = "memory"
    options: frozenset[str] = frozenset()

    def detect(self, path: str) -> str | None:  # noqa: ARG002 - the signature is mailstore.spi.Format's
        """Nothing on disk is a store in memory."""
        return None

    def open(self, location: Location, settings: Settings) -> MemoryDriver:
        """Open the process's store of that name; a nameless one is new and needs no ``create``."""
        name = location.path
        if "/" in name:
            raise LocationError(
                f"memory:{name}: a store in memory has a plain name, not a path", location=str(location)
            )
        account = _NAMED.get(name) if name else _Account()
        if account is None:
            if not settings.create:
                raise NoSuchStore(f"memory:{name}: no such store in this process", path=str(location))
            account = _NAMED[name] = _Account()
        return MemoryDriver(account, settings)


FORMAT = _MemoryFormat()


class _StagedMessage:
    """A message held by the driver, not yet in a folder."""

    def __init__(self, body: bytes | Spool, meta: Meta, key: bytes | None) -> None:
        self.body = body
        self.meta = meta
        self.key = key

    @property
    def size(self) -> int:
        return body_size(self.body)


class _View:
    """A Blob over a body that the store owns: closing it leaves the body open."""

    def __init__(self, body: bytes | Spool) -> None:
        self._body = body
        self.size = body_size(body)

    def read_at(self, offset: int, size: int) -> bytes:
        if isinstance(self._body, bytes):
            return self._body[offset : offset + size]
        return self._body.read_at(offset, size)

    def close(self) -> None:
        """Nothing is held open."""


class MemoryDriver:
    """See mailstore.spi.Driver."""

    def __init__(self, account: _Account, settings: Settings) -> None:
        self._account = account
        self._readonly = settings.readonly
        if INBOX not in account.folders:
            account.make(INBOX)
        self.capabilities = Capabilities(
            format="memory",
            writable=not settings.readonly,
            persistent=False,
            native=frozenset({"clone", "move"}) - settings.mask,
        )
        self.evidence = ("kept in the memory of this process",)

    # -- folders

    def changes(self, since: str | None) -> StoreDelta:
        """See Driver.changes."""
        account = self._account
        token = f"{account.epoch}.{account.revision}"
        if since == token:
            return StoreDelta(token, False, (), ())
        parents = {FolderPath(path[:depth]) for path in account.folders for depth in range(1, len(path))}
        infos = []
        for path in sorted({*account.folders, *parents, *account.subscriptions}, key=_inbox_first):
            folder = account.folders.get(path)
            subscribed = path in account.subscriptions
            if folder is None:
                infos.append(FolderInfo("", path, selectable=False, subscribed=subscribed))
            else:
                infos.append(FolderInfo(folder.id, path, subscribed=subscribed, special_use=folder.special_use))
        return StoreDelta(token, True, tuple(infos), ())

    def create(self, path: FolderPath) -> FolderInfo:
        """See Driver.create."""
        self._write()
        if path in self._account.folders:
            raise FolderExists(f"folder {path} exists already", folder=str(path))
        return FolderInfo(self._account.make(path).id, path, subscribed=path in self._account.subscriptions)

    def rename(self, old: FolderPath, new: FolderPath) -> None:
        """See Driver.rename."""
        self._write()
        folders = self._account.folders
        if old.is_inbox or new.is_inbox or new.is_below(old):
            raise InvalidFolderName(f"folder {old} cannot become {new}", folder=str(new))
        moving = [path for path in folders if path == old or path.is_below(old)]
        if not moving:
            raise NoSuchFolder(f"no folder {old}", folder=str(old))
        if any(path == new or path.is_below(new) for path in folders):
            raise FolderExists(f"folder {new} exists already", folder=str(new))
        for path in moving:
            folders[path.moved(old, new)] = folders.pop(path)
        self._account.revision += 1

    def delete(self, path: FolderPath) -> None:
        """See Driver.delete."""
        self._write()
        if path.is_inbox:
            raise InvalidFolderName("INBOX cannot be deleted", folder="INBOX")
        folder = self._folder(path)
        del self._account.folders[path]
        self._forget_keys(folder, folder.messages)
        self._account.revision += 1

    def subscribe(self, path: FolderPath, subscribed: bool) -> None:
        """See Driver.subscribe."""
        self._write()
        if subscribed:
            self._account.subscriptions.add(path)
        else:
            self._account.subscriptions.discard(path)
        self._account.revision += 1

    def set_special_use(self, path: FolderPath, special_use: str | None) -> None:
        """See SpecialUse.set_special_use."""
        self._write()
        self._folder(path).special_use = special_use
        self._account.revision += 1

    def folder(self, path: FolderPath) -> MemoryFolder:
        """See Driver.folder."""
        return MemoryFolder(self._account, self._folder(path), path)

    def usage(self) -> Usage:
        """See Driver.usage."""
        bodies = [message.body for folder in self._account.folders.values() for message in folder.messages.values()]
        return Usage(len(bodies), sum(map(body_size, bodies)))

    def canonical(self, body: bytes) -> bytes:
        """Memory keeps every byte."""
        return body

    # -- messages

    def stage(self, arrivals: Sequence[Arrival]) -> list[Staged]:
        """See Driver.stage."""
        self._write()
        return [_StagedMessage(_own(arrival.body), arrival.meta, arrival.key) for arrival in arrivals]

    def clone(self, folder: FolderPath, uids: Sequence[int]) -> list[Staged]:
        """See Cloning.clone."""
        self._write()
        messages = self._folder(folder).messages
        missing = [uid for uid in uids if uid not in messages]
        if missing:
            raise NoSuchMessage(f"folder {folder} has no message {missing[0]}", folder=str(folder), uid=missing[0])
        return [_StagedMessage(messages[uid].body, messages[uid].meta._replace(saved_date=None), None) for uid in uids]

    def discard(self, staged: Sequence[Staged]) -> None:
        """Staged messages are plain values: nothing needs removing."""

    def commit(self, changes: Sequence[Change], *, guard: Guard | None = None, need_uids: bool = True) -> list[Outcome]:
        """See Driver.commit."""
        self._write()
        for change in changes:
            self._folder(change.folder)
            if isinstance(change, Move):
                self._folder(change.destination)
        if guard is not None:
            guard(changes)
        return [self._apply(change, need_uids) for change in changes]

    def _apply(self, change: Change, need_uids: bool) -> Outcome:
        folder = self._folder(change.folder)
        match change:
            case Append():
                return self._append(folder, change, need_uids)
            case SetFlags():
                return _set_flags(folder, change)
            case Expunge():
                return self._expunge(folder, change)
            case Move():
                return self._move(folder, self._folder(change.destination), change)
            case SetState():
                return _set_state(folder, change)

    def _append(self, folder: _Folder, change: Append, need_uids: bool) -> Outcome:
        staged = change.staged
        assert isinstance(staged, _StagedMessage)
        if staged.key is not None and staged.key in self._account.keys:
            known, uid = self._account.keys[staged.key]
            return Outcome("known", (uid,), uidvalidity=known.uidvalidity)
        meta = staged.meta if change.meta is None else change.meta
        message = folder.put(f"k{next(self._account.serial)}", staged.body, meta, change.uid)
        if staged.key is not None:
            self._account.keys[staged.key] = (folder, message.uid)
        if not need_uids:
            return Outcome("done", modseq=message.modseq)
        return Outcome("done", (message.uid,), uidvalidity=folder.uidvalidity, modseq=message.modseq)

    def _expunge(self, folder: _Folder, change: Expunge) -> Outcome:
        present = [uid for uid in sorted(set(change.uids)) if uid in folder.messages]
        going = [uid for uid in present if not change.only_deleted or folder.messages[uid].meta.flags & DELETED]
        refused = tuple(uid for uid in present if uid not in set(going))
        if not going:
            return Outcome("done", uidvalidity=folder.uidvalidity, refused=refused)
        self._forget_keys(folder, going)
        modseq = folder.drop(going)
        return Outcome("done", tuple(going), uidvalidity=folder.uidvalidity, modseq=modseq, refused=refused)

    def _move(self, folder: _Folder, destination: _Folder, change: Move) -> Outcome:
        going = [uid for uid in sorted(set(change.uids)) if uid in folder.messages]
        if not going:
            return Outcome("done", uidvalidity=destination.uidvalidity)
        messages = [folder.messages[uid] for uid in going]
        keys = {uid: key for key, (home, uid) in self._account.keys.items() if home is folder}
        folder.drop(going)
        moved = [destination.put(message.key, message.body, _entering(message.meta), 0) for message in messages]
        for old, new in zip(going, moved, strict=True):
            if old in keys:
                self._account.keys[keys[old]] = (destination, new.uid)
        new_uids = tuple(message.uid for message in moved)
        return Outcome(
            "done", tuple(going), new_uids, uidvalidity=destination.uidvalidity, modseq=destination.highest_modseq
        )

    def resolve(self, keys: Sequence[bytes]) -> dict[bytes, tuple[FolderPath, int]]:
        """See Driver.resolve."""
        paths = {id(folder): path for path, folder in self._account.folders.items()}
        found = {key: self._account.keys[key] for key in keys if key in self._account.keys}
        return {key: (paths[id(folder)], uid) for key, (folder, uid) in found.items()}

    def recover(self) -> Recovery:
        """Nothing can be half done."""
        return Recovery()

    def close(self) -> None:
        """Nothing is held open."""

    # -- within

    def _write(self) -> None:
        if self._readonly:
            raise ReadOnlyStore("the store in memory was opened read-only")

    def _folder(self, path: FolderPath) -> _Folder:
        folder = self._account.folders.get(path)
        if folder is None:
            raise NoSuchFolder(f"no folder {path}", folder=str(path))
        return folder

    def _forget_keys(self, folder: _Folder, uids: Sequence[int] | dict[int, _Message]) -> None:
        gone = [key for key, (home, uid) in self._account.keys.items() if home is folder and uid in uids]
        for key in gone:
            del self._account.keys[key]


class MemoryFolder:
    """See mailstore.spi.FolderDriver."""

    def __init__(self, account: _Account, folder: _Folder, path: FolderPath) -> None:
        self._account = account
        self._folder = folder
        self._path = path

    def state(self) -> FolderState:
        """See FolderDriver.state."""
        folder = self._here()
        flags = [message.meta.flags for message in folder.messages.values()]
        return FolderState(
            uidvalidity=folder.uidvalidity,
            uidnext=folder.uidnext,
            highest_modseq=folder.highest_modseq,
            messages=len(flags),
            unseen=sum(not bits & SEEN for bits in flags),
            recent=sum(bool(bits & RECENT) for bits in flags),
            size=sum(body_size(message.body) for message in folder.messages.values()),
        )

    def changes(self, since: Token | None, want: int) -> Delta:
        """See FolderDriver.changes."""
        folder = self._here()
        token = Token(self._account.epoch, folder.uidvalidity, folder.highest_modseq)
        messages = [folder.messages[uid] for uid in sorted(folder.messages)]
        if since is None or since[:2] != token[:2] or since.modseq > token.modseq:
            return Delta(token, True, (), _batches(messages, want))
        vanished = tuple(sorted(uid for modseq, uid in folder.vanished if modseq > since.modseq))
        changed = [message for message in messages if message.modseq > since.modseq]
        return Delta(token, False, vanished, _batches(changed, want))

    def fetch(self, uids: Sequence[int], want: int) -> Iterator[list[Row]]:
        """See FolderDriver.fetch."""
        folder = self._here()
        for uid in uids:
            message = folder.messages.get(uid)
            if message is None:
                gone = NoSuchMessage(f"folder {self._path} has no message {uid}", folder=str(self._path), uid=uid)
                yield [Row(uid, "", False, 0, 0, frozenset(), error=gone)]
            else:
                yield [_row(message, want)]

    def open(self, uid: int) -> Blob:
        """See FolderDriver.open."""
        message = self._here().messages.get(uid)
        if message is None:
            raise NoSuchMessage(f"folder {self._path} has no message {uid}", folder=str(self._path), uid=uid)
        return _View(message.body)

    def _here(self) -> _Folder:
        if self._account.folders.get(self._path) is not self._folder:
            raise NoSuchFolder(f"folder {self._path} is gone", folder=str(self._path))
        return self._folder


def _inbox_first(path: FolderPath) -> tuple[bool, FolderPath]:
    return (not path.is_inbox, path)


def _own(body: Body) -> bytes | Spool:
    if isinstance(body, bytes):
        return body
    spool = Spool()
    for chunk in body_chunks(body):
        spool.append(chunk)
    return spool


def _entering(meta: Meta) -> Meta:
    return meta._replace(flags=meta.flags | RECENT, saved_date=None)


def _set_flags(folder: _Folder, change: SetFlags) -> Outcome:
    present = [folder.messages[uid] for uid in sorted(set(change.uids)) if uid in folder.messages]
    limit = change.unchanged_since
    refused = tuple(message.uid for message in present if limit is not None and message.modseq > limit)
    changed = []
    for message in present:
        if limit is not None and message.modseq > limit:
            continue
        meta = _with_flags(message.meta, change)
        if meta != message.meta:
            message.meta = meta
            changed.append(message)
    modseq = folder.next_modseq() if changed else 0
    for message in changed:
        message.modseq = modseq
    uids = tuple(message.uid for message in changed)
    return Outcome("done", uids, uidvalidity=folder.uidvalidity, modseq=modseq, refused=refused)


def _with_flags(meta: Meta, change: SetFlags) -> Meta:
    have = meta.flags & SYSTEM_FLAGS
    if change.mode == "add":
        return meta._replace(flags=have | change.flags, keywords=unite_keywords(meta.keywords, change.keywords))
    if change.mode == "remove":
        return meta._replace(flags=have & ~change.flags, keywords=subtract_keywords(meta.keywords, change.keywords))
    wanted = {keyword.lower() for keyword in change.keywords}
    kept = frozenset(keyword for keyword in meta.keywords if keyword.lower() in wanted)
    return meta._replace(flags=change.flags & SYSTEM_FLAGS, keywords=unite_keywords(kept, change.keywords))


def _set_state(folder: _Folder, change: SetState) -> Outcome:
    if folder.uidnext == 1:
        folder.uidvalidity = change.uidvalidity
    elif folder.uidvalidity != change.uidvalidity:
        return Outcome("unchanged", uidvalidity=folder.uidvalidity)
    folder.uidnext = max(folder.uidnext, change.uidnext)
    folder.highest_modseq = max(folder.highest_modseq, change.highest_modseq)
    return Outcome("done", uidvalidity=folder.uidvalidity, modseq=folder.highest_modseq)


def _batches(messages: Sequence[_Message], want: int) -> Iterator[list[Row]]:
    batch: list[Row] = []
    size = 0
    for message in messages:
        batch.append(_row(message, want))
        size += body_size(message.body) if want & BODY else 0
        if size >= _BATCH_BYTES or len(batch) >= _BATCH_ROWS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _row(message: _Message, want: int) -> Row:
    body, meta = message.body, message.meta
    return Row(
        message.uid,
        message.key,
        True,
        message.modseq,
        meta.flags,
        meta.keywords,
        meta.internal_date,
        meta.saved_date,
        meta.sender,
        meta.uidl,
        body_size(body),
        _crlf_size(body) if want & CRLF_SIZE else None,
        _digest(body) if want & DIGEST else None,
        _header(body) if want & HEADER else None,
        (body if isinstance(body, bytes) else _View(body)) if want & BODY else None,
    )


def _digest(body: Body) -> bytes:
    digest = hashlib.sha256()
    for chunk in body_chunks(body):
        digest.update(chunk)
    return digest.digest()


def _crlf_size(body: Body) -> int:
    total, last = 0, b""
    for chunk in body_chunks(body):
        total += len(chunk) + chunk.count(b"\n") - chunk.count(b"\r\n")
        if last == b"\r" and chunk[:1] == b"\n":
            total -= 1
        last = chunk[-1:]
    return total


def _header(body: Body) -> bytes:
    start = body if isinstance(body, bytes) else body.read_at(0, CHUNK)
    return start[: header_end(start)]
