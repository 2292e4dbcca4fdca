"""What a watch tells: one typed event a change, with the same meaning for every store.

Applied in order to the listing that was there before, events give the listing that is there now: a folder is made
before a message enters it, and goes after its messages moved elsewhere. UIDs are those of the folder named, under its
present UIDVALIDITY. ``own`` tells that this very store object made the change, and no other's change is mixed into it.
"""

from __future__ import annotations

from typing import NamedTuple

from mailstore.model.names import FolderPath


class MessageAppended(NamedTuple):
    """A message is in a folder that was not there before."""

    folder: FolderPath
    uid: int
    modseq: int
    flags: int
    """Bits of mailstore.model.flags, as they are now."""
    keywords: frozenset[str]
    key: str
    """Row.key."""
    own: bool = False


class MessageExpunged(NamedTuple):
    """A message is gone."""

    folder: FolderPath
    uid: int
    modseq: int
    """Of the folder, after the change."""
    own: bool = False


class MessageMoved(NamedTuple):
    """A message went from one folder to another: an expunge there and an append here, known to be the same message.

    Where it cannot be known (the watch did not run then, the format gives the message another key) the two come alone.
    """

    folder: FolderPath
    """Where it is now."""
    uid: int
    modseq: int
    flags: int
    keywords: frozenset[str]
    key: str
    source: FolderPath
    source_uid: int
    own: bool = False


class FlagsChanged(NamedTuple):
    """A message's flags or keywords are other ones. ``old`` ones are None where the watch did not see them."""

    folder: FolderPath
    uid: int
    modseq: int
    flags: int
    keywords: frozenset[str]
    old_flags: int | None
    old_keywords: frozenset[str] | None
    own: bool = False


class HistoryLost(NamedTuple):
    """What was known of a folder's messages is void; all that are there follow as MessageAppended.

    The folder was made anew under its name, or the index that remembers its past is gone.
    """

    folder: FolderPath
    uidvalidity: int
    """Its UIDVALIDITY now; 0 where the folder cannot be read any more."""


class FolderCreated(NamedTuple):
    """A folder that can hold messages is there that was not there before; its messages follow."""

    folder: FolderPath
    id: str
    own: bool = False


class FolderRenamed(NamedTuple):
    """A folder has another name; its messages, UIDs and id stay. Each folder below it has an event of its own."""

    folder: FolderPath
    old: FolderPath
    id: str
    own: bool = False


class FolderDeleted(NamedTuple):
    """A folder is gone with the messages that were in it."""

    folder: FolderPath
    id: str
    own: bool = False


class SubscriptionChanged(NamedTuple):
    """A subscription came or went; the folder need not exist."""

    folder: FolderPath
    subscribed: bool
    own: bool = False


class QuotaChanged(NamedTuple):
    """What counts towards the account's quota is other than before; only of accounts that have one."""

    messages: int
    size: int
    """Bytes."""
    own: bool = False


class QuotaCrossed(NamedTuple):
    """What counts has crossed a threshold (``QuotaRules.warnings``), as this watch saw it."""

    resource: str
    """RFC 9208: STORAGE or MESSAGE; the figures are bytes or messages."""
    percent: int
    """The threshold, of the limit."""
    over: bool
    """Upwards; else it is under it again, by the hysteresis."""
    usage: int
    limit: int
    own: bool = False


FolderEvent = FolderCreated | FolderRenamed | FolderDeleted | SubscriptionChanged
Event = (
    MessageAppended
    | MessageExpunged
    | MessageMoved
    | FlagsChanged
    | HistoryLost
    | FolderEvent
    | QuotaChanged
    | QuotaCrossed
)
