"""Which account comes first: those that are not finished, and of those the largest.

The largest first, so that none is left over when all others are done and only one process has work. A guess will
do: the size of a file; of a directory the sizes of its files and, for what lies further down, of the directories, which
grow with the names in them.

What is finished is known where all journals have one place: a file there gets a line for each account whose turn is
over. It is a hint for the next run alone; losing it loses nothing.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress

from mailstore.migrate.accounts import Account
from mailstore.migrate.result import Result, Status
from mailstore.migrate.work import path_of
from mailstore.system import fs

TURNS = "accounts.turns"
_BYTES_FOR_A_NAME = 100
"""How much mail a byte of a directory stands for: names take some 80 bytes, messages some KB."""


class Turns:
    """The file of turns in a directory of journals; without a directory it remembers nothing."""

    def __init__(self, directory: str | None) -> None:
        self._path = None if directory is None else os.path.join(directory, TURNS)

    def last(self) -> dict[str, str]:
        """Return how the last turn of each account ended."""
        if self._path is None:
            return {}
        try:
            with open(self._path, encoding="utf-8", errors="surrogateescape") as file:
                pairs = [line.rstrip("\n").split("\t") for line in file if line.endswith("\n")]
        except OSError:
            return {}
        return {pair[1]: pair[0] for pair in pairs if len(pair) == 2}

    def note(self, result: Result) -> None:
        """Note that an account's turn is over, where that can be done."""
        if self._path is None:
            return
        line = f"{result.status}\t{result.account.user}\n".encode("utf-8", "surrogateescape")
        with suppress(OSError):
            try:
                fd = fs.open_update(self._path, append=True)
            except FileNotFoundError:
                os.close(fs.create(self._path))
                fd = fs.open_update(self._path, append=True)
            try:
                fs.write_all(fd, line)
            finally:
                fs.close(fd)


def in_order(accounts: Sequence[Account], last: dict[str, str]) -> list[int]:
    """Return the indexes of accounts, those first that are to come first."""
    done: Status = "done"
    return sorted(
        range(len(accounts)),
        key=lambda at: (last.get(accounts[at].user) == done, -about(path_of(accounts[at].source)), at),
    )


def about(path: str) -> int:
    """Return about how much mail is at a path, in some unit; 0 where it cannot be told."""
    with suppress(OSError):
        if not os.path.isdir(path):
            return os.lstat(path).st_size
        with os.scandir(path) as entries:
            return sum(_about(entry) for entry in entries)
    return 0


def _about(entry: os.DirEntry[str]) -> int:
    with suppress(OSError):
        size = entry.stat(follow_symlinks=False).st_size
        if not entry.is_dir(follow_symlinks=False):
            return size
        with suppress(OSError):
            size += os.lstat(os.path.join(entry.path, "cur")).st_size
        return size * _BYTES_FOR_A_NAME
    return 0
