"""Section 14 of the contract, kept by the driver for directories of .eml files."""

from functools import cached_property

from support.foreign import Eml

from mailstore import FolderPath
from mailstore.testing import ReadOnlyContract, ReadOnlyHarness


class EmlHarness(ReadOnlyHarness):
    location_template = Eml.location

    @cached_property
    def written(self) -> Eml:
        return Eml(self.root)

    def foreign_make(self) -> None:
        self.written.make()

    def foreign_append(self, path: FolderPath, body: bytes) -> None:
        self.written.append(path, body)

    def foreign_remove(self, path: FolderPath, body: bytes) -> None:
        self.written.remove(path, body)

    def foreign_seen(self, path: FolderPath, body: bytes) -> None:
        self.written.seen(path, body)


class TestEml(ReadOnlyContract):
    harness_class = EmlHarness
