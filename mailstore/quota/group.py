"""A quota that many accounts share: a domain, a department.

The problem. Accounts of a group lie in stores of any format and are written by many processes; adding them all up for
each mail takes minutes, and two deliveries that fit only one by one must not both pass.

The solution. Beside the rules, a TOML file that the members' rules name, lies a running sum in the format of
``maildirsize``: a line for each commit. A delivery takes its room before the commit and corrects it afterwards by what
the store says that it added, both under a lock that is held for a read and a write. A delivery that is killed in
between leaves the sum too high until it is recalculated, which is also how the sum begins.

The sum is bookkeeping: it is not synced to the disk, and where it cannot be read nothing is refused.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mailstore.errors import CorruptStore, StoreBusy, UsageError
from mailstore.formats import maildirsize
from mailstore.formats.quotarules import parse_rules
from mailstore.model.changes import Usage
from mailstore.model.quota import QuotaRules
from mailstore.system import fs
from mailstore.system.locks import file_lock

_PATIENCE = 10.0
"""Seconds to wait for the lock, which is held for two system calls."""
_TRIES = 100
_FULL = maildirsize.MOST - 128
"""Bytes: a sum of so many is made one line."""


class Group:
    """The quota of a group.

    Attributes:
        path: of the rules.
        sums: of the running sum: ``path`` with ``.sums`` behind.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.sums = f"{path}.sums"

    def rules(self) -> QuotaRules:
        """Return the rules.

        Raises:
            CorruptStore: they are not there, or cannot be understood; the text names the file.
        """
        try:
            fd = fs.open_source(self.path)
            try:
                if not stat.S_ISREG(os.fstat(fd).st_mode):
                    raise CorruptStore(f"{fs.shown(self.path)} is no regular file", path=self.path)
                data = os.read(fd, 1 << 20)
            finally:
                os.close(fd)
            return parse_rules(data)
        except OSError as error:
            raise CorruptStore(f"{fs.shown(self.path)}: {error.strerror}", path=self.path) from error
        except UsageError as error:
            raise CorruptStore(f"{fs.shown(self.path)}: {error}", path=self.path) from error

    def usage(self) -> Usage | None:
        """Return the running sum; None where there is none that can be believed."""
        try:
            fd = fs.open_source(self.sums)
        except OSError:
            return None
        try:
            return _usage(_read(fd))
        except OSError:  # a directory, a FIFO
            return None
        finally:
            os.close(fd)

    def add(self, more: Usage, decide: Callable[[Usage], None] | None = None) -> None:
        """Add to the running sum, if ``decide`` lets it be; it is called with the sum under the lock, and may raise.

        Raises:
            CorruptStore: there is no sum to add to, or none that can be believed: it wants a recalculation.
            StoreBusy, StorageFull, StorageFailure, ReadOnlyStore: the system does not let us.
        """
        with self._held() as fd:
            data = _read(fd)
            usage = _usage(data)
            if usage is None:
                raise CorruptStore(f"{fs.shown(self.sums)} cannot be believed: recalculate it", path=self.sums)
            if decide is not None:
                decide(usage)
            if len(data) < _FULL:
                fs.write_all(fd, maildirsize.render_line(more.size, more.messages))
            else:
                limits = maildirsize.parse(data).limits or (0, 0)
                self._replace(limits, Usage(usage.messages + more.messages, usage.size + more.size))

    def reset(self, usage: Usage) -> None:
        """Begin the running sum anew, with what all members hold; the file belongs to whom the rules belong.

        What is delivered between the count and this call may be counted twice or not at all.

        Raises:
            CorruptStore: the rules cannot be read.
            StorageFull, StorageFailure, ReadOnlyStore: the system does not let us.
        """
        rules = self.rules()
        limits = (rules.storage or 0, rules.messages or 0)
        with fs.errors(self.sums):
            if not os.path.lexists(self.sums):
                self._replace(limits, usage)
                return
        with self._held():
            self._replace(limits, usage)

    def _replace(self, limits: tuple[int, int], usage: Usage) -> None:
        """Put a new file in the place of the sum. Whoever waits for the lock of the old one opens this one."""
        fd, temporary = fs.temporary_beside(self.sums)
        like = os.stat(self.sums if os.path.exists(self.sums) else self.path)
        fs.write_all(fd, maildirsize.render(limits, usage.size, usage.messages))
        fs.imitate(fd, like)
        fs.publish(fd, temporary, self.sums)

    @contextmanager
    def _held(self) -> Iterator[int]:
        """Hold the lock of the sum's file for the block, which gets it open, for reading and appending."""
        for _ in range(_TRIES):
            with fs.errors(self.sums):
                try:
                    fd = fs.open_update(self.sums, append=True)
                except FileNotFoundError as error:
                    text = f"{fs.shown(self.sums)} is not there: recalculate the group"
                    raise CorruptStore(text, path=self.sums) from error
            try:
                with file_lock(fd, True, _PATIENCE, self.sums), fs.errors(self.sums):
                    if _is_at(self.sums, fd):
                        yield fd
                        return
            finally:
                os.close(fd)
        raise StoreBusy(f"{fs.shown(self.sums)} is replaced again and again", path=self.sums)


def _is_at(path: str, fd: int) -> bool:
    try:
        there, here = os.stat(path), os.fstat(fd)
    except OSError:
        return False
    return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)


def _read(fd: int) -> bytes:
    return os.pread(fd, maildirsize.MOST, 0)


def _usage(data: bytes) -> Usage | None:
    sums = maildirsize.parse(data)
    return Usage(sums.count, sums.size) if sums.sound else None
