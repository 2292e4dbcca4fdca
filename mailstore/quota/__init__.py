"""Quota: limits on what an account may hold, enforced inside each commit. See docs/quota.md and ADR 0004."""

from __future__ import annotations

from mailstore.formats.quotarules import (
    format_portion,
    format_rules,
    format_size,
    parse_duration,
    parse_portion,
    parse_rules,
    parse_size,
)
from mailstore.model.quota import FolderCount, FolderRule, Portion, QuotaRules, QuotaStyle

__all__ = [
    "FolderCount",
    "FolderRule",
    "Portion",
    "QuotaRules",
    "QuotaStyle",
    "format_portion",
    "format_rules",
    "format_size",
    "parse_duration",
    "parse_portion",
    "parse_rules",
    "parse_size",
]
