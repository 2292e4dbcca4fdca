#!/usr/bin/env python3
r"""What an IMAP server does for SELECT and NOOP, with CONDSTORE and QRESYNC (RFC 9051, RFC 7162).

    imap_select.py LOCATION FOLDER                        each line on standard input is a NOOP
    imap_select.py LOCATION FOLDER --qresync TOKEN        what changed since the session that printed TOKEN

A server asks ``changes(since)`` and nothing else: the first call lists the folder, each later one tells what changed,
whoever changed it, and a client that was away hands in the token of its last visit. Stores speak UIDs; the sequence
numbers of a session are kept by ``mailstore.view.SequenceView``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import TextIO

from mailstore import Folder, Row, Token, open_store
from mailstore.model.flags import flag_names
from mailstore.view import SequenceView


class Session:
    """A selected folder."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.view = SequenceView()
        self.token: Token | None = None

    def select(self, known: Token | None = None) -> Iterator[str]:
        """Yield the responses to SELECT; with ``known`` also those of QRESYNC: what changed since then."""
        state = self.folder.state()
        delta = self.folder.changes(None, 0)
        self.view.apply(delta)
        self.token = delta.token
        yield f"* {len(self.view)} EXISTS"
        yield r"* FLAGS (\Answered \Flagged \Deleted \Seen \Draft)"
        yield f"* OK [UIDVALIDITY {state.uidvalidity}]"
        yield f"* OK [UIDNEXT {state.uidnext}]"
        yield f"* OK [HIGHESTMODSEQ {state.highest_modseq}]"
        if known is not None:
            missed = self.folder.changes(known, 0)
            if missed.full:
                yield "* OK the history is lost: list the folder anew"
            else:
                if missed.vanished:
                    yield f"* VANISHED (EARLIER) {','.join(map(str, missed.vanished))}"
                yield from (self._fetch(row) for batch in missed.batches for row in batch)

    def noop(self) -> Iterator[str]:
        """Yield what another session, a delivery or another program changed since the last command."""
        delta = self.folder.changes(self.token, 0)
        report = self.view.apply(delta)
        self.token = delta.token
        yield from (f"* {number} EXPUNGE" for number in report.expunged)
        if report.exists is not None:
            yield f"* {report.exists} EXISTS"
        yield from (self._fetch(row) for _, row in (*report.changed, *report.added))

    def _fetch(self, row: Row) -> str:
        flags = " ".join([*flag_names(row.flags), *sorted(row.keywords)])
        return f"* {self.view.number(row.uid)} FETCH (UID {row.uid} FLAGS ({flags}) MODSEQ ({row.modseq}))"


def serve(location: str, path: str, known: Token | None, commands: TextIO) -> None:
    """Select a folder, then answer each line of ``commands`` as a NOOP; ends with the token for the next visit."""
    with open_store(location) as store:
        session = Session(store.folder(path))
        for line in session.select(known):
            print(line, flush=True)
        for _ in commands:
            for line in session.noop():
                print(line)
            print("OK NOOP completed", flush=True)
        print(json.dumps(session.token))


def main() -> int:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description="SELECT a folder and watch it.")
    parser.add_argument("location")
    parser.add_argument("folder")
    parser.add_argument("--qresync", help="the last line of an earlier session")
    given = parser.parse_args()
    known = Token(*json.loads(given.qresync)) if given.qresync else None
    serve(given.location, given.folder, known, sys.stdin)
    return 0


if __name__ == "__main__":
    sys.exit(main())
