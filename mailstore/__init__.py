"""mailstore: one storage abstraction over mail stores, and a conversion toolkit that loses nothing.

>>> from mailstore import open_store
>>> with open_store("maildir:~/Maildir", readonly=True) as store:  # doctest: +SKIP
...     for message in store.inbox:
...         print(message.uid, message.internal_date, sorted(message.flags), message.size)

Importing this package loads no driver and no third-party package: a delivery starts a process for each mail.
"""

from mailstore.errors import (
    AmbiguousLocation,
    CannotCreate,
    CorruptStore,
    FolderError,
    FolderExists,
    InvalidFolderName,
    LocationError,
    LossRefused,
    MailstoreError,
    MessageChanged,
    MessageError,
    MessageTooLarge,
    NoSuchFolder,
    NoSuchMessage,
    NoSuchStore,
    NotAStore,
    PreconditionFailed,
    QuotaExceeded,
    ReadOnlyStore,
    Scope,
    StorageFailure,
    StorageFull,
    StoreBusy,
    StoreError,
    UidValidityChanged,
    UnreadableMessage,
    Unsupported,
    UsageError,
)
from mailstore.folder import Appended, FlagsResult, Folder
from mailstore.message import Message
from mailstore.model.caps import Capabilities
from mailstore.model.changes import (
    Append,
    Delta,
    Expunge,
    FolderInfo,
    FolderState,
    Move,
    Outcome,
    Recovery,
    SetFlags,
    SetState,
    StoreDelta,
    Token,
    Usage,
)
from mailstore.model.info import Arrival, Blob, Meta, Row
from mailstore.model.names import INBOX, FolderPath
from mailstore.registry import Detection, default_location, detect, formats, parse_location, register
from mailstore.spi import Location
from mailstore.store import Store, open_store
from mailstore.transfer import UidMap

__version__ = "0.1.0"

__all__ = [
    "INBOX",
    "AmbiguousLocation",
    "Append",
    "Appended",
    "Arrival",
    "Blob",
    "CannotCreate",
    "Capabilities",
    "CorruptStore",
    "Delta",
    "Detection",
    "Expunge",
    "FlagsResult",
    "Folder",
    "FolderError",
    "FolderExists",
    "FolderInfo",
    "FolderPath",
    "FolderState",
    "InvalidFolderName",
    "Location",
    "LocationError",
    "LossRefused",
    "MailstoreError",
    "Message",
    "MessageChanged",
    "MessageError",
    "MessageTooLarge",
    "Meta",
    "Move",
    "NoSuchFolder",
    "NoSuchMessage",
    "NoSuchStore",
    "NotAStore",
    "Outcome",
    "PreconditionFailed",
    "QuotaExceeded",
    "ReadOnlyStore",
    "Recovery",
    "Row",
    "Scope",
    "SetFlags",
    "SetState",
    "StorageFailure",
    "StorageFull",
    "Store",
    "StoreBusy",
    "StoreDelta",
    "StoreError",
    "Token",
    "UidMap",
    "UidValidityChanged",
    "UnreadableMessage",
    "Unsupported",
    "Usage",
    "UsageError",
    "default_location",
    "detect",
    "formats",
    "open_store",
    "parse_location",
    "register",
]
