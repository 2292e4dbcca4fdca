"""Each verdict has exactly one answer for each setting, and only what is known refuses mail."""

import pytest

from mailstore.errors import (
    CorruptStore,
    MailstoreError,
    MessageTooLarge,
    NoSuchStore,
    NoSuchUser,
    NotAStore,
    QuotaExceeded,
    StorageFailure,
    StorageFull,
    StoreBusy,
)
from mailstore.policy import Answers
from mailstore.policy.answers import Verdict, verdict_of

FULL = QuotaExceeded("full", resource="STORAGE", limit=1, usage=1, wanted=1)


@pytest.mark.parametrize(
    ("answers", "verdict", "action"),
    [
        (Answers(), Verdict.NOBODY, "DUNNO"),
        (Answers(), Verdict.FITS, "DUNNO"),
        (Answers(), Verdict.FULL, "452 4.2.2 mailbox full"),
        (Answers(), Verdict.TOO_LARGE, "552 5.2.3 message too large for this mailbox"),
        (Answers(), Verdict.UNKNOWN, "DUNNO"),
        (Answers(), Verdict.TROUBLE, "DUNNO"),
        (Answers(success="OK"), Verdict.FITS, "OK"),
        (Answers(success="OK"), Verdict.NOBODY, "DUNNO"),
        (Answers(success="OK"), Verdict.UNKNOWN, "DUNNO"),
        (Answers(success="OK"), Verdict.TROUBLE, "DUNNO"),
        (Answers(over_quota="permanent"), Verdict.FULL, "554 5.2.2 mailbox full"),
        (Answers(unknown="reject"), Verdict.UNKNOWN, "550 5.1.1 no such user here"),
        (
            Answers(trouble="defer"),
            Verdict.TROUBLE,
            "DEFER_IF_PERMIT 4.3.0 mailbox cannot be looked at, try again later",
        ),
    ],
)
def test_answers(answers: Answers, verdict: Verdict, action: str) -> None:
    assert answers.action(verdict) == action


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (None, Verdict.FITS),
        (FULL, Verdict.FULL),
        (MessageTooLarge("too large"), Verdict.TOO_LARGE),
        (NoSuchUser("nobody", user="joe"), Verdict.UNKNOWN),
        (NoSuchStore("nothing there"), Verdict.UNKNOWN),
        (NotAStore("something else"), Verdict.TROUBLE),
        (CorruptStore("broken"), Verdict.TROUBLE),
        (StoreBusy("locked"), Verdict.TROUBLE),
        (StorageFull("no space"), Verdict.TROUBLE),
        (StorageFailure("I/O error"), Verdict.TROUBLE),
        (MailstoreError("any"), Verdict.TROUBLE),
        (PermissionError(13, "denied"), Verdict.TROUBLE),
        (TimeoutError(), Verdict.TROUBLE),
        (ZeroDivisionError(), Verdict.TROUBLE),
    ],
)
def test_verdicts(error: Exception | None, verdict: Verdict) -> None:
    assert verdict_of(error) is verdict
