"""One conversion under way: what its parts share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from mailstore.convert.journal import Journal
from mailstore.convert.options import Options, Progress, ProgressCallback
from mailstore.convert.record import FolderRecord, Way
from mailstore.convert.rejected import Rejected
from mailstore.convert.report import FolderReport, Report
from mailstore.convert.transit import Fact, Taken
from mailstore.convert.workers import can_fork
from mailstore.errors import MailstoreError
from mailstore.model.changes import FolderState
from mailstore.model.info import Row
from mailstore.model.names import FolderPath
from mailstore.spi import FolderDriver
from mailstore.store import Store


@dataclass(slots=True)
class Run:
    """A conversion under way."""

    source: Store
    destination: Store
    options: Options
    journal: Journal
    report: Report
    rejected: Rejected
    progress: ProgressCallback | None
    again: bool = False
    """It is not the first pass of a conversion over this very source object."""
    done: dict[str, list[int]] = field(default_factory=dict)
    """Messages and bytes by phase."""

    def advance(self, phase: Literal["copy", "verify"], path: FolderPath, messages: int, size: int) -> None:
        """Count, tell the caller, and keep to the pace."""
        total = self.done.setdefault(phase, [0, 0])
        total[0] += messages
        total[1] += size
        if self.progress is not None:
            self.progress(Progress(phase, path, *total))
        if self.options.pace is not None:
            self.options.pace.spend(messages, size)

    @property
    def parallel(self) -> int:
        """How many processes may work now; 1 where forking is not safe."""
        return self.options.workers if self.options.workers > 1 and can_fork() else 1


@dataclass(slots=True)
class FolderRun:
    """One folder of a conversion under way."""

    run: Run
    way: Way
    report: FolderReport
    alone: bool = True
    """No other folder of the source goes to the same target: UIDs can be kept."""
    expected: dict[int, Fact] = field(default_factory=dict)
    """What must be in the destination and was not compared yet, by its UID there, in the source's order."""
    last: int = 0
    """UID in the destination of the last message compared of those that came in order."""
    same: bool = True
    """Nothing that was compared differs."""

    @property
    def path(self) -> FolderPath:
        """The folder in the source."""
        return self.way.path

    @property
    def target(self) -> FolderPath:
        """The folder in the destination."""
        return self.way.target

    @property
    def record(self) -> FolderRecord:
        """What the journal notes."""
        return self.run.journal.record(self.way)

    def fail(self, error: MailstoreError) -> None:
        """Note that the folder as a whole could not be handled (any further)."""
        self.run.report.add_error(self.path, error)

    def read(self, begin: Callable[[], Iterator[list[Row]]]) -> Iterator[list[Row]]:
        """Yield from the source what ``begin`` gives; where it fails for good, note that and end."""
        try:
            batches = begin()
            while (rows := next(batches, None)) is not None:
                yield rows
        except MailstoreError as error:
            self.fail(error)

    def count(self, taken: Taken) -> None:
        """Take troubles and notes into the report."""
        self.report.failed += len(taken.troubles)
        self.report.filtered += taken.filtered
        for position, key, uid, error, reason, place in taken.troubles:
            self.run.report.add_problem(self.path, error, reason, position, uid, key, place)
        self.run.report.notes.update(taken.notes)

    def stored(self, facts: Sequence[Fact], uids: Sequence[int], same_uidvalidity: bool) -> None:
        """Take messages that the destination has stored into report and expectation."""
        if self.run.options.verify:
            self.expected.update(zip(uids, facts, strict=True))
        report = self.report
        report.copied += len(facts)
        report.size += sum(fact.size for fact in facts)
        kept = same_uidvalidity and all(
            fact.uid == uid and fact.recorded for fact, uid in zip(facts, uids, strict=True)
        )
        report.uids_kept = kept and report.uids_kept is not False


def state_of(source: FolderDriver) -> FolderState | None:
    """Return a source folder's counters; None where it cannot be read, which its listing tells of."""
    try:
        return source.state()
    except MailstoreError:
        return None
