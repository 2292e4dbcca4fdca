"""Section 10 of the contract: crashes and failing disks."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailstore import Store
from mailstore.testing.contract.base import Contract
from mailstore.testing.faults import END, How, Plan
from mailstore.testing.harness import Harness
from mailstore.testing.marks import clause, needs
from mailstore.testing.operations import NEW, OPERATIONS, Operation, everything, in_order, only_messages, prepare
from mailstore.testing.sampling import chosen, cuts_to_try, turn
from mailstore.testing.settings import THOROUGH
from mailstore.testing.trial import Trial, told, undisturbed

FAILURES: tuple[How, ...] = ("fail", "full", "interrupted", "stale", "quota")
"""How a call fails."""

KILLS, TWICE, FAILS, CUTS = 12, 2, 6, 10
"""How many points of an operation are interrupted in which way, where the run is not a thorough one."""


def scratch_directory() -> tempfile.TemporaryDirectory[str]:
    """Return a directory for one test, in memory where there is such a file system."""
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - a fresh directory is made in it
    return tempfile.TemporaryDirectory(prefix="mailstore-crashes-", dir=place)


class CrashContract(Contract):
    """Section 10: crashes and failing disks."""

    def turn(self, operation: Operation, what: str) -> int:
        """Return whose turn it is to be interrupted."""
        return turn(self.harness_class.__name__, operation.name, what)

    @pytest.fixture
    def scratch(self, harness: Harness) -> Iterator[Harness]:
        """Return a harness on a file system in memory, where there is one: a kill loses nothing that was written."""
        with scratch_directory() as directory:
            yield type(harness)(Path(directory), harness.mask)

    @clause("10.1")
    @needs("persistent")
    def test_without_close(self, harness: Harness, store: Store) -> None:
        """What was committed is there although nobody closed anything, and stays when the abandoned one closes."""
        prepare(store)
        kept = everything(store)
        other = harness.open()
        assert everything(other) == kept
        uid = other.inbox.append(NEW[0]).uid
        store.close()
        assert everything(harness.reopen(other))["INBOX"].keys() == {*kept["INBOX"], uid}

    @clause("10.2")
    @needs("persistent")
    @pytest.mark.parametrize("operation", OPERATIONS, ids=[operation.name for operation in OPERATIONS])
    def test_killed_anywhere(self, scratch: Harness, operation: Operation) -> None:
        """At every point the process ends: before the call, and with a write half done."""
        clean = undisturbed(scratch, operation)
        tries: list[tuple[int, How]] = []
        mine = self.turn(operation, "killed")
        for at in chosen(clean.seen, KILLS, mine):
            ways: tuple[How, ...] = ("kill", "tear") if clean.seen[at - 1].endswith("write") else ("kill",)
            tries += [(at, how) for how in (ways if THOROUGH else (ways[(mine + at) % len(ways)],))]
        reached = 0
        for at, how in tries:
            trial = Trial(scratch, operation, f"{how}-{at}")
            with told(f"{how} at {at}, {clean.seen[at - 1]}, of {clean.seen}"):
                if trial.killed(Plan(at, how)):
                    trial.check(clean)
                    reached += 1
        assert reached > len(tries) // 2, "the process did not end"

    @clause("10.2")
    @needs("persistent")
    @pytest.mark.parametrize("operation", OPERATIONS, ids=[operation.name for operation in OPERATIONS])
    def test_killed_again_while_recovering(self, scratch: Harness, operation: Operation) -> None:
        """After a kill the first opening is killed at its first point, the second at its second, and so on."""
        clean = undisturbed(scratch, operation)
        mine = self.turn(operation, "twice")
        tries = chosen(clean.seen, TWICE, mine, every_kind=False)
        first, step = (1, 1) if THOROUGH else (1 + mine % 3, 3)
        reached = 0
        for at in tries:
            trial = Trial(scratch, operation, f"twice-{at}")
            if not trial.killed(Plan(at, "kill")):
                continue
            last = next(number for number in itertools.count(first, step) if trial.opens(Plan(number, "kill")))
            with told(f"kill at {at}, {clean.seen[at - 1]}, of {clean.seen}, and of openings until point {last}"):
                trial.check(clean)
            reached += 1
        assert reached > len(tries) // 2, "the process did not end"

    @clause("10.3")
    @needs("persistent")
    @pytest.mark.parametrize("operation", OPERATIONS, ids=[operation.name for operation in OPERATIONS])
    def test_failing_anywhere(self, scratch: Harness, operation: Operation) -> None:
        """At every point a call fails, once or from there on; and some closes fail."""
        clean = undisturbed(scratch, operation)
        tries: list[tuple[int, How]] = []
        mine = self.turn(operation, "failing")
        for place, at in enumerate(chosen(clean.seen, FAILS, mine), mine):
            tries += [(at, how) for how in (FAILURES if THOROUGH else (FAILURES[place % len(FAILURES)],))]
        tries += [(at, "close") for at in chosen(["close"] * clean.closes, 1, mine)]
        for at, how in tries:
            trial = Trial(scratch, operation, f"{how}-{at}")
            with told(f"{how} at {at} of {clean.seen}, {clean.closes} closes"):
                run = trial.run(Plan(at, how))
                assert run is not None
                if run.error:
                    assert run.shown in trial.allowed(clean), f"neither old nor new after {run.error}"
                    assert run.again == clean.shown, f"not usable after {run.error}"
                else:
                    assert run.shown == clean.shown, "success was claimed"
                trial.check(clean._replace(shown=run.again))

    @clause("10.3")
    @needs("persistent")
    @pytest.mark.parametrize("operation", OPERATIONS, ids=[operation.name for operation in OPERATIONS])
    def test_short_writes(self, scratch: Harness, operation: Operation) -> None:
        """A write that writes less than all is gone on with."""
        clean = undisturbed(scratch, operation)
        for at in (at for at, name in enumerate(clean.seen, 1) if name in ("write", "pwrite")):
            trial = Trial(scratch, operation, f"short-{at}")
            with told(f"short write at {at} of {clean.seen}"):
                run = trial.run(Plan(at, "short"))
                assert run is not None
                assert (run.error, run.shown) == ("", clean.shown)
                trial.check(clean)

    @clause("10.4")
    @needs("persistent")
    @pytest.mark.parametrize("operation", OPERATIONS, ids=[operation.name for operation in OPERATIONS])
    def test_two_barriers(self, scratch: Harness, operation: Operation) -> None:
        """Contents are on disk before the name is visible, names before the call returns."""
        assert undisturbed(scratch, operation).broken == []

    @clause("10.5")
    @needs("persistent")
    @pytest.mark.parametrize("operation", OPERATIONS, ids=[operation.name for operation in OPERATIONS])
    def test_power_cut(self, scratch: Harness, operation: Operation) -> None:
        """At every point the power goes, and what no sync covered is there or not."""
        clean = Trial(scratch, operation, "clean").run(Plan(), list_cuts=True)
        assert clean is not None
        assert len(clean.cuts) == len(clean.seen) + 1
        tries = cuts_to_try(clean.seen, clean.cuts, CUTS, self.turn(operation, "cut"))
        assert [cut.at for cut in tries][-1] == END
        reached = 0
        for cut in tries:
            point = "the end" if cut.at == END else clean.seen[cut.at - 1]
            trial = Trial(scratch, operation, f"cut-{cut.at}-{cut.number}")
            with told(f"power cut at {cut.at}, {point}, of {clean.seen}, leaving {cut.kind}"):
                if trial.killed(Plan(cut.at, "kill"), cut=cut.number):
                    trial.check(clean, cut=True, acknowledged=cut.at == END)
                    reached += 1
        assert reached > len(tries) // 2, "the power did not go"

    @clause("10.6")
    @needs("persistent")
    @pytest.mark.parametrize("operation", OPERATIONS, ids=[operation.name for operation in OPERATIONS])
    def test_failed_sync(self, scratch: Harness, operation: Operation) -> None:
        """After a failed sync what is acknowledged stays, and what failed is old or new, when the power goes."""
        clean = Trial(scratch, operation, "clean").run(Plan(), anew=True)
        assert clean is not None
        for at in chosen(clean.seen, 2, self.turn(operation, "failed"), lambda name: "sync" in name):
            trial = Trial(scratch, operation, f"sync-{at}")
            with told(f"failed {clean.seen[at - 1]} at {at} of {clean.seen}, and a power cut after the success"):
                assert trial.killed(Plan(at, "fail"), cut=0)
                trial.take_later()
                trial.check(clean, cut=True, acknowledged=not trial.error())

    @clause("10.7")
    @needs("persistent")
    @pytest.mark.parametrize("operation", OPERATIONS, ids=[operation.name for operation in OPERATIONS])
    def test_watched(self, scratch: Harness, operation: Operation) -> None:
        """Another process lists and reads the store at every point of the work."""
        clean, trial = undisturbed(scratch, operation), Trial(scratch, operation, "watched")
        more = operation.watched(in_order(clean.before), trial.harness.capabilities) if operation.watched else []
        allowed = [only_messages(state) for state in [*trial.allowed(clean), *more]]
        views = trial.watched()
        for at, (point, seen) in enumerate(views):
            assert seen is None or only_messages(seen) in allowed, f"neither old nor new at {at}, {point}"
        assert views[-1][1] == only_messages(clean.shown)

    @clause("10.8")
    def test_recover_at_rest(self, harness: Harness, store: Store) -> None:
        """Nothing is left to do."""
        assert store.recover() == (0, 0, 0)
        prepare(store)
        assert harness.reopen(store).recover() == (0, 0, 0)
