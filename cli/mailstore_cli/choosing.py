"""Options that choose messages, shared by the commands that list or carry them."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce, wraps
from operator import and_
from typing import Any

import click

from mailstore.search import parse_search

_PLAIN = ("newer", "older", "larger", "smaller")


def limit(what: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add ``--limit``; ``what`` says what is done no more than so often."""
    return click.option("--limit", type=click.IntRange(min=1), metavar="N", help=what)


def message_choice(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that choose messages; the command gets ``search``, None where all are meant."""

    @wraps(command)
    def with_search(*args: Any, search: tuple[str, ...], **rest: Any) -> Any:
        plain = [(name, rest.pop(name)) for name in _PLAIN]
        texts = [*search, *(f'{name}:"{value}"' for name, value in plain if value is not None)]
        searches = [parse_search(text) for text in texts]
        return command(*args, search=reduce(and_, searches) if searches else None, **rest)

    result: Callable[..., Any] = with_search
    for option in reversed(_OPTIONS):
        result = option(result)
    return result


_OPTIONS = (
    click.option(
        "--search",
        multiple=True,
        metavar="EXPR",
        help="Only messages that match, as 'from:joe not seen'; see docs/search.md. Repeatable: all must match.",
    ),
    click.option("--newer", metavar="SPAN", help="Only messages that came less than this ago: 12h, 30d, 2w, 1y."),
    click.option("--older", metavar="SPAN", help="Only messages that came this long ago or longer."),
    click.option("--larger", metavar="SIZE", help="Only messages of more bytes: 500, 20K, 5M."),
    click.option("--smaller", metavar="SIZE", help="Only messages of fewer bytes."),
)
