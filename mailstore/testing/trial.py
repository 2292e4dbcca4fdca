"""An operation on a store of its own, interrupted in a child process, and what has to be true afterwards."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from mailstore import MailstoreError, Store, StoreBusy, open_store
from mailstore.testing.barriers import Barriers
from mailstore.testing.disk import Disk
from mailstore.testing.faults import ChildFailed, Plan, in_child
from mailstore.testing.harness import Harness
from mailstore.testing.observe import listing
from mailstore.testing.operations import (
    LATER,
    Facts,
    Listing,
    Operation,
    everything,
    facts,
    in_order,
    messages,
    prepare,
)
from mailstore.testing.reader import looking
from mailstore.testing.sampling import Outcomes
from mailstore.testing.settings import THOROUGH


class Run(NamedTuple):
    """What a child saw of an operation."""

    before: Listing
    seen: list[str]
    """The points passed."""
    error: str
    """The error raised, or nothing."""
    shown: Facts
    """What the same handle shows afterwards."""
    again: Facts
    """What it shows after the operation was run once more, undisturbed."""
    broken: list[str]
    """What a power cut could have shown."""
    closes: int
    """How many descriptors were closed."""
    cuts: Sequence[Outcomes]
    """What there is to cut at each point, where it was asked for."""


class Trial:
    """One operation on a store of its own, interfered with or not.

    The store is made once for all trials in ``scratch``, and copied. Only where the power goes it is made anew each
    time: what making it left unsynced may be lost too.
    """

    def __init__(self, scratch: Harness, operation: Operation, name: str) -> None:
        self.harness = scratch.sibling(f"{operation.name}-{name}")
        self.operation = operation
        self._scratch = scratch
        self._noted = self.harness.directory.parent / f"{self.harness.directory.name}.error"

    def _copy(self) -> None:
        """Copy a store that is prepared."""
        original = self._scratch.directory / f"{self.operation.name}-original.d"
        if not original.exists():
            _prepare_in_child(self._scratch.sibling(original.stem), self.operation)
        shutil.copytree(original, self.harness.directory, symlinks=True, dirs_exist_ok=True)

    def run(self, plan: Plan, *, anew: bool = False, cut: int | None = None, list_cuts: bool = False) -> Run | None:
        """Do it in a child; None where the child was killed.

        Args:
            plan: what happens on the way.
            anew: make the store, do not copy it: to compare with a run where the power goes.
            cut: the outcome of the power cut that comes with the kill; None: all that was written is there. Where the
                plan is another than a kill, the power goes when the operation has succeeded or failed and another one
                has succeeded after it: the append of LATER.
            list_cuts: tell what there is to cut at each point.
        """
        powered = list_cuts or cut is not None
        if not anew and not powered:
            self._copy()

        def work() -> list[Any]:
            disk = Disk(str(self.harness.directory)) if powered else None
            preparing = Plan()
            if disk is not None:
                preparing.follow = disk.follow
            with self.harness.closing():
                with preparing.at_work():
                    if anew or powered:
                        _prepare(self.harness, self.operation)
                    store = self.harness.open()
                    before = everything(store)
                barriers, cuts = Barriers(), []
                plan.follow = barriers.follow if disk is None else disk.follow
                if disk is not None and cut is not None:
                    plan.dying = lambda: disk.cut(cut)
                elif disk is not None:
                    plan.meeting = lambda: cuts.append(disk.prints())
                with plan.at_work():
                    error = self._interfered_with(store, plan, later=cut is not None and plan.how != "kill")
                broken, shown = barriers.finish(), facts(store)
                self.operation.run(store)
                again = facts(store)
                listings = (_portable(before), _portable(shown), _portable(again))
                return [*listings, plan.seen, error, broken, plan.closes, cuts]

        answer = in_child(work)
        if answer is None:
            return None
        before, shown, again, seen, error, broken, closes, cuts = answer
        uids = {name: {int(uid): entry for uid, entry in held.items()} for name, held in _bodies(before).items()}
        points = [[(kind, mark) for kind, mark in point] for point in cuts]
        return Run(uids, seen, error, _bodies(shown), _bodies(again), broken, closes, points)

    def _interfered_with(self, store: Store, plan: Plan, *, later: bool) -> str:
        """Run the operation and return its error; or, ``later``, note it, append LATER and end the process."""
        error = ""
        try:
            self.operation.run(store)
        except MailstoreError as raised:
            error = f"{type(raised).__name__}: {raised}"
        plan.end()
        if later:
            self._noted.write_text(error)
            store.inbox.append(LATER)
            plan.die()
        return error

    def killed(self, plan: Plan, *, cut: int | None = None) -> bool:
        """Do it in a child, as ``run`` does; False where it came to the end without passing the point.

        That is no failure: SQLite needs a write more or less, as an index grows by stamps of another moment.
        """
        return self.run(plan, cut=cut) is None

    def watched(self) -> list[tuple[str, Facts | None]]:
        """Do it in a child, undisturbed, while another process looks at every point.

        Returns:
            for each point its name and what the other one saw, None where the store was locked; at last the same for
            the moment after the work has returned.
        """

        def look() -> Any:
            try:
                with open_store(self.harness.location, readonly=True, lock_timeout=0, mask=self.harness.mask) as store:
                    return _portable(in_order(messages(store)))
            except StoreBusy:
                return None

        def work() -> list[Any]:
            with self.harness.closing():
                store = self.harness.open()
                everything(store)
                plan, found = Plan(), []

                def meeting() -> None:
                    if THOROUGH or plan.seen[-1:] != ["sqlite write"]:
                        found.append((len(plan.seen), reader.look()))

                plan.meeting = meeting
                with plan.at_work():
                    self.operation.run(store)
                    plan.end()
                names = [*plan.seen, "end"]
                return [(names[at], seen) for at, seen in [*found, (len(plan.seen), reader.look())]]

        self._copy()
        with looking(look) as reader:
            return [(name, None if seen is None else _bodies(seen)) for name, seen in in_child(work)]

    def opens(self, plan: Plan) -> bool:
        """Open the store, and list it, in a child; False where that was killed."""

        def work() -> bool:
            with self.harness.closing(), plan.at_work():
                facts(self.harness.open())
                return True

        return in_child(work) is True

    def error(self) -> str:
        """Return the error that the operation ended with, where the power went after another one."""
        return self._noted.read_text()

    def take_later(self) -> None:
        """See that LATER is there, once, and remove it."""
        with self.harness.closing():
            inbox = self.harness.open().inbox
            uids = [uid for uid, seen in listing(inbox).items() if seen.body == LATER]
            assert len(uids) == 1, "what was acknowledged after the failure is gone"
            inbox.expunge(uids, only_deleted=False)

    def check(self, clean: Run, *, cut: bool = False, acknowledged: bool = False) -> None:
        """Open what an interruption left, see that it is whole, finish the work.

        Args:
            clean: what it is without an interruption.
            cut: the interruption was a power cut.
            acknowledged: the work had returned before: it must be done.
        """
        with self.harness.closing():
            store = self.harness.open()
            left = everything(store)
            if acknowledged:
                assert _sorted(in_order(left)) == _sorted(clean.shown), "what was acknowledged is gone"
            else:
                assert in_order(left) in self.allowed(clean, cut=cut), "neither old nor new"
            for name in left.keys() & clean.before.keys():
                there = {body for body, _ in clean.before[name].values()}
                uids = {uid: body for uid, (body, _) in left[name].items() if body in there}
                known = {uid: body for uid, (body, _) in clean.before[name].items()}
                assert uids.items() <= known.items(), "renumbered"
            store = self.harness.reopen(store)
            assert everything(store) == left
            assert store.recover()[:2] == (0, 0)
            self.operation.run(store)
            again = facts(store)
            assert _sorted(again) == _sorted(clean.shown), "a rerun does not finish the work"
            assert cut or again == clean.shown, "a rerun does not finish the work"
            assert facts(self.harness.reopen(store)) == again

    def allowed(self, clean: Run, *, cut: bool = False) -> list[Facts]:
        """Return all states that an interruption may leave."""
        after = self.operation.cut if cut and self.operation.cut is not None else self.operation.after
        return [*after(in_order(clean.before), self.harness.capabilities), clean.shown]


_undisturbed: dict[tuple[type[Harness], frozenset[str], str], Run] = {}


def undisturbed(scratch: Harness, operation: Operation) -> Run:
    """Return what the operation does without an interruption; done once for a class of harnesses."""
    of = type(scratch), scratch.mask, operation.name
    if of not in _undisturbed:
        run = Trial(scratch, operation, "undisturbed").run(Plan())
        assert run is not None
        assert (run.error, run.shown) == ("", run.again)
        assert run.seen, "the operation wrote nothing that can be interrupted"
        _undisturbed[of] = run
    return _undisturbed[of]


def _prepare(harness: Harness, operation: Operation) -> None:
    with harness.create() as store:
        prepare(store, other=operation.other)


def _prepare_in_child(harness: Harness, operation: Operation) -> None:
    in_child(lambda: _prepare(harness, operation))


def _sorted(found: Facts) -> Facts:
    """Leave out the order: what was missing is appended behind what was there."""
    return {name: sorted(held) for name, held in found.items()}


def _portable(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _portable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_portable(item) for item in value]
    return value.hex() if isinstance(value, bytes) else value


def _bodies(value: Any) -> Any:
    """Undo ``_portable`` for facts and listings."""
    if isinstance(value, dict):
        return {key: _bodies(item) for key, item in value.items()}
    if value and isinstance(value[0], list):
        return [_bodies(item) for item in value]
    return (bytes.fromhex(value[0]), value[1]) if value else []


@contextmanager
def told(what: str) -> Iterator[None]:
    """Say which trial it was that failed."""
    try:
        yield
    except (AssertionError, ChildFailed, MailstoreError) as error:
        raise AssertionError(f"{what}: {type(error).__name__}: {error}") from error
