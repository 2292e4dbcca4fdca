"""Charts as SVG that stands in a page: no script, colours from the page's style, a title on all that can be pointed at.

Text from mail or a disk is made harmless and escaped here, wherever it goes.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from mailstore.pages.figures import count_label, day_label, percent_label, size_label, size_ticks
from mailstore.pages.text import harmless, text
from mailstore.survey.history import Sample
from mailstore.survey.outlook import Forecast
from mailstore.survey.result import Account, FolderShare, Group
from mailstore.survey.treemap import Box, squarify

WIDTH = 1040
_MAP_HEIGHT = 440
_MOST_ACCOUNTS = 60
_MOST_FOLDERS = 40
_HEAD = 20.0
"""Height of the strip that an account's name stands in."""
_LETTER = 0.62
"""Width of a letter in ems, about; a little less in most fonts."""
_BOLD = 0.7
_MOST_YEARS = 24


def _svg(name: str, title: str, body: Sequence[str], height: float, width: float = WIDTH) -> str:
    return (
        f'<svg class="{name}" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{text(title)}">'
        + "".join(body)
        + "</svg>"
    )


def _fitted(value: str, width: float, size: float, letter: float = _LETTER) -> str:
    """Return as much of a text as fits into ``width`` at ``size``; '' where hardly a letter does."""
    value = harmless(value)
    wide = sum(2 if ord(one) > 0x2E80 else 1 for one in value)
    room = int(width / (size * letter))
    if wide <= room:
        return escape(value)
    return escape(value[: max(room - 1, 0)].rstrip() + "…") if room >= 4 and wide == len(value) else ""


# --- usage by account and folder


def usage_map(accounts: Sequence[Account]) -> str:
    """Return the treemap of accounts and their folders, by all their mail (by what counts where no closer look was)."""
    sized = sorted(((_size(one), one) for one in accounts), key=lambda pair: (-pair[0], pair[1].name))
    sized = [pair for pair in sized if pair[0] > 0]
    shown, rest = sized[:_MOST_ACCOUNTS], sized[_MOST_ACCOUNTS:]
    values = [float(size) for size, _ in shown]
    others = sum(size for size, _ in rest)
    places = squarify(
        sorted([*values, float(others)] if others else values, reverse=True), Box(0, 0, WIDTH, _MAP_HEIGHT)
    )
    body = []
    if others:
        place = places.pop(sum(value >= others for value in values))
        name = f"{len(rest)} smaller accounts"
        body.append(_tile(place.inset(1, 1, 1, 1), "rest", name, f"{name}: {size_label(others)}"))
    for place, (_, account) in zip(places, shown, strict=True):
        body.append(_account(account, place))
    return _svg("map", "Mail by account and folder; the tables below say the same", body, _MAP_HEIGHT)


def _size(account: Account) -> int:
    return account.total.size if account.total is not None else account.usage.size


def fullness(percent: float | None) -> str:
    """Return the class of what is so full: ``full``, ``near`` (from 80 percent) or ``fine``."""
    return "fine" if percent is None or percent < 80 else "near" if percent < 100 else "full"


def _account(account: Account, place: Box) -> str:
    place = place.inset(1, 1, 1, 1)
    kind = fullness(account.percent)
    said = f"{account.name}: {size_label(_size(account))}"
    if account.percent is not None:
        said += f", {percent_label(account.percent)} of the limit"
    folders = [share for share in account.folders or () if share.size > 0]
    if not folders or place.height < _HEAD + 16 or place.width < 40:
        return _tile(place, kind, account.name, said)
    parts = [f'<g class="account"><rect class="frame {kind}" {_rect(place)}><title>{text(said)}</title></rect>']
    label = _fitted(account.name, place.width - 12, 12, _BOLD)
    parts.append(f'<text class="{kind}" x="{place.x + 6:.1f}" y="{place.y + 14:.1f}">{label}</text>')
    inner = place.inset(2, _HEAD, 2, 2)
    parts += _folders(folders, inner, kind, account.name)
    return "".join(parts) + "</g>"


