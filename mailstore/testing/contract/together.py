"""Section 11 of the contract: deliveries into several stores, committed together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from mailstore import INBOX, Append, Arrival, FolderPath, MailstoreError, NoSuchFolder, Outcome, Store
from mailstore.errors import QuotaExceeded
from mailstore.model.changes import Change
from mailstore.spi import Part
from mailstore.testing.barriers import Barriers
from mailstore.testing.contract.base import Contract
from mailstore.testing.contract.crashes import scratch_directory
from mailstore.testing.faults import How, Plan, in_child
from mailstore.testing.harness import Harness
from mailstore.testing.marks import both_ways, clause, needs
from mailstore.testing.observe import bodies
from mailstore.testing.samples import BODIES, MEBIBYTE, large
from mailstore.testing.sampling import chosen, turn
from mailstore.testing.settings import THOROUGH
from mailstore.together import Together

OLD, ONE, TWO = BODIES["ordinary"], BODIES["crlf"], BODIES["no final newline"]
NOWHERE = FolderPath(["Nowhere"])
FEW, MANY = 2, 10
"""Stores of a batch: so few are synced each for itself, so many by one call."""


class Stores(NamedTuple):
    """Several stores that share what Joint says, each with one old message."""

    harnesses: list[Harness]

    def open(self, *, create: bool = False) -> list[Store]:
        """Open them all; those made now get their message."""
        stores = [harness.open(create=create) for harness in self.harnesses]
        if create:
            for store in stores:
                store.inbox.append(OLD)
        return stores

    def held(self) -> list[list[bytes]]:
        """Return the messages of each as a new opening finds them."""
        return [bodies(store.inbox) for store in self.open()]


@contextmanager
def stores_of(harness: Harness, count: int, name: str = "together") -> Iterator[Stores]:
    """Give ``count`` places for stores that can be committed together."""
    first = harness.sibling(name)
    harnesses = [first, *(first.partner(f"partner{number}") for number in range(1, count))]
    try:
        yield Stores(harnesses)
    finally:
        for one in harnesses:
            with one.closing():
                pass


def deliver(stores: Sequence[Store]) -> list[list[Outcome] | Exception]:
    """Deliver two messages into each, together."""
    with Together(stores) as together:
        staged = [together.stage(store, [Arrival(ONE), Arrival(TWO)]) for store in stores]
        parts = [
            (store, [Append(INBOX, message) for message in messages])
            for store, messages in zip(stores, staged, strict=True)
        ]
        return together.commit(parts)


def is_done(result: list[Outcome] | Exception) -> bool:
    """Tell whether all of a part was done."""
    return not isinstance(result, Exception) and [outcome.status for outcome in result] == ["done"] * 2


class TogetherContract(Contract):
    """Section 11: the native shortcut ``join``."""

    @pytest.fixture
    def scratch(self, harness: Harness) -> Iterator[Harness]:
        """Return a harness on a file system in memory, where there is one."""
        with scratch_directory() as directory:
            yield type(harness)(Path(directory), harness.mask)

    @clause("11.1")
    @both_ways
    def test_mask_join(self, store: Store) -> None:
        """What is masked is not at work."""
        assert (store.joining is None) == ("join" not in store.capabilities.native)

    @clause("11.7")
    @needs("native:join")
    def test_what_can_be_joined(self, harness: Harness, store: Store) -> None:
        """Partners say the same key; a store that is only read has none."""
        with stores_of(harness, FEW) as several:
            keys = [store.joining and store.joining.joint for store in several.open(create=True)]
            assert keys[0] is not None
            assert keys == [keys[0]] * FEW
        joining = harness.open(readonly=True).joining
        assert joining is not None
        assert joining.joint is None
        assert store.joining is not None

    @clause("11.7")
    @needs("native:join")
    @pytest.mark.parametrize("count", [1, FEW, MANY])
    def test_together(self, harness: Harness, count: int) -> None:
        """Each gets its messages, in order, and its outcomes."""
        with stores_of(harness, count) as several:
            results = deliver(several.open(create=True))
            assert [
                [outcome.status for outcome in result] for result in results if not isinstance(result, Exception)
            ] == [["done", "done"]] * count
            canonical = several.open()[0].canonical
            assert several.held() == [[canonical(body) for body in (OLD, ONE, TWO)]] * count

    @clause("11.7")
    @needs("native:join")
    def test_what_one_refuses_is_its_own(self, harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
        """No such folder, or a guard that says no: that store is as it was, the others have their messages."""

        def refuse(_: Sequence[Change]) -> None:
            raise QuotaExceeded("full", resource="STORAGE", limit=1, usage=1, wanted=1)

        with stores_of(harness, 4) as several:
            stores = several.open(create=True)
            with Together(stores) as together:
                staged = [together.stage(store, [Arrival(ONE)])[0] for store in stores]
                full = stores[2]
                monkeypatch.setattr(full, "part", lambda changes: Part(full.driver, changes, refuse))
                folders = [INBOX, NOWHERE, INBOX, INBOX]
                results = together.commit(
                    [
                        (store, [Append(folder, message)])
                        for store, folder, message in zip(stores, folders, staged, strict=True)
                    ]
                )
            assert [type(result) for result in results] == [list, NoSuchFolder, QuotaExceeded, list]
            for store, message in zip(stores, staged, strict=True):
                store.discard([message])
            assert [len(held) for held in several.held()] == [2, 1, 1, 2]

    @clause("11.7")
    @needs("native:join")
    def test_a_large_message_and_one_for_two_folders(self, harness: Harness) -> None:
        """What was staged for two folders of a store is in both; a large message is whole."""
        big = large(MEBIBYTE + 1)
        with stores_of(harness, FEW) as several:
            one, other = several.open(create=True)
            one.create("Copy")
            with Together([one, other]) as together:
                staged = together.stage(one, [Arrival(ONE)])[0]
                parts = [(one, [Append(INBOX, staged), Append(FolderPath(["Copy"]), staged)])]
                parts.append((other, [Append(INBOX, together.stage(other, [Arrival(big)])[0])]))
                assert [len(result) for result in together.commit(parts) if isinstance(result, list)] == [2, 1]
            one, other = several.open()
            assert (bodies(one.inbox), bodies(one.folder("Copy"))) == ([OLD, ONE], [ONE])
            assert bodies(other.inbox) == [OLD, big]

    @clause("11.8")
    @needs("native:join", "persistent")
    @pytest.mark.parametrize("count", [FEW, MANY])
    def test_killed_or_failing_while_together(self, scratch: Harness, count: int) -> None:
        """Each message is there or not, whole; what was said to be done is there; the others can be sent again."""
        clean = Plan()
        with stores_of(scratch, count, "clean") as several:
            assert run(several, clean) == ["done"] * count
        ways: tuple[How, How] = ("kill", "fail")
        mine = turn(self.harness_class.__name__, "together", str(count))
        for number, at in enumerate(chosen(clean.seen, 12, mine), mine):
            for how in ways if THOROUGH else ways[number % 2 :][:1]:
                with stores_of(scratch, count, f"{how}-{at}") as several:
                    said = run(several, Plan(at, how))
                    assert (said is None) == (how == "kill")
                    where = f"{how} at {at}, {clean.seen[at - 1]}"
                    for place, held in enumerate(several.held()):
                        assert held in ([OLD], [OLD, ONE], [OLD, ONE, TWO]), where
                        assert said is None or said[place] != "done" or len(held) == 3, where
                    assert all(map(is_done, deliver(several.open()))), where
                    assert all(held[-2:] == [ONE, TWO] for held in several.held()), where

    @clause("11.8")
    @needs("native:join", "persistent")
    @pytest.mark.parametrize("count", [FEW, MANY])
    def test_two_barriers_together(self, scratch: Harness, count: int) -> None:
        """Contents are on disk before the name is visible, names before the call returns."""
        with stores_of(scratch, count, "barriers") as several:
            broken: list[str] = []
            assert run(several, plan := Plan(), broken) == ["done"] * count
            assert broken == []
            assert [name for name in plan.seen if "sync" in name], "nothing was synced"


def run(several: Stores, plan: Plan, broken: list[str] | None = None) -> list[str] | None:
    """Make the stores and deliver in a child; returns what was said of each: done, or an error; None where killed."""

    def work() -> tuple[list[str], list[str], list[str]]:
        several.open(create=True)
        stores = several.open()
        barriers = Barriers()
        plan.follow = barriers.follow
        with plan.at_work():
            try:
                results = deliver(stores)
            except MailstoreError as error:  # of staging
                results = [error] * len(stores)
        said = ["done" if is_done(result) else "failed" for result in results]
        return said, plan.seen, barriers.finish()

    answer = in_child(work)
    if answer is None:
        return None
    said, plan.seen, found = answer
    if broken is not None:
        broken += found
    return list(said)
