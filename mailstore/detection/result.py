"""What a search for mail found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from mailstore.registry import Detection

Kind = Literal["store", "ambiguous", "spool", "accounts", "known", "link", "unreadable", "passed over"]
"""``store``: mail, in one reading. ``ambiguous``: mail, in several readings. ``spool``: a directory of mailboxes, one a
user. ``accounts``: a directory of stores, one a user. ``known``: something of the mail world that is no mail, or that
cannot be read here. ``link``: a symbolic link, not followed. ``unreadable``: closed to us. ``passed over``: not looked
into, and why."""

MAIL: frozenset[Kind] = frozenset({"store", "ambiguous", "spool", "accounts"})
"""The kinds that are mail."""


@dataclass(slots=True)
class Find:
    """One thing found.

    Attributes:
        path: absolute.
        kind: what it is.
        readings: every way to read it, with the location to use; for a spool and accounts a pattern with ``{user}``.
        evidence: why we think so, one fact a line.
        hints: what goes together with it, and how.
        folders: how many of it hold messages or can; None where that was not looked for, or not in one reading.
        messages: the same of messages.
        size: bytes that its mail takes on disk.
    """

    path: str
    kind: Kind
    readings: tuple[Detection, ...] = ()
    evidence: list[str] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)
    folders: int | None = None
    messages: int | None = None
    size: int | None = None

    @property
    def location(self) -> str:
        """The location to use; '' where there is none, or more than one."""
        return self.readings[0].location if len(self.readings) == 1 else ""

    @property
    def is_mail(self) -> bool:
        """Whether it is mail."""
        return self.kind in MAIL

    def to_dict(self) -> dict[str, object]:
        """Return it as plain values for JSON (schema in docs/cli.md)."""
        return {
            "path": self.path,
            "kind": self.kind,
            "location": self.location or None,
            "readings": [
                {"location": one.location, "format": one.format, "evidence": one.evidence} for one in self.readings
            ],
            "evidence": list(self.evidence),
            "hints": list(self.hints),
            "folders": self.folders,
            "messages": self.messages,
            "bytes": self.size,
        }
