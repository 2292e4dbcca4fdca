"""The SQLite store: accounts, folders and messages in one database file. See docs/formats/sqlite.md.

Importing this package loads nothing: ``direct`` delivers without the rest of it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailstore.drivers.sql.form import FORMAT as FORMAT


def __getattr__(name: str) -> object:
    """Load the format when it is asked for (PEP 562)."""
    if name != "FORMAT":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mailstore.drivers.sql.form import FORMAT

    return FORMAT
