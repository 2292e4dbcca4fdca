"""Answers: from what was found out about a mailbox to what Postfix is told (the actions of access(5)).

The rule of the table: mail is refused only for what is known, a mailbox that is full or does not take a message of that
size. Trouble of our own, and recipients that are no mailboxes here, such as aliases, are not a reason by themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from mailstore.errors import MessageTooLarge, NoSuchStore, NoSuchUser, QuotaExceeded


class Verdict(Enum):
    """What was found out about a message for a mailbox."""

    NOBODY = "no question about a mailbox"
    FITS = "fits"
    FULL = "mailbox full"
    TOO_LARGE = "message too large for this mailbox"
    UNKNOWN = "no such user here"
    TROUBLE = "mailbox cannot be looked at"


@dataclass(frozen=True, slots=True)
class Answers:
    """Which answer a verdict gets; Dovecot's names for the settings in brackets.

    Attributes:
        success: for a message that fits (``quota_status_success``): DUNNO lets the next restriction decide, OK ends the
            list of restrictions, so that it must stand behind all that refuse.
        over_quota: whether a full mailbox is a temporary failure, 452 4.2.2, or a permanent one, 554 5.2.2
            (``quota_status_overquota``).
        unknown: for a recipient without a mailbox (``quota_status_nouser``): ``dunno``, or ``reject`` with 550 5.1.1.
        trouble: where the mailbox cannot be looked at: ``dunno``, or ``defer`` (DEFER_IF_PERMIT, 450 4.3.0).
    """

    success: Literal["DUNNO", "OK"] = "DUNNO"
    over_quota: Literal["temporary", "permanent"] = "temporary"
    unknown: Literal["dunno", "reject"] = "dunno"
    trouble: Literal["dunno", "defer"] = "dunno"

    def action(self, verdict: Verdict) -> str:
        """Return the action for a verdict."""
        text = verdict.value
        match verdict:
            case Verdict.FITS:
                return self.success
            case Verdict.FULL:
                return f"554 5.2.2 {text}" if self.over_quota == "permanent" else f"452 4.2.2 {text}"
            case Verdict.TOO_LARGE:
                return f"552 5.2.3 {text}"
            case Verdict.UNKNOWN if self.unknown == "reject":
                return f"550 5.1.1 {text}"
            case Verdict.TROUBLE if self.trouble == "defer":
                return "DEFER_IF_PERMIT 4.3.0 mailbox cannot be looked at, try again later"
            case _:
                return "DUNNO"


def verdict_of(error: BaseException | None) -> Verdict:
    """Return what an error says about a mailbox: that of a look at it, or the one that a delivery would get."""
    match error:
        case None:
            return Verdict.FITS
        case QuotaExceeded():
            return Verdict.FULL
        case MessageTooLarge():
            return Verdict.TOO_LARGE
        case NoSuchUser() | NoSuchStore():
            return Verdict.UNKNOWN
        case _:
            return Verdict.TROUBLE
