"""Every mbox of the corpora: as many messages as an independent splitter finds, the same over every format and back."""

from __future__ import annotations

import gzip
import os
import re
from pathlib import Path

import pytest
from support.converting import converted
from support.corpora import Entry, mboxes, needs_corpora, sources
from support.facts import Fact, errors, facts

from mailstore import open_store

pytestmark = [pytest.mark.corpora, needs_corpora]

SEPARATOR = re.compile(rb"(?:\A|(?:\r\n\r\n|\n\n|\r\r))From [^\r\n]*\d:\d\d")

EXCEPTIONS = {
    "kde-kmime/simple-encapsulated.mbox": 2,
    "mailutils/spool/mime.mbox": 2,
    "mailutils/spool/msg.mbox": 4,
    "notmuch/insert/mbox-attachment.eml": 1,
    "roundcube/import.mbox": 3,
    "sisimai/maildir/dos/rhost-cox-01.eml": 2,
    "sisimai/maildir/mac/rhost-cox-01.eml": 2,
}
"""Files where a whole From_ line begins a message without an empty line before it, and one with a patch of git's
inside (docs/violations.md)."""


def content(entry: Entry) -> bytes:
    """Return the bytes of an mbox, unpacked."""
    with entry.path.open("rb") as file:
        data = file.read()
    return gzip.decompress(data) if entry.name.endswith(".gz") else data


def of(source: str) -> list[Entry]:
    """Return the mboxes of a source."""
    return [entry for entry in mboxes() if entry.source == source]


def read(entry: Entry) -> list[Fact]:
    """Return what is in an mbox; nothing in it may be unreadable, and nothing of it may change."""
    before = entry.path.stat()
    with open_store(f"mbox:{entry.path}", readonly=True) as store:
        found = facts(store.inbox)
        assert errors(store.inbox) == []
    after = entry.path.stat()
    assert (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, after.st_size)
    return found


@pytest.mark.parametrize("source", sources())
def test_count(source: str) -> None:
    counts = {entry.name: len(read(entry)) for entry in of(source)}
    expected = {
        entry.name: EXCEPTIONS.get(entry.name, max(1, len(SEPARATOR.findall(content(entry))))) for entry in of(source)
    }
    assert counts == expected


@pytest.mark.parametrize("source", sources())
def test_to_each_format_and_back(source: str, tmp_path: Path) -> None:
    for number, entry in enumerate(of(source)):
        wanted = read(entry)
        with open_store(f"mbox:{entry.path}", readonly=True) as box:
            for form in ("maildir++", "sqlite", "memory", "mbox"):
                stem = tmp_path / f"{number}-{form}"
                with converted(box, form, stem) as (there, report):
                    assert report.problems == []
                    assert facts(there.inbox) == wanted, entry.name
                    with converted(there, "mbox", stem.with_suffix(".back")) as (back, report):
                        assert report.problems == []
                        assert facts(back.inbox) == wanted, entry.name


def test_reading_leaves_nothing_beside(tmp_path: Path) -> None:
    entry = next(entry for entry in mboxes() if entry.name.endswith("teaparty.mbox"))
    before = sorted(os.listdir(entry.path.parent))
    read(entry)
    assert sorted(os.listdir(entry.path.parent)) == before
