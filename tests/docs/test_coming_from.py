"""docs/coming-from.md: every option that it sends people to is there, and every search that it shows can be read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from mailstore.search import parse_search
from mailstore_cli.main import mstore as group

TEXT = (Path(__file__).parents[2] / "docs" / "coming-from.md").read_text(encoding="utf-8")
OURS = [line.strip("|").split(" | ", 1)[1] for line in TEXT.splitlines() if line.startswith("| ")]


def options(command: click.Command) -> Iterator[str]:
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            inner = command.get_command(click.Context(command), name)
            assert inner is not None
            yield from options(inner)
    for option in command.params:
        yield from (*option.opts, *option.secondary_opts)


THERE = frozenset(options(group))


@pytest.mark.parametrize("cell", OURS)
def test_the_options_are_there(cell: str) -> None:
    named = re.findall(r"(?<![\w-])--[a-z][a-z-]+", cell)
    assert set(named) <= THERE


def test_the_searches_can_be_read() -> None:
    searches = re.findall(r"--search '?([a-z: ]+[A-Z]*)'?`", " ".join(OURS))
    assert len(searches) >= 5
    for text in searches:
        if text not in ("EXPR", "QUERY"):
            parse_search(text.replace("DATE", "2020-02-29"))


def test_mb2md_takes_mb2mds_options() -> None:
    command = group.get_command(click.Context(group), "mb2md")
    assert command is not None
    assert {"-c", "-m", "-s", "-R", "-f", "-d", "-r", "-l"} <= set(options(command))
