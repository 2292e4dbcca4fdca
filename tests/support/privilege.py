"""Permissions that bite even when the tests run as root, and small file systems to fill."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.peers import refuse


def unprivileged() -> Sequence[str]:
    """Return what to put before a command so that file permissions count; skips where root cannot drop them."""
    if os.getuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        pytest.skip("running as root without setpriv: permissions would not count")
    return ("setpriv", "--bounding-set=-dac_override,-dac_read_search")


@contextmanager
def small_disk(at: Path, options: str) -> Iterator[Path]:
    """Mount a tmpfs at ``at``; skips where that is not allowed."""
    if os.getuid() != 0 or shutil.which("mount") is None:
        refuse("mounting a tmpfs needs root")
    at.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(at)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        refuse(f"cannot mount a tmpfs: {done.stderr.strip()}")
    try:
        yield at
    finally:
        subprocess.run(["umount", "-l", str(at)], check=True)


def remount(at: Path, options: str) -> None:
    """Change a mounted tmpfs, for example to give it more room."""
    subprocess.run(["mount", "-o", f"remount,{options}", str(at)], check=True)
