"""The contract, kept by the store in memory: the reference model measured against itself."""

from mailstore import Store
from mailstore.testing import DriverContract, Harness


class MemoryHarness(Harness):
    location_template = "memory:"

    def reopen(self, store: Store) -> Store:
        return store


class TestMemory(DriverContract):
    harness_class = MemoryHarness