def _folders(folders: Sequence[FolderShare], box: Box, kind: str, owner: str) -> list[str]:
    """Return the tiles of an account's folders; the smallest of very many are one."""
    shown, rest = list(folders[:_MOST_FOLDERS]), folders[_MOST_FOLDERS:]
    sizes = [float(share.size) for share in shown]
    tiles = [(float(share.size), kind if share.counted else "aside", str(share.folder)) for share in shown]
    if rest:
        tiles.append((float(sum(share.size for share in rest)), kind, f"{len(rest)} smaller folders"))
        tiles.sort(key=lambda tile: -tile[0])
        sizes = [tile[0] for tile in tiles]
    return [
        _tile(place.inset(0.75, 0.75, 0.75, 0.75), tile[1], tile[2], f"{owner}, {tile[2]}: {size_label(tile[0])}")
        for place, tile in zip(squarify(sizes, box), tiles, strict=True)
    ]


def _tile(place: Box, kind: str, name: str, title: str) -> str:
    parts = [f'<g><rect class="tile {kind}" {_rect(place)}><title>{text(title)}</title></rect>']
    if place.height >= 16 and (label := _fitted(name, place.width - 10, 12)):
        parts.append(f'<text class="{kind}" x="{place.x + 5:.1f}" y="{place.y + 13:.1f}">{label}</text>')
        size = title.rpartition(": ")[2].partition(",")[0]
        if place.height >= 34 and len(size) * 11 * _LETTER <= place.width - 10:
            parts.append(
                f'<text class="{kind} small" x="{place.x + 5:.1f}" y="{place.y + 28:.1f}">{escape(size)}</text>'
            )
    return "".join(parts) + "</g>"


def _rect(place: Box) -> str:
    return f'x="{place.x:.2f}" y="{place.y:.2f}" width="{place.width:.2f}" height="{place.height:.2f}" rx="3"'


# --- growth


