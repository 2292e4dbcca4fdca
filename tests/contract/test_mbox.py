"""The contract, kept by a single mbox file."""

from support.deliveries import MboxHarness

from mailstore.testing import DriverContract


class MboxFileHarness(MboxHarness):
    location_template = "mbox:{root}"


class TestMboxFile(DriverContract):
    harness_class = MboxFileHarness
