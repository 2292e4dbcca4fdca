"""The contract, kept by Maildir++: folders beside each other, named with dots."""

from support.deliveries import MaildirHarness

from mailstore.testing import DriverContract


class MaildirPlusPlusHarness(MaildirHarness):
    location_template = "maildir:{root}?layout=++"


class TestMaildirPlusPlus(DriverContract):
    harness_class = MaildirPlusPlusHarness
