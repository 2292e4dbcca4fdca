"""Whole mail systems: many accounts converted side by side, each as its owner, with one report.

>>> from mailstore.migrate import find_accounts, migrate
>>> accounts = find_accounts("mbox:/var/mail/{user}", "maildir:/home/{user}/Maildir")  # doctest: +SKIP
>>> migration = migrate(accounts, jobs=4, journals="/var/lib/migration")  # doctest: +SKIP
>>> print(migration.counts, migration.ok)  # doctest: +SKIP

See docs/migration.md.
"""

from __future__ import annotations

from mailstore.migrate.accounts import COLUMNS, Account, find_accounts, read_accounts
from mailstore.migrate.facts import report_facts
from mailstore.migrate.page import report_page
from mailstore.migrate.reports import check_report, write_reports
from mailstore.migrate.result import Migration, Result, Status
from mailstore.migrate.run import Watch, migrate
from mailstore.migrate.templates import is_template
from mailstore.system.priority import give_way

__all__ = [
    "COLUMNS",
    "Account",
    "Migration",
    "Result",
    "Status",
    "Watch",
    "check_report",
    "find_accounts",
    "give_way",
    "is_template",
    "migrate",
    "read_accounts",
    "report_facts",
    "report_page",
    "write_reports",
]
