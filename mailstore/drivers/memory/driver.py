"""The store in memory: mailstore.spi.Driver."""

from __future__ import annotations

from collections.abc import Sequence

from mailstore.drivers.memory.account import Account, StoredFolder, StoredMessage
from mailstore.drivers.memory.folder import MemoryFolder
from mailstore.drivers.memory.quota import MemoryQuota
from mailstore.errors import (
    FolderExists,
    InvalidFolderName,
    NoSuchFolder,
    NoSuchMessage,
)
from mailstore.model.caps import Capabilities
from mailstore.model.changes import (
    Append,
    Change,
    Expunge,
    FolderInfo,
    Move,
    Outcome,
    Recovery,
    SetFlags,
    SetState,
    Staged,
    StoreDelta,
    Usage,
)
from mailstore.model.flags import DELETED, RECENT, SYSTEM_FLAGS, subtract_keywords, unite_keywords
from mailstore.model.info import (
    Arrival,
    Body,
    Meta,
    body_chunks,
    body_size,
)
from mailstore.model.names import INBOX, FolderPath
from mailstore.spi import Guard, Settings
from mailstore.system.spool import Spool

_BATCH_BYTES = 1 << 20
_BATCH_ROWS = 1000


class _StagedMessage:
    """A message held by the driver, not yet in a folder."""

    def __init__(self, body: bytes | Spool, meta: Meta, key: bytes | None) -> None:
        self.body = body
        self.meta = meta
        self.key = key

    @property
    def size(self) -> int:
        return body_size(self.body)


class MemoryDriver(MemoryQuota):
    """See mailstore.spi.Driver."""

    def __init__(self, account: Account, settings: Settings) -> None:
        super().__init__(account, settings)
        if INBOX not in account.folders:
            account.make(INBOX)
        self.capabilities = Capabilities(
            format="memory",
            writable=not settings.readonly,
            persistent=False,
            quota="exact",
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
        with self._tallied():
            for path in moving:
                folders[path.moved(old, new)] = folders.pop(path)
        self._account.revision += 1

    def delete(self, path: FolderPath) -> None:
        """See Driver.delete."""
        self._write()
        if path.is_inbox:
            raise InvalidFolderName("INBOX cannot be deleted", folder="INBOX")
        folder = self._folder(path)
        with self._tallied():
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
        with self._tallied():
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

    def _append(self, folder: StoredFolder, change: Append, need_uids: bool) -> Outcome:
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

    def _expunge(self, folder: StoredFolder, change: Expunge) -> Outcome:
        present = [uid for uid in sorted(set(change.uids)) if uid in folder.messages]
        going = [uid for uid in present if not change.only_deleted or folder.messages[uid].meta.flags & DELETED]
        refused = tuple(uid for uid in present if uid not in set(going))
        if not going:
            return Outcome("done", uidvalidity=folder.uidvalidity, refused=refused)
        self._forget_keys(folder, going)
        modseq = folder.drop(going)
        return Outcome("done", tuple(going), uidvalidity=folder.uidvalidity, modseq=modseq, refused=refused)

    def _move(self, folder: StoredFolder, destination: StoredFolder, change: Move) -> Outcome:
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

    def _folder(self, path: FolderPath) -> StoredFolder:
        folder = self._account.folders.get(path)
        if folder is None:
            raise NoSuchFolder(f"no folder {path}", folder=str(path))
        return folder

    def _forget_keys(self, folder: StoredFolder, uids: Sequence[int] | dict[int, StoredMessage]) -> None:
        gone = [key for key, (home, uid) in self._account.keys.items() if home is folder and uid in uids]
        for key in gone:
            del self._account.keys[key]


def _inbox_first(path: FolderPath) -> tuple[bool, FolderPath]:
    return (not path.is_inbox, path)


def _own(body: Body) -> bytes | Spool:
    if isinstance(body, bytes):
        return body
    spool = Spool()
    spool.append(body_chunks(body))
    return spool


def _entering(meta: Meta) -> Meta:
    return meta._replace(flags=meta.flags | RECENT, saved_date=None)


def _set_flags(folder: StoredFolder, change: SetFlags) -> Outcome:
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


def _set_state(folder: StoredFolder, change: SetState) -> Outcome:
    if folder.uidnext == 1:
        folder.uidvalidity = change.uidvalidity
    elif folder.uidvalidity != change.uidvalidity:
        return Outcome("unchanged", uidvalidity=folder.uidvalidity)
    folder.uidnext = max(folder.uidnext, change.uidnext)
    folder.highest_modseq = max(folder.highest_modseq, change.highest_modseq)
    return Outcome("done", uidvalidity=folder.uidvalidity, modseq=folder.highest_modseq)
