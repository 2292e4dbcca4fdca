"""A report: a survey with the growth behind it, and its form in JSON, which the page carries with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mailstore.errors import MailstoreError
from mailstore.survey.facts import group_facts, iso, survey_facts
from mailstore.survey.growth import together
from mailstore.survey.history import History, Sample
from mailstore.survey.outlook import WINDOW, Forecast, forecast
from mailstore.survey.result import Account, Survey


@dataclass(frozen=True, slots=True)
class Report:
    """What a page shows.

    Attributes:
        survey: what was found, as close as ``messages`` or closer where ages, sizes and top messages are to be shown.
        growth: the samples of all accounts together.
        outlook: the forecast for all together.
        outlooks: one for each account of the survey that has samples, soonest full first.
    """

    survey: Survey
    growth: list[Sample]
    outlook: Forecast
    outlooks: list[tuple[Account, Forecast]]


def make_report(survey: Survey, history: History | None, *, window: int = WINDOW) -> Report:
    """Return the report on a survey.

    Args:
        survey: what was found.
        history: the samples kept, this run's among them; None where none are. Those that cannot be read are left out.
        window: seconds before the last sample that forecasts rest on.
    """
    histories: dict[str, list[Sample]] = {}
    for account in survey.accounts:
        try:
            samples = [] if history is None else history.read(account.location)
        except MailstoreError:
            samples = []
        if samples:
            histories[account.location] = samples
    growth = together(histories)
    outlooks = [
        (account, forecast(histories[account.location], window=window))
        for account in survey.accounts
        if account.location in histories
    ]
    return Report(survey, growth, forecast(growth, window=window), sorted(outlooks, key=_urgency))


def _urgency(pair: tuple[Account, Forecast]) -> tuple[int, int, str]:
    account, outlook = pair
    order = ("reached", "expected", "not foreseeable", "no limit").index(outlook.outlook)
    return order, outlook.when or 0, account.name


def report_facts(report: Report) -> dict[str, Any]:
    """Return a report as JSON has it (schema ``quota report`` in docs/cli.md)."""
    survey = report.survey
    return {
        "survey": survey_facts(survey),
        "by_year": [group_facts(group) for group in survey.by_year],
        "by_size": [group_facts(group) for group in survey.by_size],
        "top": [
            {
                "account": one.account,
                "folder": str(one.folder),
                "uid": one.uid,
                "bytes": one.size,
                "date": iso(one.date),
                "from": one.author,
                "subject": one.subject,
            }
            for one in survey.top
        ],
        "growth": [
            {"taken": iso(one.taken), "bytes": one.size, "messages": one.messages, "limit_bytes": one.size_limit}
            for one in report.growth
        ],
        "forecast": forecast_facts(report.outlook),
        "forecasts": [
            {"account": account.name, "location": account.location, **forecast_facts(outlook)}
            for account, outlook in report.outlooks
        ],
    }


def forecast_facts(outlook: Forecast) -> dict[str, Any]:
    """Return a forecast as JSON has it."""
    return {
        "outlook": outlook.outlook,
        "when": iso(outlook.when),
        "bytes_per_day": outlook.per_day,
        "samples": outlook.samples,
        "window_seconds": outlook.window,
        "reason": outlook.reason,
    }
