"""Stores of the formats that we only read, written as their programs do."""

from __future__ import annotations

import plistlib
import re
from pathlib import Path

from mailstore import FolderPath, Row

XML = b'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE plist'


def file_name(row: Row) -> str:
    """Return what of a key is the file's name, in its folder."""
    return row.key.rpartition("@")[0]


def ranges(numbers: list[int]) -> str:
    """Return message numbers as nmh writes them: ``1-3 7``."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return " ".join(str(low) if low == high else f"{low}-{high}" for low, high in runs)


class Mh:
    """A tree of MH folders; INBOX is ``inbox``."""

    location = "mh:{root}"

    def __init__(self, root: Path) -> None:
        self.root = root

    def make(self) -> None:
        (self.root / "inbox").mkdir(parents=True)

    def directory(self, path: FolderPath) -> Path:
        return self.root / "inbox" if path.is_inbox else self.root.joinpath(*path)

    def append(self, path: FolderPath, body: bytes) -> Path:
        directory = self.directory(path)
        directory.mkdir(parents=True, exist_ok=True)
        number = max((int(file.name) for file in directory.iterdir() if file.name.isdigit()), default=0) + 1
        (directory / str(number)).write_bytes(body)
        self.mark(directory, "unseen", [*self.marked(directory, "unseen"), number])
        return directory / str(number)

    def marked(self, directory: Path, name: str) -> list[int]:
        file = directory / ".mh_sequences"
        lines = file.read_text().splitlines() if file.exists() else []
        words = next((line.partition(":")[2].split() for line in lines if line.startswith(f"{name}:")), [])
        pairs = [word.split("-") for word in words]
        return [number for pair in pairs for number in range(int(pair[0]), int(pair[-1]) + 1)]

    def mark(self, directory: Path, name: str, numbers: list[int]) -> None:
        file = directory / ".mh_sequences"
        lines = file.read_text().splitlines() if file.exists() else []
        lines = [line for line in lines if not line.startswith(f"{name}:")]
        file.write_text("".join(f"{line}\n" for line in [*lines, f"{name}: {ranges(numbers)}"]))

    def file_of(self, path: FolderPath, body: bytes) -> Path:
        directory = self.directory(path)
        return next(file for file in directory.iterdir() if file.name.isdigit() and file.read_bytes() == body)

    def remove(self, path: FolderPath, body: bytes) -> None:
        file = self.file_of(path, body)
        file.rename(file.with_name(f",{file.name}"))

    def seen(self, path: FolderPath, body: bytes) -> None:
        file = self.file_of(path, body)
        directory = file.parent
        self.mark(directory, "unseen", [n for n in self.marked(directory, "unseen") if n != int(file.name)])


class Eml:
    """A directory of ``.eml`` files, with directories below it."""

    location = "eml:{root}"

    def __init__(self, root: Path) -> None:
        self.root = root

    def make(self) -> None:
        self.root.mkdir()

    def directory(self, path: FolderPath) -> Path:
        return self.root if path.is_inbox else self.root.joinpath(*path)

    def append(self, path: FolderPath, body: bytes) -> Path:
        directory = self.directory(path)
        directory.mkdir(parents=True, exist_ok=True)
        file = directory / f"message {len(list(directory.iterdir())) + 1}.eml"
        file.write_bytes(body)
        return file

    def file_of(self, path: FolderPath, body: bytes) -> Path:
        return next(file for file in self.directory(path).glob("*.eml") if file.read_bytes() == body)

    def remove(self, path: FolderPath, body: bytes) -> None:
        self.file_of(path, body).unlink()

    def seen(self, path: FolderPath, body: bytes) -> None:
        self.file_of(path, body).write_bytes(b"X-Mozilla-Status: 0001\n" + body)


def emlx(body: bytes, flags: int = 0, received: int | None = 1_600_000_000, *, binary: bool = False) -> bytes:
    """Return a message as Apple Mail keeps it."""
    told: dict[str, object] = {"flags": flags, "subject": "x", "conversation-id": 7}
    if received is not None:
        told["date-received"] = received
    form = plistlib.FMT_BINARY if binary else plistlib.FMT_XML
    return b"%-10d\n" % len(body) + body + plistlib.dumps(told, fmt=form)


class Apple:
    """A mailbox tree of ``~/Library/Mail/V10``: an account's directory with its bundles."""

    location = "apple:{root}"

    def __init__(self, root: Path) -> None:
        self.root = root
        self.last = 1000

    def make(self) -> None:
        self.root.mkdir()

    def directory(self, path: FolderPath) -> Path:
        bundle = self.root.joinpath(*(f"{name}.mbox" for name in path))
        return bundle / "5F1C9E2A-0000-4000-8000-000000000000" / "Data"

    def append(self, path: FolderPath, body: bytes, flags: int = 0) -> Path:
        self.last += 1
        directory = self.directory(path) / str(self.last // 1000 % 10) / "Messages"
        directory.mkdir(parents=True, exist_ok=True)
        file = directory / f"{self.last}.emlx"
        file.write_bytes(emlx(body, flags))
        return file

    def file_of(self, path: FolderPath, body: bytes) -> Path:
        files = self.directory(path).rglob("*.emlx")
        return next(file for file in files if re.sub(rb"\A\d+ *\n", b"", file.read_bytes()).startswith(body + XML))

    def remove(self, path: FolderPath, body: bytes) -> None:
        self.file_of(path, body).unlink()

    def seen(self, path: FolderPath, body: bytes) -> None:
        self.file_of(path, body).write_bytes(emlx(body, 1))
