"""The suite finds the faults that it is there to find: drivers that are wrong in one respect fail it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis.stateful import run_state_machine_as_test

from mailstore import Arrival, Expunge, FolderPath, Location, Store, register
from mailstore.drivers.memory import FORMAT as MEMORY
from mailstore.drivers.memory.driver import MemoryDriver
from mailstore.model.changes import Append, Change, Outcome, SetFlags, Staged
from mailstore.model.info import body_chunks
from mailstore.spi import Guard, Settings
from mailstore.testing import DriverContract, Harness, StoreMachine
from mailstore.testing.settings import MACHINE


class Wrong(MemoryDriver):
    """A driver with one fault, chosen by the location's path."""

    fault = ""

    def stage(self, arrivals: Sequence[Arrival]) -> list[Staged]:
        def wrong(arrival: Arrival) -> Arrival:
            body, meta = b"".join(body_chunks(arrival.body)), arrival.meta
            match self.fault:
                case "newlines":
                    body = body.replace(b"\r\n", b"\n")
                case "final newline":
                    body = body if body.endswith(b"\n") else body + b"\n"
                case "from lines":
                    body = body.replace(b"\nFrom ", b"\n>From ")
                case "sender":
                    meta = meta._replace(sender=meta.sender or None)
                case "date":
                    meta = meta._replace(internal_date=None)
            return arrival._replace(body=body, meta=meta)

        return super().stage([wrong(arrival) for arrival in arrivals])

    def clone(self, folder: FolderPath, uids: Sequence[int]) -> list[Staged]:
        staged = super().clone(folder, uids)
        if self.fault == "copy":
            super().discard(staged)
            return super().stage([Arrival(b"\n", one.meta) for one in staged])
        return staged

    def commit(self, changes: Sequence[Change], *, guard: Guard | None = None, need_uids: bool = True) -> list[Outcome]:
        def wrong(change: Change) -> Change:
            match self.fault, change:
                case "unchanged_since", SetFlags():
                    return change._replace(unchanged_since=None)
                case "only deleted", Expunge():
                    return change._replace(only_deleted=False)
                case "hints", Append():
                    return change._replace(uid=0)
            return change

        if self.fault == "guard" and guard is not None:
            outcomes = super().commit(changes, need_uids=need_uids)
            guard(changes)
            return outcomes
        return super().commit([wrong(change) for change in changes], guard=guard, need_uids=need_uids)


class WrongFormat:
    name = "wrong"
    options: frozenset[str] = frozenset()

    def detect(self, path: str) -> str | None:
        return None

    def open(self, location: Location, settings: Settings) -> Wrong:
        driver = MEMORY.open(Location("memory", ""), settings)
        driver.__class__ = Wrong
        assert isinstance(driver, Wrong)
        driver.fault = Path(location.path).name.replace("-", " ")
        return driver


class WrongHarness(Harness):
    location_template = "wrong:{root}"
    fault = ""

    @property
    def location(self) -> str:
        return f"wrong:/{self.fault.replace(' ', '-')}"

    def reopen(self, store: Store) -> Store:
        return store


CAUGHT: dict[str, Callable[[DriverContract, Harness, Store], Any]] = {
    "newlines": lambda suite, harness, store: suite.test_neighbours_stay_apart(harness, store),
    "final newline": lambda suite, harness, store: suite.test_neighbours_stay_apart(harness, store),
    "from lines": lambda suite, harness, store: suite.test_neighbours_stay_apart(harness, store),
    "sender": lambda suite, harness, store: suite.test_sender(harness, store),
    "date": lambda suite, harness, store: suite.test_internal_date(harness, store),
    "copy": lambda suite, harness, store: suite.test_copy(harness, store),
    "unchanged since": lambda suite, harness, store: suite.test_unchanged_since(store),
    "only deleted": lambda suite, harness, store: suite.test_expunge(harness, store),
    "hints": lambda suite, harness, store: suite.test_hints(harness, store),
    "guard": lambda suite, harness, store: suite.test_guard_refuses(harness, store),
}


@pytest.mark.parametrize("fault", CAUGHT)
def test_fault_is_found(fault: str, tmp_path: Path) -> None:
    register(WrongFormat())
    with WrongHarness(tmp_path).closing() as harness:
        harness.fault = fault if fault != "unchanged since" else "unchanged_since"
        with pytest.raises(AssertionError):
            CAUGHT[fault](DriverContract(), harness, harness.create())


@pytest.mark.parametrize("fault", CAUGHT)
def test_without_the_fault_it_passes(fault: str, tmp_path: Path) -> None:
    register(WrongFormat())
    with WrongHarness(tmp_path).closing() as harness:
        harness.fault = "none"
        CAUGHT[fault](DriverContract(), harness, harness.create())


@pytest.mark.parametrize("fault", sorted(set(CAUGHT) - {"hints", "guard"}))
def test_machine_finds_a_fault(fault: str) -> None:
    """Whatever the machine can do at all, it does within the few examples that it runs by default."""
    register(WrongFormat())
    named = fault if fault != "unchanged since" else "unchanged_since"

    class Faulty(WrongHarness):
        fault = named

    class Machine(StoreMachine):
        harness_class = Faulty

    with pytest.raises(AssertionError):
        run_state_machine_as_test(Machine, settings=MACHINE)
