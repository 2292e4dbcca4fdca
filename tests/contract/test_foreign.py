"""Section 14 of the contract, kept by the drivers that read a file a message: MH, ``.eml``, Apple Mail."""

from functools import cached_property

from support.foreign import Apple, Eml, Mh

from mailstore import FolderPath
from mailstore.testing import ReadOnlyContract, ReadOnlyHarness


class WrittenHarness(ReadOnlyHarness):
    """Lets a writer of ours be the other program."""

    writer: type[Apple | Eml | Mh]

    @cached_property
    def written(self) -> Apple | Eml | Mh:
        return self.writer(self.root)

    def foreign_make(self) -> None:
        self.written.make()

    def foreign_append(self, path: FolderPath, body: bytes) -> None:
        self.written.append(path, body)

    def foreign_remove(self, path: FolderPath, body: bytes) -> None:
        self.written.remove(path, body)

    def foreign_seen(self, path: FolderPath, body: bytes) -> None:
        self.written.seen(path, body)


class AppleHarness(WrittenHarness):
    writer = Apple
    location_template = Apple.location


class EmlHarness(WrittenHarness):
    writer = Eml
    location_template = Eml.location


class MhHarness(WrittenHarness):
    writer = Mh
    location_template = Mh.location


class TestApple(ReadOnlyContract):
    harness_class = AppleHarness


class TestEml(ReadOnlyContract):
    harness_class = EmlHarness


class TestMh(ReadOnlyContract):
    harness_class = MhHarness
