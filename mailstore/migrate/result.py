"""What became of a migration and of each of its accounts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mailstore.convert import Plan, Report
from mailstore.migrate.accounts import Account

Status = Literal["done", "failed", "interrupted", "waiting"]
"""``waiting``: it was not begun, since the migration was stopped before."""


@dataclass(slots=True)
class Result:
    """What became of one account.

    Attributes:
        account: which.
        status: ``done``: all that was found arrived, and nothing that was compared differs.
        report: of the conversion, as far as it came; None where it did not begin, or its process died.
        plan: what would be done, where that alone was asked for.
        error: why it could not go on: name of the error's class in mailstore.errors, or ``Died``; '' where it could.
        reason: the same for people; '' where it could go on.
        given_up: folders that were given up with an allowed loss, and hold mail.
        seconds: how long it took.
    """

    account: Account
    status: Status = "waiting"
    report: Report | None = None
    plan: Plan | None = None
    error: str = ""
    reason: str = ""
    given_up: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(slots=True)
class Migration:
    """What became of many accounts.

    Attributes:
        results: one for each account, in the order of the accounts.
        started: seconds since 1970 UTC.
        seconds: how long it took.
        interrupted: it was stopped from outside.
    """

    results: list[Result]
    started: int = 0
    seconds: float = 0.0
    interrupted: bool = False

    @property
    def counts(self) -> dict[Status, int]:
        """How many accounts ended in which way; every one of the four is there."""
        counts: dict[Status, int] = {"done": 0, "failed": 0, "interrupted": 0, "waiting": 0}
        for result in self.results:
            counts[result.status] += 1
        return counts

    @property
    def ok(self) -> bool:
        """Every account is done, and no folder was given up."""
        return all(result.status == "done" and not result.given_up for result in self.results)
