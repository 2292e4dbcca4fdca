"""A third-party driver: a whole store in one JSON file, for a handful of messages that people like to look at.

It shows what a format must bring: a Format (recognise, open), a Driver (folders, stage, commit) and a FolderDriver
(state, changes, fetch, open). Everything else, from copy over conversion to the command line, comes from mailstore.
tests/examples/test_json_driver.py holds it to the same contract as the drivers that mailstore brings.

``pyproject.toml`` beside this file makes it known to every program by an entry point; ``mailstore.register(FORMAT)``
makes it known to one process. Then ``json:/path/mail.json`` is a location like any other, for ``mstore`` too.

What it does on disk is in ``json_file.py``.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from json_file import MAGIC, JsonFile, Record

from mailstore import (
    BODY,
    CRLF_SIZE,
    DIGEST,
    HEADER,
    INBOX,
    Append,
    Arrival,
    Capabilities,
    Delta,
    Expunge,
    FolderExists,
    FolderInfo,
    FolderPath,
    FolderState,
    InvalidFolderName,
    Location,
    MessageTooLarge,
    Meta,
    NoSuchFolder,
    NoSuchMessage,
    NoSuchStore,
    NotAStore,
    Outcome,
    Recovery,
    Row,
    SetFlags,
    SetState,
    StoreDelta,
    Token,
    Usage,
)  # fmt: skip
from mailstore.formats.headers import header_end
from mailstore.model.changes import Change, Staged
from mailstore.model.flags import DELETED, RECENT, SEEN, SYSTEM_FLAGS, subtract_keywords, unite_keywords
from mailstore.model.info import CHUNK, body_chunks, body_size
from mailstore.model.measure import crlf_size_of, digest_of
from mailstore.spi import Guard, Settings
from mailstore.system import clock

LARGEST = 16 << 20
BATCH_BYTES = 1 << 20


class JsonFormat:
    """The way in: see mailstore.spi.Format."""

    name = "json"
    options: frozenset[str] = frozenset()

    def detect(self, path: str) -> str | None:
        """Recognise our files by their first bytes."""
        with suppress(OSError), open(path, "rb") as file:
            if file.read(len(MAGIC)) == MAGIC:
                return "a JSON file that begins as ours do"
        return None

    def open(self, location: Location, settings: Settings) -> JsonDriver:
        """Open the store, or make it."""
        path = location.path
        file = JsonFile(path, settings.readonly, settings.lock_timeout)
        driver = JsonDriver(file)
        if not os.path.lexists(path):
            if not settings.create:
                raise NoSuchStore(f"{path} does not exist", path=path)
            file.make(lambda: driver.add_folder(INBOX))
        elif self.detect(path) is None:
            raise NotAStore(f"{path} is no mail store in JSON", path=path)
        return driver


FORMAT = JsonFormat()


@dataclass(frozen=True, slots=True)
class StagedMessage:
    """A message on its way in: kept in memory, so there is nothing to clean up."""

    body: bytes
    meta: Meta
    key: bytes | None

    @property
    def size(self) -> int:
        """Bytes of the message."""
        return len(self.body)


class JsonDriver:
    """An open store: see mailstore.spi.Driver."""

    def __init__(self, file: JsonFile) -> None:
        self.file = file
        self.capabilities = Capabilities(
            format="json", writable=not file.readonly, foreign_writers=True, max_message=LARGEST
        )
        self.evidence = ("a JSON file that begins as ours do",)

    # -- folders

    def changes(self, since: str | None) -> StoreDelta:
        """Tell of all folders, unless nothing has changed."""
        content = self.file.read()
        token = f"{content['epoch']}.{content['revision']}"
        if since == token:
            return StoreDelta(token, False, (), ())
        folders = {FolderPath(folder["path"]): folder for folder in content["folders"]}
        parents = {FolderPath(path[:depth]) for path in folders for depth in range(1, len(path))}
        subscribed = {FolderPath(path) for path in content["subscriptions"]}
        infos = [
            FolderInfo(
                folders[path]["id"] if path in folders else "",
                path,
                selectable=path in folders,
                subscribed=path in subscribed,
                special_use=folders[path]["special_use"] if path in folders else None,
            )
            for path in sorted({*folders, *parents, *subscribed}, key=lambda path: (not path.is_inbox, path))
        ]
        return StoreDelta(token, True, tuple(infos), ())

    def create(self, path: FolderPath) -> FolderInfo:
        """Make a folder of any name."""
        with self.file.change():
            if self._find(path) is not None:
                raise FolderExists(f"folder {path} exists already", folder=str(path))
            return FolderInfo(self.add_folder(path)["id"], path)

    def rename(self, old: FolderPath, new: FolderPath) -> None:
        """Rename a folder and those below it."""
        with self.file.change() as content:
            if old.is_inbox or new.is_inbox or new.is_below(old):
                raise InvalidFolderName(f"folder {old} cannot become {new}", folder=str(new))
            paths = {FolderPath(folder["path"]): folder for folder in content["folders"]}
            moving = {path: folder for path, folder in paths.items() if path == old or path.is_below(old)}
            if not moving:
                raise NoSuchFolder(f"no folder {old}", folder=str(old))
            if any(path == new or path.is_below(new) for path in paths):
                raise FolderExists(f"folder {new} exists already", folder=str(new))
            for path, folder in moving.items():
                folder["path"] = path.moved(old, new)
            content["revision"] += 1

    def delete(self, path: FolderPath) -> None:
        """Delete a folder with its messages."""
        with self.file.change() as content:
            if path.is_inbox:
                raise InvalidFolderName("INBOX cannot be deleted", folder="INBOX")
            content["folders"].remove(self.record(path))
            content["revision"] += 1

    def subscribe(self, path: FolderPath, subscribed: bool) -> None:
        """Set or clear a subscription."""
        with self.file.change() as content:
            paths = {FolderPath(entry) for entry in content["subscriptions"]}
            content["subscriptions"] = sorted(paths | {path} if subscribed else paths - {path})
            content["revision"] += 1

    def set_special_use(self, path: FolderPath, special_use: str | None) -> None:
        """Set or clear a folder's attribute: see mailstore.spi.SpecialUse."""
        with self.file.change() as content:
            self.record(path)["special_use"] = special_use
            content["revision"] += 1

    def folder(self, path: FolderPath) -> JsonFolder:
        """Return the folder's driver."""
        self.file.read()
        return JsonFolder(self, path, self.record(path)["id"])

    def record(self, path: FolderPath) -> Record:
        """Return a folder of what was read last."""
        found = self._find(path)
        if found is None:
            raise NoSuchFolder(f"no folder {path}", folder=str(path))
        return found

    def _find(self, path: FolderPath) -> Record | None:
        return next((folder for folder in self.file.content["folders"] if tuple(folder["path"]) == tuple(path)), None)

    def add_folder(self, path: FolderPath) -> Record:
        """Add an empty folder to what was read last."""
        content = self.file.content
        content["revision"] += 1
        content["uidvalidity"] = max(clock.now(), content["uidvalidity"] + 1)
        folder: Record = {
            "id": f"j{self._serial()}",
            "path": path,
            "special_use": None,
            "uidvalidity": content["uidvalidity"],
            "uidnext": 1,
            "modseq": clock.modseq_now(),
            "vanished": [],
            "messages": [],
        }
        content["folders"].append(folder)
        return folder

    def _serial(self) -> int:
        self.file.content["serial"] += 1
        serial: int = self.file.content["serial"]
        return serial

    # -- messages

    def usage(self) -> Usage:
        """Count messages and bytes."""
        messages = [message for folder in self.file.read()["folders"] for message in folder["messages"]]
        return Usage(len(messages), sum(message["size"] for message in messages))

    def canonical(self, body: bytes) -> bytes:
        """Return ``body``: every byte is kept."""
        return body

    def stage(self, arrivals: Sequence[Arrival]) -> list[Staged]:
        """Take messages in."""
        self.file.check_writable()
        for arrival in arrivals:
            if body_size(arrival.body) > LARGEST:
                raise MessageTooLarge(f"a message of {body_size(arrival.body)} bytes; {LARGEST} is the limit")
        return [StagedMessage(b"".join(body_chunks(arrival.body)), arrival.meta, arrival.key) for arrival in arrivals]

    def discard(self, staged: Sequence[Staged]) -> None:
        """Drop staged messages: they are only values."""

    def commit(
        self,
        changes: Sequence[Change],
        *,
        guard: Guard | None = None,
        need_uids: bool = True,  # noqa: ARG002 -- the interface's signature
    ) -> list[Outcome]:
        """Carry out all changes or none; UIDs cost nothing here, so there are always some."""
        with self.file.change():
            folders = [self.record(change.folder) for change in changes]
            if guard is not None:
                guard(changes)
            return [self._apply(folder, change) for folder, change in zip(folders, changes, strict=True)]

    def _apply(self, folder: Record, change: Change) -> Outcome:
        match change:
            case Append():
                return self._append(folder, change)
            case SetFlags():
                return _set_flags(folder, change)
            case Expunge():
                return _expunge(folder, change)
            case SetState():
                return _set_state(folder, change)
        raise AssertionError("a Move is only for drivers with that native shortcut")

    def _append(self, folder: Record, change: Append) -> Outcome:
        staged, meta = change.staged, change.meta or change.staged.meta
        assert isinstance(staged, StagedMessage)
        if staged.key is not None:
            for other in self.file.content["folders"]:
                for message in other["messages"]:
                    if message["idempotency"] == staged.key.hex():
                        return Outcome("known", (message["uid"],), uidvalidity=other["uidvalidity"])
        uid = max(change.uid, folder["uidnext"])
        folder["uidnext"] = uid + 1
        now = clock.now()
        message = {
            "uid": uid,
            "key": f"j{self._serial()}",
            "modseq": _next_modseq(folder),
            "flags": meta.flags,
            "keywords": sorted(meta.keywords),
            "internal_date": now if meta.internal_date is None else meta.internal_date,
            "saved_date": now if meta.saved_date is None else meta.saved_date,
            "sender": meta.sender,
            "uidl": meta.uidl,
            "idempotency": staged.key.hex() if staged.key else None,
            "size": len(staged.body),
            "body": base64.b64encode(staged.body).decode(),
        }
        folder["messages"].append(message)
        return Outcome("done", (uid,), uidvalidity=folder["uidvalidity"], modseq=message["modseq"])

    def resolve(self, keys: Sequence[bytes]) -> dict[bytes, tuple[FolderPath, int]]:
        """Find idempotency keys."""
        wanted = {key.hex(): key for key in keys}
        return {
            wanted[message["idempotency"]]: (FolderPath(folder["path"]), message["uid"])
            for folder in self.file.read()["folders"]
            for message in folder["messages"]
            if message["idempotency"] in wanted
        }

    def recover(self) -> Recovery:
        """Do nothing: what was not renamed into place has not happened."""
        return Recovery()

    def close(self) -> None:
        """Nothing is held open."""


