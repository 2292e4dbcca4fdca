"""Replies: a code, an enhanced code (RFC 3463) and a text; and the one table from mailstore's errors to them.

The rule of the table: a permanent reply (5xx) makes the sender of the mail get it back, so it is given only for what is
known to be permanent. What has no name here is 451 4.3.0: the mail stays in the queue of whoever sent it.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from mailstore.errors import (
    MailstoreError,
    MessageTooLarge,
    NoSuchUser,
    QuotaExceeded,
    StorageFull,
    StoreBusy,
)

OverQuota = Literal["temporary", "permanent"]


class Reply(NamedTuple):
    """One reply of a server."""

    code: int
    enhanced: str
    """RFC 3463, as ``2.1.5``; '' where the command's reply has none (RFC 2034: greeting, LHLO, 354)."""
    text: str

    @property
    def accepted(self) -> bool:
        """Whether it says yes (2xx or 3xx)."""
        return self.code < 400

    def render(self) -> bytes:
        """Return the line with its end; what is not printable ASCII is replaced, so that no text can end the line."""
        text = self.text
        if not (text.isascii() and text.isprintable()):
            text = "".join(one if " " <= one <= "~" else "?" for one in text)
        text = text[:400]
        enhanced = f" {self.enhanced}" if self.enhanced else ""
        return f"{self.code}{enhanced} {text}\r\n".encode("ascii")


UNKNOWN_USER = Reply(550, "5.1.1", "no such user here")
TOO_LARGE = Reply(552, "5.3.4", "message too large for this system")
UNNAMED = Reply(451, "4.3.0", "temporary failure, try again later")


def saved(recipient: str, known: bool = False) -> Reply:
    """Return the reply for a mail that is durably stored (or had been: ``known``)."""
    return Reply(250, "2.0.0", f"<{recipient}> {'Known already' if known else 'Saved'}")


def reply_of(error: BaseException, over_quota: OverQuota = "temporary") -> Reply:
    """Return the reply for a delivery that failed with ``error``. Paths and details stay in the server's log."""
    match error:
        case QuotaExceeded() | StorageFull(quota=True):
            if over_quota == "permanent":
                return Reply(552, "5.2.2", "mailbox full")
            return Reply(452, "4.2.2", "mailbox full")
        case StorageFull():
            return Reply(452, "4.3.1", "no space left")
        case MessageTooLarge():
            return Reply(552, "5.2.3", "message too large for this mailbox")
        case StoreBusy():
            return Reply(451, "4.2.0", "mailbox is locked, try again later")
        case NoSuchUser():
            return UNKNOWN_USER
        case MailstoreError() if error.temporary:
            return Reply(451, "4.3.0", "mailbox cannot be written just now, try again later")
        case _:
            return UNNAMED
