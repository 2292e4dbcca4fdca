"""Programs that have opened the mailbox and wait for its lock while we rewrite it: their mail must not be lost.

Mutt opens the file, waits for the fcntl lock, and appends to what it has open, without another look at the name.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.peers import UTC, need

from mailstore import open_store
from mailstore.model.changes import Append, Change, Expunge, SetFlags
from mailstore.model.info import Arrival
from mailstore.model.names import INBOX

LATE = b"From late@example.org Thu Nov  9 22:33:52 2023\nSubject: late\n\nlate\n\n"
COUNT = 20
REWRITING: list[Change] = [
    Expunge(INBOX, (4,)),
    Expunge(INBOX, tuple(range(1, COUNT + 1))),
    SetFlags(INBOX, (4,), "add", 0, frozenset(f"a-keyword-that-has-no-room-{n}" for n in range(20))),
]


def letter(number: int) -> bytes:
    return f"Subject: {number}\n\nbody {number}\n".encode()


def fill(box: Path) -> None:
    with open_store(f"mbox:{box}", create=True) as store:
        store.commit([Append(INBOX, one) for one in store.stage([Arrival(letter(n)) for n in range(1, COUNT + 1)])])


def bodies(box: Path) -> list[bytes]:
    with open_store(f"mbox:{box}", readonly=True) as store:
        return [message.bytes() for message in store.inbox]


@pytest.mark.parametrize("change", REWRITING, ids=["expunge", "expunge-all", "keywords"])
def test_who_opened_the_file_before_appends_to_the_mailbox(change: Change, tmp_path: Path) -> None:
    box = tmp_path / "box"
    fill(box)
    gone = set(change.uids) if isinstance(change, Expunge) else set()
    fd = os.open(box, os.O_RDWR | os.O_APPEND)
    try:
        with open_store(f"mbox:{box}") as store:
            assert [outcome.uids for outcome in store.commit([change])] == [change.uids]  # type: ignore[union-attr]
        fcntl.lockf(fd, fcntl.LOCK_EX)
        os.write(fd, LATE)
    finally:
        os.close(fd)
    assert bodies(box) == [letter(n) for n in range(1, COUNT + 1) if n not in gone] + [b"Subject: late\n\nlate\n"]


@pytest.mark.interop
def test_mutt_saves_a_copy_while_we_expunge(tmp_path: Path) -> None:
    need("mutt")
    box, rc = tmp_path / "box", tmp_path / "muttrc"
    fill(box)
    rc.write_text(
        f"set record={box} copy=yes sendmail=/bin/true folder={tmp_path} from=x@example.org use_envelope_from=no\n"
    )
    mutts: list[subprocess.Popen[bytes]] = []

    def wait_for_mutt(_: Sequence[Change]) -> None:
        """Under our locks: let mutt open the file and find it locked."""
        mutt = subprocess.Popen(
            ["mutt", "-n", "-F", rc, "-s", "late", "joe@example.org"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**UTC, "HOME": str(tmp_path), "TERM": "vt100"},
        )
        mutts.append(mutt)
        assert mutt.stdin is not None
        assert mutt.stdout is not None
        mutt.stdin.write(b"mutt's copy\n")
        mutt.stdin.close()
        assert b"Waiting for fcntl lock" in mutt.stdout.readline()

    with open_store(f"mbox:{box}") as store:
        assert store.commit([Expunge(INBOX, (4,))], guard=wait_for_mutt)[0].uids == (4,)
    (mutt,) = mutts
    assert mutt.stdout is not None
    with mutt.stdout:
        mutt.stdout.read()
    assert mutt.wait(timeout=60) == 0
    found = bodies(box)
    assert found[:-1] == [letter(n) for n in range(1, COUNT + 1) if n != 4]
    assert found[-1].endswith(b"\n\nmutt's copy\n")
    assert sorted(path.name for path in tmp_path.glob("*.lock")) == []
