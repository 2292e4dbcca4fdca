"""The SQLite store keeps the contract."""

from typing import ClassVar

from mailstore.testing import DriverContract, Harness


class SqliteHarness(Harness):
    location_template: ClassVar[str] = "sqlite:{root}?account=joe@example.org"


class TestSqlite(DriverContract):
    harness_class = SqliteHarness
