"""The report of a migration, or of one conversion, as plain values: what a script decides from."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

from mailstore.convert import Report
from mailstore.convert.report import COUNTS
from mailstore.migrate.result import Migration, Result

Facts = dict[str, object]


def report_facts(migration: Migration, *, running: bool = False) -> Facts:
    """Return the report as plain values for JSON (schema in docs/migration.md).

    Args:
        migration: what became of it; of one conversion alone it has one account, whose user is ''.
        running: it is not over yet.
    """
    reports = [result.report for result in migration.results if result.report is not None]
    return {
        "status": "running" if running else overall(migration),
        "started": datetime.fromtimestamp(migration.started, UTC).isoformat(),
        "seconds": round(migration.seconds, 3),
        "accounts": {"found": len(migration.results)} | {str(status): n for status, n in migration.counts.items()},
        "messages": {name: sum(one.counts()[name] for one in reports) for name in COUNTS},
        "bytes": _sum(reports, lambda one: one.size),
        "set_aside": _sum(reports, set_aside),
        "conversions": [_conversion(result) for result in migration.results],
    }


def overall(migration: Migration) -> Literal["done", "failed", "interrupted"]:
    """Return what became of the whole."""
    if migration.interrupted:
        return "interrupted"
    return "done" if migration.ok else "failed"


def set_aside(report: Report) -> int:
    """Return how many messages were set aside."""
    return sum(bool(problem.set_aside) for problem in report.problems)


def _sum(reports: list[Report], figure: Callable[[Report], int]) -> int:
    return sum(map(figure, reports))


def _conversion(result: Result) -> Facts:
    return {
        "user": result.account.user,
        "source": result.account.source,
        "destination": result.account.destination,
        "status": result.status,
        "error": result.error,
        "reason": result.reason,
        "given_up": list(result.given_up),
        "seconds": round(result.seconds, 3),
        "plan": None if result.plan is None else result.plan.to_dict(),
        "report": None if result.report is None else result.report.to_dict(),
    }
