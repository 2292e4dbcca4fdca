"""Who uses how much: many accounts counted in one run, for tables, history, HTML pages and monitoring.

>>> from mailstore.survey import find_targets, survey
>>> found = survey(find_targets(["maildir:/home/*/Maildir"]), depth="sums")  # doctest: +SKIP
>>> sorted((account.percent or 0, account.name) for account in found.accounts)  # doctest: +SKIP

Nothing here changes an account: stores are opened read-only. See docs/quota-reports.md.
"""

from __future__ import annotations

from mailstore.survey.drift import Drift, drift_of
from mailstore.survey.export import accounts_csv, groups_csv, prometheus, write_file
from mailstore.survey.forecast import FURTHEST, WINDOW, Forecast, Outlook, forecast
from mailstore.survey.history import History, Sample, default_directory
from mailstore.survey.look import folder_of
from mailstore.survey.page import html
from mailstore.survey.report import Report, forecast_facts, make_report, report_facts
from mailstore.survey.result import (
    DEPTHS,
    GROUPINGS,
    Account,
    By,
    Depth,
    FolderShare,
    Group,
    Limits,
    Survey,
    TopMessage,
    Unreadable,
    iso,
    survey_facts,
)
from mailstore.survey.run import survey
from mailstore.survey.targets import Target, find_targets

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
