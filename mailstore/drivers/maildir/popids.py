"""The POP3 unique ids that Courier gives, which it keeps in ``courierpop3dsizelist``.

The problem. A POP3 client that leaves mail on the server downloads again whatever comes under another unique id.
Dovecot makes ids from UIDs, unless its uidlist says another one (field ``P``); Courier numbers for POP3 apart from
IMAP, keeps these numbers in a file of its own, and has no other form of id.

The solution. Within the driver an id always is the field ``P`` of a message's record. Where Courier's files speak it
comes from the size list, and goes along when Dovecot's record is written instead; where Courier's files are written
the size list is made of these fields. Courier numbers what is not in its list at the next login, as ever.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from mailstore.formats import courier, uidlist
from mailstore.formats.courier import SizeList
from mailstore.formats.maildirname import crlf_size_of, split_name
from mailstore.model.measure import crlf_size_of as measured
from mailstore.system import clock, fs
from mailstore.system.spool import FileBlob

SIZELIST = "courierpop3dsizelist"


def fields_of(listed: SizeList) -> dict[str, str]:
    """Return record fields by base from a size list."""
    return {base: f"P{uidl}" for base, (uidl, _) in listed.messages.items()}


def uidl_of(fields: str, base: str) -> str | None:
    """Return the POP3 unique id that record fields tell of the message ``base``; None where they tell none."""
    parsed = uidlist.parse_fields(fields)
    if "L" in parsed:
        return uidlist.unquote(parsed["L"])
    # Dovecot leaves P empty where the id is the message's name
    return (parsed["P"] or base) if "P" in parsed else None


def is_couriers(uidl: str, base: str) -> bool:
    """Tell whether Courier can be made to give ``uidl`` to the message ``base``."""
    return courier.UIDL.fullmatch(uidl) is not None or uidl == courier.uidl_of_name(base)


def write(directory: str, lines: Sequence[tuple[int, str, str]], known: SizeList, mode: int | None) -> SizeList:
    """Write the size list of the messages whose record fields tell an id, on the disk on return; returns what it says.

    Args:
        directory: of the folder.
        lines: UID, base and record fields of all messages.
        known: the list as it was: sizes need not be taken again, nor numbers be given twice.
        mode: permissions; None are those of the file that is replaced.
    """
    told = [(base, uidl) for _, base, fields in lines if fields and (uidl := uidl_of(fields, base)) is not None]
    wanted = {base: uidl for base, uidl in told if is_couriers(uidl, base)}
    if not wanted and not known.messages:
        return known
    sizes = {base: known.messages[base][1] if base in known.messages else crlf_size_of(base) for base in wanted}
    if missing := {base for base, size in sizes.items() if size is None}:
        sizes.update(_measure(directory, missing))
    messages = {base: (uidl, size) for base, uidl in sorted(wanted.items()) if (size := sizes[base]) is not None}
    validity, last = max([courier.numbers_of(uidl) for uidl in wanted.values()], default=(0, 0))
    if validity < known.validity or not validity:
        validity, last = known.validity or clock.now(), 0
    following = max(last + 1, known.following if validity == known.validity else 1)
    listed = SizeList(following, validity, messages)
    fs.replace_file(os.path.join(directory, SIZELIST), courier.render_sizelist(listed), mode)
    return listed


def _measure(directory: str, bases: set[str]) -> dict[str, int]:
    """Return the size with CRLF of messages that are there."""
    found = {}
    for sub in ("new", "cur"):
        for name in os.listdir(f"{directory}/{sub}"):
            base = split_name(name)[0]
            if base in bases:
                fd = fs.open_source(f"{directory}/{sub}/{name}", nofollow=True)
                try:
                    found[base] = measured(FileBlob(fd, 0, os.fstat(fd).st_size, own=False))
                finally:
                    os.close(fd)
    return found
