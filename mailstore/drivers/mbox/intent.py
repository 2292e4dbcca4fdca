"""A subtree's rename: two renames of the file system and one of the index, as one.

The problem. In an sbd tree a folder is a file and a directory; a crash between the two renames would part them.

The solution. What is to be done is written into a hidden file of the root first, and synced. ``recover`` carries out
what is left of it; each step may be done twice. Where a step fails and the process lives on, what was done is taken
back at once: nobody is shown half a rename, and no later rename writes over this one's intent.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress

from mailstore.drivers.sidecar import Index
from mailstore.errors import MailstoreError
from mailstore.system import fs

_NAME = ".mailstore-intent.lock"
"""Dovecot passes over ``.lock``."""


class Intent:
    """A rename that is under way.

    Args:
        root: the tree's directory.
        steps: (from, to) paths, in order; ``to`` must not exist yet.
        names: (old, new) names in the index.
    """

    def __init__(self, root: str, steps: Sequence[tuple[str, str]], names: Sequence[tuple[str, str]]) -> None:
        self._path = os.path.join(root, _NAME)
        self._steps = steps
        self._names = names

    def write(self) -> None:
        """Say what is to be done; durable on return."""
        fs.replace_file(self._path, json.dumps([self._steps, self._names]).encode("utf-8", "surrogateescape"))

    def carry_out(self, index: Index) -> None:
        """Do what was not done yet; durable on return."""
        touched = set()
        for source, target in self._steps:
            if os.path.lexists(source):
                if not os.path.lexists(target):
                    fs.rename_noreplace(source, target)
                elif os.path.samestat(os.lstat(source), os.lstat(target)):
                    fs.unlink(source)  # a power cut kept both names
            touched |= {os.path.dirname(source), os.path.dirname(target)}
        for directory in sorted(touched):
            if os.path.isdir(directory):
                fs.sync_directory(directory)
        for old, new in self._names:
            index.rename(old, new)
        fs.unlink(self._path, missing_ok=True)
        fs.sync_directory(os.path.dirname(self._path))

    def run(self, index: Index) -> None:
        """Say it and do it.

        Raises:
            OSError, MailstoreError: one step failed; those before it were taken back, or ``recover`` finishes them.
        """
        try:
            self.write()
            self.carry_out(index)
        except (OSError, MailstoreError):
            with suppress(OSError, MailstoreError):
                self._back().carry_out(index)
            raise

    def _back(self) -> Intent:
        """Return the way back, which stands on disk in the place of the way there."""
        steps = [(target, source) for source, target in reversed(self._steps)]
        back = Intent(os.path.dirname(self._path), steps, [(new, old) for old, new in self._names])
        back.write()
        return back

    @classmethod
    def recover(cls, root: str, index: Index) -> int:
        """Finish an interrupted rename; returns how many there were."""
        try:
            with open(os.path.join(root, _NAME), "rb") as file:
                steps, names = json.loads(file.read())
        except FileNotFoundError:
            return 0
        except (OSError, ValueError):
            with suppress(OSError):
                fs.unlink(os.path.join(root, _NAME))
            return 0
        inside = os.path.join(root, "")
        if not all(os.path.normpath(path).startswith(inside) for step in steps for path in step):
            return 0
        cls(root, [tuple(step) for step in steps], [tuple(name) for name in names]).carry_out(index)
        return 1
