"""``mstore detect``: what mail lies where, and why we think so."""

from __future__ import annotations

import click

from mailstore.detection import DEPTH, Find, Found, find_mail
from mailstore_cli import options
from mailstore_cli.exitcodes import FAILED, OK
from mailstore_cli.names import safe
from mailstore_cli.render import out, out_json, plural, say, size_text, style

_MOST = 20
"""So many directories of a kind that are not looked into are named."""


@click.command(
    short_help="Find out what mail lies where.",
    context_settings=options.CONTEXT,
    epilog=options.examples(
        "mstore detect ~",
        "mstore detect /var/mail /home",
        "mstore detect --count --depth 2 /srv/mail",
        "mstore detect --json /home | jq -r '.finds[].location | values'",
        notes=(
            (
                "Each store is shown with the location to give to other commands. Where something can be read in more "
                "than one way, each is shown. Symbolic links are named and not followed."
            ),
            "Exit code 0: there is mail. 1: none was found.",
        ),
    ),
)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path())
@click.option(
    "--depth",
    type=click.IntRange(min=0),
    default=DEPTH,
    metavar="N",
    help=f"How many directories deep to look; {DEPTH}, if not given.",
)
@click.option(
    "--count", is_flag=True, help="Count messages too, and say what a store does not show: may read all of it."
)
@options.json_flag("One JSON object.")
def detect(paths: tuple[str, ...], depth: int, count: bool, as_json: bool) -> int:
    """Say what mail lies at and below each PATH, in which format, and why we think so. Nothing is changed."""
    found = find_mail(paths, depth=depth, count=count)
    if as_json:
        out_json(found.to_dict())
    else:
        _show(found)
    return OK if found.any_mail else FAILED


def _show(found: Found) -> None:
    for one in found.finds:
        if one.is_mail:
            _show_mail(one)
    for pattern in found.patterns:
        out(f"{style(safe(pattern.location), 'bold')}: {safe(pattern.evidence)}")
    _show_rest("Known, and no mail that can be read here", [one for one in found.finds if one.kind == "known"])
    _show_rest("Not followed", [one for one in found.finds if one.kind == "link"])
    _show_rest("Not looked into", [one for one in found.finds if one.kind == "passed over"])
    for one in found.finds:
        if one.kind == "unreadable":
            say(f"{one.path}: {one.evidence[0]}")
    if not found.any_mail:
        say("no mail was found")


def _show_mail(find: Find) -> None:
    if find.kind == "ambiguous":
        out(style(f"{safe(find.path)}: more than one reading; say which", "yellow"))
        for reading in find.readings:
            out(f"  {style(safe(reading.location), 'bold')}: {safe(reading.evidence)}")
        return
    counts = [
        "" if find.folders is None else plural(find.folders, "folder"),
        "" if find.messages is None else plural(find.messages, "message"),
        "" if find.size is None else size_text(find.size),
    ]
    told = ", ".join(filter(None, counts))
    out(" or ".join(style(safe(one.location), "bold") for one in find.readings) + (f"  ({told})" if told else ""))
    for line in find.evidence:
        out(f"  {safe(line)}")
    for line in find.hints:
        out(f"  {style('together', 'green')}: {safe(line)}")


def _show_rest(title: str, finds: list[Find]) -> None:
    if not finds:
        return
    out(f"{title}:")
    for one in finds[:_MOST]:
        out(f"  {safe(one.path)}: {safe(one.evidence[0])}")
    if len(finds) > _MOST:
        out(f"  and {len(finds) - _MOST} more; --json lists them all")
