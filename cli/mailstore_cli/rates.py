"""How fast something may go, as an option's value."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from mailstore import UsageError
from mailstore.quota import parse_size

if TYPE_CHECKING:
    _RateType = click.ParamType[tuple[str, float]]
else:
    _RateType = click.ParamType  # generic only in newer versions

_MESSAGES = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(?:msg|messages)")


class Rate(_RateType):
    """Bytes or messages a second: which of the two, and how many."""

    name = "rate"

    def convert(  # noqa: D102
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, float]:
        if isinstance(value, tuple):
            return value
        text = str(value).removesuffix("/s")
        if (messages := _MESSAGES.fullmatch(text)) is not None:
            number = float(messages[1])
            kind = "messages"
        else:
            kind = "size"
            try:
                number = parse_size(text.removesuffix("B"))
            except UsageError:
                self.fail(f"{value!r}: write bytes a second (500K, 10M) or messages a second (50msg)", param, ctx)
        if number <= 0:
            self.fail(f"{value!r}: a rate must be above 0", param, ctx)
        return kind, number
