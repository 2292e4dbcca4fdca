"""Deliveries into several Maildirs of one file system, through the same barriers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from mailstore.drivers.maildir.deliver import Steps, together
from mailstore.model.changes import Outcome, Staged
from mailstore.model.info import Arrival
from mailstore.spi import Driver, Part
from mailstore.system import fs

if TYPE_CHECKING:
    from mailstore.drivers.maildir.driver import MaildirDriver


class JointDeliveries:
    """See mailstore.spi.Together.

    ``anchor`` is a descriptor of the file system, opened before anything is staged, and of its own: an error of
    writing back is reported once on each, and must not be taken away by somebody else's sync.
    """

    def __init__(self, anchor: int) -> None:
        self._anchor = anchor

    def stage(self, driver: Driver, arrivals: Sequence[Arrival]) -> list[Staged]:
        """See Together.stage."""
        return cast("MaildirDriver", driver).stage_later(arrivals)

    def commit(self, parts: Sequence[Part]) -> list[list[Outcome] | Exception]:
        """See Together.commit."""
        results: list[list[Outcome] | Exception] = [[] for _ in parts]
        joined: dict[int, Steps] = {}
        for at, part in enumerate(parts):
            try:
                commit = cast("MaildirDriver", part.driver).delivery(part.changes, part.guard)
                if commit is None:
                    results[at] = part.driver.commit(part.changes, guard=part.guard, need_uids=False)
                else:
                    joined[at] = commit
            except Exception as error:  # noqa: BLE001 - one Maildir's trouble is not another's
                results[at] = error
        for at, result in zip(joined, together(list(joined.values()), lambda: self._anchor), strict=True):
            results[at] = result
        return results

    def close(self) -> None:
        """See Together.close."""
        anchor, self._anchor = self._anchor, -1
        if anchor >= 0:
            fs.close(anchor)
