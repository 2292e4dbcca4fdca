"""The contract, kept by SQLite."""

from typing import Self

from mailstore.testing import DriverContract, Harness


class SqliteHarness(Harness):
    location_template = "sqlite:{root}.db"
    account = ""

    @property
    def location(self) -> str:
        return super().location + (f"?account={self.account}" if self.account else "")

    def partner(self, name: str) -> Self:
        """Accounts of one database are committed together."""
        other = type(self)(self.directory, self.mask)
        other.account = name
        return other


class TestSqlite(DriverContract):
    harness_class = SqliteHarness
