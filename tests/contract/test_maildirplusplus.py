"""The contract, kept by Maildir++: folders beside each other, named with dots. Its sums are kept in each test."""

from support.deliveries import MaildirHarness

from mailstore import QuotaRules, Store
from mailstore.testing import DriverContract


class MaildirPlusPlusHarness(MaildirHarness):
    location_template = "maildir:{root}?layout=++"

    def create(self) -> Store:
        store = super().create()
        store.quota.set_rules(QuotaRules(storage=1 << 40))
        return store


class TestMaildirPlusPlus(DriverContract):
    harness_class = MaildirPlusPlusHarness
