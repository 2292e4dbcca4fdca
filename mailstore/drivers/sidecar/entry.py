"""A message as the index knows it, as a scan found it, and what a scan brought."""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """One message as the index knows it. None: not known."""

    uid: int
    key: str
    recorded: bool
    """The UID stands in the format's own record."""
    modseq: int
    flags: int
    keywords: frozenset[str]
    internal_date: int | None = None
    saved_date: int | None = None
    size: int | None = None
    crlf_size: int | None = None
    digest: bytes | None = None
    extra: str = ""
    """The driver's own: a file name, offsets."""


class Found(NamedTuple):
    """One message of a scan. None keeps what the index knows already; ``extra`` always replaces it."""

    key: str
    uid: int
    """As the format records it; 0: not recorded."""
    flags: int
    keywords: frozenset[str]
    internal_date: int | None = None
    saved_date: int | None = None
    size: int | None = None
    crlf_size: int | None = None
    digest: bytes | None = None
    extra: str = ""


class Changed(NamedTuple):
    """What a scan brought."""

    added: tuple[Entry, ...] = ()
    updated: tuple[Entry, ...] = ()
    """With other flags or keywords than before."""
    vanished: tuple[int, ...] = ()
    anew: bool = False
    """The UIDVALIDITY changed: all that was known before is void."""
