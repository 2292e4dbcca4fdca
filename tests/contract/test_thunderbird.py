"""Section 14 of the contract, kept by the driver for Thunderbird's mail directories."""

import hashlib
import re
from pathlib import Path

from mailstore import INBOX, FolderPath
from mailstore.model.info import BODY
from mailstore.testing import ReadOnlyContract, ReadOnlyHarness
from mailstore.testing.observe import body_bytes
from mailstore.testing.samples import BODIES, large

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

    def test_exact_bytes(self, harness: ReadOnlyHarness) -> None:
        """Of mail as an mbox of another program's can hold it: with a header, and a last line end."""
        harness.foreign_make()
        bodies = [
            body for body in BODIES.values() if body.endswith(b"\n") and body[:1].isalpha() and b"From " not in body
        ]
        bodies += [large(size) + b"\n" for size in ((1 << 20) - 2, 1 << 20, 3 << 20)]
        assert len(bodies) > 4
        for body in bodies:
            harness.foreign_append(INBOX, body)
        found = [body_bytes(row.body) for row in harness.open().inbox.rows(BODY)]
        assert sorted(map(digest, found)) == sorted(map(digest, bodies))


def digest(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()
