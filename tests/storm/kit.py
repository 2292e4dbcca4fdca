"""Messages that name themselves and tell whether they are whole."""

from __future__ import annotations

import hashlib
import re
import zlib

_SUBJECT = re.compile(rb"^Subject: ([a-z]+[0-9]*-[0-9]+)\r?$", re.MULTILINE)
_SEAL = b"\nsha256: "


def message(token: str) -> bytes:
    """Return message ``token``: the same bytes always, 300 bytes to 12 KB."""
    number = zlib.crc32(token.encode())
    lines = [f"line {at} of message {token} says little" for at in range(3 + number % (250 if number % 9 == 0 else 40))]
    if number % 5 == 0:
        lines.insert(1, "and this: From here on nothing is new")
    text = "\n".join(lines).encode()
    head = b"From: ann@example.org\nTo: joe@example.org\nSubject: " + token.encode() + b"\n\n"
    return head + text + _SEAL + hashlib.sha256(text).hexdigest().encode() + b"\n"


def token_of(raw: bytes) -> str | None:
    """Return which message it is, if it is whole; header fields may have been added. None for anything else."""
    head, _, body = raw.partition(b"\n\n")
    subjects = _SUBJECT.findall(head)
    text, _, seal = body.rstrip(b"\n").rpartition(_SEAL)
    if len(subjects) != 1 or seal != hashlib.sha256(text).hexdigest().encode():
        return None
    token = subjects[0].decode()
    return str(token) if f" of message {token} says".encode() in text else None
