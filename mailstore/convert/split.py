"""One source into several destinations: by the year or month in which messages came, or by folder.

A part is an ordinary conversion: a location made from a template, and options that choose what belongs there. Every
message belongs to exactly one part. Run again, each part goes on with its own journal.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from typing import NamedTuple

from mailstore.convert.choice import chooses
from mailstore.convert.mapping import FolderMapping, route
from mailstore.convert.options import Options
from mailstore.convert.routing import refuse_collisions
from mailstore.errors import MailstoreError, UsageError
from mailstore.formats import escape
from mailstore.model.info import INTERNAL_DATE
from mailstore.model.names import INBOX, FolderPath
from mailstore.search import Search, parse_search
from mailstore.store import Store

SPLITS = ("year", "month", "folder")
"""What a conversion can be split by; ``{year}`` … in a template."""

_LONGEST = 150
"""Bytes of a folder's name in a file name: it leaves room for what stands around it."""
_MOST = "9998"
"""Years after it count as this one, those before the year 1 as that."""


class Part(NamedTuple):
    """One conversion of several."""

    location: str
    """The destination's."""
    options: Options
    """What goes there, and how."""


def split(source: Store, template: str, options: Options, by: Sequence[str]) -> list[Part]:
    """Return the conversions that ``template`` makes of one, by what is in the source now; nothing is written.

    ``{year}`` is ``2020``, ``{month}`` ``2020-01``, of the internal date in UTC. ``{folder}`` is the folder's name as
    the mapping makes it, levels joined by ``.``; what a file name cannot have, ``.`` and ``?`` are written ``^xx``.
    There its messages are in INBOX. Parts by dates keep the folders.

    Args:
        source: open.
        template: a location with each of ``by`` in braces.
        options: as for one conversion; a limit holds for each part.
        by: some of SPLITS.

    Raises:
        UsageError: the template does not fit ``by``, or folders would come together unasked.
        NoSuchFolder: as for ``convert``.
        MailstoreError: a folder cannot be listed, or nothing can be read.
    """
    _check(template, by)
    options.select(source.folders())
    whole = [("", options)]
    folders = list(_by_folder(source, options)) if "folder" in by else whole
    dates: Sequence[tuple[str, Search | None]] = [("", None)]
    if "folder" not in by or "year" in by or "month" in by:
        dates = list(_by_date(source, options, "month" if "month" in by else "year"))
    parts = []
    for (name, chosen), (date, search) in product(folders, dates):
        location = template.replace("{folder}", name).replace("{year}", date[:4]).replace("{month}", date)
        parts.append(Part(location, replace(chosen, search=_both(options.search, search))))
    return parts


def _check(template: str, by: Sequence[str]) -> None:
    for name in SPLITS:
        if (name in by) != (f"{{{name}}}" in template):
            raise UsageError(f"--split {name} and {{{name}}} in the destination belong together")
    if "year" in by and "month" in by:
        raise UsageError("a month has its year: split by one of them")


def _both(one: Search | None, other: Search | None) -> Search | None:
    return one & other if one is not None and other is not None else one or other


def _by_folder(source: Store, options: Options) -> Iterator[tuple[str, Options]]:
    """Yield, for each folder that is to be, its name as a file name and what goes into it."""

    def is_empty(path: FolderPath) -> bool:
        return not source.folder(path).state().messages

    routing = route(source.folders(), (), options.mapping, options.wants, is_empty)
    refuse_collisions(routing, options)
    sources: dict[FolderPath, list[FolderPath]] = {}
    for one in routing.routes:
        if one.source.selectable:
            sources.setdefault(one.target.path, []).append(one.source.path)
    for target, paths in sources.items():
        moves = [(path, INBOX) for path in paths]
        if INBOX not in paths:
            moves.append((INBOX, FolderPath(("INBOX elsewhere",))))  # not chosen, and not in the way
        mapping = FolderMapping(moves=tuple(moves), collisions="merge" if len(paths) > 1 else "refuse")
        yield _file_name(target), replace(options, folders=tuple(paths), include=(), exclude=(), mapping=mapping)


def _file_name(path: FolderPath) -> str:
    name = ".".join(escape.escape(part, anywhere=".?{}", leading="~") for part in path)
    return os.fsdecode(escape.shorten(os.fsencode(name), _LONGEST))


def _by_date(source: Store, options: Options, unit: str) -> Iterator[tuple[str, Search]]:
    """Yield the years or months in which the messages chosen came, and what chooses them."""
    want = INTERNAL_DATE | (0 if options.search is None else options.search.want)
    found: set[str] = set()
    trouble: MailstoreError | None = None
    for info in source.folders():
        if info.selectable and options.wants(info.path):
            for row in source.folder(info.path).rows(want):
                trouble = trouble or row.error
                if row.internal_date is not None and chooses(options.search, row):
                    found.add(_date(row.internal_date, unit))
    if not found and trouble is not None:  # else every part tells of it
        raise trouble
    for date in sorted(found):
        if date[:4] in ("0001", _MOST):
            yield date[:4], parse_search("before:0002" if date[:4] == "0001" else f"since:{_MOST}")
        else:
            yield date, parse_search(f"on:{date}")


def _date(instant: int, unit: str) -> str:
    try:
        date = datetime.fromtimestamp(instant, UTC)
    except (OverflowError, ValueError, OSError):
        return "0001" if instant < 0 else _MOST
    year = min(f"{date.year:04}", _MOST)
    return year if unit == "year" or year in ("0001", _MOST) else f"{year}-{date.month:02}"
