"""The closed tree of errors that mailstore raises.

Every class says two things about itself: ``temporary`` (trying the same again later may succeed) and
``scope`` (how far the trouble reaches: one message, one folder, the whole store). Facts are attributes;
the text is for people and names the file or message and what to do.

    MailstoreError
    ├── UsageError                the caller asked for something that makes no sense (LocationError: a bad location)
    ├── NoSuchStore               nothing is there
    ├── NotAStore                 something is there, but it is no mail store (or not of that format)
    ├── AmbiguousLocation         it can be read in more than one way
    ├── CannotCreate              the store, folder or file cannot be made
    ├── ReadOnlyStore             a write to a store that was opened, or can only be, read-only
    ├── CorruptStore              the store's own structure is damaged
    ├── StoreBusy                 another program holds a lock (temporary)
    ├── StorageFull               no space, no inodes, or the system's quota (temporary)
    ├── StorageFailure            the system reports an I/O error (temporary)
    ├── Unsupported               the format cannot hold or do it; see Capabilities
    ├── NoSuchFolder · FolderExists · InvalidFolderName
    ├── UidValidityChanged        the folder is another one than the caller knew
    ├── NoSuchMessage · UnreadableMessage · MessageTooLarge
    ├── MessageChanged            the message moved under the reader (temporary)
    ├── PreconditionFailed        changed since the modseq the caller named
    ├── NoSuchUser                nobody of that name gets mail here
    ├── QuotaExceeded             a limit of the account or folder
    └── LossRefused               a conversion would lose what the destination cannot hold
"""

from __future__ import annotations

from enum import Enum
from typing import ClassVar


class Scope(Enum):
    """How far an error reaches."""

    MESSAGE = "message"
    FOLDER = "folder"
    STORE = "store"


class MailstoreError(Exception):
    """Base of everything that mailstore raises on purpose.

    Attributes:
        temporary: the same call may succeed later without anybody mending anything.
        scope: what the error spoils; whatever lies outside can go on.
    """

    temporary: ClassVar[bool] = False
    scope: ClassVar[Scope] = Scope.STORE


class UsageError(MailstoreError):
    """The arguments make no sense together."""


class LocationError(UsageError):
    """A location that cannot be understood: unknown format, unknown option, empty path."""

    def __init__(self, message: str, *, location: str) -> None:
        super().__init__(message)
        self.location = location


class StoreError(MailstoreError):
    """Something is wrong with the store at ``path``."""

    def __init__(self, message: str, *, path: str = "") -> None:
        super().__init__(message)
        self.path = path


class NoSuchStore(StoreError):
    """Nothing exists at the location."""


class NotAStore(StoreError):
    """Something exists at the location, but it is no mail store of the format asked for."""


class AmbiguousLocation(StoreError):
    """The path can be read as more than one store; ``readings`` lists the explicit locations to choose from."""

    def __init__(self, message: str, *, path: str, readings: tuple[str, ...]) -> None:
        super().__init__(message, path=path)
        self.readings = readings


class CannotCreate(StoreError):
    """The store or one of its files cannot be created (permission, missing parent, something in the way)."""


class ReadOnlyStore(StoreError):
    """The store was opened read-only, or its medium or format allows no write."""


class CorruptStore(StoreError):
    """The store's own structure (database, index, list of UIDs) is damaged; mail was left as it is."""


class StoreBusy(StoreError):
    """A lock was not to be had in time; ``waited`` is in seconds."""

    temporary = True

    def __init__(self, message: str, *, path: str = "", waited: float = 0.0) -> None:
        super().__init__(message, path=path)
        self.waited = waited


class StorageFull(StoreError):
    """ENOSPC or EDQUOT: no bytes, no inodes, or the system's quota. Nothing was half-stored.

    Attributes:
        quota: the disk has room, but not for this user (EDQUOT).
    """

    temporary = True

    def __init__(self, message: str, *, path: str = "", quota: bool = False) -> None:
        super().__init__(message, path=path)
        self.quota = quota


class StorageFailure(StoreError):
    """Any other error of the operating system while reading or writing."""

    temporary = True


class Unsupported(MailstoreError):
    """The format cannot hold or do this; ``capability`` names the field of Capabilities that says so."""

    def __init__(self, message: str, *, capability: str) -> None:
        super().__init__(message)
        self.capability = capability


class FolderError(MailstoreError):
    """Something is wrong with one folder; ``folder`` is its path as text."""

    scope = Scope.FOLDER

    def __init__(self, message: str, *, folder: str) -> None:
        super().__init__(message)
        self.folder = folder


class NoSuchFolder(FolderError):
    """The folder does not exist (or is only a virtual parent, which holds no messages)."""


class FolderExists(FolderError):
    """A folder of that name exists already."""


class InvalidFolderName(FolderError):
    """A name that no folder can have: an empty component, or one the format cannot express."""


class UidValidityChanged(FolderError):
    """The folder's UIDVALIDITY is not the one the caller's UIDs belong to."""

    def __init__(self, message: str, *, folder: str, expected: int, actual: int) -> None:
        super().__init__(message, folder=folder)
        self.expected = expected
        self.actual = actual


class MessageError(MailstoreError):
    """Something is wrong with one message; ``uid`` is 0 where the message has none yet."""

    scope = Scope.MESSAGE

    def __init__(self, message: str, *, folder: str = "", uid: int = 0, key: str = "") -> None:
        super().__init__(message)
        self.folder = folder
        self.uid = uid
        self.key = key


class NoSuchMessage(MessageError):
    """No message has that UID (any more)."""


class UnreadableMessage(MessageError):
    """The message is there but cannot be read: permission, a dangling link, an I/O error, torn contents."""


class MessageTooLarge(MessageError):
    """The message is larger than the format or the limits allow (sizes in bytes)."""


class MessageChanged(MessageError):
    """The message's bytes moved while they were read; list the folder again and retry."""

    temporary = True


class PreconditionFailed(MessageError):
    """The message changed after the modseq the caller named (RFC 7162, UNCHANGEDSINCE)."""


class QuotaExceeded(MailstoreError):
    """A quota does not allow the message. ``resource`` is an RFC 9208 name; figures in its unit."""

    temporary = True

    def __init__(self, message: str, *, resource: str, limit: int, usage: int, wanted: int) -> None:
        super().__init__(message)
        self.resource = resource
        self.limit = limit
        self.usage = usage
        self.wanted = wanted


class NoSuchUser(MailstoreError):
    """Nobody of that name gets mail here: no account of the system, or a name that no mailbox can have."""

    def __init__(self, message: str, *, user: str) -> None:
        super().__init__(message)
        self.user = user


class LossRefused(MailstoreError):
    """The destination cannot hold something that the source has; ``losses`` names each loss."""

    def __init__(self, message: str, *, losses: tuple[str, ...]) -> None:
        super().__init__(message)
        self.losses = losses
