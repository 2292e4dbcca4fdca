"""``mstore quota history``: how accounts grew, and when they will be full."""

from __future__ import annotations

from typing import Any

import click

from mailstore.quota import parse_duration
from mailstore.survey import WINDOW, Forecast, Sample, Target, forecast, forecast_facts, iso
from mailstore_cli import options
from mailstore_cli.names import safe
from mailstore_cli.quota import common
from mailstore_cli.render import local, out, out_json, plural, style, table


@click.command(
    short_help="Show growth, and when the limit will be reached.",
    context_settings=options.CONTEXT,
    epilog=options.examples(
        "mstore quota history ~/Maildir",
        "mstore quota history 'maildir:/home/*/Maildir' --window 30d --json",
        notes=(common.WHICH,),
    ),
)
@common.locations
@common.history_option
@click.option(
    "--window", default=f"{WINDOW // 86400}d", show_default=True, metavar="TIME", help="What the forecast rests on."
)
@click.option("--last", type=click.IntRange(1), default=20, show_default=True, metavar="N", help="Samples to print.")
@common.units
@options.json_flag("One JSON object an account, with all samples.")
def history(
    locations: tuple[str, ...], history_directory: str | None, window: str, last: int, units: str, as_json: bool
) -> int:
    """Show the samples that 'quota show' and 'quota report' kept of each account, and the forecast.

    The forecast is a straight line through the samples of the window. Where the account does not grow, or the samples
    are too few or too unsteady, nothing is foreseeable, and it says so.
    """
    kept = common.open_history(history_directory)
    seconds = parse_duration(window)

    def work(target: Target) -> None:
        samples = kept.read(target.location)
        outlook = forecast(samples, window=seconds)
        if as_json:
            out_json(_facts(target, samples, outlook))
        else:
            _show(target, samples[-last:], outlook, units)

    return common.each(locations, "histories", work)


def _show(target: Target, samples: list[Sample], outlook: Forecast, unit: str) -> None:
    out(style(safe(target.name), "bold"))
    if not samples:
        out("no sample yet: 'mstore quota show' keeps one each time")
        return
    rows = []
    for before, sample in zip([None, *samples], samples, strict=False):
        change = "" if before is None else f"{'+' if sample.size >= before.size else '-'}"
        if before is not None:
            change += common.size(abs(sample.size - before.size), unit)
        rows.append([
            local(sample.taken), common.size(sample.size, unit), change, common.size(sample.size_limit, unit),
            str(sample.messages),
        ])  # fmt: skip
    table(("Taken", "Usage", "Change", "Limit", "Messages"), rows, frozenset({1, 2, 3, 4}))
    out(verdict(outlook, unit))


def verdict(outlook: Forecast, unit: str) -> str:
    """Return the forecast as a sentence."""
    growth = ""
    if outlook.per_day is not None:
        sign = "-" if outlook.per_day < 0 else "+"
        size = common.size(abs(round(outlook.per_day)), unit)
        growth = f"; {sign}{size} a day over {plural(outlook.samples, 'sample')} of {outlook.window // 86400} days"
    if outlook.outlook == "expected":
        return f"Full on {local(outlook.when)[:10]}{growth}"
    if outlook.outlook == "reached":
        return f"The limit is reached{growth}"
    if outlook.outlook == "no limit":
        return f"No limit{growth}"
    return f"When it will be full is not foreseeable: {outlook.reason}{growth}"


def _facts(target: Target, samples: list[Sample], outlook: Forecast) -> dict[str, Any]:
    return {
        "account": target.name,
        "location": target.location,
        "samples": [
            {
                "taken": iso(one.taken),
                "bytes": one.size,
                "messages": one.messages,
                "limit_bytes": one.size_limit,
                "limit_messages": one.message_limit,
            }
            for one in samples
        ],
        "forecast": forecast_facts(outlook),
    }
