"""What a store can hold, as data. Nobody outside ``drivers/`` asks which driver it has."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, NamedTuple

from mailstore.model.flags import SYSTEM_FLAGS

NATIVE_SHORTCUTS = frozenset({"adopt", "clone", "hold", "join", "move", "fresh", "shard"})
"""Names of the native shortcuts that ``open_store(..., mask=...)`` can switch off; each has a generic fallback."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    r"""What a store of this format, opened this way, keeps. A field that is False or limited is a declared loss.

    Attributes:
        format: as ``mstore info`` shows it: ``memory``, ``mbox``, ``maildir``, ``maildir++``, ``sqlite``.
        writable: it can be changed at all (not a compressed file, not opened read-only).
        file_names: each message has a file of its own, and its key is that file's name without the flags.
        persistent: what was committed is there when opened again, by another process too.
        flags: bits of the system flags it keeps.
        keywords: how many different keywords a folder keeps; None is any number.
        internal_date: least and greatest instant kept, seconds since 1970 UTC.
        saved_date: keeps RFC 8514 saved dates. Without it they are no loss: they tell when a message entered a folder,
            and a conversion makes a new one.
        sender: keeps the envelope sender, the null sender and an unknown one apart.
        unlocked_sender: keeping the envelope sender takes no lock that a delivery does without. Where it does, a
            delivery says the sender in the header field Return-Path alone.
        uidl: keeps POP3 unique ids.
        uidl_form: a regular expression that an id must match as a whole to be kept; '' is any.
        uids: given UIDs and UIDVALIDITY stand in the format's own record and survive the loss of any index.
        modseqs: modseqs and vanished UIDs survive a reopening (else a new epoch begins).
        folders: holds folders besides INBOX.
        mail_and_children: a folder can hold both messages and folders.
        folder_ids: ``FolderInfo.id`` survives renames and reopenings.
        subscriptions: keeps them, also of folders that do not exist.
        special_use: keeps RFC 6154 attributes.
        exact: ``read(append(b)) == b`` for any bytes; else ``Driver.canonical`` says what comes back.
        reserved_headers: lower-case names of the header fields in which programs of this format keep metadata inside
            the message. A delivery drops a sender's own, which other programs would believe.
        idempotency: remembers idempotency keys for good.
        batch: a commit that fails leaves all or nothing of its changes, or a prefix of them.
        foreign_writers: other programs may change it while it is open.
        max_message: bytes; None is no limit of the format.
        quota: how limits hold when several deliver at once. ``exact``: the sum is looked at under the lock or in the
            transaction that adds the message. ``in flight``: as many messages may come in too many as are on their
            way at the same moment, since the format takes no lock for them. See docs/quota.md.
        native: the native shortcuts at work.
    """

    format: str
    writable: bool = True
    file_names: bool = False
    persistent: bool = True
    flags: int = SYSTEM_FLAGS
    keywords: int | None = None
    internal_date: tuple[int, int] = (-(1 << 62), 1 << 62)
    saved_date: bool = True
    sender: bool = True
    unlocked_sender: bool = True
    uidl: bool = True
    uidl_form: str = ""
    uids: bool = True
    modseqs: bool = True
    folders: bool = True
    mail_and_children: bool = True
    folder_ids: bool = True
    subscriptions: bool = True
    special_use: bool = True
    exact: bool = True
    reserved_headers: frozenset[str] = frozenset()
    idempotency: bool = True
    batch: Literal["all", "prefix"] = "all"
    foreign_writers: bool = False
    max_message: int | None = None
    quota: Literal["exact", "in flight"] = "in flight"
    native: frozenset[str] = frozenset()

    def keeps_uidl(self, uidl: str | None) -> bool:
        """Tell whether a POP3 unique id is kept; None is none, and nothing is lost of it."""
        if uidl is None:
            return True
        return self.uidl and (not self.uidl_form or re.fullmatch(self.uidl_form, uidl) is not None)


class Joint(NamedTuple):
    """What a store shares with others, so that deliveries into several of them cost as little as into one.

    Attributes:
        key: equal for stores that share it.
        writers: how many commits can be at work on it side by side, each on other stores.
    """

    key: tuple[object, ...]
    writers: int
