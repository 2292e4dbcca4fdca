"""Figures as a page shows them: sizes with units, counts in groups, days; and the steps of an axis."""

from __future__ import annotations

import math
from datetime import UTC, datetime

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
NOTHING = "\u2013"
"""An en dash: there is no such figure."""
_NARROW = "\u202f"
"""A narrow no-break space: a figure and its unit stay together."""


def size_label(size: float) -> str:
    """Return bytes with their unit: ``931 B``, ``4.2 KiB``, ``17 MiB``."""
    amount, unit = float(size), _UNITS[0]
    for unit in _UNITS:
        if abs(amount) < 999.5 or unit == _UNITS[-1]:
            break
        amount /= 1024
    digits = 1 if unit != "B" and abs(amount) < 9.95 else 0
    return f"{amount:.{digits}f}{_NARROW}{unit}"


def count_label(count: int) -> str:
    """Return a count in groups of three: ``12,345``."""
    return f"{count:,}"


def day_label(seconds: int | None) -> str:
    """Return the day of a moment (UTC); an en dash where there is none."""
    if seconds is None:
        return NOTHING
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"
    except (OverflowError, ValueError, OSError):
        return NOTHING


def percent_label(percent: float | None) -> str:
    """Return percent without decimals; an en dash where there are none."""
    return NOTHING if percent is None else f"{percent:.0f}{_NARROW}%"


def size_ticks(most: float, count: int = 4) -> list[float]:
    """Return round sizes from 0 up to at least ``most``, about ``count`` steps apart evenly."""
    unit = 1.0
    while most / unit >= 1000:
        unit *= 1024
    rough = max(most / unit / count, 1e-9 if unit > 1 else 1.0)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999)
    return [number * step * unit for number in range(math.ceil(most / unit / step - 1e-9) + 1)] or [0.0]
