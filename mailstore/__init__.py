"""mailstore: one storage abstraction over mail stores, and a conversion toolkit that loses nothing.

>>> from mailstore import open_store
>>> with open_store("maildir:~/Maildir", readonly=True) as store:  # doctest: +SKIP
...     for message in store.inbox:
...         print(message.uid, message.internal_date, sorted(message.flags), message.size)

Importing this package loads nothing: a delivery starts a process for each mail. A public name brings its module with it
when it is first used.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing itself takes as long to load as a delivery may take altogether
if TYPE_CHECKING:
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
        NoSuchUser,
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
        Omission,
        Outcome,
        Recovery,
        SetFlags,
        SetState,
        StoreDelta,
        Token,
        Usage,
    )
    from mailstore.model.flags import flag_names
    from mailstore.model.info import (
        BODY,
        CRLF_SIZE,
        DIGEST,
        HEADER,
        INTERNAL_DATE,
        META,
        SAVED_DATE,
        SENDER,
        SIZE,
        UIDL,
        Arrival,
        Blob,
        Meta,
        Row,
    )
    from mailstore.model.names import INBOX, FolderPath
    from mailstore.model.quota import QuotaRules
    from mailstore.registry import Detection, default_location, detect, format_names, parse_location, register
    from mailstore.spi import Location
    from mailstore.store import Store, open_store
    from mailstore.transfer import UidMap

__version__ = "0.1.0"

_HOMES = {
    "mailstore.errors": (
        "AmbiguousLocation",
        "CannotCreate",
        "CorruptStore",
        "FolderError",
        "FolderExists",
        "InvalidFolderName",
        "LocationError",
        "LossRefused",
        "MailstoreError",
        "MessageChanged",
        "MessageError",
        "MessageTooLarge",
        "NoSuchFolder",
        "NoSuchMessage",
        "NoSuchStore",
        "NoSuchUser",
        "NotAStore",
        "PreconditionFailed",
        "QuotaExceeded",
        "ReadOnlyStore",
        "Scope",
        "StorageFailure",
        "StorageFull",
        "StoreBusy",
        "StoreError",
        "UidValidityChanged",
        "UnreadableMessage",
        "Unsupported",
        "UsageError",
    ),
    "mailstore.folder": (
        "Appended",
        "FlagsResult",
        "Folder",
    ),
    "mailstore.message": ("Message",),
    "mailstore.model.caps": ("Capabilities",),
    "mailstore.model.changes": (
        "Append",
        "Delta",
        "Expunge",
        "FolderInfo",
        "FolderState",
        "Move",
        "Omission",
        "Outcome",
        "Recovery",
        "SetFlags",
        "SetState",
        "StoreDelta",
        "Token",
        "Usage",
    ),
    "mailstore.model.flags": ("flag_names",),
    "mailstore.model.info": (
        "BODY",
        "CRLF_SIZE",
        "DIGEST",
        "HEADER",
        "INTERNAL_DATE",
        "META",
        "SAVED_DATE",
        "SENDER",
        "SIZE",
        "UIDL",
        "Arrival",
        "Blob",
        "Meta",
        "Row",
    ),
    "mailstore.model.names": (
        "INBOX",
        "FolderPath",
    ),
    "mailstore.model.quota": ("QuotaRules",),
    "mailstore.registry": (
        "Detection",
        "default_location",
        "detect",
        "format_names",
        "parse_location",
        "register",
    ),
    "mailstore.spi": ("Location",),
    "mailstore.store": (
        "Store",
        "open_store",
    ),
    "mailstore.transfer": ("UidMap",),
}
"""Which names each module gives; a test holds it against the imports above."""

__all__ = [
    "BODY",
    "CRLF_SIZE",
    "DIGEST",
    "HEADER",
    "INBOX",
    "INTERNAL_DATE",
    "META",
    "SAVED_DATE",
    "SENDER",
    "SIZE",
    "UIDL",
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
    "NoSuchUser",
    "NotAStore",
    "Omission",
    "Outcome",
    "PreconditionFailed",
    "QuotaExceeded",
    "QuotaRules",
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
    "flag_names",
    "format_names",
    "open_store",
    "parse_location",
    "register",
]


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for (PEP 562)."""
    for home, names in _HOMES.items():
        if name in names:
            from importlib import import_module  # late: a delivery asks for no name

            value: object = getattr(import_module(home), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
