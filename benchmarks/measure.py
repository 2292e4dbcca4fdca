"""Run whole processes in turn and keep what each took.

What is compared runs interleaved (every contender once a round), each run into a fresh place. Nothing is deleted
between runs, because ext4 creates files up to ten times more slowly for minutes after a mass deletion, and dirty
pages of earlier runs are synced before the clock starts.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

LAUNCH = str(Path(__file__).with_name("launch.py"))


class Run(NamedTuple):
    """One run of one contender."""

    seconds: float
    cpu: float
    """Seconds of processor time, user and system, of all processes of the run."""
    rss: int
    """Peak resident bytes of the largest process of the run."""
    output: str


class CommandFailed(Exception):
    """A contender exited with an error."""


def run(command: Sequence[str], *, internal: bool = False) -> Run:
    """Run ``command`` to its end. With ``internal`` the time is the last word it printed, in seconds.

    Raises:
        CommandFailed: it did not exit with 0.
    """
    done = subprocess.run([sys.executable, "-IS", LAUNCH, *command], capture_output=True, text=True, check=True)
    output, _, figures = done.stdout.rstrip("\n").rpartition("\n")
    seconds, cpu, rss, status = figures.split()
    if int(status):
        raise CommandFailed(f"{' '.join(command)}: exit {status}: {done.stderr.strip()[-400:]}")
    return Run(float(output.split()[-1] if internal else seconds), float(cpu), int(rss), output.strip())


@dataclass(frozen=True)
class Contender:
    """A way to do the job.

    Attributes:
        name: as the table shows it.
        command: makes the command line from the run's own directory (empty, its destination).
        rounds: at most so many runs, where it is slow.
        internal: the command prints its own time (what is measured is not a whole process).
        kept: what it left behind, as a count to be compared with ``Case.expected``.
    """

    name: str
    command: Callable[[Path], Sequence[str]]
    rounds: int = 99
    internal: bool = False
    kept: Callable[[Path, Run], int] | None = None


@dataclass(frozen=True)
class Bar:
    """A limit: ``ours`` at most ``most`` times the time of ``other``; or within absolute limits."""

    ours: str
    text: str
    other: str | None = None
    most: float | None = None
    seconds: float | None = None
    rss: int | None = None


@dataclass(frozen=True)
class Case:
    """One table: contenders doing the same job."""

    key: str
    title: str
    contenders: Sequence[Contender]
    bars: Sequence[Bar] = ()
    expected: int | None = None


@dataclass
class Result:
    """What came out of a case."""

    case: Case
    runs: dict[str, list[Run]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def median(self, name: str) -> float | None:
        """Return the median seconds of a contender, or None where it has no run."""
        runs = self.runs.get(name)
        return statistics.median(run.seconds for run in runs) if runs else None

    def cpu(self, name: str) -> float:
        """Return the median of processor seconds."""
        return statistics.median(run.cpu for run in self.runs[name])

    def rss(self, name: str) -> int:
        """Return the greatest peak memory in bytes."""
        return max(run.rss for run in self.runs[name])


def measure(case: Case, rounds: int, scratch: Path) -> Result:
    """Run every contender of ``case`` once a round; one that fails is named and left out from then on."""
    result = Result(case)
    for turn in range(rounds):
        for contender in case.contenders:
            if turn >= contender.rounds or contender.name in result.failures:
                continue
            place = Path(tempfile.mkdtemp(prefix=f"{case.key}-{turn}-", dir=scratch))
            os.sync()
            try:
                done = run(contender.command(place), internal=contender.internal)
            except CommandFailed as failure:
                result.failures[contender.name] = str(failure)
                print(f"  {failure}", file=sys.stderr)
                continue
            if contender.kept and case.expected is not None:
                kept = contender.kept(place, done)
                if kept != case.expected:
                    result.failures[contender.name] = f"kept {kept} of {case.expected} messages"
                    print(f"  {contender.name}: {result.failures[contender.name]}", file=sys.stderr)
            result.runs.setdefault(contender.name, []).append(done)
            print(f"  {case.key} {turn + 1}/{rounds} {contender.name}: {done.seconds:.3f} s", file=sys.stderr)
    return result
