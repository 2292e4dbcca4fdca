#!/usr/bin/env python3
"""A nightly backup: everything new of a live store goes into a database, and is verified there.

    17 3 * * *  nightly_backup.py maildir:/home/joe/Maildir /backup/joe.db --log /backup/joe.log

The live store is opened read-only and may be in use. ``convert`` keeps a journal beside the database: each night only
what came since is copied, a night that was killed half-way is finished by the next without a duplicate, and what was
deleted from the live store stays in the backup. cron sends mail about what is printed: nothing, unless something is
wrong. The log gets one JSON object a night.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from mailstore import MailstoreError, open_store
from mailstore.convert import Options, Report, convert

EX_TEMPFAIL = 75


def back_up(source: str, database: Path, exclude: tuple[str, ...] = ()) -> Report:
    """Copy what is new of ``source`` into ``database``, verified; folders that match ``exclude`` are left out."""
    with (
        open_store(source, readonly=True) as live,
        open_store(f"sqlite:{database}", create=True) as backup,
    ):
        return convert(live, backup, Options(exclude=exclude))


def main(arguments: list[str] | None = None) -> int:
    """Back up once; returns the exit code: 0 all is safe, 1 some mail is not, 75 it did not work this time."""
    parser = argparse.ArgumentParser(description="Back up a mail store.")
    parser.add_argument("source")
    parser.add_argument("database", type=Path)
    parser.add_argument("--exclude", action="append", default=[], help="a pattern such as Trash*; repeatable")
    parser.add_argument("--log", type=Path, help="append the report to this file")
    given = parser.parse_args(arguments)
    try:
        report = back_up(given.source, given.database.resolve(), tuple(given.exclude))
    except MailstoreError as error:
        print(f"backup of {given.source}: {error}", file=sys.stderr)
        return EX_TEMPFAIL if error.temporary else 1
    if given.log is not None:
        with given.log.open("a", encoding="ascii") as log:
            log.write(json.dumps(report.to_dict()) + "\n")
    for problem in report.problems:
        print(f"{problem.folder}, message {problem.position}: {problem.reason}", file=sys.stderr)
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main())
