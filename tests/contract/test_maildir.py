"""The contract, kept by Maildirs in a tree of directories."""

from support.deliveries import MaildirHarness

from mailstore.testing import DriverContract


class MaildirTreeHarness(MaildirHarness):
    location_template = "maildir:{root}?layout=fs"
    separator = "/"


class TestMaildirTree(DriverContract):
    harness_class = MaildirTreeHarness
