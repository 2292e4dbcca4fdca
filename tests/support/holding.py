"""Processes that hold locks, so that others can look at them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_HOLD = """
import fcntl, os, struct, sys
kind, path = sys.argv[1:]
writing = kind.endswith("write")
fd = os.open(path, os.O_RDWR if writing else os.O_RDONLY)
mode = fcntl.LOCK_EX if writing else fcntl.LOCK_SH
if kind.startswith("fcntl"):
    fcntl.lockf(fd, mode)
elif kind.startswith("flock"):
    fcntl.flock(fd, mode)
else:
    lock = fcntl.F_WRLCK if writing else fcntl.F_RDLCK
    fcntl.fcntl(fd, 37, struct.pack("hhqqi4x", lock, 0, 0, 0, 0))  # F_OFD_SETLK
print(os.getpid(), flush=True)
sys.stdin.read()
"""


@contextmanager
def held(kind: str, path: Path | str, *, user: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Hold a lock in another process for the block; ``kind`` is ``fcntl``, ``flock`` or ``ofd``, and ``-write``."""
    with running([sys.executable, "-c", _HOLD, kind, str(path)], user=user) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        yield process


@contextmanager
def running(command: list[str], *, user: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command beside the block; it is killed at its end."""
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        user=user,
        group=user,
        extra_groups=None if user is None else [],
    ) as process:
        try:
            yield process
        finally:
            process.kill()