class JsonFolder:
    """One folder: see mailstore.spi.FolderDriver."""

    def __init__(self, driver: JsonDriver, path: FolderPath, identity: str) -> None:
        self._driver = driver
        self._path = path
        self._id = identity

    def _read(self) -> Record:
        self._driver.file.read()
        folder = self._driver.record(self._path)
        if folder["id"] != self._id:
            raise NoSuchFolder(f"folder {self._path} is another one now", folder=str(self._path))
        return folder

    def state(self) -> FolderState:
        """Count."""
        folder = self._read()
        messages = folder["messages"]
        return FolderState(
            uidvalidity=folder["uidvalidity"],
            uidnext=folder["uidnext"],
            highest_modseq=folder["modseq"],
            messages=len(messages),
            unseen=sum(not message["flags"] & SEEN for message in messages),
            recent=sum(bool(message["flags"] & RECENT) for message in messages),
            size=sum(message["size"] for message in messages),
        )

    def changes(self, since: Token | None, want: int) -> Delta:
        """Tell what changed: every message carries its modseq, and so does what vanished."""
        folder = self._read()
        token = Token(self._driver.file.read()["epoch"], folder["uidvalidity"], folder["modseq"])
        messages = list(folder["messages"])
        if since is None or since[:2] != token[:2] or since.modseq > token.modseq:
            return Delta(token, True, (), _batches(messages, want))
        vanished = sorted(uid for modseq, uid in folder["vanished"] if modseq > since.modseq)
        changed = [message for message in messages if message["modseq"] > since.modseq]
        return Delta(token, False, tuple(vanished), _batches(changed, want))

    def fetch(self, uids: Sequence[int], want: int) -> Iterator[list[Row]]:
        """Yield rows in the order asked."""
        messages = {message["uid"]: message for message in self._read()["messages"]}
        for uid in uids:
            if uid in messages:
                yield [_row(messages[uid], want)]
            else:
                yield [Row(uid, "", False, 0, 0, frozenset(), error=self._gone(uid))]

    def open(self, uid: int) -> View:
        """Return a message's bytes."""
        for message in self._read()["messages"]:
            if message["uid"] == uid:
                return View(base64.b64decode(message["body"]))
        raise self._gone(uid)

    def _gone(self, uid: int) -> NoSuchMessage:
        return NoSuchMessage(f"folder {self._path} has no message {uid}", folder=str(self._path), uid=uid)


