"""When usage goes over a threshold, and when it is under it again: told once each, not at every message.

The problem. Usage that sways around a threshold would tell of it at every message; and a process that delivers one mail
does not know what the one before it told.

The solution. What was told is kept with the store, as a small text. A threshold counts as under again only when usage
is below it by the hysteresis, and does not tell of another crossing upwards before the interval is over: then, if usage
is still above it. Two deliveries that end at the same moment may both tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from mailstore.errors import MailstoreError
from mailstore.model.changes import Usage
from mailstore.model.quota import QuotaRules
from mailstore.system import clock

if TYPE_CHECKING:
    from mailstore.quota.account import Quota

NOTE = "crossings"
"""The name of the note in which it is kept."""


class Crossing(NamedTuple):
    """Usage crossed a threshold."""

    resource: Literal["STORAGE", "MESSAGE"]
    """Its name in RFC 9208; the figures here are bytes or messages."""
    percent: int
    """The threshold, of the limit."""
    over: bool
    """Upwards: usage has reached it. False: it is under it again."""
    usage: int
    limit: int


class _Told(NamedTuple):
    """What became of one threshold."""

    state: Literal["over", "quiet", "under"]
    """``quiet`` is over without having told so, as the interval was not over."""
    since: int
    """When it last told of a crossing upwards, seconds since 1970."""


_NOTHING = _Told("under", -(1 << 62))


def crossings(rules: QuotaRules, usage: Usage, note: str, now: int) -> tuple[tuple[Crossing, ...], str]:
    """Return what to tell, thresholds ascending, and the note to keep.

    Args:
        rules: whose ``warnings``, ``hysteresis`` and ``warning_interval``.
        usage: what counts now.
        note: what this function returned last; '' the first time. What cannot be read is taken for nothing.
        now: seconds since 1970.
    """
    told = _read(note)
    events: list[Crossing] = []
    for resource, used, limit in _limits(rules, usage):
        for percent in rules.warnings:
            before = told.get((resource, percent), _NOTHING)
            after, event = _step(rules, before, used * 100, limit, percent, now)
            told[resource, percent] = after
            if event is not None:
                events.append(Crossing(resource, percent, event, used, limit))
    known = {(resource, percent) for resource, _, _ in _limits(rules, usage) for percent in rules.warnings}
    return tuple(events), _write({key: value for key, value in told.items() if key in known})


def tell(quota: Quota, callbacks: Sequence[Callable[[Crossing], None]]) -> None:
    """Tell ``callbacks`` what has been crossed since the last time; what goes wrong is noted in ``quota.problems``."""
    try:
        with quota.locked():
            rules = quota.rules()
            if rules is None or not rules.warnings:
                return
            note = quota.note(NOTE)
            events, after = crossings(rules, quota.usage(), note, clock.now())
            if after != note:
                quota.set_note(NOTE, after)
    except (MailstoreError, OSError) as error:
        quota.trouble(f"nobody was told of thresholds: {error}")
        return
    for event in events:
        for callback in callbacks:
            try:
                callback(event)
            except Exception as error:  # noqa: BLE001 - the change is done, and its caller must hear so
                quota.trouble(f"telling of {event.percent} % failed: {error!r}")


def _limits(rules: QuotaRules, usage: Usage) -> Iterator[tuple[Literal["STORAGE", "MESSAGE"], int, int]]:
    if rules.storage is not None:
        yield "STORAGE", usage.size, rules.storage
    if rules.messages is not None:
        yield "MESSAGE", usage.messages, rules.messages


def _step(rules: QuotaRules, before: _Told, used: int, limit: int, percent: int, now: int) -> tuple[_Told, bool | None]:
    """Return what a threshold becomes, and whether to tell that it is over (True) or under (False)."""
    if used >= limit * percent:
        if before.state == "over":
            return before, None
        if not 0 <= now - before.since < rules.warning_interval:  # below 0 a clock was wrong
            return _Told("over", now), True
        return before._replace(state="quiet"), None
    low = max(limit * (percent - rules.hysteresis), 1)  # an empty account is under all thresholds
    if used < low or before.state == "quiet":
        return before._replace(state="under"), False if before.state == "over" else None
    return before, None


def _read(note: str) -> dict[tuple[str, int], _Told]:
    told = {}
    for line in note.splitlines():
        match line.split(" "):
            case [resource, percent, "over" | "quiet" | "under" as state, since] if percent.isdecimal():
                if since.removeprefix("-").isdecimal() and len(since) < 20 and len(percent) < 6:
                    told[resource, int(percent)] = _Told(state, int(since))
            case _:
                pass
    return told


def _write(told: dict[tuple[str, int], _Told]) -> str:
    lines = sorted((key, value) for key, value in told.items() if value != _NOTHING)
    return "".join(f"{key[0]} {key[1]} {value.state} {value.since}\n" for key, value in lines)
