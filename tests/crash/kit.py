"""Messages that tell whether they are whole, and readers of every format that are none of ours.

The readers go by the formats' public rules: files in ``new`` and ``cur``, Python's ``mailbox``, three tables of a
database. What they show is what any other program sees.
"""

from __future__ import annotations

import mailbox
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import apsw

from mailstore import open_store

FORMS = ("maildir", "mbox", "sqlite")
INSIDE = {"maildir": "Maildir", "mbox": "mbox", "sqlite": "mail.db"}
MESSAGES = 60
"""How many a conversion's source has."""
SCRIPT = Path(__file__).parents[2] / "cli" / "mstore"
THOROUGH = os.environ.get("MAILSTORE_TESTING") == "thorough"
"""Whether to try everything instead of a part that is chosen evenly."""

_SUBJECT = re.compile(rb"^Subject: ([0-9]+)\n", re.MULTILINE)


def location(form: str, directory: Path) -> str:
    """Return the location of the store of that form in ``directory``."""
    return f"{form}:{directory / INSIDE[form]}"


def text(number: int) -> bytes:
    """Return the body of message ``number``: every line names it; 40 to 12,000 bytes, now and then a million."""
    lines = 25_000 if number % 97 == 50 else 1 + number * 7919 % 300
    return b"".join(b"line %d of message %d says little\n" % (at, number) for at in range(lines))


def message(number: int) -> bytes:
    """Return message ``number``; ``found`` tells from its bytes whether it is whole."""
    return b"From: ann@example.org\nSubject: %d\n\n" % number + text(number)


def found(raw: bytes) -> int:
    """Return the number of a whole message, or -1 for anything else. Header fields may have been added to it."""
    head, _, body = raw.partition(b"\n\n")
    subject = _SUBJECT.search(head + b"\n")
    if subject is None:
        return -1
    number = int(subject[1])
    return number if body == text(number) else -1


def see_maildir(path: Path) -> list[int]:
    """Return the message numbers of a Maildir by reading its files, sorted."""
    return sorted(found(file.read_bytes()) for part in ("new", "cur") for file in path.glob(f"{part}/*"))


def see_mbox(path: Path) -> list[int]:
    """Return the message numbers of an mbox in order, as Python's ``mailbox`` has them."""
    box = mailbox.mbox(path, create=False)
    try:
        return [found(raw) for raw in map(box.get_bytes, box.keys())]
    finally:
        box.close()


def see_sqlite(path: Path) -> list[int]:
    """Return the message numbers of INBOX in the order of UIDs, straight from the tables."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        assert connection.pragma("integrity_check") == "ok"
        if not connection.pragma("user_version"):
            return []  # a database that is not made yet
        assert list(connection.execute("PRAGMA foreign_key_check")) == []
        bodies = connection.execute(
            "SELECT m.body FROM message m JOIN folder f USING (account, folder) WHERE f.path = 'INBOX' ORDER BY m.uid"
        ).get
        return [
            found(b"".join(data for (data,) in connection.execute(
                "SELECT data FROM chunk WHERE body = ? ORDER BY n", (body,))))
            for body in ([] if bodies is None else bodies if isinstance(bodies, list) else [bodies])
        ]  # fmt: skip
    finally:
        connection.close()


def see(form: str, directory: Path) -> list[int]:
    """Return the numbers of the messages in INBOX that are whole, and -1 for each that is not."""
    path = directory / INSIDE[form]
    if not path.exists():
        return []
    return {"maildir": see_maildir, "mbox": see_mbox, "sqlite": see_sqlite}[form](path)


def listed(form: str, directory: Path) -> list[int]:
    """Return the same from our own listing, by UID; opens the store for writing, so that it recovers."""
    with open_store(location(form, directory)) as store:
        return [found(one.bytes()) for one in store.inbox]


def left_over(form: str, directory: Path) -> list[str]:
    """Return the files that a finished change leaves to nobody: temporary ones, locks, journals."""
    path = directory / INSIDE[form]
    top = path if form == "maildir" else directory
    kept = re.compile(r"\.mailstore-index\..*|mailstore\.index|dovecot-.*(?<!\.lock)|.*\.mstore-journal(\.lock)?")
    known = (*INSIDE.values(), "cur", "new", "tmp")
    names = [name for name in os.listdir(top) if name not in known and not name.startswith("filler")]
    names += os.listdir(path / "tmp") if form == "maildir" else []
    return sorted(name for name in names if not kept.fullmatch(name))


def delivery(form: str, directory: Path, *words: str) -> list[str]:
    """Return the command line that delivers standard input into INBOX, as an MTA starts it."""
    return [sys.executable, str(SCRIPT), "deliver", *words, location(form, directory)]


def deliver(form: str, directory: Path, data: bytes, *words: str) -> tuple[int, str]:
    """Carry that out; return the exit code and what it said. It never says anything on standard output."""
    command = delivery(form, directory, *words)
    done = subprocess.run(command, input=data, capture_output=True, timeout=120, check=False)
    assert done.stdout == b""
    return done.returncode, done.stderr.decode(errors="replace")


def other(form: str) -> str:
    """Return another form than this one."""
    return FORMS[(FORMS.index(form) + 1) % len(FORMS)]


def source(form: str, tmp_path: Path, count: int = MESSAGES) -> str:
    """Make a store of that form to convert from, on the ordinary disk."""
    (tmp_path / "source").mkdir()
    where = location(form, tmp_path / "source")
    with open_store(where, create=True) as store:
        for number in range(count):
            store.inbox.append(message(number), flags=["\\Seen"], internal_date=1_600_000_000 + number)
        assert [found(one.bytes()) for one in store.inbox] == list(range(count))
    return where


def spread(points: Iterable[int], some: int) -> list[int]:
    """Return ``some`` of the points, evenly, with the first and the last; all of them where there is time."""
    every = list(points)
    if THOROUGH or len(every) <= some:
        return every
    return sorted({every[round(at * (len(every) - 1) / (some - 1))] for at in range(some)})
