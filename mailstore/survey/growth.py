"""How accounts grew together: their samples added up over time, in as many points as a chart can show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mailstore.survey.history import Sample

MOST_POINTS = 300


def together(histories: Mapping[str, Sequence[Sample]], most: int = MOST_POINTS) -> list[Sample]:
    """Return the sums of all accounts over time; each account counts from its first sample on, between two as before.

    A limit is the sum of all limits, and None where an account has none. Of samples that lie close together the last
    stands for all, so that there are at most ``most``.
    """
    events = sorted((sample.taken, name, sample) for name, samples in histories.items() for sample in samples)
    if not events:
        return []
    first, last = events[0][0], events[-1][0]
    step = max((last - first) // max(most - 1, 1), 1)
    now: dict[str, Sample] = {}
    size = messages = 0
    points: dict[int, Sample] = {}
    for taken, name, sample in events:
        before = now.get(name)
        size += sample.size - (before.size if before else 0)
        messages += sample.messages - (before.messages if before else 0)
        now[name] = sample
        # the last sample is a point of its own, and the limits are those of then
        points[min((taken - first + step - 1) // step, most - 1)] = Sample(taken, size, messages)
    ends = sorted(points.values())
    limits = [sample.size_limit for sample in now.values()]
    limit = None if None in limits else sum(one for one in limits if one is not None)
    return [*ends[:-1], ends[-1]._replace(size_limit=limit)]