class View:
    """A large body: see mailstore.Blob."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.size = len(body)

    def read_at(self, offset: int, size: int) -> bytes:
        """Return a part."""
        return self._body[offset : offset + size]

    def close(self) -> None:
        """Nothing is held open."""


def _next_modseq(folder: Record) -> int:
    folder["modseq"] = max(folder["modseq"] + 1, clock.modseq_now())
    modseq: int = folder["modseq"]
    return modseq


def _batches(messages: Sequence[Record], want: int) -> Iterator[list[Row]]:
    batch: list[Row] = []
    size = 0
    for message in sorted(messages, key=lambda message: message["uid"]):
        batch.append(_row(message, want))
        size += message["size"] if want & BODY else 100
        if size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _row(message: Record, want: int) -> Row:
    body = base64.b64decode(message["body"]) if want & (BODY | HEADER | DIGEST | CRLF_SIZE) else b""
    return Row(
        message["uid"],
        message["key"],
        True,
        message["modseq"],
        message["flags"],
        frozenset(message["keywords"]),
        message["internal_date"],
        message["saved_date"],
        message["sender"],
        message["uidl"],
        message["size"],
        crlf_size_of(body) if want & CRLF_SIZE else None,
        digest_of(body) if want & DIGEST else None,
        body[: header_end(body)] if want & HEADER else None,
        None if not want & BODY else View(body) if len(body) > CHUNK else body,
    )


def _set_flags(folder: Record, change: SetFlags) -> Outcome:
    present = [message for message in folder["messages"] if message["uid"] in change.uids]
    limit = change.unchanged_since
    refused = [message for message in present if limit is not None and message["modseq"] > limit]
    changed = []
    for message in present:
        flags, keywords = _changed_flags(message, change)
        if message not in refused and (flags, sorted(keywords)) != (message["flags"], message["keywords"]):
            message["flags"], message["keywords"] = flags, sorted(keywords)
            changed.append(message)
    modseq = _next_modseq(folder) if changed else 0
    for message in changed:
        message["modseq"] = modseq
    uids, kept = (tuple(sorted(message["uid"] for message in some)) for some in (changed, refused))
    return Outcome("done", uids, uidvalidity=folder["uidvalidity"], modseq=modseq, refused=kept)


def _changed_flags(message: Record, change: SetFlags) -> tuple[int, frozenset[str]]:
    flags, keywords = message["flags"] & SYSTEM_FLAGS, frozenset(message["keywords"])
    if change.mode == "add":
        return flags | change.flags, unite_keywords(keywords, change.keywords)
    if change.mode == "remove":
        return flags & ~change.flags, subtract_keywords(keywords, change.keywords)
    wanted = {keyword.lower() for keyword in change.keywords}
    kept = frozenset(keyword for keyword in keywords if keyword.lower() in wanted)
    return change.flags, unite_keywords(kept, change.keywords)


def _expunge(folder: Record, change: Expunge) -> Outcome:
    present = [message for message in folder["messages"] if message["uid"] in change.uids]
    going = [message for message in present if not change.only_deleted or message["flags"] & DELETED]
    refused = tuple(message["uid"] for message in present if message not in going)
    if not going:
        return Outcome("done", uidvalidity=folder["uidvalidity"], refused=refused)
    modseq = _next_modseq(folder)
    folder["messages"] = [message for message in folder["messages"] if message not in going]
    uids = tuple(sorted(message["uid"] for message in going))
    folder["vanished"] += [(modseq, uid) for uid in uids]
    return Outcome("done", uids, uidvalidity=folder["uidvalidity"], modseq=modseq, refused=refused)


def _set_state(folder: Record, change: SetState) -> Outcome:
    if folder["uidnext"] == 1:
        folder["uidvalidity"] = change.uidvalidity
    elif folder["uidvalidity"] != change.uidvalidity:
        return Outcome("unchanged", uidvalidity=folder["uidvalidity"])
    folder["uidnext"] = max(folder["uidnext"], change.uidnext)
    folder["modseq"] = max(folder["modseq"], change.highest_modseq)
    return Outcome("done", uidvalidity=folder["uidvalidity"], modseq=folder["modseq"])
