"""The contract, kept by a tree of mbox files."""

from support.deliveries import MboxTreeHarness

from mailstore.testing import DriverContract


class TestMboxTree(DriverContract):
    harness_class = MboxTreeHarness
