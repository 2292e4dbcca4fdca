"""Quota: limits on what an account may hold, enforced inside each commit. See docs/quota.md and ADR 0004.

Importing this package loads nothing: a delivery starts a process for each mail, and most accounts have no quota.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailstore.formats.quotarules import (
        format_portion,
        format_rules,
        format_size,
        parse_duration,
        parse_portion,
        parse_rules,
        parse_size,
    )
    from mailstore.model.quota import NO_RULES, STYLES, FolderCount, FolderRule, Portion, QuotaRules, QuotaStyle
    from mailstore.quota.account import Quota, total
    from mailstore.quota.crossing import Crossing
    from mailstore.quota.explain import Explanation, Share
    from mailstore.quota.group import Group
    from mailstore.system.diskquota import Disk, DiskQuota, disk_of

_HOMES = {
    "mailstore.formats.quotarules": (
        "format_portion",
        "format_rules",
        "format_size",
        "parse_duration",
        "parse_portion",
        "parse_rules",
        "parse_size",
    ),
    "mailstore.model.quota": ("NO_RULES", "STYLES", "FolderCount", "FolderRule", "Portion", "QuotaRules", "QuotaStyle"),
    "mailstore.quota.account": ("Quota", "total"),
    "mailstore.quota.crossing": ("Crossing",),
    "mailstore.quota.explain": ("Explanation", "Share"),
    "mailstore.quota.group": ("Group",),
    "mailstore.system.diskquota": ("Disk", "DiskQuota", "disk_of"),
}

__all__ = [
    "NO_RULES",
    "STYLES",
    "Crossing",
    "Disk",
    "DiskQuota",
    "Explanation",
    "FolderCount",
    "FolderRule",
    "Group",
    "Portion",
    "Quota",
    "QuotaRules",
    "QuotaStyle",
    "Share",
    "disk_of",
    "format_portion",
    "format_rules",
    "format_size",
    "parse_duration",
    "parse_portion",
    "parse_rules",
    "parse_size",
    "total",
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
