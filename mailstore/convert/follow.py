"""Follow a source that is in use until it can be given up: copy while mail arrives, then switch within seconds.

The problem. Copying a large store takes hours, and mail comes meanwhile. Whoever stops deliveries for that long has
downtime; who does not loses what comes between the last look and the switch.

The solution. One pass copies all there is, with the source in use. Then a watch says where to look (it is only a hint,
a pass over everything every few minutes is the truth), and small passes carry what changed, each compared as it is
copied. When asked to, the source's own locks are taken: nothing more comes in, who delivers waits. A last pass carries
the little that is left, the switch is made under the locks, and they are given back. What those put in who had waited
for them is carried by further passes. The source is not written; a lock file is all that appears.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Literal, NamedTuple

from mailstore.convert.options import Options, Progress, ProgressCallback
from mailstore.convert.pipeline import Conversion
from mailstore.convert.report import Report
from mailstore.errors import CannotCreate, MailstoreError, ReadOnlyStore, StorageFailure
from mailstore.model.changes import FolderState
from mailstore.model.events import (
    Event,
    FlagsChanged,
    MessageAppended,
    MessageExpunged,
    MessageMoved,
    QuotaChanged,
    QuotaCrossed,
)
from mailstore.model.names import FolderPath
from mailstore.store import Store
from mailstore.system import clock, fs

TURN = 0.3
"""Seconds within which a request is noticed."""
SAFETY = 300.0
"""Seconds after which everything is looked at without any hint."""
_LONGEST_PAUSE = 60.0
"""Seconds: after trouble, or a switch that was not made, it is tried again, first soon, then at such intervals."""
_CATCH_UP = 3
"""So many passes without a lock, at most, make the last one small."""
_LAST_PASSES = 20
"""So many passes may find something new where others cannot be kept out."""

State = Literal["copying", "following", "waiting", "switching", "ready", "lingering"]
"""What a follower does:

