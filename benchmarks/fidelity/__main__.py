"""``python -m benchmarks.fidelity``: convert the hard cases with every tool; the tables go into docs/fidelity.md."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.fidelity.case import File
from benchmarks.fidelity.compare import Score, compare
from benchmarks.fidelity.maildir import read_maildir
from benchmarks.fidelity.programs import FILES
from benchmarks.fidelity.report import render, write
from benchmarks.fidelity.spool import SPOOL
from benchmarks.fidelity.tools import TOOLS, Tool

DOCUMENT = Path(__file__).parents[2] / "docs" / "fidelity.md"
ALL = (SPOOL, *FILES)


def measure(tool: Tool, file: File, scratch: Path) -> Score:
    """Convert one file with one tool, in a directory of its own, and compare."""
    place = Path(tempfile.mkdtemp(dir=scratch))
    place.chmod(0o755)
    work, result = place / "work", place / "result"
    for directory in (work, result):
        directory.mkdir()
    source = place / file.name
    source.write_bytes(file.data)
    source.chmod(0o644)
    target = result / "Maildir"
    tool.convert(source, target, work)
    uidvalidity, found = read_maildir(target)
    told = tool.ask(work)
    return compare(file, uidvalidity, [one._replace(keywords=one.keywords | told.get(one.uid, set())) for one in found])


def main() -> int:
    """Run every tool that is installed on every file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fidelity", description=__doc__)
    parser.add_argument("--only", action="append", default=[], metavar="TOOL", help="only this tool; writes nothing")
    parser.add_argument("--missed", action="store_true", help="print what each tool got wrong")
    args = parser.parse_args()
    scratch = Path(tempfile.mkdtemp(prefix="mailstore-fidelity-"))
    scratch.chmod(0o755)  # Dovecot runs as another user
    scores: dict[Tool, dict[str, Score]] = {}
    try:
        for tool in TOOLS:
            if args.only and tool.name not in args.only:
                continue
            if tool.needs and shutil.which(tool.needs) is None:
                print(f"{tool.needs} is not installed: left out", file=sys.stderr)
                continue
            scores[tool] = {file.name: measure(tool, file, scratch) for file in ALL}
    finally:
        shutil.rmtree(scratch)
    print(render(scores, ALL))
    if args.missed:
        for tool, by_file in scores.items():
            for name, score in by_file.items():
                for column, why in score.missed:
                    print(f"{tool.name}: {name}: {column}: {why}")
    if not args.only:
        write(DOCUMENT, scores, ALL)
    return 0


if __name__ == "__main__":
    sys.exit(main())
