"""Section 12 of the contract: all of it together."""

from __future__ import annotations

from hypothesis.stateful import run_state_machine_as_test

from mailstore.testing.contract.base import Contract
from mailstore.testing.harness import Harness
from mailstore.testing.machine import StoreMachine
from mailstore.testing.marks import both_ways, clause
from mailstore.testing.settings import MACHINE


class EverythingContract(Contract):
    """Section 12: all of it together."""

    @clause("12.1")
    @both_ways
    def test_like_memory(self, harness: Harness) -> None:
        """Random sequences of operations against the reference model."""

        class Machine(StoreMachine):
            harness_class = type(harness)
            mask = harness.mask

        run_state_machine_as_test(Machine, settings=MACHINE)
