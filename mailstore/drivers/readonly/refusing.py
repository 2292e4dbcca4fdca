"""The verbs of mailstore.spi.Driver that write, all refused, and those that need not know a format to answer."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NoReturn

from mailstore.errors import ReadOnlyStore
from mailstore.model.changes import Change, FolderInfo, Outcome, Recovery, Staged
from mailstore.model.info import Arrival
from mailstore.model.names import FolderPath
from mailstore.spi import Guard
from mailstore.system import fs


class Refusing:
    """A base of drivers that only read.

    Args:
        root: the store's path, for errors.
        format: its format.
    """

    keys_travel = False

    def __init__(self, root: str, format: str) -> None:  # noqa: A002 - the field's word
        self.root = root
        self.format = format

    def canonical(self, body: bytes) -> bytes:
        """Nothing is written, so nothing is altered."""
        return body

    def resolve(self, keys: Sequence[bytes]) -> dict[bytes, tuple[FolderPath, int]]:  # noqa: ARG002 - see spi.Driver
        """See Driver.resolve: no key is ever stored."""
        return {}

    def look_together(self) -> AbstractContextManager[set[FolderPath]]:
        """See Watchable.look_together: a look makes what it found lasting by itself."""
        return nullcontext(set())

    def folder_tokens(self) -> None:
        """See Watchable.folder_tokens: each folder must be asked."""
        return

    def recover(self) -> Recovery:
        """See Driver.recover: nothing is ever left half done."""
        return Recovery()

    def _refuse(self) -> NoReturn:
        raise ReadOnlyStore(
            f"{fs.shown(self.root)}: mailstore only reads the format {self.format}; "
            "convert it into one that can be written",
            path=self.root,
        )

    def create(self, path: FolderPath) -> FolderInfo:  # noqa: ARG002 - the signatures are those of spi.Driver
        """Refused."""
        self._refuse()

    def rename(self, old: FolderPath, new: FolderPath) -> None:  # noqa: ARG002 - as above
        """Refused."""
        self._refuse()

    def delete(self, path: FolderPath) -> None:  # noqa: ARG002 - as above
        """Refused."""
        self._refuse()

    def subscribe(self, path: FolderPath, subscribed: bool) -> None:  # noqa: ARG002 - as above
        """Refused."""
        self._refuse()

    def stage(self, arrivals: Sequence[Arrival]) -> list[Staged]:  # noqa: ARG002 - as above
        """Refused."""
        self._refuse()

    def discard(self, staged: Sequence[Staged]) -> None:  # noqa: ARG002 - as above
        """Nothing was ever staged."""
        return

    def commit(self, changes: Sequence[Change], *, guard: Guard | None = None, need_uids: bool = True) -> list[Outcome]:  # noqa: ARG002 - as above
        """Refused."""
        self._refuse()
