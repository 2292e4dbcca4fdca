"""Squarified treemaps (Bruls, Huizing, van Wijk 2000): rectangles of given areas, as close to squares as can be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Box(NamedTuple):
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float

    def inset(self, left: float, top: float, right: float, bottom: float) -> Box:
        """Return what is left of it inside margins; never less than nothing."""
        return Box(
            self.x + left, self.y + top, max(self.width - left - right, 0.0), max(self.height - top - bottom, 0.0)
        )


def squarify(values: Sequence[float], box: Box) -> list[Box]:
    """Divide ``box`` among ``values``, which are positive and descend; one rectangle for each, in order."""
    boxes: list[Box] = []
    whole = sum(values)
    if not values or whole <= 0 or box.width <= 0 or box.height <= 0:
        return [Box(box.x, box.y, 0.0, 0.0)] * len(values)
    areas = [value * box.width * box.height / whole for value in values]
    at = 0
    while at < len(areas):
        end = at + 1
        side = min(box.width, box.height)
        # a row grows as long as that makes its worst rectangle squarer
        while end < len(areas) and _worst(areas[at : end + 1], side) <= _worst(areas[at:end], side):
            end += 1
        row, box = _lay(areas[at:end], box)
        boxes += row
        at = end
    return boxes


def _worst(row: Sequence[float], side: float) -> float:
    """Return the worst ratio of sides of a row of areas laid along ``side``."""
    total = sum(row)
    if total <= 0 or side <= 0:
        return float("inf")
    return max(side * side * max(row) / (total * total), total * total / (side * side * max(min(row), 1e-12)))


def _lay(row: Sequence[float], box: Box) -> tuple[list[Box], Box]:
    """Lay a row along the shorter side; returns its rectangles and what is left of the box."""
    upright = box.width >= box.height
    side = box.height if upright else box.width
    thick = min(sum(row) / side if side else 0.0, box.width if upright else box.height)
    boxes, at = [], 0.0
    for area in row:
        length = area / thick if thick else 0.0
        if upright:
            boxes.append(Box(box.x, box.y + at, thick, length))
        else:
            boxes.append(Box(box.x + at, box.y, length, thick))
        at += length
    if upright:
        return boxes, Box(box.x + thick, box.y, max(box.width - thick, 0.0), box.height)
    return boxes, Box(box.x, box.y + thick, box.width, max(box.height - thick, 0.0))
