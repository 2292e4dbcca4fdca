"""Courier's files of a Maildir, and mbsync's ``.uidvalidity``.

They are ``courierimapkeywords``, ``courierimapsubscribed`` and ``courierpop3dsizelist``; ``courierimapuiddb`` is a
uidlist of version 1, see mailstore.formats.uidlist. Source: Courier's maildirkeywords2.c and pop3dserver.c.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

UIDL = re.compile(r"UID([1-9][0-9]{0,9})(?:-([1-9][0-9]{0,9}))?")
"""A POP3 unique id that Courier can be told to give: a number, and the validity of such numbers."""

_UPDATE = re.compile(r"\.([0-9]{1,18})\.(.+)\Z", re.DOTALL)
_SIZELIST = re.compile(r"/([123]) ([0-9]{1,10})(?: ([0-9]{1,10}))?\s*\Z")
_SIZED = re.compile(r"(.+?) ([0-9]{1,18})(?: ([0-9]{1,10})(?::([0-9]{1,10})(?::[0-9]+)?)?)?\Z", re.DOTALL)
_NOT_IN_UIDL = re.compile(rb"[^!#-&(-*,-~]")


def parse_keyword_list(data: bytes) -> dict[str, frozenset[str]]:
    """Return keywords by base of a ``:list``: names, an empty line, then ``<base>:<index> <index>`` lines."""
    names, _, lines = data.decode("utf-8", "surrogateescape").partition("\n\n")
    keywords = names.split("\n")
    found = {}
    for line in lines.split("\n"):
        base, colon, indexes = line.partition(":")
        if colon and base:
            chosen = [int(word) for word in indexes.split() if word.isascii() and word.isdecimal() and len(word) < 10]
            found[base] = frozenset(keywords[index] for index in chosen if index < len(keywords) and keywords[index])
    return found


def render_keyword_list(keywords: Mapping[str, frozenset[str]]) -> bytes:
    """Return a ``:list``; empty where no message has a keyword."""
    names = sorted({keyword for chosen in keywords.values() for keyword in chosen})
    index = {keyword: at for at, keyword in enumerate(names)}
    lines = [
        f"{base}:{' '.join(str(number) for number in sorted(index[keyword] for keyword in chosen))}\n"
        for base, chosen in keywords.items()
        if chosen
    ]
    if not lines:
        return b""
    return ("".join(f"{name}\n" for name in names) + "\n" + "".join(lines)).encode("utf-8", "surrogateescape")


def parse_keyword_update(data: bytes) -> frozenset[str]:
    """Return the keywords of an update file, one a line up to an empty one; none is a message without keywords."""
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    return frozenset(lines[: lines.index("")] if "" in lines else lines)


def render_keyword_update(keywords: Iterable[str]) -> bytes:
    """Return an update file's contents."""
    return "".join(f"{keyword}\n" for keyword in sorted(keywords)).encode("utf-8", "surrogateescape")


def latest_updates(names: Iterable[str]) -> dict[str, str]:
    """Return which of the files in ``courierimapkeywords`` holds the newest keywords of each base.

    ``<base>`` itself is the newest; else the ``.N.<base>`` with the greatest N.
    """
    newest: dict[str, tuple[int, str]] = {}
    for name in names:
        if name.startswith((":", ".tmp.")):
            continue
        if name.startswith("."):
            match = _UPDATE.match(name)
            if match is None:
                continue
            age, base = int(match[1]), match[2]
        else:
            age, base = 1 << 62, name
        if age >= newest.get(base, (-1, ""))[0]:
            newest[base] = age, name
    return {base: name for base, (_, name) in newest.items()}


def parse_subscribed(data: bytes) -> list[tuple[str, ...]]:
    """Return the on-disk components of each folder in ``courierimapsubscribed``: ``INBOX.A.B`` is folder ``A/B``."""
    found = []
    for line in os.fsdecode(data).split("\n"):
        parts = tuple(line.split("."))
        if len(parts) > 1 and parts[0] == "INBOX":
            found.append(parts[1:])
        elif line:
            found.append(parts)
    return found


def render_subscribed(names: Iterable[tuple[str, ...]]) -> bytes:
    """Return the file's contents."""
    return os.fsencode("".join("INBOX\n" if name == ("INBOX",) else f"INBOX.{'.'.join(name)}\n" for name in names))


class SizeList(NamedTuple):
    """A ``courierpop3dsizelist``.

    Its first line is ``/<version> <next number> <validity>``, then comes ``<file name> <size> <number>:<validity>`` for
    each message, in version 3 with ``:<1 for UTF-8>``. A message without a number, as old versions left them, goes by
    its name.
    """

    following: int = 1
    """The number of the next message."""
    validity: int = 0
    """Of the numbers to come; 0: the time of the login that gives them."""
    messages: Mapping[str, tuple[str, int]] = {}
    """POP3 unique id and size with CRLF by base."""


def parse_sizelist(data: bytes) -> SizeList:
    """Read a ``courierpop3dsizelist``; lines of another form are passed over."""
    lines = os.fsdecode(data).split("\n")
    header = _SIZELIST.match(lines[0])
    found = {}
    for line in lines if header is None else lines[1:]:
        match = _SIZED.match(line)
        if match is None:
            continue
        base, number, validity = match[1].partition(":")[0], int(match[3] or 0), int(match[4] or 0)
        if base and "/" not in base:
            numbered = f"UID{number}-{validity}" if validity else f"UID{number}"
            found[base] = numbered if number else uidl_of_name(base), int(match[2])
    if header is None:
        return SizeList(messages=found)
    return SizeList(int(header[2]), int(header[3] or 0), found)


def uidl_of_name(base: str) -> str:
    """Return the POP3 unique id that Courier gives a message which has no number: its name, odd bytes as ``+XX``."""
    return _NOT_IN_UIDL.sub(lambda match: b"+%02X" % match[0][0], os.fsencode(base)).decode("ascii")


def render_sizelist(listed: SizeList) -> bytes:
    """Return the contents in version 2, which all versions read.

    Each id must be one of UIDL, or the one of the message's base.
    """
    lines = [f"/2 {listed.following} {listed.validity}\n"]
    for base, (uidl, size) in listed.messages.items():
        validity, number = numbers_of(uidl)
        # Courier compares names up to the separator, and finds none that has no separator
        lines.append(f"{base}:2, {size} {number}:{validity}\n")
    return os.fsencode("".join(lines))


def numbers_of(uidl: str) -> tuple[int, int]:
    """Return (validity, number) of a POP3 unique id; zeros where it is a name."""
    match = UIDL.fullmatch(uidl)
    return (int(match[2] or 0), int(match[1])) if match is not None else (0, 0)


def parse_mbsync_uidvalidity(data: bytes) -> tuple[int, int]:
    """Return (UIDVALIDITY, greatest UID given) of mbsync's ``.uidvalidity``; zeros where it makes no sense."""
    words = data.split()
    if len(words) >= 2 and all(word.isdigit() and len(word) <= 10 for word in words[:2]):
        return int(words[0]), int(words[1])
    return 0, 0
