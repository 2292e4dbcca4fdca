"""A barrier: all that was written before it is on the disk when it returns.

The problem. A message's contents must reach the disk before its name becomes visible, and its name before a commit
returns. One fsync a file costs ten times as much as one syncfs for ten thousand files; one syncfs for a single
delivery writes out everybody else's data too, and may take seconds. And an error of writing back is only reported to
a descriptor that was open when it happened: a file closed and opened again, or a file system opened too late, can
look well.

The solution. A ``Barrier`` keeps the descriptors of the first files open and syncs each; when there are more than
``FEW``, it closes them and uses syncfs on a descriptor opened before the first write.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from types import TracebackType
from typing import Self

from mailstore.system import fs

FEW = 32
"""Up to so many files are synced one by one."""


class Barrier:
    """Collects what was written, then syncs it the cheaper way. Usable again after ``sync``; close it at the end.

    Args:
        directories: where files will be written; each file system among them is opened now, before the first write.
        many: it is known that more than FEW files will come: ``add`` closes them at once, and callers that make
            files with ``fs.create_file`` need not call it at all.
    """

    def __init__(self, directories: Iterable[str], *, many: bool = False) -> None:
        self.many = many
        self._anchors: dict[int, int] = {}
        self._files: list[int] = []
        self._directories: dict[str, None] = {}
        try:
            for directory in directories:
                self.enter(directory)
        except OSError:
            self.close()
            raise

    def enter(self, directory: str) -> None:
        """Say, before the first write there, that files will be written in ``directory``."""
        fd = fs.open_directory(directory)
        device = os.fstat(fd).st_dev
        if device in self._anchors:
            fs.close(fd)
        else:
            self._anchors[device] = fd

    def add(self, fd: int) -> None:
        """Take over the descriptor of a file that was written; it is closed by the barrier."""
        self._files.append(fd)
        if self.many or len(self._files) > FEW:
            self.many = True
            self._close_files()

    def names(self, directory: str) -> None:
        """Note that names in ``directory`` changed."""
        self._directories[directory] = None

    def sync(self) -> None:
        """Return when all that was added and named is on the disk; forgets it then.

        Raises:
            OSError: something could not be written; what is on the disk is unknown.
        """
        if self.many or len(self._directories) > FEW:
            self._close_files()
            for anchor in self._anchors.values():
                fs.sync_filesystem(anchor)
        else:
            for fd in self._files:
                fs.sync_file(fd)
            self._close_files()
            for directory in self._directories:
                fs.sync_directory(directory)
        self._directories.clear()

    def close(self) -> None:
        """Release the descriptors without syncing; may be called twice."""
        anchors, self._anchors = list(self._anchors.values()), {}
        files, self._files = self._files, []
        for fd in (*anchors, *files):
            with suppress(OSError):
                fs.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _close_files(self) -> None:
        while self._files:
            fs.close(self._files.pop())
