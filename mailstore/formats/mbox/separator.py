"""From_ lines as we and most programs write them; ``mailstore.formats.mbox.from_line`` reads all others.

Loading this loads nothing else: a delivery starts a process for each mail, and a regular expression alone takes it as
long as a quarter of the interpreter's start.
"""

from __future__ import annotations

import time

MONTHS = {
    name: at + 1
    for at, name in enumerate(
        (b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec")
    )
}
MONTHS[b"???"] = 1
"""Dovecot accepts a month of question marks."""

_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTH_NAMES = ("", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

PROBE = 65536
"""Bytes of a file that tell how it begins."""

_HEX = frozenset("0123456789abcdef")
_LETTERS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_UNKNOWN = frozenset((b"", b"-", b"???@???"))
_NULL = frozenset((b"MAILER-DAEMON", b"MAILER_DAEMON", b"<>"))
_DASHED = bytes(0x2D if byte <= 0x20 or byte == 0x7F else byte for byte in range(256))
"""Spaces and controls as ``-``."""
_UNSAFE = frozenset(map(chr, (*range(0x21), *range(0x7F, 0xA1), *b"<>")))
_KEEP = 4096


def is_ctime(text: bytes) -> bool:
    """Tell whether 24 bytes have the form of C's ``ctime``, ``Thu Nov  9 22:33:52 2023``, whatever their figures."""
    return (
        len(text) == 24
        and text[3:4] == text[7:8] == text[10:11] == text[19:20] == b" "
        and text[13:14] == text[16:17] == b":"
        and _LETTERS.issuperset(text[:3] + text[4:7])
        and (text[8:9] == b" " or text[8:9].isdigit())
        and (text[9:10] + text[11:13] + text[14:16] + text[17:19] + text[20:]).isdigit()
    )


def is_dated(line: bytes) -> bool:
    """Tell whether a line without its line end is ``From sender ctime``, a date there is: what most programs write."""
    date = line[-24:]
    return (
        line[:5] == b"From "
        and line[-25:-24] == b" "
        and is_ctime(date)
        and date[4:7].lower() in MONTHS
        and 0 < int(date[8:10]) <= 31
        and int(date[11:13]) < 24
        and int(date[14:16]) < 60
        and int(date[17:19]) < 60
        and int(date[20:]) > 0
    )


def read_sender(raw: bytes) -> str | None:
    """Return the envelope sender of a From_ line: '' for MAILER-DAEMON, None for ``-`` and Takeout's ids."""
    raw = raw.strip(b" \t")
    if raw in _NULL:
        return ""
    if raw in _UNKNOWN or (raw[-4:] == b"@xxx" and len(raw) >= 14 and raw[:-4].isdigit()):
        return None
    return raw.decode("utf-8", "surrogateescape")


_plain: dict[str, bool] = {}


def is_plain_sender(sender: str | None) -> bool:
    """Tell whether ``write`` can say ``sender`` so that it is read back the same."""
    if not sender:
        return True
    known = _plain.get(sender)
    if known is None:
        if len(_plain) >= _KEEP:
            _plain.clear()
        known = _plain[sender] = _is_plain(sender)
    return known


def _is_plain(sender: str) -> bool:
    try:
        raw = sender.encode()
    except UnicodeEncodeError:  # bytes that are no UTF-8
        return False
    return _UNSAFE.isdisjoint(sender) and not _is_commit(sender) and len(raw) <= 1000 and read_sender(raw) == sender


def _is_commit(sender: str) -> bool:
    """Tell whether a sender would make the line that git begins a patch with, which separates nothing."""
    return len(sender) in (40, 64) and _HEX.issuperset(sender)


GREATEST = 253_402_300_799
"""The last second that a four-digit year can say; the first is 1970: before it Dovecot sees no From_ line at all."""


def is_plain_date(date: int) -> bool:
    """Tell whether ``write`` can say ``date`` (seconds since 1970 UTC)."""
    return 0 <= date <= GREATEST


_days: dict[int, tuple[bytes, bytes]] = {}


def write(sender: str | None, date: int) -> bytes:
    """Return a From_ line by RFC 4155, in UTC, without a line end.

    The null sender is MAILER-DAEMON, an unknown one ``-``; so is one that looks like a
    commit of git's. Spaces and controls in a sender become ``-`` (qmail), a
    date that cannot be said the nearest that can; ``is_plain_sender`` and ``is_plain_date`` tell beforehand.
    """
    date = min(max(date, 0), GREATEST)
    day, second = divmod(date, 86400)
    found = _days.get(day)
    if found is None:
        t = time.gmtime(date)
        if len(_days) > 50_000:
            _days.clear()
        found = _days[day] = (
            b"%s %s %2d " % (_WEEKDAYS[t[6]].encode(), _MONTH_NAMES[t[1]].encode(), t[2]),
            b" %04d" % t[0],
        )
    if sender is None or _is_commit(sender):
        name = b"-"
    elif not sender:
        name = b"MAILER-DAEMON"
    else:
        name = sender.encode("utf-8", "surrogateescape")[:1000].translate(_DASHED)
    return b"From %s %s%02d:%02d:%02d%s" % (name, found[0], second // 3600, second // 60 % 60, second % 60, found[1])
