"""From a message's Meta to its file name and its record, in one folder."""

from __future__ import annotations

import re

from mailstore.drivers.maildir.records import Records, with_keywords
from mailstore.drivers.maildir.staging import file_mtime
from mailstore.drivers.maildir.view import FORWARDED
from mailstore.formats import uidlist
from mailstore.formats.maildirname import Info
from mailstore.model.flags import RECENT, SYSTEM_FLAGS
from mailstore.model.info import Meta

_FORWARDED = FORWARDED.lower()
_UIDL = re.compile(r"[!-~]+")
"""What POP3 allows as unique id (RFC 1939), and Dovecot's field takes as it is."""


def info_for(flags: int, keywords: frozenset[str], letters: str, *, unknown: str = "", other: str = "") -> str:
    """Return the info suffix for flags and keywords: ``P`` stands for $Forwarded besides its letter."""
    passed = any(keyword.lower() == _FORWARDED for keyword in keywords) if keywords else False
    return Info(flags & SYSTEM_FLAGS, passed, letters, unknown, other).text()


def needs_record(meta: Meta) -> bool:
    """Tell whether ``meta`` holds what a file cannot: then the message needs a line in the record at once."""
    return (
        meta.sender is not None
        or meta.saved_date is not None
        or meta.uidl is not None
        or (meta.internal_date is not None and file_mtime(meta.internal_date) != meta.internal_date)
    )


def fields_for(meta: Meta, without_letter: list[str]) -> str:
    """Return the record fields of a message: what its file and its name cannot hold."""
    fields = uidlist.parse_fields(uidl_field(meta.uidl))
    if meta.sender is not None:
        fields["E"] = f"<{uidlist.quote(meta.sender)}>"
    if meta.saved_date is not None:
        fields["D"] = str(meta.saved_date)
    if meta.internal_date is not None and file_mtime(meta.internal_date) != meta.internal_date:
        fields["T"] = str(meta.internal_date)
    text = uidlist.render_fields(fields)
    return with_keywords(text, without_letter) if without_letter else text


def uidl_field(uidl: str | None) -> str:
    """Return the record field of a POP3 unique id; '' where there is none."""
    if uidl is None:
        return ""
    return f"P{uidl}" if _UIDL.fullmatch(uidl) is not None else f"L{uidlist.quote(uidl)}"


class Namer:
    """Names messages of one folder; remembers the letters of each set of keywords."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._known: dict[frozenset[str], tuple[str, list[str]]] = {}
        self._infos: dict[tuple[int, frozenset[str]], str] = {}

    def letters(self, keywords: frozenset[str]) -> tuple[str, list[str]]:
        """Return the letters of ``keywords`` and those that have none, giving new ones where it can."""
        known = self._known.get(keywords)
        if known is None:
            known = self._known[keywords] = self._records.letters_for(keywords)
        return known

    def info(self, flags: int, keywords: frozenset[str]) -> str:
        """Return the info suffix of a new message; '' for one that goes to ``new`` without any flag."""
        known = self._infos.get((flags, keywords))
        if known is None:
            known = info_for(flags, keywords, self.letters(keywords)[0])
            if flags & RECENT and known == "2,":
                known = ""
            self._infos[flags, keywords] = known
        return known
