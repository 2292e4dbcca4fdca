"""Dovecot's small files of a Maildir: ``dovecot-keywords``, ``subscriptions``, ``dovecot-uidvalidity``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

MOST_LETTERS = 26
"""Keywords that have a letter in file names, ``a`` to ``z``; others Dovecot keeps in its index only."""

_KEYWORD = re.compile(r"([0-9]{1,3}) (\S+)\Z")
_TAB_ESCAPE = {"\0": "\x010", "\x01": "\x011", "\t": "\x01t", "\r": "\x01r", "\n": "\x01n"}
_TAB_UNESCAPE = {escaped: character for character, escaped in _TAB_ESCAPE.items()}
_V2 = "V\t2"


def parse_keywords(data: bytes) -> dict[int, str]:
    """Return keyword by index, of ``<index> <keyword>`` lines; lines of another form are passed over."""
    found = {}
    for line in data.decode("utf-8", "replace").split("\n"):
        match = _KEYWORD.match(line)
        if match is not None and int(match[1]) < MOST_LETTERS:
            found[int(match[1])] = match[2]
    return found


def render_keywords(keywords: dict[int, str]) -> bytes:
    """Return the file's contents."""
    return "".join(f"{index} {keyword}\n" for index, keyword in sorted(keywords.items())).encode()


def has_a_line(keyword: str) -> bool:
    """Tell whether ``keyword`` reads back from the file: no white space of any script, no bytes that are no UTF-8."""
    try:
        return parse_keywords(render_keywords({0: keyword})) == {0: keyword}
    except UnicodeEncodeError:
        return False


def parse_subscriptions(data: bytes, separator: str) -> tuple[int, list[tuple[str, ...]]]:
    r"""Return (version, folders as their on-disk components) of a ``subscriptions`` file.

    Version 1 has a plain name a line, its levels joined by the store's ``separator`` (``.`` or ``/``); version 2 begins
    with ``V\t2`` and an empty line and joins levels with TAB.
    """
    lines = os.fsdecode(data).split("\n")
    if lines[0].rstrip("\r") != _V2:
        return 1, [tuple(line.split(separator)) for line in lines if line]
    return 2, [tuple(_tab_unescape(part) for part in line.split("\t")) for line in lines[1:] if line]


def _tab_unescape(part: str) -> str:
    return re.sub("\x01[01trn]", lambda match: _TAB_UNESCAPE[match[0]], part)


def _tab_escape(part: str) -> str:
    return re.sub("[\0\x01\t\r\n]", lambda match: _TAB_ESCAPE[match[0]], part)


def render_subscriptions(version: int, names: Iterable[tuple[str, ...]], separator: str) -> bytes:
    """Return the file's contents in ``version``."""
    if version == 1:
        return os.fsencode("".join(f"{separator.join(name)}\n" for name in names))
    body = ("\t".join(_tab_escape(part) for part in name) for name in names)
    return os.fsencode(_V2 + "\n\n" + "".join(f"{line}\n" for line in body))


def parse_uidvalidity(data: bytes) -> int:
    """Return the UIDVALIDITY last given, of eight hex digits; 0 where it is something else."""
    match = re.match(rb"[0-9a-f]{8}", data)
    return int(match[0], 16) if match is not None else 0
