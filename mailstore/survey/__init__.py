"""Who uses how much: many accounts counted in one run, for tables, history, HTML pages and monitoring.

>>> from mailstore.survey import find_targets, survey
>>> found = survey(find_targets(["maildir:/home/*/Maildir"]), depth="sums")  # doctest: +SKIP
>>> sorted((account.percent or 0, account.name) for account in found.accounts)  # doctest: +SKIP

Nothing here changes an account: stores are opened read-only. See docs/quota-reports.md.

Importing this package loads nothing; a name brings its module with it when it is first used.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailstore.pages.files import (
        write_file,
    )
    from mailstore.survey.drift import (
        Drift,
        drift_of,
    )
    from mailstore.survey.export import (
        accounts_csv,
        groups_csv,
        prometheus,
    )
    from mailstore.survey.facts import (
        iso,
        survey_facts,
    )
    from mailstore.survey.history import (
        History,
        Sample,
        default_directory,
    )
    from mailstore.survey.look import (
        folder_of,
    )
    from mailstore.survey.outlook import (
        FURTHEST,
        WINDOW,
        Forecast,
        Outlook,
        forecast,
    )
    from mailstore.survey.page import (
        html,
    )
    from mailstore.survey.report import (
        Report,
        forecast_facts,
        make_report,
        report_facts,
    )
    from mailstore.survey.result import (
        DEPTHS,
        GROUPINGS,
        Account,
        By,
        Depth,
        FolderShare,
        Group,
        GroupQuota,
        Limits,
        Survey,
        TopMessage,
        Unreadable,
    )
    from mailstore.survey.run import (
        survey,
    )
    from mailstore.survey.targets import (
        Target,
        find_targets,
    )

_HOMES = {
    "mailstore.pages.files": ("write_file",),
    "mailstore.survey.drift": (
        "Drift",
        "drift_of",
    ),
    "mailstore.survey.export": (
        "accounts_csv",
        "groups_csv",
        "prometheus",
    ),
    "mailstore.survey.facts": (
        "iso",
        "survey_facts",
    ),
    "mailstore.survey.history": (
        "History",
        "Sample",
        "default_directory",
    ),
    "mailstore.survey.look": ("folder_of",),
    "mailstore.survey.outlook": (
        "FURTHEST",
        "WINDOW",
        "Forecast",
        "Outlook",
        "forecast",
    ),
    "mailstore.survey.page": ("html",),
    "mailstore.survey.report": (
        "Report",
        "forecast_facts",
        "make_report",
        "report_facts",
    ),
    "mailstore.survey.result": (
        "DEPTHS",
        "GROUPINGS",
        "Account",
        "By",
        "Depth",
        "FolderShare",
        "Group",
        "GroupQuota",
        "Limits",
        "Survey",
        "TopMessage",
        "Unreadable",
    ),
    "mailstore.survey.run": ("survey",),
    "mailstore.survey.targets": (
        "Target",
        "find_targets",
    ),
}

__all__ = [
    "DEPTHS",
    "FURTHEST",
    "GROUPINGS",
    "WINDOW",
    "Account",
    "By",
    "Depth",
    "Drift",
    "FolderShare",
    "Forecast",
    "Group",
    "GroupQuota",
    "History",
    "Limits",
    "Outlook",
    "Report",
    "Sample",
    "Survey",
    "Target",
    "TopMessage",
    "Unreadable",
    "accounts_csv",
    "default_directory",
    "drift_of",
    "find_targets",
    "folder_of",
    "forecast",
    "forecast_facts",
    "groups_csv",
    "html",
    "iso",
    "make_report",
    "prometheus",
    "report_facts",
    "survey",
    "survey_facts",
    "write_file",
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
