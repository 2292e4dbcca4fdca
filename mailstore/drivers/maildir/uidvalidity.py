"""``dovecot-uidvalidity``: the UIDVALIDITY last given in the account, so that a folder made anew gets a greater one.

Dovecot keeps the number twice: as eight hex digits in the file, and in the name of an empty file beside it. Whoever
wants the next number renames that empty file from the old number to the new one; rename(2) lets one of two win.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress

from mailstore.formats.dovecotfiles import parse_uidvalidity
from mailstore.system import clock, fs

NAME = "dovecot-uidvalidity"
_MARK = re.compile(r"dovecot-uidvalidity\.([0-9a-f]{8})\Z")
_GREATEST = 0xFFFF_FFFF


def last_uidvalidity(root: str) -> int:
    """Return the last UIDVALIDITY given, 0 where there is none."""
    last = 0
    with suppress(OSError):
        fd = fs.open_source(os.path.join(root, NAME), nofollow=True)
        try:
            last = parse_uidvalidity(os.read(fd, 8))
        finally:
            os.close(fd)
    if last and os.path.exists(_mark(root, last)):
        return last
    with suppress(OSError):
        marks = [int(match[1], 16) for name in os.listdir(root) if (match := _MARK.match(name))]
        last = max([last, *marks])
    return last


def next_uidvalidity(root: str, least: int = 1) -> int:
    """Give a UIDVALIDITY greater than all before, not less than ``least`` and the time; durable before it is used.

    Raises:
        OSError: the root cannot be written to.
    """
    for _ in range(1000):
        last = last_uidvalidity(root)
        given = min(max(clock.now(), last + 1, least), _GREATEST)
        if given <= last:
            given = least  # 32 bits are used up: nothing greater exists
        if _take(root, last, given):
            fs.replace_file(os.path.join(root, NAME), b"%08x" % given, 0o600)
            return given
    raise FileExistsError(NAME)  # pragma: no cover - a thousand others were faster


def raise_uidvalidity(root: str, used: int) -> None:
    """Note that ``used`` was given, where it is greater than all before."""
    last = last_uidvalidity(root)
    if used > last and _take(root, last, used):
        fs.replace_file(os.path.join(root, NAME), b"%08x" % used, 0o600)


def _take(root: str, last: int, given: int) -> bool:
    if given == last:
        return True
    try:
        fs.rename(_mark(root, last), _mark(root, given))
    except FileNotFoundError:
        try:
            fs.close(fs.create(_mark(root, given), 0o444))
        except FileExistsError:
            return False
    return True


def _mark(root: str, number: int) -> str:
    return os.path.join(root, f"{NAME}.{number:08x}")
