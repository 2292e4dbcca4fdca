"""Runs the command line as its users do: a process of its own, its exit code, both outputs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

COMMAND = (sys.executable, "-c", "from mailstore_cli.main import run; run()")


class Ran(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def mstore(
    *arguments: str | Path,
    data: bytes = b"",
    env: dict[str, str] | None = None,
    prefix: Sequence[str] = (),
) -> Ran:
    """Run ``mstore`` and return exit code and outputs. Fails the test on a traceback.

    Args:
        arguments: after ``mstore``.
        data: its standard input.
        env: added to the environment.
        prefix: a command that starts it.
    """
    done = subprocess.run(
        [*prefix, *COMMAND, *map(str, arguments)],
        input=data,
        capture_output=True,
        env={**os.environ, **(env or {})},
        check=False,
        timeout=120,
    )
    ran = Ran(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))
    assert "Traceback" not in ran.err + ran.out, ran.err
    return ran
