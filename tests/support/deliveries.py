"""Harnesses whose foreign mail is written by none of our code, as delivery agents write it."""

import fcntl
import itertools
import os
import re
from typing import ClassVar

from mailstore import FolderPath
from mailstore.testing import Harness

PLAIN = re.compile(r"[A-Za-z0-9]+")
_serial = itertools.count(1)


class MaildirHarness(Harness):
    """Delivers like qmail-local: a file written in ``tmp``, synced, linked into ``new``."""

    separator: ClassVar[str] = "."

    def foreign_append(self, path: FolderPath, body: bytes) -> None:
        if not all(PLAIN.fullmatch(part) for part in path) or path[0] == "INBOX" != path[-1]:
            super().foreign_append(path, body)  # a name that delivery agents are not told to spell
            return
        names = [] if path.is_inbox else [("." if self.separator == "." else "") + self.separator.join(path)]
        folder = self.root.joinpath(*names)
        name = f"{1_700_000_000 + next(_serial)}.{os.getpid()}.elsewhere.example.org"
        with open(folder / "tmp" / name, "xb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        os.link(folder / "tmp" / name, folder / "new" / name)
        os.unlink(folder / "tmp" / name)


class MboxHarness(Harness):
    """Delivers like procmail: dotlock, fcntl lock, a From_ line, the body, an empty line."""

    def folder_file(self, path: FolderPath) -> str | None:
        """Return the file of a folder, or None where its name is not plain."""
        return str(self.root) if path.is_inbox else None

    def foreign_append(self, path: FolderPath, body: bytes) -> None:
        name = self.folder_file(path)
        if name is None:
            super().foreign_append(path, body)  # a name that delivery agents are not told to spell
            return
        lock = os.open(f"{name}.lock", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o444)
        try:
            with open(name, "ab") as file:
                fcntl.lockf(file, fcntl.LOCK_EX)
                file.write(b"From sender@example.org Thu Nov  9 22:33:52 2023\n" + body + b"\n")
                file.flush()
                os.fsync(file.fileno())
        finally:
            os.close(lock)
            os.unlink(f"{name}.lock")
