"""When will the limit be reached? A straight line through the samples of a window, and no answer where there is none.

Mail grows unsteadily, and a line can be laid through anything. So the fit says what it rests on, and is given only
where growth is clearly more than noise: at least three samples over at least a day, and a slope of more than twice its
standard error.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

from mailstore.survey.history import Sample

DAY = 86400
WINDOW = 90 * DAY
"""Seconds before the last sample that are looked at, unless said otherwise."""
FURTHEST = 3650 * DAY
"""Seconds after the last sample: what lies beyond is not foreseeable."""
_FEWEST = 3

Outlook = Literal["reached", "expected", "not foreseeable", "no limit"]


class Forecast(NamedTuple):
    """What the samples say about the limit of bytes."""

    outlook: Outlook
    when: int | None
    """When the limit is reached, where that is ``expected``."""
    per_day: float | None
    """Bytes by which usage grows a day (the fitted line's slope); None where no line was fitted."""
    samples: int
    """How many the line rests on."""
    window: int
    """Seconds that were looked at."""
    reason: str
    """Why nothing can be foreseen; '' where it can."""


def forecast(samples: Sequence[Sample], *, window: int = WINDOW) -> Forecast:
    """Lay a line (least squares) through the samples' bytes and say when it meets the limit of the last sample.

    Args:
        samples: ascending by time.
        window: seconds before the last sample that count.
    """
    recent = [sample for sample in samples if sample.taken >= samples[-1].taken - window]
    few = len(recent) < _FEWEST or recent[-1].taken - recent[0].taken < DAY
    slope, error = (None, 0.0) if few else _slope(recent)
    per_day = None if slope is None else slope * DAY
    limit = recent[-1].size_limit if recent else None
    if limit is None:
        return Forecast("no limit", None, per_day, len(recent), window, "")
    last = recent[-1]
    if last.size >= limit:
        return Forecast("reached", None, per_day, len(recent), window, "")
    reason, when = _reason(slope, error), None
    if slope is not None and not reason:
        seconds = (limit - last.size) / slope
        when, reason = (int(last.taken + seconds), "") if seconds <= FURTHEST else (None, "more than ten years ahead")
    return Forecast("not foreseeable" if reason else "expected", when, per_day, len(recent), window, reason)


def _reason(slope: float | None, error: float) -> str:
    if slope is None:
        return "fewer than three samples over a day"
    if slope <= 0:
        return "it does not grow"
    return "it grows too unsteadily" if slope <= 2 * error else ""


def _slope(samples: Sequence[Sample]) -> tuple[float, float]:
    """Return the slope of the line through the samples, in bytes a second, and its standard error."""
    count = len(samples)
    mean_t = sum(sample.taken for sample in samples) / count
    mean_b = sum(sample.size for sample in samples) / count
    times = [sample.taken - mean_t for sample in samples]
    sizes = [sample.size - mean_b for sample in samples]
    spread = math.fsum(t * t for t in times)
    slope = math.fsum(t * b for t, b in zip(times, sizes, strict=True)) / spread
    rest = math.fsum((b - slope * t) ** 2 for t, b in zip(times, sizes, strict=True))
    return slope, math.sqrt(rest / (count - 2) / spread)
