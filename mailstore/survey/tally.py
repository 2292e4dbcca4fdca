"""What all accounts of a survey add up to: by year, size and sender, and the largest messages. Memory stays bounded."""

from __future__ import annotations

import heapq
import time
from bisect import bisect_right
from itertools import count

from mailstore.survey.result import Group, TopMessage

OTHERS = "(others)"
"""The senders that are too many and too small to be kept apart."""
_MOST_SENDERS = 50_000
_EDGES = (4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20)
_CLASSES = ("under 4K", "4K to 16K", "16K to 64K", "64K to 256K", "256K to 1M", "1M to 4M", "4M to 16M", "16M and more")
_DAY = 86400


class Tally:
    """Sums over messages of any number of accounts.

    Args:
        top: how many of the largest messages are kept.
    """

    def __init__(self, top: int) -> None:
        self.most = top
        """How many of the largest messages are kept."""
        self._largest: list[tuple[int, int, TopMessage]] = []
        self._order = count()
        self._years: dict[str, list[int]] = {}
        self._year_of_day: dict[int, str] = {}
        self._sizes = [[0, 0] for _ in _CLASSES]
        self._senders: dict[str, list[int]] = {}
        self._others = [0, 0]

    def add(self, size: int, date: int | None) -> None:
        """Enter a message."""
        _add(self._years, self._year(date), size)
        entry = self._sizes[bisect_right(_EDGES, size)]
        entry[0] += 1
        entry[1] += size

    def add_sender(self, author: str, size: int) -> None:
        """Enter a message's sender."""
        _add(self._senders, author, size)
        if len(self._senders) > _MOST_SENDERS:
            self._merge_small_senders()

    def large_enough(self, size: int) -> bool:
        """Tell whether a message of ``size`` bytes is one of the largest so far."""
        return self.most > 0 and (len(self._largest) < self.most or size > self._largest[0][0])

    def add_large(self, message: TopMessage) -> None:
        """Enter one of the largest messages; of equal ones the first stays."""
        entry = (message.size, -next(self._order), message)
        if len(self._largest) < self.most:
            heapq.heappush(self._largest, entry)
        else:
            heapq.heappushpop(self._largest, entry)

    def years(self) -> list[Group]:
        """Return the sums by year, oldest first, unknown ('') last."""
        return [Group(year, *self._years[year]) for year in sorted(self._years, key=lambda year: (not year, year))]

    def sizes(self) -> list[Group]:
        """Return the sums by size class, smallest first; none of them where there is no message."""
        groups = [Group(name, *entry) for name, entry in zip(_CLASSES, self._sizes, strict=True)]
        return groups if any(group.messages for group in groups) else []

    def senders(self) -> list[Group]:
        """Return the sums by sender, largest first."""
        groups = [Group(sender, *entry) for sender, entry in self._senders.items()]
        groups.sort(key=lambda group: (-group.size, group.key))
        return groups + [Group(OTHERS, *self._others)] * bool(self._others[0])

    def top(self) -> list[TopMessage]:
        """Return the largest messages, largest first."""
        return [message for _, _, message in sorted(self._largest, reverse=True)]

    def _year(self, date: int | None) -> str:
        if date is None:
            return ""
        day = date // _DAY
        year = self._year_of_day.get(day)
        if year is None:
            if len(self._year_of_day) > 100_000:
                self._year_of_day.clear()
            year = self._year_of_day[day] = _year(date)
        return year

    def _merge_small_senders(self) -> None:
        by_size = sorted(self._senders.items(), key=lambda item: item[1][1])
        for sender, entry in by_size[: _MOST_SENDERS // 2]:
            del self._senders[sender]
            self._others[0] += entry[0]
            self._others[1] += entry[1]


def _year(date: int) -> str:
    try:
        year = time.gmtime(date).tm_year
    except (OverflowError, ValueError, OSError):
        return ""
    return f"{year:04}" if 1 <= year <= 9999 else ""


def _add(sums: dict[str, list[int]], key: str, size: int) -> None:
    entry = sums.get(key)
    if entry is None:
        sums[key] = [1, size]
    else:
        entry[0] += 1
        entry[1] += size
