"""examples/imap_select.py: SELECT, NOOP and QRESYNC."""

import json
import re
import subprocess
import sys

import pytest

from mailstore import open_store


@pytest.fixture
def location(tmp_path):
    location = f"sqlite:{tmp_path}/mail.db"
    with open_store(location, create=True) as store:
        for number in (1, 2, 3):
            store.inbox.append(b"Subject: %d\n\n" % number, flags=["\\Seen"])
    return location


@pytest.fixture
def start(examples):
    """Start a session."""
    started = []

    def run(*arguments):
        process = subprocess.Popen(
            [sys.executable, examples / "imap_select.py", *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        started.append(process)
        return process

    yield run
    for process in started:
        process.stdin.close()
        process.stdout.close()
        process.wait(30)


def responses(process, last):
    lines = []
    while not lines or not re.match(last, lines[-1]):
        line = process.stdout.readline()
        assert line, lines
        lines.append(re.sub(r"MODSEQ \(\d+\)", "MODSEQ (n)", line.rstrip("\n")))
    return lines


def noop(process):
    process.stdin.write("NOOP\n")
    process.stdin.flush()
    return responses(process, "OK NOOP")[:-1]


def test_a_session_sees_what_others_do(start, location):
    session = start(location, "INBOX")
    lines = responses(session, r"\* OK \[HIGHESTMODSEQ")
    assert lines[0] == "* 3 EXISTS"
    assert "* OK [UIDNEXT 4]" in lines
    assert noop(session) == []
    with open_store(location) as store:
        store.inbox.expunge([2], only_deleted=False)
        store.inbox.add_flags([3], ["\\Flagged", "Work"])
        store.inbox.append(b"Subject: new\n\n", flags=["\\Draft"])
    assert noop(session) == [
        "* 2 EXPUNGE",
        "* 3 EXISTS",
        "* 2 FETCH (UID 3 FLAGS (\\Seen \\Flagged Work) MODSEQ (n))",
        "* 3 FETCH (UID 4 FLAGS (\\Draft) MODSEQ (n))",
    ]
    assert noop(session) == []


def test_a_client_that_was_away(start, location):
    first = start(location, "INBOX")
    out, _ = first.communicate("", timeout=30)
    token = out.splitlines()[-1]
    with open_store(location) as store:
        store.inbox.expunge([1], only_deleted=False)
        store.inbox.add_flags([2], ["\\Answered"])
    out, _ = start(location, "INBOX", "--qresync", token).communicate("", timeout=30)
    lines = [re.sub(r"MODSEQ \(\d+\)", "MODSEQ (n)", line) for line in out.splitlines()]
    assert lines[-3:-1] == [
        "* VANISHED (EARLIER) 1",
        "* 1 FETCH (UID 2 FLAGS (\\Seen \\Answered) MODSEQ (n))",
    ]
    epoch, uidvalidity, modseq = json.loads(token)
    lost = json.dumps([epoch + "x", uidvalidity, modseq])
    out, _ = start(location, "INBOX", "--qresync", lost).communicate("", timeout=30)
    assert "* OK the history is lost: list the folder anew" in out
