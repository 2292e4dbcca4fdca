"""What a Maildir holds, read without mailstore: file names, mtimes, ``dovecot-uidlist`` and ``dovecot-keywords``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

_RECORD = re.compile(r"(\d+)((?: [A-Za-z][^ ]*)*) :(.*)")


class Found(NamedTuple):
    """A message in a Maildir."""

    message: bytes
    date: int
    """Seconds since 1970: the file's mtime."""
    sender: str | None
    """Where the record tells it."""
    flags: str
    keywords: frozenset[str]
    uid: int
    """0 where the folder records none."""


class Record(NamedTuple):
    """A line of dovecot-uidlist."""

    uid: int
    fields: dict[str, str]


def read_maildir(path: Path) -> tuple[int, list[Found]]:
    """Return UIDVALIDITY (0: none recorded) and the messages of one Maildir, in no particular order."""
    uidvalidity, records = _read_uidlist(path / "dovecot-uidlist")
    names = _read_keywords(path / "dovecot-keywords")
    return uidvalidity, [_found(file, records, names) for file in _files(path)]


def _files(path: Path) -> Iterator[Path]:
    for part in ("new", "cur"):
        if (path / part).is_dir():
            yield from (file for file in sorted((path / part).iterdir()) if file.is_file())


def _found(file: Path, records: dict[str, Record], names: dict[str, str]) -> Found:
    base, _, letters = file.name.partition(":2,")
    record = records.get(base, Record(0, {}))
    keywords = {names[letter] for letter in letters if letter in names}
    keywords.update(unquote(name) for name in record.fields.get("X", "").split(",") if name)
    envelope = record.fields.get("E")
    sender = None if envelope is None else unquote(envelope).removeprefix("<").removesuffix(">")
    flags = "".join(sorted(set(letters) & set("DFPRST")))
    return Found(file.read_bytes(), int(os.stat(file).st_mtime), sender, flags, frozenset(keywords), record.uid)


def _read_uidlist(path: Path) -> tuple[int, dict[str, Record]]:
    if not path.exists():
        return 0, {}
    head, *lines = path.read_text(errors="surrogateescape").splitlines()
    validity = re.search(r"\bV(\d+)", head)
    records = {}
    for line in lines:
        if match := _RECORD.fullmatch(line):
            fields = {word[0]: word[1:] for word in match[2].split()}
            records[match[3].partition(":2,")[0]] = Record(int(match[1]), fields)
    return int(validity[1]) if validity else 0, records


def _read_keywords(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    pairs = (line.split(" ", 1) for line in path.read_text().splitlines())
    return {chr(ord("a") + int(number)): name for number, name in pairs}