def growth_chart(samples: Sequence[Sample], outlook: Forecast) -> str:
    """Return usage over time with the limit, where there is one, and the way the forecast expects."""
    left, right, top, bottom, height = 76.0, 20.0, 14.0, 30.0, 280.0
    first, last = samples[0].taken, samples[-1].taken
    ahead = max((last - first) // 3, 86400) if outlook.per_day is not None else 0
    end = max(last + ahead, first + 1)
    limit = samples[-1].size_limit
    future = _future(samples[-1], outlook, end)
    most = max([sample.size for sample in samples] + [size for _, size in future])
    if limit is not None and limit <= 3 * max(most, 1):
        most = max(most, limit)
    ticks = size_ticks(max(most, 1))

    def at(moment: float, size: float) -> str:
        x = left + (moment - first) / (end - first) * (WIDTH - left - right)
        return f"{x:.1f},{height - bottom - size / ticks[-1] * (height - top - bottom):.1f}"

    body = []
    for tick in ticks:
        y = float(at(first, tick).partition(",")[2])
        body.append(f'<path class="grid" d="M{left:g} {y:.1f}H{WIDTH - right:g}"/>')
        body.append(f'<text class="axis end" x="{left - 10:g}" y="{y + 4:.1f}">{size_label(tick)}</text>')
    body += _days(first, end, left, WIDTH - right, height - 8)
    line = " ".join(at(sample.taken, sample.size) for sample in samples)
    base = f"{at(last, 0)} {at(first, 0)}"
    body.append(f'<polygon class="area" points="{line} {base}"/><polyline class="line" points="{line}"/>')
    if future:
        body.append(f'<polyline class="ahead" points="{" ".join(at(*point) for point in future)}"/>')
    if limit is not None and limit <= ticks[-1]:
        y = float(at(first, limit).partition(",")[2])
        body.append(f'<path class="limit" d="M{left:g} {y:.1f}H{WIDTH - right:g}"/>')
        label = y - 6 if y > 20 else y + 16  # at the top edge it would be cut
        body.append(f'<text class="limit end" x="{WIDTH - right:g}" y="{label:.1f}">Limit {size_label(limit)}</text>')
    kind = "dot" if len(samples) <= 30 else "dot hidden"
    for sample in samples:
        across, down = at(sample.taken, sample.size).split(",")
        said = f"{day_label(sample.taken)}: {size_label(sample.size)}, {count_label(sample.messages)} messages"
        body.append(f'<circle class="{kind}" cx="{across}" cy="{down}" r="3"><title>{said}</title></circle>')
    return _svg("growth", "Usage over time; the numbers are in the page's data", body, height)


def _future(last: Sample, outlook: Forecast, end: int) -> list[tuple[float, float]]:
    """Return the two ends of the expected line, cut where it would fall below nothing."""
    if outlook.per_day is None or end <= last.taken:
        return []
    size = last.size + outlook.per_day * (end - last.taken) / 86400
    return [(last.taken, last.size), (end, max(size, 0.0))]


def _days(first: int, end: int, left: float, right: float, y: float) -> list[str]:
    """Return about six days along an axis of time."""
    count = 6 if end - first >= 6 * 86400 else 2
    parts = []
    for number in range(count):
        moment = first + (end - first) * number // (count - 1)
        x = left + (right - left) * number / (count - 1)
        anchor = "" if number == 0 else " end" if number == count - 1 else " middle"
        parts.append(f'<text class="axis{anchor}" x="{x:.1f}" y="{y:g}">{day_label(moment)}</text>')
    return parts


# --- distributions


def year_chart(groups: Sequence[Group], now: int) -> str:
    """Return mail by year as columns, years without any between them.

    Years long ago are one column where there are many, and so are those after the year ``now``, which are errors.
    """
    dated = {int(group.key): group for group in groups if group.key.isdecimal()}
    past = [year for year in dated if year <= now]
    named = [dated.get(year, Group(f"{year:04}", 0, 0)) for year in (range(min(past), max(past) + 1) if past else ())]
    if len(named) > _MOST_YEARS:
        cut = len(named) - _MOST_YEARS + 1
        named = [_together(f"to {named[cut - 1].key}", named[:cut]), *named[cut:]]
    later = [group for year, group in dated.items() if year > now]
    undated = [group for group in groups if not group.key.isdecimal()]
    named += [_together(name, rest) for name, rest in (("later", later), ("no date", undated)) if rest]
    width, height, bottom, top = WIDTH / 2, 260.0, 26.0, 24.0
    step = width / max(len(named), 6)
    most = max(group.size for group in named) or 1
    body = [f'<path class="grid" d="M0 {height - bottom:g}H{width:g}"/>']
    every = -(-len(named) // 10)
    for number, group in enumerate(named):
        tall = group.size / most * (height - top - bottom)
        x = step * number
        said = f"{group.key}: {size_label(group.size)}, {count_label(group.messages)} messages"
        body.append(
            f'<rect class="bar" x="{x + step * 0.12:.1f}" y="{height - bottom - tall:.1f}" width="{step * 0.76:.1f}"'
            f' height="{max(tall, 1.0) if group.size else 0.0:.1f}" rx="2"><title>{text(said)}</title></rect>'
        )
        middle = x + step / 2
        if (len(named) - 1 - number) % every == 0:
            body.append(f'<text class="axis middle" x="{middle:.1f}" y="{height - 8:g}">{text(group.key)}</text>')
        if step >= 52 or group.size == most:
            y = height - bottom - tall - 6
            edge = " end" if middle > width - 30 else "" if middle < 30 else " middle"
            x_label = min(max(middle, 0.0), width) if edge == " middle" else (width if edge else 0.0)
            body.append(f'<text class="value{edge}" x="{x_label:.1f}" y="{y:.1f}">{size_label(group.size)}</text>')
    return _svg("years", "Mail by year of arrival", body, height, width)


def _together(name: str, groups: Sequence[Group]) -> Group:
    return Group(name, sum(group.messages for group in groups), sum(group.size for group in groups))


def size_chart(groups: Sequence[Group]) -> str:
    """Return mail by size class as bars, with bytes and messages beside them."""
    width, row = WIDTH / 2, 32.0
    most = max(group.size for group in groups) or 1
    start, stop = 118.0, width - 190.0
    body = []
    for number, group in enumerate(groups):
        y = row * number
        long = max(group.size / most * (stop - start), 1.0) if group.size else 0.0
        said = f"{group.key}: {size_label(group.size)}, {count_label(group.messages)} messages"
        body.append(
            f'<text class="axis" x="0" y="{y + 20:g}">{text(group.key)}</text>'
            f'<rect class="bar" x="{start:g}" y="{y + 7:g}" width="{long:.1f}" height="18" rx="2">'
            f"<title>{text(said)}</title></rect>"
            f'<text class="value end" x="{width - 100:g}" y="{y + 20:g}">{size_label(group.size)}</text>'
            f'<text class="axis end" x="{width:g}" y="{y + 20:g}">{count_label(group.messages)}</text>'
        )
    return _svg("sizes", "Mail by size of the message", body, row * len(groups), width)
