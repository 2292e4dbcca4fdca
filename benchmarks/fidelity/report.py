"""The tables of docs/fidelity.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.fidelity.case import File
from benchmarks.fidelity.compare import COLUMNS, Score
from benchmarks.fidelity.tools import Tool

Scores = Mapping[Tool, Mapping[str, Score]]
_BEGIN = "<!-- tables: python -m benchmarks.fidelity -->"
_NAMED = {"messages": "lost", "nearly": "bytes", **{name: name for name in ("flags", "keywords", "dates", "UIDs")}}
"""What the list of cases names, and how; what is lost or altered in every case alike is told above it."""
_END = "<!-- end of tables -->"


def total(scores: Mapping[str, Score]) -> Score:
    """Return the sum over all files."""
    result = Score()
    for score in scores.values():
        result += score
    return result


def render(scores: Scores, files: Sequence[File]) -> str:
    """Return the table of everything and one of exact bytes by file."""
    sums = {tool: total(by_file) for tool, by_file in scores.items()}
    first = next(iter(sums.values()))
    lines = [
        "| tool | " + " | ".join(f"{column} ({first.of[column]})" for column in COLUMNS) + " | invented |",
        "|---|" + "--:|" * (len(COLUMNS) + 1),
        *(
            f"| {tool.name} | " + " | ".join(str(score.right[column]) for column in COLUMNS) + f" | {score.invented} |"
            for tool, score in sums.items()
        ),
        "",
        "Messages whose bytes are exact, by file:",
        "",
        "| file | written by | messages | " + " | ".join(tool.name for tool in scores) + " |",
        "|---|---|--:|" + "--:|" * len(scores),
    ]
    for file in files:
        row = [by_file[file.name] for by_file in scores.values()]
        lines.append(
            f"| `{file.name}` | {file.written_by} | {row[0].of['bytes']} | "
            + " | ".join(str(score.right["bytes"]) for score in row)
            + " |"
        )
    return "\n".join(lines)


def write(document: Path, scores: Scores, files: Sequence[File]) -> None:
    """Put the tables, what was run, and the list of cases between the marks of the document."""
    text = document.read_text()
    before, _, rest = text.partition(_BEGIN)
    after = rest.partition(_END)[2]
    commands = ["| tool | command |", "|---|---|", *(f"| {tool.name} | `{tool.command}` |" for tool in scores)]
    body = "\n".join((_BEGIN, "", render(scores, files), "", *commands, "", *_cases(scores, files), "", _END))
    document.write_text(before + body + after)


def _cases(scores: Scores, files: Sequence[File]) -> list[str]:
    """Return the list of cases with what each tool got wrong."""
    lines = ["| file | case | " + " | ".join(tool.name for tool in scores) + " |", "|---|---|" + "---|" * len(scores)]
    for file in files:
        for why in dict.fromkeys(case.why for case in file.cases if case.message is not None):
            cells = [_wrong(by_file[file.name], why) for by_file in scores.values()]
            lines.append(f"| `{file.name}` | {why} | " + " | ".join(cells) + " |")
    return lines


def _wrong(score: Score, why: str) -> str:
    missed = dict.fromkeys(_NAMED[column] for column, name in score.missed if name == why and column in _NAMED)
    return "lost" if "lost" in missed else ", ".join(missed)
