"""The arithmetic of a sum: what counts in each folder, what does not, and why; for each program's way to count."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from mailstore.model.changes import Usage
from mailstore.model.quota import FolderCount, QuotaRules, QuotaStyle


class Share(NamedTuple):
    """One folder's part in a sum."""

    folder: str
    counted: Usage
    left_out: Usage
    reason: str
    r"""Why something is left out: ``ignored by its rule``, ``Trash``, ``flagged \Deleted``; '' where nothing is."""


class Explanation(NamedTuple):
    """How one program's way to count comes to its sum."""

    style: QuotaStyle
    shares: tuple[Share, ...]
    total: Usage


def explain(counts: Iterable[FolderCount], rules: QuotaRules, style: QuotaStyle) -> Explanation:
    """Return the arithmetic of ``style`` over what lies in the folders, with the folder rules of ``rules``."""
    rules = replace(rules, style=style)
    shares = tuple(_share(count, rules) for count in counts)
    messages = sum(share.counted.messages for share in shares)
    return Explanation(style, shares, Usage(messages, sum(share.counted.size for share in shares)))


def _share(count: FolderCount, rules: QuotaRules) -> Share:
    counted = rules.counted(count)
    left_out = Usage(count.messages - counted.messages, count.size - counted.size)
    return Share(str(count.folder), counted, left_out, _reason(count, rules) if any(left_out) else "")


def _reason(count: FolderCount, rules: QuotaRules) -> str:
    if rules.rule(count.folder).ignore:
        return "ignored by its rule"
    return r"flagged \Deleted" if rules.counts(count.folder, 0) else "Trash"
