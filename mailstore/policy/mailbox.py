"""A look at a mailbox: whether a message of some size would be delivered there now. Writes nothing."""

from __future__ import annotations

import logging

from mailstore.errors import InvalidFolderName, NoSuchFolder
from mailstore.model.names import INBOX, FolderPath
from mailstore.model.quota import QuotaRules
from mailstore.store import Store, open_store

log = logging.getLogger("mailstore.policy")


def check(location: str, folder: str, size: int, *, lock_timeout: float, quota: QuotaRules | None = None) -> None:
    """Return where a message of ``size`` bytes would be delivered, by the rules and sums that hold for a delivery.

    Args:
        location: of the mailbox.
        folder: where the message would go; INBOX where that folder is not there.
        size: bytes; 0 where nobody knows: then only a mailbox without room for the smallest message refuses.
        lock_timeout: seconds to wait for another program's lock.
        quota: rules that hold instead of those kept with the mailbox.

    Raises:
        QuotaExceeded, MessageTooLarge: a delivery would raise that.
        NoSuchStore: there is no mailbox.
        MailstoreError: it cannot be looked at; see mailstore.open_store.
    """
    with open_store(location, readonly=True, lock_timeout=lock_timeout, quota=quota) as store:
        store.quota.on_trouble = lambda text: log.warning("%s: %s", location, text)
        store.quota.check(max(size, 1), _destination(store, folder))


def _destination(store: Store, folder: str) -> FolderPath:
    """Return the folder that takes the mail: INBOX where that named is not there, or can be none."""
    if folder.upper() == "INBOX":
        return INBOX
    try:
        return store.folder(folder).path
    except (NoSuchFolder, InvalidFolderName):
        return INBOX
