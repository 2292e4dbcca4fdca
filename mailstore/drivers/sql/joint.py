"""Deliveries into several accounts of one database, in one transaction.

The problem. A transaction a mail waits for the disk each time, and writes the same pages of the same trees again.

The solution. One transaction for all, with a savepoint for each account: what one of them refuses is taken back alone.
Trouble of the database itself is everybody's, and leaves nothing of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from mailstore.drivers.sql.database import Database
from mailstore.errors import MailstoreError
from mailstore.model.changes import Outcome, Staged
from mailstore.model.info import Arrival
from mailstore.spi import Driver, Part

if TYPE_CHECKING:
    from mailstore.drivers.sql.driver import SqlDriver


class JointTransaction:
    """See mailstore.spi.Together; through the connection of one of the accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def stage(self, driver: Driver, arrivals: Sequence[Arrival]) -> list[Staged]:
        """See Together.stage: each account stages for itself."""
        return driver.stage(arrivals)

    def commit(self, parts: Sequence[Part]) -> list[list[Outcome] | Exception]:
        """See Together.commit."""
        results: list[list[Outcome] | Exception] = []
        with self._database.write(bulk=False) as connection:
            for part in parts:
                connection.execute("SAVEPOINT part")
                try:
                    driver = cast("SqlDriver", part.driver)
                    results.append(driver.commit_within(self._database, connection, part.changes, part.guard))
                except MailstoreError as error:
                    connection.execute("ROLLBACK TO part")
                    results.append(error)
                connection.execute("RELEASE part")
        return results

    def close(self) -> None:
        """See Together.close."""
