"""The contract, kept by SQLite."""

from mailstore.testing import DriverContract, Harness


class SqliteHarness(Harness):
    location_template = "sqlite:{root}.db"


class TestSqlite(DriverContract):
    harness_class = SqliteHarness
