"""``mstore quota check``, ``recalc`` and ``explain``: are the sums right, and how do they come about?"""

from __future__ import annotations

import os
from typing import Any

import click

from mailstore import Usage, UsageError, open_store
from mailstore.quota import NO_RULES, Explanation, Group
from mailstore.survey import Drift, Target, drift_of
from mailstore_cli import options
from mailstore_cli.exitcodes import FAILED, OK
from mailstore_cli.names import safe
from mailstore_cli.quota import common
from mailstore_cli.render import out, out_json, plural, style, table


@click.command(
    short_help="Are the kept sums right?",
    context_settings=options.CONTEXT,
    epilog=options.examples("mstore quota check 'maildir:/home/*/Maildir'", notes=(common.WHICH,)),
)
@common.locations
@options.json_flag("One JSON object an account.")
@options.lock_timeout
def check(locations: tuple[str, ...], as_json: bool, lock_timeout: float) -> int:
    """Compare the sums that each account keeps with what is there, and change nothing.

    Safe while mail is delivered: where they differ, or change meanwhile, it looks again. Exit code 1: sums are wrong;
    'mstore quota recalc' mends them.
    """
    drifted = 0

    def work(target: Target) -> None:
        nonlocal drifted
        with open_store(target.location, readonly=True, lock_timeout=lock_timeout) as store:
            drift = drift_of(store)
        drifted += drift.state == "drift"
        if as_json:
            out_json(_drift_facts(target, drift))
        else:
            out(f"{safe(target.name)}: {style(_verdict(drift), 'red' if drift.state == 'drift' else 'green')}")

    return common.each(locations, "quotas checked", work) or (FAILED if drifted else 0)


def _verdict(drift: Drift) -> str:
    if drift.kept is None:
        return f"keeps no sums; {plural(drift.counted.messages, 'message')}, {drift.counted.size} bytes"
    if drift.state == "right":
        return f"right: {plural(drift.kept.messages, 'message')}, {drift.kept.size} bytes"
    if drift.state == "moving":
        return "changes faster than it can be counted; try again when it is quieter"
    return (
        f"drift: kept {plural(drift.kept.messages, 'message')}, {drift.kept.size} bytes; there are "
        f"{plural(drift.counted.messages, 'message')}, {drift.counted.size} bytes"
    )


def _drift_facts(target: Target, drift: Drift) -> dict[str, Any]:
    kept = drift.kept
    return {
        "account": target.name,
        "location": target.location,
        "state": drift.state,
        "kept": None if kept is None else {"messages": kept.messages, "bytes": kept.size},
        "counted": {"messages": drift.counted.messages, "bytes": drift.counted.size},
    }


@click.command(
    short_help="Make the sums anew.",
    context_settings=options.CONTEXT,
    epilog=options.examples(
        "mstore quota recalc ~/Maildir",
        "mstore quota recalc --group /srv/mail/example.org/quota.toml",
        notes=(common.WHICH,),
    ),
)
@click.argument("locations", nargs=-1, type=options.LocationType(), metavar="[LOCATION...]")
@click.option(
    "--group", metavar="PATH", help="Begin the sum of this group anew too, with those of the accounts that name it."
)
@options.lock_timeout
def recalc(locations: tuple[str, ...], group: str | None, lock_timeout: float) -> int:
    """Count each account anew and keep the sums; safe while mail is delivered. Prints what counts.

    With --group LOCATION must be all accounts of the group, or is left out where the group's rules name its members;
    the sum stays as it is where one of them cannot be counted.
    """
    # read before anything is counted: it may be wrong
    named = () if group is None else Group(group).rules().members
    meant = None if group is None else os.path.realpath(group)
    all_count = not locations
    locations = locations or named
    if not locations:
        raise UsageError("name at least one LOCATION, or a --group whose rules name its members")
    members: list[Usage] = []

    def work(target: Target) -> None:
        with open_store(target.location, lock_timeout=lock_timeout) as store:
            before = store.quota.recorded()
            usage = store.quota.recalculate()
            groups = (store.quota.rules() or NO_RULES).groups
            if all_count or any(os.path.realpath(one) == meant for one in groups):
                members.append(usage)
        text = f"{safe(target.name)}: {plural(usage.messages, 'message')}, {usage.size} bytes"
        if before is not None and before != usage:
            text += f" (kept were {before.messages} and {before.size})"
        out(text)

    code = common.each(locations, "quotas recalculated", work)
    if group is not None and code == OK:
        if not members:
            raise UsageError(
                f"none of these accounts counts towards {group}: 'mstore quota set --group' has them do so"
            )
        usage = Usage(sum(one.messages for one in members), sum(one.size for one in members))
        Group(group).reset(usage)
        out(
            f"{safe(group)}: {plural(len(members), 'account')}, {plural(usage.messages, 'message')}, {usage.size} bytes"
        )
    return code


@click.command(
    short_help="Show the arithmetic of each way to count.",
    context_settings=options.CONTEXT,
    epilog=options.examples("mstore quota explain ~/Maildir", notes=(common.WHICH,)),
)
@common.locations
@options.json_flag("One JSON object an account.")
@options.lock_timeout
def explain(locations: tuple[str, ...], as_json: bool, lock_timeout: float) -> int:
    """Show how Courier, Exim and Dovecot each come to their sum of LOCATION: what counts in each folder, what does not.

    The style that holds for the account is marked.
    """

    def work(target: Target) -> None:
        with open_store(target.location, readonly=True, lock_timeout=lock_timeout) as store:
            rules = store.quota.rules() or NO_RULES
            explanations = store.quota.explain(rules)
            kept = store.quota.recorded()
        if as_json:
            out_json({
                "account": target.name,
                "location": target.location,
                "style": rules.style,
                "kept": None if kept is None else {"messages": kept.messages, "bytes": kept.size},
                "styles": [_explanation_facts(one) for one in explanations],
            })  # fmt: skip
            return
        out(style(safe(target.name), "bold"))
        for one in explanations:
            _show_explanation(one, holds=one.style == rules.style)
        if kept is not None:
            out()
            out(f"Kept: {plural(kept.messages, 'message')}, {kept.size} bytes")

    return common.each(locations, "quotas explained", work)


def _explanation_facts(one: Explanation) -> dict[str, Any]:
    return {
        "style": one.style,
        "messages": one.total.messages,
        "bytes": one.total.size,
        "folders": [
            {
                "folder": share.folder,
                "messages": share.counted.messages,
                "bytes": share.counted.size,
                "left_out_messages": share.left_out.messages,
                "left_out_bytes": share.left_out.size,
                "reason": share.reason,
            }
            for share in one.shares
        ],
    }


def _show_explanation(one: Explanation, *, holds: bool) -> None:
    out()
    out(style(f"{one.style}{' (holds here)' if holds else ''}", "bold"))
    rows = [
        [
            safe(share.folder),
            str(share.counted.messages),
            str(share.counted.size),
            str(share.left_out.messages or ""),
            str(share.left_out.size or ""),
            share.reason,
        ]
        for share in one.shares
    ]
    rows.append(["Sum", str(one.total.messages), str(one.total.size), "", "", ""])
    table(("Folder", "Messages", "Bytes", "Left out", "Bytes", "Why"), rows, frozenset({1, 2, 3, 4}))
