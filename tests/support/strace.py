"""Real processes, stopped or disturbed at a chosen system call: strace's injection.

strace counts the calls of each name apart, from the start of the process (and with --seccomp-bpf sends no signals).
So a clean run is traced first; a point is the n-th call of a name, taken from those calls that change a file below
one directory. What the interpreter does while it starts is counted and never chosen.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from support.peers import need

CHANGING = (
    *("openat", "open", "creat", "write", "pwrite64", "writev", "pwritev", "fsync", "fdatasync", "syncfs", "rename"),
    *("renameat", "renameat2", "link", "linkat", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir", "ftruncate"),
    *("utimensat", "fchmod", "fchown", "fallocate", "copy_file_range", "symlink", "symlinkat"),
)
"""The calls that change a file or a directory, and those that put it on the disk."""

_LINE = re.compile(r"(?P<pid>\d+) +(?P<name>\w+)\((?P<rest>.*)")
_OPENED_TO_CHANGE = re.compile(r"O_CREAT|O_TRUNC|O_TMPFILE")
_VARYING = re.compile(r"[0-9a-f]{6,}|\d+")


class Point(NamedTuple):
    """A system call of a process: the ``when``-th of that name, and what it was, without what varies."""

    name: str
    when: int
    what: str

    def __str__(self) -> str:
        return f"{self.what} ({self.name} {self.when})"


class Ended(NamedTuple):
    """How a disturbed process ended (negative: by a signal), and what it said on standard error."""

    code: int
    err: str


ENVIRONMENT = {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
"""Makes one run do what the other did."""


def _strace(log: Path, options: Sequence[str], command: Sequence[str | Path], data: bytes) -> Ended:
    need("strace")
    done = subprocess.run(
        ["strace", "-f", "-y", "-qq", "-s", "40", "-o", log, *options, *map(str, command)],
        input=data,
        capture_output=True,
        env={**os.environ, **ENVIRONMENT},
        timeout=120,
        check=False,
    )
    return Ended(done.returncode, done.stderr.decode(errors="replace"))


def points(command: Sequence[str | Path], below: Path, log: Path, data: bytes = b"") -> list[Point]:
    """Run the command and return its calls that change something below a directory, process by process, in order.

    It must end with 0. Opening a file counts where it makes or empties one.
    """
    ended = _strace(log, ["-e", f"trace={','.join(CHANGING)}"], command, data)
    assert ended.code == 0, ended.err
    seen: Counter[tuple[str, str]] = Counter()
    found: list[Point] = []
    for pid, name, rest in _calls(log):
        seen[pid, name] += 1
        if f"{below}/" not in rest and f"<{below}>" not in rest and f'"{below}"' not in rest:
            continue
        if name in ("openat", "open") and not _OPENED_TO_CHANGE.search(rest):
            continue
        found.append(Point(name, seen[pid, name], _what(name, rest, below)))
    return found


def _calls(log: Path) -> Iterator[tuple[str, str, str]]:
    """Yield process, name and the rest of the line of each call in a log."""
    for line in log.read_text(errors="replace").splitlines():
        call = _LINE.match(line)
        if call is not None:
            yield call["pid"], call["name"], call["rest"]


def _what(name: str, rest: str, below: Path) -> str:
    given = re.split(r"\)\s+= ", rest)[0]  # not what it returned
    paths = re.findall(rf"{re.escape(str(below))}/([^\">]*)", given)
    return f"{name} {_VARYING.sub('#', ' '.join(paths))}".rstrip()


def disturb(
    command: Sequence[str | Path],
    point: Point,
    how: str,
    log: Path,
    below: Path,
    data: bytes = b"",
    *,
    sure: bool = True,
) -> Ended:
    """Run the command with ``how`` (``signal=KILL``, ``error=EIO``) at a point.

    Fails where it did not come to that point, unless that is not ``sure`` (several processes, each with its count).
    """
    inject = f"inject={point.name}:{how}:when={point.when}"
    ended = _strace(log, ["-e", f"trace={point.name}", "-e", inject], command, data)
    if sure:
        came = [_what(name, rest, below) for _, name, rest in _calls(log) if name == point.name]
        assert came[point.when - 1 : point.when] == [point.what], came
    return ended
