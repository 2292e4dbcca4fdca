"""Conversion inside the test's process, and stores of every format to convert to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mailstore import Store, open_store
from mailstore.convert import Options, Report, convert

FORMS = {
    "mbox": "mbox:{}.mbox",
    "mboxtree": "mbox:{}-mboxes?layout=sbd",
    "maildir": "maildir:{}.fs?layout=fs",
    "maildir++": "maildir:{}.maildir",
    "sqlite": "sqlite:{}.db",
}

CIRCUIT = (
    *("mboxtree", "maildir", "mboxtree", "maildir++", "mboxtree", "sqlite", "mboxtree", "memory"),
    *("maildir", "maildir++", "maildir", "sqlite", "maildir", "memory"),
    *("maildir++", "sqlite", "maildir++", "memory", "sqlite", "memory", "mboxtree"),
)
"""A walk along every ordered pair of the five formats, each pair once."""


def location(form: str, stem: Path) -> str:
    """Return the location of a store of ``form`` whose path begins with ``stem``."""
    return "memory:" if form == "memory" else FORMS[form].format(stem)


@contextmanager
def converted(source: Store, form: str, stem: Path) -> Iterator[tuple[Store, Report]]:
    """Convert ``source`` into a new store of ``form``, with verification; yield it and the report."""
    with open_store(location(form, stem), create=True) as destination:
        yield destination, run(source, destination)


def run(source: Store, destination: Store) -> Report:
    """Convert with all losses refused and everything verified."""
    return convert(source, destination, Options(processes=1))
