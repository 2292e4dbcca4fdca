"""Makes what the cases read, each once and only when asked for, and warms the page cache with it."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.quota import make_large, make_many
from benchmarks.tools import mstore

GIB = 1 << 30


class Inputs:
    """The inputs in ``directory``; call it with a name to get the path."""

    def __init__(self, directory: Path, count: int, listing: int) -> None:
        self._directory = directory
        self._count = count
        self._listing = listing
        self._makers: dict[str, Callable[[Path], None]] = {
            "big.mbox": lambda path: self._corpus("mbox", path, "list", "--times", "18"),
            "listing.maildir": self._many,
            "indexed.maildir": self._many,
            "huge.mbox": _huge,
            "huge.maildir": lambda path: self._converted("huge.mbox", f"maildir:{path}"),
            "huge.sqlite": lambda path: self._converted("huge.mbox", f"sqlite:{path}"),
            "sparse.mbox": _sparse,
            "quota.maildir": lambda path: make_large(path, self._listing),
            "quota.homes": make_many,
        }
        for profile in ("small", "mixed"):
            self._makers |= {
                f"{profile}.mbox": lambda path, p=profile: self._corpus("mbox", path, p),
                f"{profile}.maildir": lambda path, p=profile: self._corpus("maildir", path, p),
                f"{profile}.tar": lambda path, p=profile: self._archive(path, p),
            }

    def __call__(self, name: str) -> Path:
        """Return the path of the input ``name``, made and read once."""
        path = self._directory / name
        if not path.exists():
            print(f"making {name}", file=sys.stderr)
            self._makers[name](path)
        if path.is_file() and path.stat().st_blocks * 512 >= path.stat().st_size:
            _warm(path)
        return path

    def _corpus(self, form: str, path: Path, profile: str, *more: str) -> None:
        command = [sys.executable, "-m", "benchmarks.corpus", form, str(path), "--profile", profile]
        subprocess.run([*command, "-n", str(self._count), *more], check=True, cwd=Path(__file__).parent.parent)

    def _archive(self, path: Path, profile: str) -> None:
        subprocess.run(["tar", "-cf", path, "-C", self(f"{profile}.maildir"), "."], check=True)

    def _converted(self, source: str, destination: str) -> None:
        subprocess.run([*mstore(), "convert", "--quiet", f"mbox:{self(source)}", destination], check=True)

    def _many(self, path: Path) -> None:
        for sub in ("tmp", "new", "cur"):
            (path / sub).mkdir(parents=True)
        for number in range(self._listing):
            letters = ("S", "RS", "", "FS")[number % 4]
            name = f"{1_700_000_000 + number}.M{number:06d}P4711.bench,S=28,W=30:2,{letters}"
            (path / "cur" / name).write_bytes(b"Subject: %07d\n\nlistable.\n" % number)


def _huge(path: Path) -> None:
    """One message of 1 GiB: a header and base64 lines."""
    block = base64.encodebytes(os.urandom(57 << 14))
    with path.open("wb") as out:
        out.write(b"From a@example.org Sun May  7 04:53:57 2006\nSubject: huge\n\n")
        while out.tell() < GIB:
            out.write(block)
        out.write(b"\n")


def _sparse(path: Path) -> None:
    """Two small messages with a hole of 10 GB between them, which belongs to the first."""
    record = b"From a@example.org Sun May  7 04:53:57 2006\nSubject: %d\n\nbody\n"
    with path.open("wb") as out:
        out.write(record % 1)
        out.seek(10 * GIB)
        out.write(b"\n\n" + record % 2 + b"\n")


def _warm(path: Path) -> None:
    with path.open("rb", buffering=0) as file:
        while file.read(1 << 20):
            pass
