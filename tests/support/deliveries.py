"""Harnesses whose foreign mail is written by none of our code, as delivery agents write it."""

import fcntl
import itertools
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, ClassVar

from mailstore import FolderPath
from mailstore.testing import Harness

PLAIN = re.compile(r"[A-Za-z0-9]+")
_serial = itertools.count(1)


class MaildirHarness(Harness):
    """Delivers like qmail-local: a file written in ``tmp``, synced, linked into ``new``."""

    separator: ClassVar[str] = "."

    def directory_of(self, path: FolderPath) -> Path | None:
        """Return the Maildir of a folder, or None where its name is one that delivery agents are not told to spell."""
        if path.is_inbox:
            return self.root
        if path[0] == "INBOX" or not all(PLAIN.fullmatch(part) for part in path):
            return None
        return self.root / (("." if self.separator == "." else "") + self.separator.join(path))

    def foreign_append(self, path: FolderPath, body: bytes) -> None:
        folder = self.directory_of(path)
        if folder is None:
            super().foreign_append(path, body)
            return
        name = f"{1_700_000_000 + next(_serial)}.{os.getpid()}.elsewhere.example.org"
        with open(folder / "tmp" / name, "xb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        os.link(folder / "tmp" / name, folder / "new" / name)
        os.unlink(folder / "tmp" / name)

    def foreign_remove(self, path: FolderPath, body: bytes) -> None:
        file = self.find(path, body)
        if file is None:
            super().foreign_remove(path, body)
        else:
            file.unlink()

    def foreign_seen(self, path: FolderPath, body: bytes) -> None:
        file = self.find(path, body)
        if file is None:
            super().foreign_seen(path, body)
            return
        base, _, flags = file.name.partition(":2,")
        letters = "".join(sorted({*flags, "S"}))
        file.rename(file.parent.parent / "cur" / f"{base}:2,{letters}")

    def find(self, path: FolderPath, body: bytes) -> Path | None:
        folder = self.directory_of(path)
        if folder is None:
            return None
        (file,) = [file for part in ("new", "cur") for file in (folder / part).iterdir() if file.read_bytes() == body]
        return file


class MboxHarness(Harness):
    """Delivers like procmail: dotlock, fcntl lock, a From_ line, the body, an empty line."""

    def file_of(self, path: FolderPath) -> Path | None:
        """Return the file of a folder, or None where its name is one that delivery agents are not told to spell."""
        return self.root if path.is_inbox else None

    @contextmanager
    def locked(self, name: Path) -> Iterator[BinaryIO]:
        lock = os.open(f"{name}.lock", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o444)
        try:
            with open(name, "r+b" if name.exists() else "w+b") as file:
                fcntl.lockf(file, fcntl.LOCK_EX)
                yield file
                file.flush()
                os.fsync(file.fileno())
        finally:
            os.close(lock)
            os.unlink(f"{name}.lock")

    def foreign_append(self, path: FolderPath, body: bytes) -> None:
        name = self.file_of(path)
        if name is None:
            super().foreign_append(path, body)
            return
        with self.locked(name) as file:
            file.seek(0, os.SEEK_END)
            file.write(b"From sender@example.org Thu Nov  9 22:33:52 2023\n" + body + b"\n")

    def foreign_remove(self, path: FolderPath, body: bytes) -> None:
        """Write the file anew in its place without the message, as mail readers of old do."""
        name = self.file_of(path)
        if name is None:
            super().foreign_remove(path, body)
            return
        with self.locked(name) as file:
            before, _, after = self.record(file, body)
            self.rewrite(file, before + after)

    def foreign_seen(self, path: FolderPath, body: bytes) -> None:
        """The same with ``R`` added to the message's Status."""
        name = self.file_of(path)
        if name is None:
            super().foreign_seen(path, body)
            return
        with self.locked(name) as file:
            before, record, after = self.record(file, body)
            head, empty, rest = record.partition(b"\n\n")
            lines = [line for line in head.split(b"\n") if not line.startswith(b"Status:")]
            self.rewrite(file, before + b"\n".join([*lines, b"Status: RO"]) + empty + rest + after)

    def record(self, file: BinaryIO, body: bytes) -> tuple[bytes, bytes, bytes]:
        """Return what stands before the message with this subject, itself, and what stands behind it."""
        data = file.read()
        subject = body[: body.index(b"\n") + 1]
        place = data.index(b"\n" + subject)
        start = data.rindex(b"\nFrom ", 0, place) + 1 if b"\nFrom " in data[:place] else 0
        end = data.find(b"\n\nFrom ", place)
        end = len(data) if end < 0 else end + 2
        return data[:start], data[start:end], data[end:]

    def rewrite(self, file: BinaryIO, data: bytes) -> None:
        file.seek(0)
        file.write(data)
        file.truncate()


class MboxTreeHarness(MboxHarness):
    """The same in a tree as Thunderbird keeps it: ``A/B`` is the file ``A.sbd/B``."""

    location_template = "mbox:{root}?layout=sbd"

    def file_of(self, path: FolderPath) -> Path | None:
        if path[0] == "INBOX" or not all(PLAIN.fullmatch(part) for part in path):
            return None
        return self.root.joinpath(*(f"{part}.sbd" for part in path[:-1]), path[-1])
