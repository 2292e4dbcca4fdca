"""File names of a Maildir: unique base, size fields, and the info suffix with flags.

``BASE,S=1234,W=1260:2,FRSab,other``: the base with its comma fields is what identifies a message; after the separator
(``:``, on Windows file systems ``;`` or ``!``) come ``2,``, letters in ASCII order, perhaps more fields. Capitals are
the flags of https://cr.yp.to/proto/maildir.html, small letters Dovecot's keywords 0-25. Letters and fields we do
not know are kept.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from mailstore.model.flags import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN

_BITS = {"D": DRAFT, "F": FLAGGED, "R": ANSWERED, "S": SEEN, "T": DELETED}
_LETTERS = tuple((bit, letter) for letter, bit in _BITS.items())
_PASSED = "P"
_INFO = re.compile(r"(.+)([:;!])([12],.*)\Z", re.DOTALL)
_FIELD = re.compile(r",([A-Z][A-Z0-9]*)=([^,:]*)(?=,|\Z)")
_SIZE = re.compile(r",S=([0-9]{1,18})(?=,|\Z)")
_CRLF_SIZE = re.compile(r",W=([0-9]{1,18})(?=,|\Z)")
_MBSYNC_UID = re.compile(r",U=([0-9]{1,10})(?=,|\Z)")
_KEY = re.compile(r"\A[0-9]+\.[A-Za-z0-9]*R([0-9a-f]{32})\.")


class Info(NamedTuple):
    """What stands behind the separator.

    Attributes:
        flags: bits of mailstore.model.flags.
        passed: ``P``, the message was forwarded (mbsync: $Forwarded).
        letters: small letters, Dovecot's keywords, in ASCII order.
        unknown: other capitals and signs, kept.
        other: further fields with the comma before them, kept.
    """

    flags: int = 0
    passed: bool = False
    letters: str = ""
    unknown: str = ""
    other: str = ""

    def text(self) -> str:
        """Return the suffix as written, ``2,FRS``: each letter once, in ASCII order."""
        letters = {letter for bit, letter in _LETTERS if self.flags & bit}
        letters.update(self.letters, self.unknown)
        if self.passed:
            letters.add(_PASSED)
        return "2," + "".join(sorted(letters)) + self.other


def split_name(name: str) -> tuple[str, str]:
    """Return (base, info) of a file name; info without its separator, ``''`` where there is none.

    The last separator that is followed by ``2,`` or ``1,`` counts; a ``:`` ends the base in any case, as a base
    cannot hold one.
    """
    base, found, info = name.rpartition(":2,")
    if found and base:
        return base, "2," + info
    match = _INFO.match(name)
    if match is not None:
        return match[1], match[3]
    base, _, info = name.partition(":")
    return (base, info) if base else (name, "")


def separator_of(name: str) -> str:
    """Return the separator that stands in ``name``, or ``''``."""
    match = _INFO.match(name)
    return match[2] if match is not None else ""


def parse_info(info: str) -> Info:
    """Read an info suffix, ``2,FS``; anything else is kept as further fields of a message without flags."""
    if not info:
        return Info()
    if not info.startswith("2,"):
        return Info(other="," + info)
    letters, comma, other = info[2:].partition(",")
    flags, passed = 0, False
    small, unknown = set(), set()
    for letter in letters:
        if letter in _BITS:
            flags |= _BITS[letter]
        elif letter == _PASSED:
            passed = True
        elif "a" <= letter <= "z":
            small.add(letter)
        else:
            unknown.add(letter)
    return Info(flags, passed, "".join(sorted(small)), "".join(sorted(unknown)), comma + other)


def size_of(base: str) -> int | None:
    """Return what ``,S=`` says: bytes as stored. It may be wrong; Dovecot believes it."""
    match = _SIZE.search(base)
    return int(match[1]) if match is not None else None


def crlf_size_of(base: str) -> int | None:
    """Return what ``,W=`` says: bytes with every bare LF as CRLF. It may be wrong."""
    match = _CRLF_SIZE.search(base)
    return int(match[1]) if match is not None else None


def mbsync_uid_of(base: str) -> int:
    """Return the UID in ``,U=`` (mbsync, OfflineIMAP), 0 where there is none."""
    match = _MBSYNC_UID.search(base)
    return int(match[1]) if match is not None else 0


def without_mbsync_fields(base: str) -> str:
    """Return ``base`` without ``,U=`` and ``,FMD5=``, which mean one folder and must not be taken to another."""
    return _FIELD.sub(lambda match: "" if match[1] in ("U", "FMD5") else match[0], base)


def key_of(base: str) -> bytes | None:
    """Return the idempotency key that a name of ours carries."""
    match = _KEY.match(base)
    return bytes.fromhex(match[1]) if match is not None else None


def delivery_order(base: str) -> tuple[int, str]:
    """Return what Dovecot sorts unnumbered messages by: seconds, then microseconds as a number, then the rest."""
    seconds, _, rest = base.partition(".")
    if not seconds.isascii() or not seconds.isdigit() or len(seconds) > 18:
        return 0, base
    return int(seconds), re.sub(r"\AM([0-9]{1,8})(?![0-9])", lambda match: "M" + match[1].zfill(9), rest)
