"""Files that are whole whenever they are read."""

from __future__ import annotations

import os

from mailstore.errors import CannotCreate, UsageError
from mailstore.system import fs

ENDINGS = (".json", ".html")
"""Of the files that a report can be written to."""


def check_report(path: str) -> None:
    """Refuse a name that does not say what is to be written.

    Raises:
        UsageError: it does not end in ``.json`` or ``.html``.
    """
    if not path.endswith(ENDINGS):
        raise UsageError(f"{path}: a report is a file that ends in .json or .html")


def write_file(path: str, text: str, *, private: bool = False) -> None:
    """Make ``text`` the contents of a file: all old or all new, so that whoever reads it finds it whole; durable.

    Args:
        path: absolute.
        text: written as UTF-8.
        private: only the owner may read a file made now (else everybody; one that was there keeps its permissions).

    Raises:
        CannotCreate: its directory is missing or may not be written to.
        StorageFull, StorageFailure: it cannot be written.
    """
    with fs.errors(path, CannotCreate):
        fs.replace_file(path, text.encode(), None if private or os.path.lexists(path) else 0o644)
