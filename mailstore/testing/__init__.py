"""The contract that every driver keeps, as a suite to subclass, and what it is made of.

The clauses stand in words in ``docs/contract.md``; the tests cite their numbers. A driver's test file is ten lines:

    from mailstore.testing import DriverContract, Harness

    class MyHarness(Harness):
        location_template = "myformat:{root}"

    class TestMyFormat(DriverContract):
        harness_class = MyHarness

A driver that only reads keeps section 14: ``ReadOnlyContract``, with a ``ReadOnlyHarness`` that says how other programs
write its stores.

Needs ``pytest`` and ``hypothesis`` (``pip install mailstore[testing]``). ``mailstore.testing.faults`` stops, or makes
fail, any system call by which a store writes.
"""

import pytest

pytest.register_assert_rewrite(
    *(f"{__name__}.{part}" for part in ("contract", "harness", "machine", "observe", "readonly", "trial"))
)

from mailstore.testing.contract import DriverContract, ReadOnlyContract  # noqa: E402 - assertions are rewritten only after the line above
from mailstore.testing.harness import Harness  # noqa: E402 - as above
from mailstore.testing.machine import StoreMachine  # noqa: E402 - as above
from mailstore.testing.marks import clause, needs  # noqa: E402 - as above
from mailstore.testing.readonly import ReadOnlyHarness  # noqa: E402 - as above

__all__ = ["DriverContract", "Harness", "ReadOnlyContract", "ReadOnlyHarness", "StoreMachine", "clause", "needs"]
