"""What goes together: a user's INBOX in the spool with the folders in the home, and accounts that lie alike."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence

from mailstore.detection.result import Find
from mailstore.registry import Detection, find_format

_USER = "{user}"


def tell(finds: Sequence[Find]) -> list[Detection]:
    """Add hints to the finds; return patterns with ``{user}`` for accounts that lie alike, the most frequent first."""
    pairs = _pair_inboxes(finds)
    counted: dict[Detection, int] = defaultdict(int)
    for one in finds:
        if one.kind == "store":
            for at, part in enumerate(one.path.split("/")):
                if part and at < one.path.count("/"):  # two stores in one directory are not two users'
                    counted[_pattern(one.readings[0].format, one.path, at, "")] += 1
    for tree, inbox, user in pairs:
        at = tree.path.split("/").index(user)
        counted[_pattern(tree.readings[0].format, tree.path, at, f"{os.path.dirname(inbox.path)}/{_USER}")] += 1
    often = [(pattern, count) for pattern, count in counted.items() if count > 1]
    often.sort(key=lambda pair: (-pair[1], pair[0].location))
    alike = [Detection(one.location, one.format, f"{count} accounts lie so") for one, count in _outermost(often)]
    return alike + [one.readings[0] for one in finds if len(one.readings) == 1 and _USER in one.location]


def _pattern(form: str, path: str, at: int, inbox: str) -> Detection:
    parts = path.split("/")
    parts[at] = _USER
    return Detection(f"{form}:{'/'.join(parts)}" + (f"?inbox={inbox}" if inbox else ""), form, "")


def _outermost(often: list[tuple[Detection, int]]) -> list[tuple[Detection, int]]:
    """Leave out patterns without an INBOX of its own where the same with one is there."""
    with_inbox = {pattern.location.partition("?")[0] for pattern, _ in often if "?inbox=" in pattern.location}
    return [(pattern, count) for pattern, count in often if pattern.location not in with_inbox]


def _pair_inboxes(finds: Sequence[Find]) -> list[tuple[Find, Find, str]]:
    """Find trees that a spool's file is the INBOX of: both are the user's whose name is in the paths."""
    spools = {one.path for one in finds if one.kind == "spool"}
    inboxes = {os.path.basename(one.path): one for one in finds if os.path.dirname(one.path) in spools and one.location}
    pairs = []
    for tree in finds:
        if tree.kind != "store" or not os.path.isdir(tree.path):
            continue
        form = find_format(tree.readings[0].format)
        user = next((part for part in reversed(tree.path.split("/")[:-1]) if part in inboxes), None)
        if user is None or form is None or "inbox" not in form.options:
            continue
        inbox = inboxes[user]
        if inbox.readings[0].format != tree.readings[0].format:
            hint = f"{inbox.path} is mail of the same user, in another format: convert both into one store"
            tree.hints.append(hint)
            continue
        location = f"{tree.location}?inbox={inbox.path}"
        tree.hints.append(f"{inbox.path} is this user's INBOX: {location}")
        inbox.hints.append(f"{tree.path} has this user's folders: {location}")
        pairs.append((tree, inbox, user))
    return pairs