- ``copying``: the first pass, over all there is;
- ``following``: everything that is known of is carried;
- ``waiting``: something is in the way; it is tried again;
- ``switching``: the locks are taken and the last is carried;
- ``ready``: all is carried and compared, the locks are held: the switch can be made;
- ``lingering``: it is made; what still comes to the source is carried.
"""


class Status(NamedTuple):
    """Where a follower stands."""

    state: State
    behind: int
    """Messages that are known to have come or changed and are not carried."""
    seconds: float
    """For how long the first of them has been waiting."""
    copied: int
    """Messages since it began."""
    passes: int
    trouble: str = ""
    """What is in the way, or who is not kept out; one line for people."""


@dataclass(frozen=True, slots=True)
class Followed:
    """How it ended.

    Attributes:
        switched: the switch was made; else it was told to stop.
        report: of the last pass over everything; None where there was none.
        copied: messages that were stored, by all passes.
        passes: how many there were.
        locked: seconds for which the source was locked; 0 where there was no switch.
        gaps: who was not kept out meanwhile; '' for nobody.
    """

    switched: bool
    report: Report | None
    copied: int
    passes: int
    locked: float = 0.0
    gaps: str = ""

    @property
    def ok(self) -> bool:
        """The last pass over everything left nothing behind and found nothing that differs."""
        return self.report is not None and self.report.ok

    def to_dict(self) -> dict[str, object]:
        """Return it as plain values for JSON (schema in docs/convert.md)."""
        return {
            "event": "switched" if self.switched else "stopped",
            "copied": self.copied,
            "passes": self.passes,
            "locked": round(self.locked, 3),
            "gaps": self.gaps,
            "report": None if self.report is None else self.report.to_dict(),
        }


class _Stopped(BaseException):
    """It was told to stop in the middle of a pass, which may be broken off anywhere."""


class Follower:
    """Follows a source. ``run`` does the work in the caller's thread; ``stop`` and ``switch`` may come from anywhere.

    Args:
        source: open read-only.
        destination: open for writing.
        options: as for ``convert``.
        progress: as for ``convert``.
        tell: called with each change of state, and after each pass.
        switch_when: asked a few times a second; true asks for the switch. After one that was not made it is asked
            again after a second, then more seldom, up to once a minute: the source is not kept locked in vain.

    Raises:
        UsageError, ReadOnlyStore: as Conversion.
    """

    def __init__(
        self,
        source: Store,
        destination: Store,
        options: Options | None = None,
        progress: ProgressCallback | None = None,
        *,
        tell: Callable[[Status], None] = lambda _: None,
        switch_when: Callable[[], bool] = lambda: False,
    ) -> None:
        self._source = source
        self._options = options or Options()
        self.conversion = Conversion(source, destination, options, self._advance)
        self._progress = progress
        self._tell = tell
        self._switch_when = switch_when
        self._stop, self._asked = threading.Event(), threading.Event()
        self._refresh: Callable[[], None] = lambda: None
        self._report: Report | None = None
        self._copied = self._passes = 0
        self._dirty: dict[FolderPath, int] = {}
        self._everything = True
        self._since = 0.0
        self._pause = 0.0
        self._not_before = 0.0
        self._rest = 0.0
        self._ask_again = 0.0
        self._switched = False
        self._locked, self._gaps = 0.0, ""

    def stop(self) -> None:
        """End in good order; a pass is broken off, and everything copied by then is noted."""
        self._stop.set()

    def switch(self) -> None:
        """Take the source's locks when what is known of is carried, carry the rest, and end."""
        self._asked.set()

    def run(self, at_switch: Callable[[], bool] = lambda: True, linger: float = 0.0) -> Followed:
        """Follow until it is told to stop, or the switch is made.

        Args:
            at_switch: called under the source's locks when everything is carried: makes the switch. False says that
                it was not made; then it goes on to follow.
            linger: seconds for which it carries on afterwards what still comes to the source, from those who waited.

        Raises:
            LossRefused, NoSuchFolder, UsageError, ReadOnlyStore, CannotCreate, CorruptStore: as for ``convert``. What
                is temporary (a full disk, a lock, a source that does not answer) is told, and tried again.
        """
        with self.conversion:
            try:
                return self._run(at_switch, linger)
            except _Stopped:
                return self._end()

    def _run(self, at_switch: Callable[[], bool], linger: float) -> Followed:
        self._say("copying")
        self._pass()  # before anything listens: a process with one thread may copy with several processes
        with self._source.watch() as watch:
            end: float | None = None
            self._everything = True  # what came before the watch listened
            looked = clock.monotonic()
            while not self._stop.is_set():
                now = clock.monotonic()
                if end is not None and now >= end:
                    self._pass()
                    break
                if now - looked >= SAFETY:
                    self._everything = True
                if end is None and self._is_asked() and now >= self._not_before:
                    if self._switch_over(at_switch):
                        end = clock.monotonic() + linger
                    else:
                        self._rest = min(_LONGEST_PAUSE, self._rest * 2 or 1.0)
                        self._ask_again = clock.monotonic() + self._rest
                elif (self._everything or self._dirty) and now >= self._not_before:
                    looked = now if self._everything else looked
                    if self._carry():
                        self._note(watch.batch(0.0))  # what came meanwhile is how far it is behind
                        self._say("following" if end is None else "lingering")
                self._note(watch.batch(TURN))
        return self._end()

    def _end(self) -> Followed:
        return Followed(self._switched, self._report, self._copied, self._passes, self._locked, self._gaps)

    def _is_asked(self) -> bool:
        if clock.monotonic() >= self._ask_again and self._switch_when():
            self._asked.set()
        return self._asked.is_set()

    # -- hints

    def _note(self, events: Iterable[Event]) -> None:
        for event in events:
            if isinstance(event, QuotaChanged | QuotaCrossed):
                continue
            if not (self._dirty or self._everything):
                self._since = clock.monotonic()
            if isinstance(event, MessageAppended | MessageExpunged | MessageMoved | FlagsChanged):
                self._dirty[event.folder] = self._dirty.get(event.folder, 0) + 1
                if isinstance(event, MessageMoved):
                    self._dirty.setdefault(event.source, 0)
            else:
                self._everything = True

    def _say(self, state: State, trouble: str = "") -> None:
        behind = sum(self._dirty.values())
        seconds = clock.monotonic() - self._since if self._since else 0.0
        self._tell(Status(state, behind, seconds, self._copied, self._passes, trouble))

    def _advance(self, step: Progress) -> None:
        if self._stop.is_set():
            raise _Stopped
        self._refresh()
        if self._progress is not None:
            self._progress(step)

    # -- passes

    def _carry(self) -> bool:
        """Look where the hints say, or everywhere; False where something was in the way."""
        if self._pass(None if self._everything else self._dirty) is None:
            return False
        self._everything, self._dirty, self._since = False, {}, 0.0
        return True

    def _pass(self, folders: Iterable[FolderPath] | None = None) -> Report | None:
        """Carry what is new; None, and told, where something is in the way that may pass."""
        try:
            report = self.conversion.carry(None if folders is None else set(folders))
        except MailstoreError as error:
            if not error.temporary:
                raise
            self._pause = min(_LONGEST_PAUSE, self._pause * 2 or 1.0)
            self._not_before = clock.monotonic() + self._pause
            self._say("waiting", str(error))
            return None
        finally:
            self._passes += 1
        self._pause = 0.0
        self._copied += report.copied
        if folders is None:
            self._report = report
        return report

    # -- the switch

    def _switch_over(self, at_switch: Callable[[], bool]) -> bool:
        """Take the locks, carry the rest, and let the switch be made; False where it was not."""
        self._asked.clear()
        self._everything, self._dirty, self._since = True, {}, 0.0  # until all is carried
        self._say("switching")
        for _ in range(_CATCH_UP):
            report = self._pass()
            if report is None or not (report.copied or report.moved or report.updated or report.deleted):
                break
        begun = clock.monotonic()
        try:
            with ExitStack() as stack:
                self._gaps = self._hold(stack)
                begun = clock.monotonic()
                switched = self._carry_the_rest() and at_switch()
        except MailstoreError as error:
            if not error.temporary:
                raise
            self._say("waiting", f"no switch: {error}")
            return False
        finally:
            self._refresh = lambda: None
            self._locked = clock.monotonic() - begun
        self._switched = switched
        if switched:
            self._say("lingering")
        return switched

    def _hold(self, stack: ExitStack) -> str:
        """Take the source's locks; returns who is not kept out.

        Raises:
            StorageFailure: there is nothing any more where the source was, which must not pass for an empty one.
        """
        location = self._source.location
        for path in (location.path, location.options.get("inbox", "")):
            if os.path.isabs(path) and not fs.is_there(path):
                raise StorageFailure(f"{fs.shown(path)} is not there any more: is its file system mounted?", path=path)
        holding = self._source.holding
        if holding is None:
            return f"{self._source.capabilities.format} has no locks that keep other programs out"
        try:
            hold = stack.enter_context(holding.hold(self._paths()))
        except (CannotCreate, ReadOnlyStore) as error:
            return f"the source cannot be locked: {error}"
        self._refresh = hold.refresh
        return hold.gaps

    def _paths(self) -> list[FolderPath]:
        return [info.path for info in self._options.select(self._source.folders()) if info.selectable]

    def _carry_the_rest(self) -> bool:
        """Carry until nothing is left: once where all others wait, else until nothing changed during a pass."""
        for _ in range(_LAST_PASSES):
            before = self._states()
            report = self._pass()
            if report is None:
                return False
            if report.verified is False or any(not problem.position for problem in report.problems):
                self._say("waiting", f"no switch: {report.problems[0].folder}: {report.problems[0].reason}")
                return False
            if not self._gaps or self._states() == before:
                left = f"{report.failed} messages could not be carried" if report.failed else ""
                self._say("ready", "; ".join(filter(None, (left, self._gaps))))
                return True
        self._say("waiting", f"no switch: mail keeps coming, and {self._gaps}")
        return False

    def _states(self) -> dict[FolderPath, FolderState]:
        if not self._gaps:
            return {}
        return {path: self._source.folder(path).state() for path in self._paths()}
