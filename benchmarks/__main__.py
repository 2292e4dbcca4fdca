"""``python -m benchmarks``: measure everything, print the tables and write them into docs/performance.md."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.cases import Kit, all_cases
from benchmarks.inputs import Inputs
from benchmarks.measure import measure
from benchmarks.report import render, write
from benchmarks.tools import build_floors, find_peers

DOCUMENT = Path(__file__).parent.parent / "docs" / "performance.md"


def main() -> int:
    """Run the benchmarks."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", default=[], metavar="KEY", help="only cases whose key starts so")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=10_000, help="messages in a corpus")
    parser.add_argument("--listing", type=int, default=100_000, help="messages in the Maildir to list")
    parser.add_argument("--scratch", type=Path, help="where the mail goes (a real disk; about 15 GB for everything)")
    parser.add_argument("--keep", action="store_true", help="leave the mail there, and use again what is there")
    args = parser.parse_args()
    scratch: Path = args.scratch or Path(tempfile.mkdtemp(prefix="mailstore-benchmarks-"))
    scratch.chmod(0o755)  # Dovecot runs as another user
    inputs, runs = scratch / "inputs", scratch / "runs"
    inputs.mkdir(parents=True, exist_ok=True)
    runs.mkdir(exist_ok=True)
    try:
        kit = Kit(
            Inputs(inputs, args.count, args.listing), build_floors(inputs), find_peers(), args.count, args.listing
        )
        results = [measure(case, args.rounds, runs) for case in all_cases(kit, args.only)]
        measured = render(results, scratch, args.rounds)
    finally:
        if not args.keep:
            shutil.rmtree(scratch)
    print(measured)
    if not args.only and (args.count, args.listing) == (10_000, 100_000):
        write(DOCUMENT, measured)
        print(f"written to {DOCUMENT}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
