"""Giving way: what the kernel says of a process that has."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from mailstore.system import priority


def test_nice_and_idle() -> None:
    if shutil.which("ionice") is None:
        pytest.skip("no ionice to ask")
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        done = priority.give_way()
        told = subprocess.run(["ionice", "-p", str(os.getpid())], capture_output=True, text=True, check=False).stdout
        os.write(writing, f"{done} {os.nice(0)} {told}".encode())
        os._exit(0)
    os.close(writing)
    with open(reading) as file:
        assert file.read() == "True 19 idle\n"
    os.waitpid(pid, 0)
