"""Processes that hold a lock, or try one, beside the test."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def opened(path: Path, flags: int = os.O_RDWR) -> Iterator[int]:
    """Have a file open for a block."""
    fd = os.open(path, flags)
    try:
        yield fd
    finally:
        os.close(fd)


def dead_pid() -> int:
    """Return the number of a process that there was."""
    child = subprocess.Popen(["true"])
    child.wait()
    return child.pid


def run_child(source: str, *args: object) -> str:
    """Run Python source in a process of its own; return what it prints."""
    child = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(source), *map(str, args)], capture_output=True, text=True, check=True
    )
    return child.stdout.strip()


@contextmanager
def child_holding(source: str, *args: object) -> Iterator[subprocess.Popen[str]]:
    """A process that ran ``source`` and now waits for its standard input to close."""
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(source) + "\nprint('held', flush=True)\nimport sys\nsys.stdin.read()"]
        + [str(arg) for arg in args],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        yield child
    finally:
        child.communicate()


HOLD = """
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
getattr(fcntl, sys.argv[3])(fd, int(sys.argv[2]) | fcntl.LOCK_NB)
"""
"""Arguments: path, LOCK_SH or LOCK_EX, lockf or flock."""
TRY = """
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
try:
    getattr(fcntl, sys.argv[3])(fd, int(sys.argv[2]) | fcntl.LOCK_NB)
    print("free")
except OSError:
    print("busy")
"""
"""The same; prints whether it was to be had: free or busy."""
