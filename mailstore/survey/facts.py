"""What a survey found, as JSON has it: moments are ISO 8601 in UTC, what is not known is null."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from mailstore.model.changes import Usage
from mailstore.survey.result import Account, By, Group, Limits, Survey
from mailstore.system.diskquota import Disk


def iso(seconds: int | None) -> str | None:
    """Return a moment as ISO 8601 in UTC; None where there is none, or beyond the years 1 to 9999."""
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        return None


def account_facts(account: Account) -> dict[str, Any]:
    """Return an account as JSON has it (schema ``quota show`` in docs/cli.md)."""
    folders = account.folders
    return {
        "account": account.name,
        "domain": account.domain,
        "location": account.location,
        "format": account.format,
        "style": account.style or None,
        "usage": _usage(account.usage),
        "limit": _limits(account.limits),
        "percent": _percent(account.percent),
        "kept": _usage(account.kept),
        "total": _usage(account.total),
        "physical": account.footprint.physical if account.footprint else None,
        "distinct": account.distinct,
        "folders": None
        if folders is None
        else [
            {"folder": str(one.folder), "messages": one.messages, "bytes": one.size, "counted": one.counted}
            for one in folders
        ],
        "oldest": iso(account.oldest),
        "newest": iso(account.newest),
        "disk": _disk(account.disk),
        "groups": list(account.groups),
        "problems": list(account.problems),
    }


def survey_facts(survey: Survey, by: By = "account") -> dict[str, Any]:
    """Return a survey as JSON has it (schema ``quota show`` in docs/cli.md)."""
    return {
        "taken": iso(survey.taken),
        "depth": survey.depth,
        "usage": _usage(survey.usage),
        "accounts": [account_facts(account) for account in survey.accounts],
        "unreadable": [
            {"account": one.name, "location": one.location, "error": str(one.error), "temporary": one.error.temporary}
            for one in survey.unreadable
        ],
        "group_quotas": [
            {
                "path": one.path,
                "members": one.members,
                "usage": _usage(one.usage),
                "limit": _limits(one.limits),
                "percent": _percent(one.percent),
                "problem": one.problem or None,
            }
            for one in survey.group_quotas
        ],
        "by": by,
        "groups": [group_facts(group) for group in survey.groups(by)],
    }


def group_facts(group: Group) -> dict[str, Any]:
    """Return a group as JSON has it."""
    return {"key": group.key, "messages": group.messages, "bytes": group.size}


def _usage(usage: Usage | None) -> dict[str, int] | None:
    return None if usage is None else {"messages": usage.messages, "bytes": usage.size}


def _limits(limits: Limits) -> dict[str, int | None]:
    return {"bytes": limits.size, "messages": limits.messages}


def _percent(percent: float | None) -> float | None:
    return None if percent is None else round(percent, 2)


def _disk(disk: Disk | None) -> dict[str, Any] | None:
    if disk is None:
        return None
    return {
        "bytes": disk.total_bytes,
        "free_bytes": disk.free_bytes,
        "inodes": disk.total_inodes,
        "free_inodes": disk.free_inodes,
        "quotas": [
            {
                "kind": one.kind,
                "id": one.id,
                "bytes": one.used,
                "limit_bytes": one.limit,
                "inodes": one.inodes_used,
                "limit_inodes": one.inodes_limit,
            }
            for one in disk.quotas
        ],
    }
