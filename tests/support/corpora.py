"""Finds the shared corpora of real mail: every mbox, Maildir and message, by the manifest that comes with them."""

from __future__ import annotations

import csv
import json
import os
import tarfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(os.environ.get("MAILSTORE_CORPORA") or Path(__file__).parents[3] / "shared" / "corpora")
MISSING = f"no corpora of real mail at {ROOT} (MAILSTORE_CORPORA names the place)"

needs_corpora = pytest.mark.skipif(not ROOT.is_dir(), reason=MISSING)


class Entry(NamedTuple):
    """A file of the manifest."""

    name: str
    sha256: str
    size: int

    @property
    def path(self) -> Path:
        return ROOT / self.name

    @property
    def source(self) -> str:
        return self.name.partition("/")[0]


@cache
def manifest() -> tuple[Entry, ...]:
    """Return every file that the manifest names, or nothing where there are no corpora."""
    if not ROOT.is_dir():
        return ()
    with (ROOT / "MANIFEST.tsv").open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return tuple(Entry(row["file"], row["sha256"], int(row["bytes"])) for row in rows)


def expectations() -> list[dict[str, Any]]:
    """Return what the origins' own tests assert."""
    return json.loads((ROOT / "expectations.json").read_text(encoding="utf-8")) if ROOT.is_dir() else []


def sources() -> list[str]:
    """Return the names of the source folders that hold single files (not the archives)."""
    return sorted({entry.source for entry in manifest()} - {"archives"})


def entries(source: str) -> Iterator[Entry]:
    """Yield the files of a source."""
    return (entry for entry in manifest() if entry.source == source)


def is_mbox(path: Path) -> bool:
    """Tell whether a file's first line is a From_ line (``From``, a space, anything but a colon after one word)."""
    with path.open("rb") as file:
        start = file.read(200)
    return start.startswith(b"From ") and not start[5:].lstrip().startswith(b":")


@cache
def mboxes() -> tuple[Entry, ...]:
    """Return the files that begin like an mbox, and the compressed ones."""
    return tuple(
        entry
        for entry in manifest()
        if entry.source != "archives" and (entry.name.endswith(".gz") or is_mbox(entry.path))
    )


@cache
def maildirs() -> tuple[str, ...]:
    """Return the outermost directories that hold ``cur`` or ``new`` (git keeps no empty directories)."""
    found: set[str] = set()
    for entry in manifest():
        parts = entry.name.split("/")
        for at, part in enumerate(parts[:-1]):
            if part in ("cur", "new"):
                found.add("/".join(parts[:at]))
                break
    return tuple(sorted(name for name in found if not any(name.startswith(f"{other}/") for other in found)))


def hams() -> Iterator[tuple[str, bytes]]:
    """Yield (name, bytes) of the 2,352 messages of archives/linux-hams.tar.xz, in order of the list."""
    with tarfile.open(ROOT / "archives" / "linux-hams.tar.xz") as archive:
        members = {member.name: archive.extractfile(member) for member in archive if member.isfile()}
        contents = {name: file.read() for name, file in members.items() if file is not None}
    yield from sorted(contents.items())
