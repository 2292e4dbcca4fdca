"""``mstore verify``: are two stores the same mail?"""

from __future__ import annotations

import click

from mailstore import open_store
from mailstore.convert import Comparison, FolderMapping, Options, verify_stores
from mailstore.convert import Progress as Step
from mailstore.search import Search
from mailstore_cli import options
from mailstore_cli.choosing import message_choice
from mailstore_cli.exitcodes import FAILED, OK
from mailstore_cli.mapping import folder_mapping, say_unused
from mailstore_cli.names import folder_text, parse_folder, safe
from mailstore_cli.progress import Progress
from mailstore_cli.render import out, out_json, plural, style

_UIDS = {
    "same": "UIDs are the same",
    "differ": "UIDs differ",
    "unknown": "UIDs are not recorded in both",
}


@click.command(
    short_help="Tell whether two stores are the same mail.",
    context_settings=options.CONTEXT,
    epilog=options.examples(
        "mstore verify ~/Maildir joe.db",
        "mstore verify mbox:~/mail maildir:~/Maildir --exclude Trash",
        "mstore verify ~/Maildir backup.db --quiet && echo same",
        notes=(
            (
                "Every message of both is read. Compared are folders, messages with their exact bytes and order, "
                "flags, keywords, internal dates; envelope senders, POP3 ids, subscriptions and special uses "
                "where both stores keep them. UIDs are reported, and make no difference."
            ),
            "Exit code 0: the same mail. 1: the differences are printed, one a line.",
        ),
    ),
)
@click.argument("a", type=options.LocationType())
@click.argument("b", type=options.LocationType())
@options.folder_choice("Compare")
@message_choice
@folder_mapping
@click.option("-q", "--quiet", is_flag=True, help="Print nothing; the exit code tells.")
@options.json_flag("One JSON object.")
def verify(
    a: str,
    b: str,
    folders: tuple[str, ...],
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    search: Search | None,
    mapping: FolderMapping,
    quiet: bool,
    as_json: bool,
) -> int:
    """Compare the stores A and B. Nothing in them is changed."""
    wanted = Options(
        folders=tuple(parse_folder(name) for name in folders),
        include=include,
        exclude=exclude,
        search=search,
        mapping=mapping,
    )
    with (
        open_store(a, readonly=True) as first,
        open_store(b, readonly=True) as second,
        Progress("comparing", unit=" messages", quiet=quiet) as progress,
    ):

        def watch(step: Step) -> None:
            progress.to(step.messages, f"comparing {folder_text(step.folder)}")

        say_unused(mapping, first)
        comparison = verify_stores(first, second, wanted, watch)
    if as_json:
        out_json(comparison.to_dict())
    elif not quiet:
        _print(comparison)
    return OK if comparison.same else FAILED


def _print(comparison: Comparison) -> None:
    for difference in comparison.differences:
        place = f"{difference.folder}, message {difference.position}" if difference.position else difference.folder
        out(safe(f"{place}: {difference.what}: {difference.reason}"))
    ours, theirs = comparison.messages
    count = plural(ours, "message") if ours == theirs else f"{ours} and {plural(theirs, 'message')}"
    verdict = "the same mail" if comparison.same else plural(len(comparison.differences), "difference")
    summary = f"{verdict}: {count} in {plural(comparison.folders, 'folder')}; {_UIDS[comparison.uids]}"
    out(style(summary, "green" if comparison.same else "red"))
