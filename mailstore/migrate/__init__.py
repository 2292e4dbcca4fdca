"""Whole mail systems: many accounts converted side by side, each as its owner, with one report.

>>> from mailstore.migrate import find_accounts, migrate
>>> accounts = find_accounts("mbox:/var/mail/{user}", "maildir:/home/{user}/Maildir")  # doctest: +SKIP
>>> migration = migrate(accounts, jobs=4, journals="/var/lib/migration")  # doctest: +SKIP
>>> print(migration.counts, migration.ok)  # doctest: +SKIP

See docs/migration.md.

Importing this package loads nothing; a name brings its module with it when it is first used.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailstore.migrate.accounts import (
        COLUMNS,
        Account,
        find_accounts,
        read_accounts,
    )
    from mailstore.migrate.facts import (
        report_facts,
    )
    from mailstore.migrate.page import (
        report_page,
    )
    from mailstore.migrate.reports import write_reports
    from mailstore.migrate.result import (
        Migration,
        Result,
        Status,
    )
    from mailstore.migrate.run import (
        Watch,
        migrate,
    )
    from mailstore.migrate.templates import (
        is_template,
    )
    from mailstore.pages.files import check_report
    from mailstore.system.priority import (
        give_way,
    )

_HOMES = {
    "mailstore.migrate.accounts": (
        "COLUMNS",
        "Account",
        "find_accounts",
        "read_accounts",
    ),
    "mailstore.migrate.facts": ("report_facts",),
    "mailstore.migrate.page": ("report_page",),
    "mailstore.migrate.reports": ("write_reports",),
    "mailstore.migrate.result": (
        "Migration",
        "Result",
        "Status",
    ),
    "mailstore.migrate.run": (
        "Watch",
        "migrate",
    ),
    "mailstore.migrate.templates": ("is_template",),
    "mailstore.pages.files": ("check_report",),
    "mailstore.system.priority": ("give_way",),
}

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


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for (PEP 562)."""
    for home, names in _HOMES.items():
        if name in names:
            from importlib import import_module

            value: object = getattr(import_module(home), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
