"""Modified UTF-7, the spelling of folder names in IMAP4rev1 and in most Maildir++ trees (RFC 3501 section 5.1.3).

Printable ASCII stands for itself, ``&`` is written ``&-``, every other run is UTF-16BE in base64 with ``,`` for ``/``
and no padding, between ``&`` and ``-``.
"""

from __future__ import annotations

import base64
import re

_FOREIGN = re.compile(r"&|[^\x20-\x7e]+")
_RUN = re.compile(r"&([^-&]*)(-?)")


def _encode_run(match: re.Match[str]) -> str:
    run = match[0]
    if run == "&":
        return "&-"
    return "&" + base64.b64encode(run.encode("utf-16-be"), b"+,").rstrip(b"=").decode("ascii") + "-"


def encode(text: str) -> str:
    """Return ``text`` in modified UTF-7 (ASCII only).

    Raises:
        UnicodeEncodeError: ``text`` holds a lone surrogate.
    """
    if text.isascii() and text.isprintable() and "&" not in text:
        return text
    return _FOREIGN.sub(_encode_run, text)


def _decode_run(match: re.Match[str]) -> str:
    digits, end = match.groups()
    if not end:
        raise ValueError("modified UTF-7: a run begun by & is not ended by -")
    if not digits:
        return "&"
    if not re.fullmatch(r"[A-Za-z0-9+,]+", digits):
        raise ValueError(f"modified UTF-7: &{digits}- is not base64")
    # binascii.Error and UnicodeDecodeError are ValueErrors.
    return base64.b64decode(digits + "=" * (-len(digits) % 4), b"+,").decode("utf-16-be")


def decode(name: str) -> str:
    """Return the text that ``name`` spells; longer spellings than ``encode`` would choose are understood too.

    Raises:
        ValueError: ``name`` is not ASCII, or not modified UTF-7.
    """
    if not name.isascii():
        raise ValueError("modified UTF-7 is ASCII")
    if "&" not in name:
        return name
    return _RUN.sub(_decode_run, name)


def is_mutf7(name: str) -> bool:
    """Tell whether ``name`` is ASCII in which every ``&`` is followed by ``-`` or begins a valid run."""
    try:
        decode(name)
    except ValueError:
        return False
    return True
