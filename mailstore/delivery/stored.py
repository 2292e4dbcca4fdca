"""A delivery into any store, through the façade."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache

from mailstore.delivery.incoming import Incoming
from mailstore.errors import InvalidFolderName, NoSuchFolder, QuotaExceeded, Unsupported, UsageError
from mailstore.formats import headers
from mailstore.model.changes import Append
from mailstore.model.flags import RECENT
from mailstore.model.info import Arrival, Body, Meta, body_chunks
from mailstore.model.names import INBOX, FolderPath
from mailstore.model.quota import QuotaRules
from mailstore.store import Store, open_store

_TRACE = frozenset({b"return-path", b"delivered-to", b"x-original-to", b"envelope-to", b"received"})
"""Fields that every hop adds: two copies of a message differ in them."""


def into_store(
    incoming: Incoming,
    location: str,
    *,
    folder: str,
    create: bool,
    once: str | None,
    lock_timeout: float,
    quota: QuotaRules | None = None,
    attend: Callable[[Store], None] | None = None,
) -> tuple[str, bool, tuple[str, ...]]:
    """Deliver into ``folder``.

    Returns: the folder the message went to, whether it was there already, and what was wrong with its quota.

    Raises: as ``mailstore.delivery.deliver``.
    """
    path = folder_named(folder)
    folders = not path.is_inbox
    with open_store(location, create=create, folders=folders, lock_timeout=lock_timeout, quota=quota) as store:
        if attend is not None:
            attend(store)
        capabilities = store.capabilities
        body = incoming.body(capabilities.reserved_headers)
        try:
            meta = Meta(RECENT, sender=incoming.sender if capabilities.unlocked_sender else None)
            key = None if once is None else identity(body, once)
            staged = store.stage([Arrival(body, meta, key)])
            try:
                path = existing(store, path, create)
                outcome = store.commit([Append(path, staged[0])], need_uids=False)[0]
                if outcome.error is not None:
                    raise outcome.error
            finally:
                store.discard(staged)
        finally:
            if not isinstance(body, bytes):
                body.close()
    return str(path), outcome.status == "known", tuple(store.quota.problems)


@lru_cache(maxsize=1000)
def folder_named(folder: str) -> FolderPath:
    """Return the path of a name; INBOX for what no folder can be called."""
    try:
        return FolderPath.parse(folder)
    except InvalidFolderName:
        return INBOX


def existing(store: Store, path: FolderPath, create: bool) -> FolderPath:
    """Return ``path``, made where it is to be; INBOX where there is no such folder: mail is not refused for that."""
    try:
        store.folder(path, create=create)
    except (NoSuchFolder, InvalidFolderName, Unsupported, QuotaExceeded):
        return INBOX
    return path


def identity(body: Body, by: str) -> bytes:
    """Return the idempotency key of a message.

    Args:
        body: the message.
        by: ``message-id``: two messages with the same Message-ID are one; without any, ``content`` is asked.
            ``content``: two are one that differ in nothing but what each hop adds in front.

    Raises:
        UsageError: another word.
    """
    if by not in ("message-id", "content"):
        raise UsageError(f"{by!r}: a message is known by message-id or by content")
    head = headers.header_of(body)
    digest = hashlib.sha256()
    name = headers.first(head, b"Message-ID") if by == "message-id" else None
    if name:
        digest.update(b"message-id\0" + name)
        return digest.digest()[:16]
    digest.update(b"content\0")
    for field, value in headers.fields(head):
        if field.lower() not in _TRACE:
            digest.update(field.lower() + b":" + value + b"\n")
    skip = len(head)
    for chunk in body_chunks(body):
        digest.update(chunk[skip:])
        skip = max(skip - len(chunk), 0)
    return digest.digest()[:16]
