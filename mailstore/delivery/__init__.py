"""Delivering mail: what an MDA and an LMTP server do with each message.

>>> from mailstore.delivery import deliver
>>> deliver(sys.stdin.buffer, "maildir:/home/joe/Maildir", sender="ann@example.org")  # doctest: +SKIP

A delivery starts a process for each mail, so this package loads no more than the delivery at hand needs: for INBOX the
few modules of that format which write a message; for anything else the store. ``docs/delivery.md`` shows how mail
programs hand over to it.
"""

from __future__ import annotations

from mailstore.delivery.direct import straight, straight_mapping
from mailstore.delivery.incoming import Incoming

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from mailstore.delivery.target import become, default_location, expand, sub_address
    from mailstore.delivery.warning import QuotaWarning
    from mailstore.model.quota import QuotaRules

__all__ = ["Delivered", "Incoming", "QuotaWarning", "become", "default_location", "deliver", "expand", "sub_address"]


class Delivered:
    """Where a message went.

    Attributes:
        folder: its name, as text; INBOX where the one asked for is not there.
        known: it had been delivered before, and was not stored again.
        problems: what was wrong with the bookkeeping of a quota, or with a warning, and did not hinder the delivery.
    """

    __slots__ = ("folder", "known", "problems")

    def __init__(self, folder: str, known: bool = False, problems: tuple[str, ...] = ()) -> None:
        self.folder = folder
        self.known = known
        self.problems = problems

    def __repr__(self) -> str:
        return f"Delivered(folder={self.folder!r}, known={self.known!r})"


def deliver(
    message: bytes | BinaryIO,
    location: str,
    *,
    sender: str | None = None,
    recipient: str | None = None,
    folder: str = "INBOX",
    create: bool = False,
    once: str | None = None,
    lock_timeout: float = 60.0,
    quota: QuotaRules | None = None,
    warning: QuotaWarning | None = None,
    apart: Callable[[Callable[[], Delivered]], Delivered] | None = None,
) -> Delivered:
    """Deliver one message; durable on return. Its internal date is now; it is recent and has no flag.

    One From_ line in front is taken off. ``Return-Path`` and ``Delivered-To`` are put in front; header fields in which
    the store keeps metadata of its own are taken out (mbox: Status, X-UID, Content-Length …). All other bytes are kept.

    Args:
        message: its bytes, or a binary file that is read to its end; above a MiB it streams to the disk.
        location: of the store.
        sender: envelope sender; '' is the null sender. None: the one in the From_ line; where there is none either, a
            Return-Path that is there stays.
        recipient: envelope recipient, for Delivered-To; None adds none.
        folder: the folder's name; where it is not there and is not to be made, or cannot be, INBOX takes the message.
        create: make the store and the folder where they are not there.
        once: do not store what the account holds already, told by ``message-id`` or by ``content``.
        lock_timeout: seconds to wait for another program's lock.
        quota: rules that hold instead of those kept with the store.
        warning: what to do when the delivery takes the mailbox over a threshold of its rules.
        apart: calls what it is given, which maps files into memory, so that the kernel may kill the process: in another
            one, if it likes. None: here.

    Raises:
        UsageError: the message is empty, or the arguments make no sense; LocationError: the location.
        NoSuchStore, NotAStore, CannotCreate, ReadOnlyStore, CorruptStore: see mailstore.open_store.
        StoreBusy, StorageFull, StorageFailure: nothing was acknowledged; try again later.
        MessageTooLarge, QuotaExceeded: the store does not take the message.
    """
    incoming = Incoming(message, sender=sender, recipient=recipient)
    ordinary = folder.upper() == "INBOX" and once is None and quota is None and warning is None
    if ordinary and straight(incoming, location, lock_timeout):
        return Delivered("INBOX")

    def otherwise() -> Delivered:
        if ordinary and straight_mapping(incoming, location, lock_timeout):
            return Delivered("INBOX")
        from mailstore.delivery.stored import into_store  # late: it loads the library

        delivered = into_store(
            incoming,
            location,
            folder=folder,
            create=create,
            once=once,
            lock_timeout=lock_timeout,
            quota=quota,
            attend=None if warning is None else lambda store: warning.attend(store, recipient),
        )
        return Delivered(*delivered)

    return otherwise() if apart is None else apart(otherwise)


def __getattr__(name: str) -> object:
    """Load what tells where mail goes, or warns, when it is first asked for (PEP 562): most deliveries do neither."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    home = "mailstore.delivery.warning" if name == "QuotaWarning" else "mailstore.delivery.target"
    value: object = getattr(import_module(home), name)
    return value
