"""How the suite makes, reopens and disturbs the stores of one driver."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Self

from mailstore import Folder, FolderPath, Store, open_store
from mailstore.model.caps import Capabilities
from mailstore.testing import child
from mailstore.testing.observe import listing


class Harness:
    """One store in a directory of its own. Subclass it and say at least where the store is.

    Attributes:
        location_template: the location; ``{root}`` is a path that does not exist yet, in an empty directory.
        directory: the empty directory given to this harness.
        root: where the store is or will be.
        mask: the native shortcuts to do without.
    """

    location_template: ClassVar[str]
    _capabilities: ClassVar[dict[type[Harness], Capabilities]] = {}

    def __init__(self, directory: Path, mask: frozenset[str] = frozenset()) -> None:
        self.directory = directory
        self.root = directory / "store"
        self.mask = mask
        self._opened: list[Store] = []

    @property
    def location(self) -> str:
        """Where the store is."""
        return self.location_template.format(root=self.root)

    @property
    def capabilities(self) -> Capabilities:
        """What stores of this driver keep, with nothing masked; found once for a class."""
        if type(self) not in self._capabilities:
            probe = self.sibling("probe")
            probe.mask = frozenset()
            with probe._open(create=True) as store:
                self._capabilities[type(self)] = store.capabilities
        return self._capabilities[type(self)]

    def create(self) -> Store:
        """Make the store; it is closed at the end of the test."""
        return self.open(create=True)

    def open(self, *, create: bool = False, readonly: bool = False, index: str = "auto") -> Store:
        """Open the store once more; it is closed at the end of the test."""
        store = self._open(create=create, readonly=readonly, index=index)
        self._opened.append(store)
        return store

    def reopen(self, store: Store) -> Store:
        """Close ``store`` and open it again, where it lives on; else return it as it is."""
        if not self.capabilities.persistent:
            return store
        store.close()
        return self.open()

    def now_and_reopened(self, store: Store) -> Iterator[Store]:
        """Yield ``store`` as it is, then reopened: what is seen must be the same."""
        yield store
        yield self.reopen(store)

    def foreign_append(self, path: FolderPath, body: bytes) -> None:
        """Put a message into a folder as another program would.

        This and the other two are only called where Capabilities.foreign_writers is true, with bodies that end in a
        newline, hold no line beginning with ``From ``, and have a header; the folder holds no two of the same. Override
        them to write the format without this library; here another open store does it.
        """
        with self._open() as store:
            store.folder(path).append(body)

    def foreign_remove(self, path: FolderPath, body: bytes) -> None:
        """Remove the message with these bytes as another program would."""
        with self._open() as store:
            folder = store.folder(path)
            folder.expunge(_uids(folder, body), only_deleted=False)

    def foreign_seen(self, path: FolderPath, body: bytes) -> None:
        r"""Set ``\Seen`` on the message with these bytes as another program would."""
        with self._open() as store:
            folder = store.folder(path)
            folder.add_flags(_uids(folder, body), ["\\Seen"])

    def in_child(self, command: str, *arguments: str) -> Any:
        """Run a command of ``mailstore.testing.child`` on the store in a new process; return its answer."""
        return self.answer(self.start_child(command, *arguments))

    def start_child(self, command: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a command of ``mailstore.testing.child`` and do not wait for it."""
        assert child.__file__ is not None
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        return subprocess.Popen(  # noqa: S603 - our own interpreter and script, no shell
            [sys.executable, "-P", child.__file__, command, self.location, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        )

    def answer(self, process: subprocess.Popen[bytes]) -> Any:
        """Wait for a child and return what it answers."""
        output, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors.decode(errors="replace")
        return json.loads(output)

    def sibling(self, name: str) -> Self:
        """Return a harness of the same kind beside this one, with no store yet."""
        directory = self.directory / f"{name}.d"
        directory.mkdir()
        return type(self)(directory, self.mask)

    def partner(self, name: str) -> Self:
        """Return a harness for another store with which this one's deliveries can be committed (shortcut ``join``).

        Override it where such stores are no siblings.
        """
        return self.sibling(name)

    @contextmanager
    def closing(self) -> Iterator[Self]:
        """Close what was opened, however often, on leaving the ``with``."""
        try:
            yield self
        finally:
            for store in self._opened:
                store.close()

    def _open(self, *, create: bool = False, readonly: bool = False, index: str = "auto") -> Store:
        return open_store(self.location, create=create, readonly=readonly, index=index, mask=self.mask)


def _uids(folder: Folder, body: bytes) -> list[int]:
    return [uid for uid, seen in listing(folder).items() if seen.body == body]
