"""The crash trials of an ordinary run find stores that leave out a sync, ignore its error, or half a write."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from mailstore.drivers.sql import database
from mailstore.system import fs
from mailstore.testing import DriverContract, Harness
from mailstore.testing.operations import OPERATIONS, Operation

Fault = Callable[[pytest.MonkeyPatch], None]
APPEND, DELIVER = (next(one for one in OPERATIONS if one.name == name) for name in ("append", "deliver"))


def no_directory_sync(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(fs, "sync_directory", lambda _: None)


def no_file_sync(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(fs, "sync_file", lambda _: None)
    patch.setattr(fs, "sync_data", lambda _: None)


def sync_errors_ignored(patch: pytest.MonkeyPatch) -> None:
    def ignoring(real: Callable[..., None]) -> Callable[..., None]:
        def sync(what: object) -> None:
            with suppress(OSError):
                real(what)

        return sync

    for name in ("sync_file", "sync_data", "sync_directory"):
        patch.setattr(fs, name, ignoring(getattr(fs, name)))


def one_write(patch: pytest.MonkeyPatch) -> None:
    """Believe that a write writes all."""
    patch.setattr(fs, "write_all", lambda fd, data: fs.calls.write(fd, data))
    patch.setattr(fs, "pwrite_all", lambda fd, data, offset: fs.calls.pwrite(fd, data, offset))


def no_synchronous_sqlite(patch: pytest.MonkeyPatch) -> None:
    real = database.forks.track

    def track(connection: database.apsw.Connection) -> database.apsw.Connection:
        connection.execute("PRAGMA synchronous = OFF")
        return real(connection)

    patch.setattr(database.forks, "track", track)


def power_cut(suite: DriverContract, scratch: Harness, operation: Operation) -> None:
    suite.test_power_cut(scratch, operation)


def failed_sync(suite: DriverContract, scratch: Harness, operation: Operation) -> None:
    suite.test_failed_sync(scratch, operation)


def short_writes(suite: DriverContract, scratch: Harness, operation: Operation) -> None:
    suite.test_short_writes(scratch, operation)


PLUSPLUS, TREE, MBOX, SQLITE = "maildir:{root}?layout=++", "maildir:{root}?layout=fs", "mbox:{root}", "sqlite:{root}.db"
CUT, SYNC, SHORT = "^power cut at", "^failed .* after the success", "^short write"
CAUGHT = [
    (PLUSPLUS, no_directory_sync, power_cut, APPEND, CUT),
    (PLUSPLUS, no_directory_sync, power_cut, DELIVER, CUT),
    (TREE, no_file_sync, power_cut, APPEND, CUT),
    (TREE, sync_errors_ignored, failed_sync, DELIVER, SYNC),
    (MBOX, no_file_sync, power_cut, APPEND, CUT),
    (MBOX, no_file_sync, power_cut, DELIVER, CUT),
    (MBOX, sync_errors_ignored, failed_sync, DELIVER, SYNC),
    (MBOX, one_write, short_writes, APPEND, SHORT),
    (SQLITE, no_synchronous_sqlite, power_cut, APPEND, CUT),
]


@pytest.fixture
def quick_path(tmp_path: Path) -> Iterator[Path]:
    """A directory in memory, where there is one."""
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else tmp_path
    with tempfile.TemporaryDirectory(dir=place) as directory:
        yield Path(directory)


@pytest.mark.parametrize(("location", "fault", "trial", "operation", "said"), CAUGHT)
def test_found(
    location: str,
    fault: Fault,
    trial: Callable[[DriverContract, Harness, Operation], None],
    operation: Operation,
    said: str,
    quick_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Faulty(Harness):
        location_template = location

    class Suite(DriverContract):
        harness_class = Faulty

    fault(monkeypatch)
    with pytest.raises(AssertionError, match=said):
        trial(Suite(), Faulty(quick_path), operation)
