"""``mstore quota set`` and ``unset``: the rules of accounts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from mailstore import UsageError, open_store
from mailstore.quota import (
    NO_RULES,
    STYLES,
    FolderRule,
    Portion,
    QuotaRules,
    format_rules,
    parse_duration,
    parse_portion,
    parse_rules,
    parse_size,
)
from mailstore.survey import Target
from mailstore_cli import options
from mailstore_cli.names import parse_folder, safe
from mailstore_cli.quota import common
from mailstore_cli.render import out

_CLEARED = {"none", "0"}


@click.command(
    "set",
    short_help="Set limits and other rules.",
    context_settings=options.CONTEXT,
    epilog=options.examples(
        "mstore quota set ~/Maildir --storage 2G --messages 100000",
        "mstore quota set 'maildir:/srv/mail/%d/%n' --grace 10% --warn 80 --warn 95",
        "mstore quota set ~/Maildir --folder Trash=+100M --folder Archive=ignore",
        "mstore quota set ~/Maildir --rules quota.toml",
        notes=("What is not named stays as it is; none takes a limit or a list away.", common.WHICH),
    ),
)
@common.locations
@click.option("--storage", metavar="SIZE", help="Bytes of all messages that count: 500M, 2G.")
@click.option("--messages", metavar="N", help="Messages that count.")
@click.option("--message-size", metavar="SIZE", help="Bytes of one message.")
@click.option("--folders", metavar="N", help="Folders besides INBOX.")
@click.option("--folder-messages", metavar="N", help="Messages in one folder.")
@click.option("--grace", metavar="PORTION", help="How far the last message may go beyond --storage: 10%, 10M.")
@click.option(
    "--inclusive/--exclusive",
    "inclusive",
    default=None,
    help="Refuse what would go beyond a limit, or only once it is reached.",
)
@click.option("--style", type=click.Choice(STYLES), help="Whose way to count (see 'mstore quota explain').")
@click.option(
    "--folder",
    "folder_rules",
    multiple=True,
    metavar="FOLDER=RULE",
    help="What is different for a folder: ignore, +100M, 50%, 50%,messages=+100, or none. Repeatable.",
)
@click.option(
    "--warn", "warnings", multiple=True, metavar="PERCENT", help="Where to warn; none for nowhere. Repeatable."
)
@click.option("--hysteresis", metavar="PERCENT", help="How far usage must fall below a warning to be under it again.")
@click.option("--warning-interval", metavar="TIME", help="Time between two warnings of one kind: 12h, 1d.")
@click.option("--group", "groups", multiple=True, metavar="PATH", help="A group it counts towards; none. Repeatable.")
@click.option("--rules", "rules_file", type=click.File("rb"), metavar="FILE", help="All rules, from a file of TOML.")
@options.lock_timeout
def set_rules(
    locations: tuple[str, ...],
    storage: str | None,
    messages: str | None,
    message_size: str | None,
    folders: str | None,
    folder_messages: str | None,
    grace: str | None,
    inclusive: bool | None,
    style: str | None,
    folder_rules: tuple[str, ...],
    warnings: tuple[str, ...],
    hysteresis: str | None,
    warning_interval: str | None,
    groups: tuple[str, ...],
    rules_file: Any,
    lock_timeout: float,
) -> int:
    """Set the quota of each account at LOCATION, and print the rules that hold then.

    They are kept with the mail: in a Maildir++ the limits of bytes and messages in 'maildirsize', where Courier, Exim
    and Dovecot read them. Sums are made anew where they count otherwise now.
    """
    changes: dict[str, Any] = {
        "storage": _size("--storage", storage),
        "messages": _count("--messages", messages),
        "message_size": _size("--message-size", message_size),
        "mailboxes": _count("--folders", folders),
        "folder_messages": _count("--folder-messages", folder_messages),
        "grace": None if grace is None else (_grace(grace),),
        "inclusive": None if inclusive is None else (inclusive,),
        "style": None if style is None else (style,),
        "warnings": _list(warnings, lambda text: _percent("--warn", text, 1000)),
        "hysteresis": None if hysteresis is None else (_percent("--hysteresis", hysteresis, 100),),
        "warning_interval": None if warning_interval is None else (parse_duration(warning_interval),),
        "groups": _list(groups, _path),
    }
    said = {name: value[0] for name, value in changes.items() if value is not None}
    overrides = [_folder_rule(text) for text in folder_rules]
    base = None if rules_file is None else parse_rules(rules_file.read())
    if not said and not overrides and base is None:
        raise UsageError("say what to set, such as --storage 2G")

    def work(target: Target) -> None:
        with open_store(target.location, lock_timeout=lock_timeout) as store:
            before = base if base is not None else store.quota.rules() or NO_RULES
            rules = replace(before, **said, folders=_merged(before, overrides))
            store.quota.set_rules(rules)
            _show(target, store.quota.rules())

    return common.each(locations, "quotas set", work)


@click.command(
    short_help="Take the quota away.",
    context_settings=options.CONTEXT,
    epilog=options.examples("mstore quota unset ~/Maildir", notes=(common.WHICH,)),
)
@common.locations
@options.lock_timeout
def unset(locations: tuple[str, ...], lock_timeout: float) -> int:
    """Take all rules away from each account at LOCATION; mail stays as it is."""

    def work(target: Target) -> None:
        with open_store(target.location, lock_timeout=lock_timeout) as store:
            store.quota.set_rules(None)
        out(f"{safe(target.name)}: no quota")

    return common.each(locations, "quotas unset", work)


def _show(target: Target, rules: QuotaRules | None) -> None:
    out(f"# {safe(target.name)}")
    text = format_rules(rules or NO_RULES).decode()
    out(safe(text.replace("\n", "\0")).replace("\\x00", "\n").rstrip("\n") if text else "# no limits")


# --- what the options say: None is "not said", else a tuple with the value


def _size(option: str, text: str | None) -> tuple[int | None] | None:
    if text is None:
        return None
    return (None if text in _CLEARED else _named(option, lambda: parse_size(text)),)


def _count(option: str, text: str | None) -> tuple[int | None] | None:
    if text is None:
        return None
    if text in _CLEARED:
        return (None,)
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise UsageError(f"{option} {text}: a whole number is wanted, or none")
    return (int(text),)


def _percent(option: str, text: str, most: int) -> int:
    number = text.strip().removesuffix("%")
    if not (number.isascii() and number.isdecimal() and len(number) < 6 and int(number) <= most):
        raise UsageError(f"{option} {text}: a percentage from 0 to {most} is wanted")
    return int(number)


def _list(texts: tuple[str, ...], read: Any) -> tuple[tuple[Any, ...]] | None:
    """Return what a repeatable option says: sorted, each once; ``none`` alone is an empty list."""
    if not texts:
        return None
    if "none" in texts:
        if len(texts) > 1:
            raise UsageError("none stands alone")
        return ((),)
    return (tuple(sorted({read(text) for text in texts})),)


def _grace(text: str) -> Portion:
    """Return ``10%``, ``10M`` or ``5%+10M`` as what is added."""
    if "%" in text:
        return parse_portion(text)
    return Portion(0, 0 if text in _CLEARED else parse_size(text))


def _path(text: str) -> str:
    if not text.startswith("/"):
        raise UsageError(f"--group {text}: an absolute path is wanted")
    return text


def _folder_rule(text: str) -> FolderRule | str:
    """Return the rule that ``FOLDER=RULE`` says, or the folder's name where it is to have none."""
    name, equals, said = text.rpartition("=")
    messages = None
    if equals and name.endswith(",messages"):  # FOLDER=50%,messages=+100
        messages, said = said, name.removesuffix(",messages")
        name, equals, said = said.rpartition("=")
    elif equals and name.endswith("=messages"):
        messages, said, name = said, "", name.removesuffix("=messages")
    if not equals or not name or not (said or messages):
        raise UsageError(f"--folder {text}: write FOLDER=ignore, FOLDER=+100M, FOLDER=50% or FOLDER=none")
    folder = parse_folder(name)
    if said == "none":
        return str(folder)
    if said == "ignore":
        return FolderRule(folder, ignore=True)
    rule = FolderRule(folder, storage=_named("--folder", lambda: parse_portion(said))) if said else FolderRule(folder)
    return rule if messages is None else replace(rule, messages=_named("--folder", lambda: parse_portion(messages)))


def _merged(before: QuotaRules, overrides: list[FolderRule | str]) -> tuple[FolderRule, ...]:
    rules = {str(rule.folder): rule for rule in before.folders}
    for one in overrides:
        if isinstance(one, str):
            rules.pop(one, None)
        else:
            rules[str(one.folder)] = one
    return tuple(sorted(rules.values(), key=lambda rule: rule.folder))


def _named(option: str, read: Any) -> Any:
    try:
        return read()
    except UsageError as error:
        raise UsageError(f"{option}: {error}") from None
