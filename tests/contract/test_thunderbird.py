"""Section 14 of the contract, kept by the driver for Thunderbird's mail directories."""

import re
from pathlib import Path

from mailstore import FolderPath
from mailstore.testing import ReadOnlyContract, ReadOnlyHarness

LINE = b"From - Tue Nov 14 22:13:20 2023\nX-Mozilla-Status: %s\nX-Mozilla-Status2: 00000000\n"
NEW, SEEN = LINE % b"0000", LINE % b"0001"


class ThunderbirdHarness(ReadOnlyHarness):
    location_template = "thunderbird:{root}"

    def file(self, path: FolderPath) -> Path:
        if path.is_inbox:
            return self.root / "Inbox"
        return self.root.joinpath(*(f"{part}.sbd" for part in path[:-1]), path[-1])

    def foreign_make(self) -> None:
        self.root.mkdir()
        (self.root / "Inbox").touch()

    def foreign_append(self, path: FolderPath, body: bytes) -> None:
        file = self.file(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("ab") as mbox:
            mbox.write(NEW + re.sub(rb"\n(>*From )", rb"\n>\1", body) + b"\n")

    def foreign_holds(self, body: bytes) -> bool:
        marks = re.search(rb"(?mi)^(X-Mozilla|X-Status|Status|X-Keywords|X-UID|X-IMAP|Content-Length)", body)
        ordinary = body[:1].isalpha() and not body.startswith(b"From ") and body.endswith(b"\n")
        return ordinary and b"\r" not in body and marks is None

    def foreign_remove(self, path: FolderPath, body: bytes) -> None:
        self.replace(path, NEW + body + b"\n", b"")

    def foreign_seen(self, path: FolderPath, body: bytes) -> None:
        self.replace(path, NEW + body, SEEN + body)

    def replace(self, path: FolderPath, old: bytes, new: bytes) -> None:
        file = self.file(path)
        data = file.read_bytes()
        assert old in data
        file.write_bytes(data.replace(old, new))


class TestThunderbird(ReadOnlyContract):
    harness_class = ThunderbirdHarness
