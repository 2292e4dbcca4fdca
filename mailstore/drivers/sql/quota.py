"""The quota of an account in a database: mailstore.spi.QuotaKeeping.

The sums are those of the table ``folder``, which every commit keeps in its own transaction; rules and notes are rows of
``property``. A guard asks inside the transaction of its commit, so that no other writer comes between.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import apsw

from mailstore.drivers.sql import statements as sql
from mailstore.drivers.sql.database import Database
from mailstore.drivers.sql.dialect import SQLITE
from mailstore.drivers.sql.rows import FolderRow
from mailstore.errors import CorruptStore, UsageError
from mailstore.model.changes import Usage
from mailstore.model.flags import DELETED
from mailstore.model.names import INBOX
from mailstore.model.quota import NO_RULES, FolderCount, QuotaRules
from mailstore.spi import Settings


class SqlQuota:
    """See mailstore.spi.QuotaKeeping."""

    def __init__(self, database: Database, account: int, settings: Settings) -> None:
        self._database = database
        self._account = account
        self._given = settings.quota
        self._tally = Usage(0, 0)

    def quota_rules(self) -> QuotaRules | None:
        """See QuotaKeeping.quota_rules: one row."""
        text = self._property("quota")
        if not text:
            return None
        from mailstore.formats.quotarules import parse_rules  # late: few accounts have a quota

        try:
            return parse_rules(text.encode())
        except UsageError as error:
            path = self._database.path
            raise CorruptStore(f"{path}: {error} (property quota {self._account})", path=path) from error

    def set_quota_rules(self, rules: QuotaRules | None) -> None:
        """See QuotaKeeping.set_quota_rules; the sums are always those of the folders."""
        from mailstore.formats.quotarules import format_rules

        # rules that say nothing are rules all the same
        self._set_property("quota", "" if rules is None else format_rules(rules).decode() or "\n")

    def quota_usage(self, rules: QuotaRules, *, sure: bool = False, messages: bool = True) -> Usage:  # noqa: ARG002
        """See QuotaKeeping.quota_usage: a row a folder, and those of an index of what is flagged as deleted."""
        return self._database.read(lambda connection: _usage(connection, self._account, rules))

    def recorded_quota(self) -> Usage | None:
        """See QuotaKeeping.recorded_quota: by the rules at hand."""
        return self.quota_usage(self._rules())

    def count_quota(self) -> Iterator[FolderCount]:
        """See QuotaKeeping.count_quota."""

        def ask(connection: apsw.Connection) -> list[FolderCount]:
            paths = {row.folder: row.path for row in FolderRow.all(connection, self._account)}
            found = connection.execute(SQLITE.render(sql.COUNT_FOLDERS), (self._account,))
            counted = {folder: counts for folder, *counts in found}
            return [FolderCount(path, *counted.get(folder, (0, 0, 0, 0))) for folder, path in paths.items()]

        yield from self._database.read(ask)

    def recalculate_quota(self, rules: QuotaRules) -> Usage:
        """See QuotaKeeping.recalculate_quota."""
        with self._database.write() as connection:
            found = connection.execute(SQLITE.render(sql.COUNT_FOLDERS), (self._account,))
            counted = {folder: (messages, size) for folder, messages, size, *_ in found}
            for row in FolderRow.all(connection, self._account):
                values = (*counted.get(row.folder, (0, 0)), self._account, row.folder)
                connection.execute(SQLITE.render(sql.SET_SUMS), values)
            return _usage(connection, self._account, rules)

    @property
    def quota_tally(self) -> Usage:
        """See QuotaKeeping.quota_tally."""
        return self._tally

    def quota_note(self, name: str) -> str:
        """See QuotaKeeping.quota_note: a row."""
        return self._property(f"note-{name}")

    def set_quota_note(self, name: str, text: str) -> None:
        """See QuotaKeeping.set_quota_note."""
        self._set_property(f"note-{name}", text)

    def _rules(self) -> QuotaRules:
        """Return the rules at hand; none where they cannot be read: whoever asks for them is told."""
        try:
            return self._given or self.quota_rules() or NO_RULES
        except CorruptStore:
            return NO_RULES

    @contextmanager
    def _tallied(self, connection: apsw.Connection) -> Iterator[None]:
        """Add to the tally what the block changes inside its transaction, once that is committed."""
        rules = self._rules()
        if not rules.groups:
            yield
            return
        before = _usage(connection, self._account, rules)
        yield
        after = _usage(connection, self._account, rules)

        def enter() -> None:
            messages, size = self._tally
            self._tally = Usage(messages + after.messages - before.messages, size + after.size - before.size)

        self._database.after_commit(enter)

    def _property(self, kind: str) -> str:
        query, name = SQLITE.render(sql.PROPERTY), f"{kind} {self._account}"
        return str(self._database.read(lambda connection: connection.execute(query, (name,)).get) or "")

    def _set_property(self, kind: str, text: str) -> None:
        name = f"{kind} {self._account}"
        with self._database.write() as connection:
            connection.execute(SQLITE.render(sql.DROP_PROPERTY), (name,))
            if text:
                connection.execute(SQLITE.render(sql.SET_PROPERTY), (name, text))


def _usage(connection: apsw.Connection, account: int, rules: QuotaRules) -> Usage:
    deleted = {}
    if rules.counts(INBOX, 0) != rules.counts(INBOX, DELETED):
        rows = connection.execute(SQLITE.render(sql.DELETED_OF_FOLDERS), (account,))
        deleted = {folder: (messages, size) for folder, messages, size in rows}
    messages = size = 0
    for row in FolderRow.all(connection, account):
        count = FolderCount(row.path, row.messages, row.size, *deleted.get(row.folder, (0, 0)))
        counted = rules.counted(count)
        messages += counted.messages
        size += counted.size
    return Usage(messages, size)
