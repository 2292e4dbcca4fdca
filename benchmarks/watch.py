"""Following a Maildir: what a watch takes of the processor in a storm, how late it tells, what overflows do to it.

Four processes deliver; one watches. The "time" of a contender is the figure that its name says. Every message must be
told once, and what was told must be what is there at the end: else the run fails.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.measure import Bar, Case, Contender, Run
from benchmarks.tools import python

FOLDERS, MESSAGES = 1000, 20_000
FAST, CALM = 500, 5
"""Deliveries a second of each process, in a storm and in ordinary hours."""


def _probe(figure: str, folders: int, messages: int, rate: int, queue: int = 0) -> Callable[[Path], Sequence[str]]:
    numbers = map(str, (folders, messages, rate, queue))
    command = [*python("probes/watch.py"), figure, *numbers]
    return lambda place: [*command, str(place)]


def _told(_: Path, run: Run) -> int:
    return int(run.output.split()[0])


def watching() -> Case:
    """A storm over 1,000 folders, with and without overflows of the queue, and a calm hour's worth."""
    storm = (FOLDERS, MESSAGES, FAST)
    cpu, late = "processor time of the watching process", "median from rename to event"
    calm, setting = "the same, 50 folders, 20 deliveries a second", "setting 1,000 watches"
    names = [
        (cpu, _probe("processor", *storm), _told),
        ("the same, the queue held to 1,000 events: overflows", _probe("processor", *storm, 1000), _told),
        (late, _probe("median", *storm), _told),
        (calm, _probe("median", 50, 500, CALM), None),
        (setting, _probe("setting", FOLDERS, 0, 1), None),
    ]
    contenders = [Contender(name, make, rounds=1, internal=True, kept=kept) for name, make, kept in names]
    bars = [
        Bar(cpu, "less than 1 s for 20,000 events", seconds=1.0),
        Bar(late, "less than 5 ms", seconds=0.005),
        Bar(calm, "less than 5 ms", seconds=0.005),
        Bar(setting, "less than 50 ms", seconds=0.05),
    ]
    title = f"Watching {FOLDERS:,} Maildir folders, {MESSAGES:,} deliveries from 4 processes"
    return Case("watch", title, contenders, bars, MESSAGES)
