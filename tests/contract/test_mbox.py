"""The contract, kept by mbox files: one alone, and a tree of them."""

from pathlib import Path

from support.deliveries import MboxHarness

from mailstore.model.names import FolderPath
from mailstore.testing import DriverContract


class MboxFileHarness(MboxHarness):
    location_template = "mbox:{root}?layout=file"


class MboxTreeHarness(MboxHarness):
    location_template = "mbox:{root}?layout=sbd"

    def file_of(self, path: FolderPath) -> Path | None:
        return self.root / "inbox" if path.is_inbox else None


class TestMboxFile(DriverContract):
    harness_class = MboxFileHarness


class TestMboxTree(DriverContract):
    harness_class = MboxTreeHarness
