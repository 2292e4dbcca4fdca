"""Section 14 of the contract, kept by the driver for Apple Mail."""

from functools import cached_property

from support.foreign import Apple

from mailstore import FolderPath
from mailstore.testing import ReadOnlyContract, ReadOnlyHarness


class AppleHarness(ReadOnlyHarness):
    location_template = Apple.location

    @cached_property
    def written(self) -> Apple:
        return Apple(self.root)

    def foreign_make(self) -> None:
        self.written.make()

    def foreign_append(self, path: FolderPath, body: bytes) -> None:
        self.written.append(path, body)

    def foreign_remove(self, path: FolderPath, body: bytes) -> None:
        self.written.remove(path, body)

    def foreign_seen(self, path: FolderPath, body: bytes) -> None:
        self.written.seen(path, body)


class TestApple(ReadOnlyContract):
    harness_class = AppleHarness
