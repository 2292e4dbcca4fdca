"""What a store in memory keeps: accounts, folders, messages as plain mutable records."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

from mailstore.model.info import Meta
from mailstore.model.names import FolderPath
from mailstore.model.quota import QuotaRules
from mailstore.system import clock
from mailstore.system.spool import Spool


@dataclass(slots=True)
class StoredMessage:
    """One message; ``meta`` has its dates filled in."""

    uid: int
    key: str
    modseq: int
    body: bytes | Spool
    meta: Meta


@dataclass(slots=True)
class StoredFolder:
    """One folder with its counters and what vanished from it."""

    id: str
    uidvalidity: int
    highest_modseq: int
    uidnext: int = 1
    special_use: str | None = None
    messages: dict[int, StoredMessage] = field(default_factory=dict)
    vanished: list[tuple[int, int]] = field(default_factory=list)
    """(modseq, uid), in the order of the expunges."""

    def next_modseq(self) -> int:
        """Raise and return the folder's modseq."""
        self.highest_modseq = max(self.highest_modseq + 1, clock.modseq_now())
        return self.highest_modseq

    def put(self, message_key: str, body: bytes | Spool, meta: Meta, hint: int) -> StoredMessage:
        """Add a message under the hinted UID or the next; dates not given are now."""
        uid = max(hint, self.uidnext)
        self.uidnext = uid + 1
        now = clock.now()
        meta = meta._replace(
            internal_date=now if meta.internal_date is None else meta.internal_date,
            saved_date=now if meta.saved_date is None else meta.saved_date,
        )
        message = StoredMessage(uid, message_key, self.next_modseq(), body, meta)
        self.messages[uid] = message
        return message

    def drop(self, uids: Sequence[int]) -> int:
        """Remove messages, remember their UIDs as vanished, and return the modseq of that."""
        modseq = self.next_modseq()
        for uid in uids:
            del self.messages[uid]
            self.vanished.append((modseq, uid))
        return modseq


@dataclass(slots=True)
class Account:
    """What a named store keeps between openings."""

    epoch: str = field(default_factory=lambda: os.urandom(8).hex())
    folders: dict[FolderPath, StoredFolder] = field(default_factory=dict)
    subscriptions: set[FolderPath] = field(default_factory=set)
    keys: dict[bytes, tuple[StoredFolder, int]] = field(default_factory=dict)
    last_uidvalidity: int = 0
    revision: int = 0
    quota: QuotaRules | None = None
    notes: dict[str, str] = field(default_factory=dict)
    serial: Iterator[int] = field(default_factory=lambda: count(1))

    def make(self, path: FolderPath) -> StoredFolder:
        """Add an empty folder with a UIDVALIDITY that was never given before."""
        self.last_uidvalidity = max(clock.now(), self.last_uidvalidity + 1)
        folder = StoredFolder(f"m{next(self.serial)}", self.last_uidvalidity, clock.modseq_now())
        self.folders[path] = folder
        self.revision += 1
        return folder
