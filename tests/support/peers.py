"""The mail programs we test against: where they are missing a test skips and says so, or fails where all must be there.

Dovecot reads no mail as root, so it is run as ``nobody`` on files that belong to ``nobody``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import pytest

UTC = {"TZ": "UTC", "LC_ALL": "C.UTF-8", "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"}


def need(*programs: str) -> None:
    """Skip the test unless all of ``programs`` are installed; fail instead where MAILSTORE_REQUIRE_PEERS=1."""
    missing = [name for name in programs if shutil.which(name, path=UTC["PATH"]) is None]
    if not missing:
        return
    refuse(f"not installed: {', '.join(missing)}")


def refuse(reason: str) -> NoReturn:
    """Skip the test for want of something; fail it instead where MAILSTORE_REQUIRE_PEERS=1."""
    if os.environ.get("MAILSTORE_REQUIRE_PEERS") == "1":
        pytest.fail(f"{reason} (MAILSTORE_REQUIRE_PEERS=1)")
    pytest.skip(reason)


def run(
    command: Sequence[str | Path],
    *,
    data: bytes = b"",
    home: Path | None = None,
    user: int | None = None,
    cwd: Path | None = None,
    ok: Sequence[int] = (0,),
    env: dict[str, str] | None = None,
) -> bytes:
    """Run a program in a clean environment; return its standard output.

    Fails the test when it exits with a code that is not ``ok``.
    """
    environment = {**UTC, "HOME": str(home or Path("/nonexistent")), "USER": "joe", "LOGNAME": "joe", **(env or {})}
    done = subprocess.run(
        [str(part) for part in command],
        input=data,
        capture_output=True,
        env=environment,
        cwd=cwd,
        timeout=120,
        check=False,
        user=user,
        group=user,
        extra_groups=None if user is None else [],
    )
    said = done.stderr.decode(errors="replace")
    assert done.returncode in ok, f"{' '.join(map(str, command))}: exit {done.returncode}: {said}"
    return done.stdout
