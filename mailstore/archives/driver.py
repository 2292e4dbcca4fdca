"""A store out of an archive: mailstore.spi.Driver, as the driver of what was unpacked says it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mailstore.model.changes import Change, FolderInfo, Omission, Outcome, Recovery, Staged, StoreDelta, Usage
from mailstore.model.info import Arrival
from mailstore.model.names import FolderPath
from mailstore.spi import Driver, FolderDriver, Guard, Location, Omitting
from mailstore.system import fs
from mailstore.system.private import PrivateDirectory
from mailstore.system.unpacked import Unpacked


class ArchiveDriver:
    """See mailstore.spi.Driver. The inner store is open read-only and refuses every write itself.

    Args:
        path: the archive's, for people.
        inner: the driver of the store that was unpacked.
        directory: where it was unpacked; removed when the store is closed.
        unpacked: what came out of the archive.
        where: the inner store's location.
        mask: native shortcuts to do without.
    """

    def __init__(
        self,
        path: str,
        inner: Driver,
        directory: PrivateDirectory,
        unpacked: Unpacked,
        where: Location,
        mask: frozenset[str],
    ) -> None:
        self._path = path
        self._inner = inner
        self._directory = directory
        self._unpacked = unpacked
        self._where = where
        native = frozenset({"shard"}) & inner.capabilities.native - mask
        self.capabilities = replace(inner.capabilities, writable=False, foreign_writers=False, native=native)

    @property
    def evidence(self) -> tuple[str, ...]:
        """See Driver.evidence."""
        unpacked = self._unpacked
        inside = f"{self._where.format}:{self._where.path}".replace(self._directory.path, "").replace(":/", ":")
        first = f"unpacked from {fs.shown(self._path)}: {unpacked.files} files, {unpacked.size} bytes; inside={inside}"
        omitted = (f"{one.where}: left out: {one.reason}" for one in self._left_out())
        return (first, *map(self._shown, self._inner.evidence), *omitted)

    def omissions(self) -> list[Omission]:
        """See Omitting.omissions."""
        inner = self._inner.omissions() if isinstance(self._inner, Omitting) else []
        return self._left_out() + [
            one._replace(where=self._shown(one.where), reason=self._shown(one.reason)) for one in inner
        ]

    def _left_out(self) -> list[Omission]:
        return [Omission(name, reason, damaged=damaged) for name, reason, damaged in self._unpacked.omitted]

    def _shown(self, text: str) -> str:
        """Return a text with the archive's name in the place of the directory's."""
        return text.replace(self._directory.path, fs.shown(self._path))

    def changes(self, since: str | None) -> StoreDelta:
        """See Driver.changes."""
        return self._inner.changes(since)

    def folder(self, path: FolderPath) -> FolderDriver:
        """See Driver.folder."""
        return self._inner.folder(path)

    def usage(self) -> Usage:
        """See Driver.usage."""
        return self._inner.usage()

    def canonical(self, body: bytes) -> bytes:
        """See Driver.canonical."""
        return self._inner.canonical(body)

    def resolve(self, keys: Sequence[bytes]) -> dict[bytes, tuple[FolderPath, int]]:
        """See Driver.resolve."""
        return self._inner.resolve(keys)

    def recover(self) -> Recovery:
        """See Driver.recover: nothing is ever left half done."""
        return Recovery()

    def close(self) -> None:
        """See Driver.close; what was unpacked is removed."""
        self._inner.close()
        self._directory.close()

    def create(self, path: FolderPath) -> FolderInfo:
        """Refused by the inner store, as are all of these."""
        return self._inner.create(path)

    def rename(self, old: FolderPath, new: FolderPath) -> None:
        """Refused."""
        self._inner.rename(old, new)

    def delete(self, path: FolderPath) -> None:
        """Refused."""
        self._inner.delete(path)

    def subscribe(self, path: FolderPath, subscribed: bool) -> None:
        """Refused."""
        self._inner.subscribe(path, subscribed)

    def stage(self, arrivals: Sequence[Arrival]) -> list[Staged]:
        """Refused."""
        return self._inner.stage(arrivals)

    def discard(self, staged: Sequence[Staged]) -> None:
        """Nothing was ever staged."""
        self._inner.discard(staged)

    def commit(self, changes: Sequence[Change], *, guard: Guard | None = None, need_uids: bool = True) -> list[Outcome]:
        """Refused."""
        return self._inner.commit(changes, guard=guard, need_uids=need_uids)
