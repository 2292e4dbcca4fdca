"""What a run needs beside mailstore: the C floors, built here, and the peers that happen to be installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PEERS = ("tar", "mb2md", "git", "doveadm", "grep", "maildrop", "procmail", "deliverquota", "maildirmake")


def build_floors(into: Path) -> dict[str, str]:
    """Compile the C programs; return name -> path of those that compiled (none without a compiler)."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        print("no C compiler: the floors are left out", file=sys.stderr)
        return {}
    built = {}
    for source in sorted((HERE / "floors").glob("*.c")):
        target = into / source.stem
        done = subprocess.run(
            [compiler, "-O2", "-o", str(target), str(source)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            print(f"{source.name} does not compile: {done.stderr.strip()}", file=sys.stderr)
        else:
            built[source.stem] = str(target)
    return built


def find_peers() -> dict[str, str]:
    """Return name -> path of the peers that are installed, and say which are not."""
    found = {name: path for name in PEERS if (path := shutil.which(name))}
    for name in sorted(set(PEERS) - set(found)):
        print(f"{name} is not installed: left out", file=sys.stderr)
    return found


def mstore() -> list[str]:
    """Return the command line of the ``mstore`` that belongs to this Python.

    Raises:
        FileNotFoundError: the project is not installed here.
    """
    script = Path(sys.executable).with_name("mstore")
    if not script.exists():
        raise FileNotFoundError(f"{script}: install the project first (pip install -e .)")
    return [str(script)]


def python(script: str) -> list[str]:
    """Return the command line of one of our scripts."""
    return [sys.executable, str(HERE / script)]
